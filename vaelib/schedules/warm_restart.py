"""Any open-loop schedule, started again and again."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from vaelib._checks import argument_error, finite_float, positive_int
from vaelib.schedules.base import BetaScheduler, set_fields
from vaelib.schedules.factory import build, can_restart
from vaelib.schedules.feedback import FeedbackBetaScheduler

_HORIZON = 1_000_000  # epochs; no run is longer


@dataclass(frozen=True, eq=False, repr=False)
class WarmRestartBetaScheduler(BetaScheduler):
    r"""A schedule that starts over at every restart: β(t) = base(t − last restart).

    The intervals between restarts grow by a factor, unrounded; a restart is at their sum, rounded half up to a whole
    epoch:

    .. math:: r_n = \Bigl\lfloor \sum_{i < n} I\, m^i + \tfrac12 \Bigr\rfloor

    with I = `restart_interval` and m = `restart_multiplier`. Every restart goes back to the β that the base starts
    with: 0 for a base that starts at 0, its `min_beta` otherwise.

    Args:
        base_scheduler_type: type of the schedule to restart, as for `get_beta_scheduler`, registered ones included. It
            must be open-loop and give one number, and must not restart itself.
        base_scheduler_kwargs: its parameters; its defaults where not given.
        restart_interval: epochs before the first restart, an integer >= 1.
        restart_multiplier: by what each interval is longer than the one before, >= 1.

    Raises:
        ValueError: if an argument is out of range, or a parameter of the base is unknown or out of range.

    >>> scheduler = WarmRestartBetaScheduler("cosine", {"warmup_epochs": 20}, 40, restart_multiplier=1.2)
    >>> [scheduler(epoch) for epoch in (0, 20, 39.5, 40, 60, 87, 88)]
    [0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]
    >>> scheduler.get_restart_info(90)
    {'last_restart_epoch': 88, 'epochs_since_restart': 2, 'next_restart_epoch': 146, 'is_restart_epoch': False}
    """

    type_name: ClassVar[str] = "warm_restart"

    base_scheduler_type: str = "cosine"
    base_scheduler_kwargs: Mapping[str, Any] | None = None
    restart_interval: int = 40
    restart_multiplier: float = 1.0
    _base: BetaScheduler = field(init=False)
    _restarts: _Restarts = field(init=False)

    def __post_init__(self) -> None:
        interval = positive_int("restart_interval", self.restart_interval)
        multiplier = finite_float("restart_multiplier", self.restart_multiplier, minimum=1.0)
        kwargs = {} if self.base_scheduler_kwargs is None else self.base_scheduler_kwargs
        must = "be an open-loop schedule of one number that does not restart itself"
        if not can_restart(self.base_scheduler_type):
            raise argument_error("base_scheduler_type", must, self.base_scheduler_type)
        base = build(self.base_scheduler_type, kwargs, "base_scheduler_type", "base_scheduler_kwargs")
        if not isinstance(base, BetaScheduler) or isinstance(base, FeedbackBetaScheduler | WarmRestartBetaScheduler):
            raise argument_error("base_scheduler_type", must, self.base_scheduler_type)
        config = base.get_config()
        set_fields(
            self,
            base_scheduler_type=config.pop("type"),
            base_scheduler_kwargs=config,
            restart_interval=interval,
            restart_multiplier=multiplier,
            _base=base,
            _restarts=_Restarts(interval, multiplier),
        )

    def _beta(self, epoch: float) -> float:
        return self._base(epoch - self._restarts.around(epoch)[0])

    def get_restart_info(self, epoch: float) -> dict[str, Any]:
        """Returns where `epoch` lies between restarts.

        Args:
            epoch: 0-based; >= 0, fractional inside an epoch.

        Returns:
            `last_restart_epoch` (0 before the first), `epochs_since_restart` (an int for a whole epoch),
            `next_restart_epoch`, and `is_restart_epoch`: whether the epoch, or for a fractional one the whole epoch
            it lies in, begins with a restart. Epoch 0 does not.

        Raises:
            ValueError: if `epoch` is negative or not finite.
        """
        epoch = finite_float("epoch", epoch, minimum=0.0)
        last, following = self._restarts.around(epoch)
        since = epoch - last
        return {
            "last_restart_epoch": last,
            "epochs_since_restart": int(since) if since.is_integer() else since,
            "next_restart_epoch": following,
            "is_restart_epoch": last > 0 and since < 1,
        }

    @property
    def warmup_end(self) -> float:
        """The epoch at which the base first gets through its rise before it is restarted.

        Where no interval is long enough for that it is the first restart, which ends the first rise.
        """
        rise = self._base.warmup_end
        start, end = self._restarts.around(0)
        first = end
        while self.restart_multiplier > 1 and rise >= end - start and end < _HORIZON:
            start, end = self._restarts.around(end)
        return float(start + rise if rise < end - start else first)

    @property
    def bounds(self) -> tuple[float, float]:
        """Those of the base."""
        return self._base.bounds

    @property
    def final(self) -> float:
        """That of the base."""
        return self._base.final


class _Restarts:
    """The epochs of the restarts, computed as far as they have been asked for."""

    def __init__(self, interval: int, multiplier: float) -> None:
        self._first, self._multiplier = interval, multiplier
        self._interval, self._sum = float(interval), 0.0
        self._epochs: list[Any] = [0]

    def around(self, epoch: float) -> tuple[int, int]:
        """Returns the last restart up to `epoch` (0 before the first) and the next one."""
        if self._multiplier == 1.0:
            last = int(epoch) // self._first * self._first
            return last, last + self._first
        while self._epochs[-1] <= epoch:
            self._sum += self._interval
            self._interval *= self._multiplier
            # intervals may grow beyond what a float holds: then there is no further restart
            self._epochs.append(math.floor(self._sum + 0.5) if self._sum < math.inf else math.inf)
        i = bisect_right(self._epochs, epoch)
        return self._epochs[i - 1], self._epochs[i]
