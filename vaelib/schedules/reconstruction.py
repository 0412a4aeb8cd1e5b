"""β by levels of the reconstruction error, or by ranges of epochs."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self, cast

import numpy as np

from vaelib._checks import argument_error, finite_float, one_of
from vaelib.schedules.base import BetaScheduler, set_fields
from vaelib.schedules.feedback import FeedbackBetaScheduler, moving_average, smoothing_factor

Levels = tuple[tuple[float, float], ...]

# (error, β) and (first epoch, β)
DOCUMENT_LEVELS: Levels = ((1.0, 0.1), (0.8, 0.2), (0.6, 0.4), (0.4, 0.6), (0.2, 0.8), (0.1, 1.0))
DOCUMENT_EPOCHS: Levels = ((0, 0.1), (50, 0.2), (100, 0.4), (150, 0.6), (200, 0.8), (300, 1.0))

_UNITS = ("relative", "mse", "nats", "epoch")
_TINY = 1e-12  # keeps a ratio to an error of 0 finite, also in float32


@dataclass(frozen=True, eq=False, repr=False)
class ReconstructionBetaScheduler(BetaScheduler):
    r"""β that rises level by level as the reconstruction error falls, or as the epochs pass.

    With levels (e_1, β_1), (e_2, β_2), … of falling errors, β is that of the last level that the error has come down
    to, β_1 before any; "linear" interpolates between levels instead. Read after each epoch: the β of an epoch comes
    from the errors of the epochs before it.

    For every unit but "epoch" the object is a feedback schedule (`init`, `step`, `update`); for that one it is
    open-loop.

    Args:
        levels: pairs of an error and its β, errors strictly falling; with unit="epoch" pairs of a first epoch >= 0
            and its β, epochs strictly rising. By default `DOCUMENT_LEVELS` or `DOCUMENT_EPOCHS`, six levels from
            β = 0.1 to 1.
        unit: of the errors: "relative" (to the first error seen), "mse" (mean squared error per element) or "nats"
            (per example); or "epoch".
        interpolation: "step" or "linear".
        smoothing: s in [0, 1), e ← s · e + (1 − s) · error, starting at the first error; 0 by default.
        rate: where given, > 0: at each update β rises by at most `rate` times the share by which the (smoothed) error
            has improved since the update before. The first update then leaves β as it is.
        allow_decrease: whether β falls again when the error rises; it does so without a limit on the rate.

    Raises:
        ValueError: if an argument is out of range, or one of the last three is given with unit="epoch".

    >>> scheduler = ReconstructionBetaScheduler()
    >>> scheduler(0)
    0.1
    >>> [scheduler.update({"reconstruction_loss": error}) for error in (50.0, 41.0, 40.0, 25.0, 45.0, 1.0)]
    [0.1, 0.1, 0.2, 0.4, 0.4, 1.0]
    >>> by_epoch = ReconstructionBetaScheduler(unit="epoch")
    >>> [by_epoch(epoch) for epoch in (0, 49.5, 50, 300, 5000)]
    [0.1, 0.1, 0.2, 1.0, 1.0]
    """

    type_name: ClassVar[str] = "reconstruction"

    levels: Sequence[tuple[float, float]] | None = None
    unit: str = "relative"
    interpolation: str = "step"
    smoothing: float = 0.0
    rate: float | None = None
    allow_decrease: bool = False

    def __new__(
        cls,
        levels: Sequence[tuple[float, float]] | None = None,
        unit: str = "relative",
        interpolation: str = "step",
        smoothing: float = 0.0,
        rate: float | None = None,
        allow_decrease: bool = False,
    ) -> Self:
        """Returns one of the two kinds, as `pathlib.Path` does."""
        kind: Any = cls
        if cls is ReconstructionBetaScheduler:
            kind = LevelsByEpoch if isinstance(unit, str) and unit == "epoch" else LevelsByError
        return object.__new__(kind)

    def __post_init__(self) -> None:
        unit = one_of("unit", self.unit, _UNITS)
        if (unit == "epoch") != isinstance(self, LevelsByEpoch):
            raise argument_error("unit", "belong to this kind of levels", unit, "Build a ReconstructionBetaScheduler.")
        if not isinstance(self.allow_decrease, bool | np.bool_):
            raise argument_error("allow_decrease", "be True or False", self.allow_decrease)
        rate = self.rate if self.rate is None else finite_float("rate", self.rate, minimum=0.0, exclusive=True)
        set_fields(
            self,
            levels=_checked_levels(self.levels, unit),
            interpolation=one_of("interpolation", self.interpolation, ("step", "linear")),
            smoothing=smoothing_factor(self.smoothing),
            rate=rate,
            allow_decrease=bool(self.allow_decrease),
        )
        for name, default in (("smoothing", 0.0), ("rate", None), ("allow_decrease", False)):
            if unit == "epoch" and getattr(self, name) != default:
                raise argument_error(name, "be left out with unit='epoch'", getattr(self, name))

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest β of the levels."""
        betas = [beta for _, beta in self._pairs]
        return min(betas), max(betas)

    @property
    def _pairs(self) -> Levels:
        return cast("Levels", self.levels)


