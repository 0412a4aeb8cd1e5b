"""GECO: β follows from a tolerance on the reconstruction error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vaelib._checks import finite_float, one_of
from vaelib.schedules.base import beta_range, set_fields
from vaelib.schedules.feedback import FeedbackBetaScheduler, moving_average, smoothing_factor


@dataclass(frozen=True, eq=False, repr=False)
class GecoBetaScheduler(FeedbackBetaScheduler):
    r"""β that falls while the reconstruction error is above a tolerance and rises while it is below.

    GECO minimises KL + λ · C under the constraint C = reconstruction error − tolerance <= 0. Divided by λ that
    is a loss with β = 1 / λ. At every step, with a moving average of the constraint,

    .. math:: \bar C \leftarrow \alpha \bar C + (1 - \alpha) C, \quad \lambda \leftarrow \lambda\, e^{\nu \bar C},
        \quad \beta = 1 / \lambda,

    with α = `smoothing`, ν = `rate`, β kept in [min_beta, max_beta]. The average starts at the first C.

    Args:
        tolerance: the reconstruction error to reach, in `unit` per example. Its scale depends on the number of
            pixels. Squared errors are >= 0; nats of a density may be negative.
        unit: "nats", or "squared_error" summed over the example's elements: the two in which β = 1 is the ELBO
            (for squared errors that of a Gaussian decoder with variance 1/2).
        rate: ν per unit of error and step, > 0.
        smoothing: α in [0, 1).
        initial_beta: β before the first step.
        min_beta: the lowest β, > 0.
        max_beta: the highest β; min_beta <= initial_beta <= max_beta.

    Raises:
        ValueError: if an argument is out of range or not finite.

    Source: Rezende and Viola, "Taming VAEs", arXiv 1810.00597.

    >>> scheduler = GecoBetaScheduler(tolerance=20.0, rate=0.01, smoothing=0.5)
    >>> scheduler(0)
    1.0
    >>> [round(scheduler.update({"reconstruction_loss": loss}), 4) for loss in (30.0, 30.0, 20.0, 0.0, 0.0)]
    [0.9048, 0.8187, 0.7788, 0.8395, 0.9632]
    """

    type_name: ClassVar[str] = "geco"
    per: ClassVar[str] = "step"
    reads: ClassVar[str] = "reconstruction_loss"
    weighs_against_reconstruction: ClassVar[bool] = True

    tolerance: float
    unit: str = "nats"
    rate: float = 1e-3
    smoothing: float = 0.99
    initial_beta: float = 1.0
    min_beta: float = 1e-4
    max_beta: float = 100.0

    def __post_init__(self) -> None:
        unit = one_of("unit", self.unit, ("nats", "squared_error"))
        tolerance = finite_float("tolerance", self.tolerance, minimum=0.0 if unit == "squared_error" else None)
        rate = finite_float("rate", self.rate, minimum=0.0, exclusive=True)
        smoothing = smoothing_factor(self.smoothing)
        limits = beta_range(self.min_beta, self.max_beta, positive=True)
        low, high = limits.values()
        initial = finite_float("initial_beta", self.initial_beta, minimum=low, maximum=high)
        set_fields(self, unit=unit, tolerance=tolerance, rate=rate, smoothing=smoothing, initial_beta=initial, **limits)

    @property
    def bounds(self) -> tuple[float, float]:
        """`min_beta` and `max_beta`."""
        return self.min_beta, self.max_beta

    def init(self) -> dict[str, float]:
        """Returns `initial_beta` and what follows from it."""
        return {"beta": self.initial_beta, "log_lambda": -math.log(self.initial_beta), "constraint": 0.0, "seen": 0.0}

    def step(self, state: Mapping[str, Any], logs: Mapping[str, Any], xp: Any = np) -> tuple[dict[str, Any], Any]:
        """Returns the next state and β; see the class."""
        error = 1.0 * logs["reconstruction_loss"] - self.tolerance
        constraint = moving_average(state, "constraint", error, self.smoothing, xp)
        moved = state["log_lambda"] + self.rate * constraint
        log_lambda = xp.clip(moved, -math.log(self.max_beta), -math.log(self.min_beta))
        beta = xp.clip(xp.exp(-log_lambda), self.min_beta, self.max_beta)
        seen = xp.ones_like(error)
        return {"beta": beta, "log_lambda": log_lambda, "constraint": constraint, "seen": seen}, beta
