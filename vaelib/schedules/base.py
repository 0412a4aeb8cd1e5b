"""What every schedule of β has in common, and the table of its values that training looks up."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from vaelib._checks import Described, argument_error, finite_float, known_keys, one_of, positive_int

_POINTS_PER_EPOCH = 100


class Scheduler(ABC):
    """What drives one or several numbers of the loss over the epochs: its configuration, its `repr`, its equality.

    A subclass sets `type_name` and keeps each argument of its `__init__` in an attribute of the same name; an
    argument may be a scheduler itself. Schedulers are not changed after they are built.
    """

    type_name: ClassVar[str]

    @abstractmethod
    def __call__(self, epoch: float) -> Any:
        """Returns the number at `epoch`, or a dict of the numbers by name."""

    @property
    @abstractmethod
    def parts(self) -> dict[str, BetaScheduler]:
        """The numbers that it drives, by name, each with the schedule that gives it."""

    def get_config(self) -> dict[str, Any]:
        """Returns `{"type": ..., **parameters}`, which JSON can hold and `from_config` reads."""
        return {"type": self.type_name} | {name: plain(getattr(self, name)) for name in self._parameters()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Builds the scheduler that `get_config` describes; "type" may be left out.

        Raises:
            ValueError: if `config` is no mapping, names another type or an unknown parameter, or lacks one that
                has no default.
        """
        remedy = "get_config returns one."
        parameters = known_keys("config", config, ("type", *cls._parameters()), remedy)
        if parameters.pop("type", cls.type_name) != cls.type_name:
            raise argument_error("config", f"have the type {cls.type_name!r}", dict(config))
        return cls._built("config", parameters)

    @classmethod
    def _built(cls, name: str, parameters: Any) -> Self:
        """Returns the scheduler with these parameters, which the caller's argument `name` holds."""
        parameters = known_keys(name, parameters, cls._parameters())
        for key, parameter in cls._parameters().items():
            if parameter.default is inspect.Parameter.empty and key not in parameters:
                raise argument_error(name, f"hold {key!r}", parameters)
        return cls(**parameters)

    @classmethod
    def _parameters(cls) -> dict[str, inspect.Parameter]:
        parameters = inspect.signature(cls.__init__).parameters
        loose = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # of a class without __init__
        return {name: given for name, given in parameters.items() if name != "self" and given.kind not in loose}

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._parameters())
        return f"{type(self).__name__}({values})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scheduler):
            return NotImplemented
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((type(self), _hashable(self.get_config())))


class BetaScheduler(Scheduler):
    """β as a function of the epoch, counted from 0 and fractional inside an epoch.

    A subclass defines `_beta` and `warmup_end`, and `bounds` and `final` where it knows them; see `Scheduler`.
    """

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

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest β that it can give; (0, inf) where that is not known."""
        return 0.0, math.inf

    @property
    def final(self) -> float:
        """The value that a run should end at: the highest one, unless the schedule falls towards another."""
        return self.bounds[1]

    @property
    def parts(self) -> dict[str, BetaScheduler]:
        """`{"beta": self}`: one number."""
        return {"beta": self}

    def table(self, epochs: int, steps_per_epoch: int, per: str = "step") -> npt.NDArray[np.float32]:
        """Returns β at every training step; see `beta_table`."""
        return beta_table(self, epochs, steps_per_epoch, per=per)


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
        values = evaluate(scheduler, range(first_epoch, first_epoch + epochs))
        return np.repeat(values, steps_per_epoch).astype(np.float32)
    steps = np.arange(epochs * steps_per_epoch)
    return evaluate(scheduler, (first_epoch + steps / steps_per_epoch).tolist()).astype(np.float32)


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
    values = evaluate(scheduler, grid)
    # Rounding may put a later point of a plateau a last bit above the first.
    return float(grid[int(np.argmax(values >= values.max() * (1 - 1e-9)))])


def require_schedule(name: str, value: Any) -> None:
    """Raises if `value` cannot be called with an epoch."""
    if not callable(value):
        raise argument_error(name, "be a callable from an epoch to beta", value)
    try:
        inspect.signature(value).bind(0.0)
    except TypeError:
        raise argument_error(name, "take one argument, the epoch", value) from None
    except ValueError:
        pass  # a built-in function that states no signature


def evaluate(scheduler: Callable[[float], float], epochs: Sequence[float]) -> npt.NDArray[np.float64]:
    """Returns β at these epochs, or raises if `scheduler` is none or gives a value that is no number >= 0."""
    require_schedule("scheduler", scheduler)
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


def set_fields(scheduler: Scheduler, **values: Any) -> None:
    """Stores checked arguments in a frozen dataclass."""
    for name, value in values.items():
        object.__setattr__(scheduler, name, value)


def beta_range(min_beta: Any, max_beta: Any, positive: bool = False) -> dict[str, float]:
    """Returns both as floats with 0 <= min_beta <= max_beta (0 < min_beta if `positive`), or raises."""
    high = finite_float("max_beta", max_beta, minimum=0.0)
    low = finite_float("min_beta", min_beta, minimum=0.0, exclusive=positive)
    if low > high:
        raise argument_error("min_beta", f"be <= max_beta = {high:g}", low)
    return {"min_beta": low, "max_beta": high}


def epoch_count(name: str, value: Any) -> float:
    """Returns a number of epochs > 0, an int where it is whole; fractions are allowed."""
    number = finite_float(name, value, minimum=0.0, exclusive=True)
    return int(number) if number.is_integer() else number


def plain(value: Any) -> Any:
    """Returns `value` as JSON would give it back: fresh dicts and lists, schedulers as their configuration."""
    if isinstance(value, Scheduler):
        return value.get_config()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_hashable(item) for item in value)
    return value