class LevelsByError(ReconstructionBetaScheduler, FeedbackBetaScheduler):
    """The kind that reads the reconstruction error; `ReconstructionBetaScheduler(...)` builds it."""

    per: ClassVar[str] = "epoch"
    reads: ClassVar[str] = "reconstruction_loss"

    def init(self) -> dict[str, float]:
        """Returns the first level's β; no error has been seen."""
        return {"beta": self._pairs[0][1], "error": 0.0, "first": 0.0, "seen": 0.0}

    def step(self, state: Mapping[str, Any], logs: Mapping[str, Any], xp: Any = np) -> tuple[dict[str, Any], Any]:
        """Returns the next state and β; see `ReconstructionBetaScheduler`."""
        figure = 1.0 * logs["reconstruction_loss"]
        first = xp.where(state["seen"] > 0, state["first"], figure)
        error = moving_average(state, "error", figure, self.smoothing, xp)
        target = self._level(error / xp.maximum(first, _TINY) if self.unit == "relative" else error, xp)
        if self.rate is not None:
            before = xp.where(state["seen"] > 0, state["error"], error)
            improvement = xp.maximum(before - error, 0.0) / xp.maximum(xp.abs(before), _TINY)
            target = xp.minimum(target, state["beta"] + self.rate * improvement)
        beta = target if self.allow_decrease else xp.maximum(target, state["beta"])
        return {"beta": beta, "error": error, "first": first, "seen": xp.ones_like(figure)}, beta

    def _level(self, error: Any, xp: Any) -> Any:
        beta = xp.zeros_like(error) + self._pairs[0][1]
        for (upper, before), (lower, after) in pairwise(self._pairs):
            if self.interpolation == "step":
                beta = xp.where(error <= lower, after, beta)
            else:
                scale = 1.0 if math.isfinite(upper - lower) else 0.5  # the distance of two floats may be none
                share = xp.clip((upper * scale - error * scale) / (upper * scale - lower * scale), 0.0, 1.0)
                beta = xp.where(error <= upper, before * (1.0 - share) + after * share, beta)
        return xp.clip(beta, *self.bounds)


class LevelsByEpoch(ReconstructionBetaScheduler):
    """The kind that goes by ranges of epochs, open-loop; `ReconstructionBetaScheduler(unit="epoch")` builds it."""

    def _beta(self, epoch: float) -> float:
        i = bisect_right(self._pairs, epoch, key=lambda level: level[0])
        (start, before), (end, after) = self._pairs[max(i - 1, 0)], self._pairs[min(i, len(self._pairs) - 1)]
        if self.interpolation == "step" or start == end:
            return before
        share = (epoch - start) / (end - start)
        low, high = sorted((before, after))
        return min(max(before * (1.0 - share) + after * share, low), high)

    @property
    def warmup_end(self) -> float:
        """The first epoch of the first level with the highest β; 0 for the first level, which holds from the start."""
        start, beta = max(self._pairs, key=lambda level: level[1])
        return 0.0 if beta == self._pairs[0][1] else start

    @property
    def final(self) -> float:
        """The last level's β."""
        return self._pairs[-1][1]


def _checked_levels(levels: Any, unit: str) -> Levels:
    if levels is None:
        levels = DOCUMENT_EPOCHS if unit == "epoch" else DOCUMENT_LEVELS
    key, order = ("first epochs", "rising") if unit == "epoch" else ("errors", "falling")
    lowest = None if unit == "nats" else 0.0
    must = f"be pairs of numbers, their {key}{'' if lowest is None else ' >= 0 and'} strictly {order}, their betas >= 0"
    try:
        pairs = tuple(
            (finite_float("", at, minimum=lowest), finite_float("", beta, minimum=0.0)) for at, beta in levels
        )
    except (TypeError, ValueError):
        raise argument_error("levels", must, levels) from None
    sign = 1 if unit == "epoch" else -1
    if not pairs or any(sign * after <= sign * before for (before, _), (after, _) in pairwise(pairs)):
        raise argument_error("levels", must, levels)
    return pairs
