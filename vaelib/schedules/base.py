"""What every schedule of β has in common, and the table of its values that training looks up."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from vaelib._checks import Described, argument_error, finite_float, one_of, positive_int

_POINTS_PER_EPOCH = 100


class BetaScheduler(ABC):
    """β as a function of the epoch, counted from 0 and fractional inside an epoch.

    A subclass sets `type_name`, keeps each argument of its `__init__` in an attribute of the same name and
    defines `_beta` and `warmup_end`. Configuration, `repr`, equality and hash follow from these. Schedulers
    are not changed after they are built.
    """

    type_name: ClassVar[str]

    def __call__(self, epoch: float) -> float:
        """Returns β at `epoch`.

        Raises:
            ValueError: if `epoch` is negative or not finite.
        """
        return self._beta(finite_float("epoch", epoch, minimum=0.0))

    @abstractmethod
    def _beta(self, epoch: float) -> float:
        """Returns β at an epoch that has been checked."""

    @property
    @abstractmethod
    def warmup_end(self) -> float:
        """The epoch at which the highest β is first reached."""

    def table(self, epochs: int, steps_per_epoch: int, per: str = "step") -> npt.NDArray[np.float32]:
        """Returns β at every training step; see `beta_table`."""
        return beta_table(self, epochs, steps_per_epoch, per=per)

    def get_config(self) -> dict[str, Any]:
        """Returns `{"type": ..., **parameters}`, which JSON can hold and `from_config` reads."""
        return {"type": self.type_name} | {name: getattr(self, name) for name in self._parameters()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Builds the scheduler that `get_config` describes; "type" may be left out.

        Raises:
            ValueError: if `config` is no mapping, or names another type or an unknown parameter.
        """
        if not isinstance(config, Mapping):
            raise argument_error("config", "be a mapping, such as get_config returns", config)
        parameters = dict(config)
        type_name = parameters.pop("type", cls.type_name)
        if type_name != cls.type_name:
            raise argument_error("config", f"have the type {cls.type_name!r}", dict(config))
        known = cls._parameters()
        if not set(parameters) <= set(known):
            raise argument_error("config", f"hold only {', '.join(('type', *known))}", dict(config))
        return cls(**parameters)

    @classmethod
    def _parameters(cls) -> tuple[str, ...]:
        return tuple(inspect.signature(cls).parameters)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._parameters())
        return f"{type(self).__name__}({values})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BetaScheduler):
            return NotImplemented
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((type(self), _hashable(self.get_config())))


def beta_table(
    scheduler: Callable[[float], float],
    epochs: int,
    steps_per_epoch: int,
    per: str = "step",
    first_epoch: int = 0,
) -> npt.NDArray[np.float32]:
    """Returns β at every step of a training: the value of step s is β(first_epoch + s / steps_per_epoch).

    Args:
        scheduler: a `BetaScheduler`, or any callable from an epoch to a number.
        epochs: the number of epochs that the table covers.
        steps_per_epoch: steps in an epoch, a last smaller batch included.
        per: "step" lets β move inside an epoch; "epoch" holds β at the epoch's start, and passes the
            scheduler integers.
        first_epoch: the epoch that the table starts with.

    Returns:
        float32, shape (epochs * steps_per_epoch,), computed in double precision.

    Raises:
        ValueError: if an argument is out of range, or β is negative or not finite at some epoch.

    >>> beta_table(lambda epoch: epoch / 10, epochs=2, steps_per_epoch=2)
    array([0.  , 0.05, 0.1 , 0.15], dtype=float32)
    >>> beta_table(lambda epoch: epoch / 10, epochs=2, steps_per_epoch=2, per="epoch", first_epoch=10)
    array([1. , 1. , 1.1, 1.1], dtype=float32)
    """
    epochs = positive_int("epochs", epochs)
    steps_per_epoch = positive_int("steps_per_epoch", steps_per_epoch)
    first_epoch = positive_int("first_epoch", first_epoch, minimum=0)
    if one_of("per", per, ("step", "epoch")) == "epoch":
        values = _betas(scheduler, range(first_epoch, first_epoch + epochs))
        return np.repeat(values, steps_per_epoch).astype(np.float32)
    steps = np.arange(epochs * steps_per_epoch)
    return _betas(scheduler, (first_epoch + steps / steps_per_epoch).tolist()).astype(np.float32)


def first_peak(scheduler: Callable[[float], float], epochs: int) -> float:
    """Returns the epoch at which the highest β is first reached.

    A scheduler with `warmup_end` gives it itself, and it may lie past the end of the run. Any other callable
    is evaluated at every hundredth of an epoch in [0, epochs).

    Raises:
        ValueError: if `epochs` is not an integer >= 1, or β is negative or not finite at some epoch.

    >>> first_peak(lambda epoch: min(epoch / 4, 1.0), epochs=10)
    4.0
    """
    epochs = positive_int("epochs", epochs)
    if hasattr(scheduler, "warmup_end"):
        return float(scheduler.warmup_end)
    grid = (np.arange(epochs * _POINTS_PER_EPOCH) / _POINTS_PER_EPOCH).tolist()
    values = _betas(scheduler, grid)
    # Rounding may put a later point of a plateau a last bit above the first.
    return float(grid[int(np.argmax(values >= values.max() * (1 - 1e-9)))])


def _betas(scheduler: Callable[[float], float], epochs: Sequence[float]) -> npt.NDArray[np.float64]:
    if not callable(scheduler):
        raise argument_error("scheduler", "be a callable from an epoch to beta", scheduler)
    try:
        inspect.signature(scheduler).bind(0.0)
    except TypeError:
        raise argument_error("scheduler", "take one argument, the epoch", scheduler) from None
    except ValueError:
        pass  # a built-in function that states no signature
    values = np.empty(len(epochs))
    for i, epoch in enumerate(epochs):
        value: Any = scheduler(epoch)
        try:
            number = math.nan if isinstance(value, bool | str) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number < math.inf:
            received = Described(f"{scheduler!r}, which gives {value!r} at epoch {epoch:g}")
            raise argument_error("scheduler", "give a finite number >= 0 at every epoch", received)
        values[i] = number
    return values


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_hashable(item) for item in value)
    return value
