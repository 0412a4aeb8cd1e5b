"""Two schedules side by side, for the global and the local KL weight of a hierarchical model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vaelib._checks import argument_error
from vaelib.schedules.base import BetaScheduler, Scheduler, set_fields
from vaelib.schedules.factory import from_mapping


@dataclass(frozen=True, eq=False, repr=False)
class HierarchicalBetaScheduler(Scheduler):
    """Independent schedules for the KL weights of the global and the local latents.

    Args:
        global_scheduler: a scheduler, or its configuration with "type"; of any type that gives one number.
        local_scheduler: the same for the local latents.

    Raises:
        ValueError: if one of them is neither, or gives more than one number (hierarchical, capacity).

    `get_restart_info(epoch)` exists where at least one of them restarts: it returns
    `{"global_scheduler": ..., "local_scheduler": ...}` with those of the two that do.

    >>> scheduler = HierarchicalBetaScheduler(
    ...     {"type": "linear", "max_beta": 0.01, "warmup_epochs": 10}, {"type": "constant", "beta": 0.02}
    ... )
    >>> scheduler(0)
    {'global_kl_weight': 0.0, 'local_kl_weight': 0.02}
    >>> scheduler(10)
    {'global_kl_weight': 0.01, 'local_kl_weight': 0.02}
    """

    type_name: ClassVar[str] = "hierarchical"

    global_scheduler: BetaScheduler
    local_scheduler: BetaScheduler

    def __post_init__(self) -> None:
        for name in ("global_scheduler", "local_scheduler"):
            set_fields(self, **{name: _child(name, getattr(self, name))})

    @property
    def parts(self) -> dict[str, BetaScheduler]:
        """The two schedules as "global_kl_weight" and "local_kl_weight"."""
        return {"global_kl_weight": self.global_scheduler, "local_kl_weight": self.local_scheduler}

    def __call__(self, epoch: float) -> dict[str, float]:
        """Returns both weights at `epoch`, by name.

        Raises:
            ValueError: if `epoch` is negative or not finite.
        """
        return {name: part(epoch) for name, part in self.parts.items()}

    @property
    def get_restart_info(self) -> Callable[[float], dict[str, Any]]:
        """The restarts of the schedules that have any; raises an AttributeError where none has."""
        children = {name: getattr(self, name) for name in ("global_scheduler", "local_scheduler")}
        ask = {name: child.get_restart_info for name, child in children.items() if hasattr(child, "get_restart_info")}
        if not ask:
            raise AttributeError(f"neither scheduler of {self!r} restarts")
        return lambda epoch: {name: info(epoch) for name, info in ask.items()}


def _child(name: str, value: Any) -> BetaScheduler:
    child = from_mapping(name, value) if isinstance(value, Mapping) else value
    if not isinstance(child, BetaScheduler):
        raise argument_error(name, "be a schedule of one number, or its configuration", value)
    return child
