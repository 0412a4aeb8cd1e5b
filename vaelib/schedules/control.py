"""ControlVAE: a PI controller that holds the KL at a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vaelib._checks import finite_float
from vaelib.schedules.base import beta_range, set_fields
from vaelib.schedules.feedback import FeedbackBetaScheduler

_EXP_LIMIT = 50.0  # e^50 is finite in float32, and 1 / (1 + e^50) is nothing beside any β


@dataclass(frozen=True, eq=False, repr=False)
class ControlBetaScheduler(FeedbackBetaScheduler):
    r"""β that a controller moves at every step until the KL meets a target.

    .. math:: \beta = \frac{K_p}{1 + e^{e_n}} - K_i \sum_{j \le n} e_j + \beta_{\min},
        \quad e_n = \text{target} - \text{KL}_n,

    cut to [min_beta, max_beta]. The sum stops where it takes β to a bound (anti-windup): while the error goes on
    pushing outwards it is held, and the first error of the other sign moves β away from the bound.

    Args:
        target_kl: the KL to hold, in nats per example, summed over the latent units; >= 0.
        kp: gain of the proportional part, >= 0.
        ki: gain of the sum, >= 0. With 1e-4 an error of 10 nats moves β by 0.1 in a hundred steps.
        min_beta: the lowest β, and the one before the first step.
        max_beta: the highest β; 0 <= min_beta <= max_beta.

    Raises:
        ValueError: if an argument is out of range or not finite.

    Source: Shao et al., "ControlVAE", arXiv 2004.05988; the anti-windup is this library's.

    >>> scheduler = ControlBetaScheduler(target_kl=10.0, ki=0.01)
    >>> scheduler(0)
    0.0
    >>> [round(scheduler.update({"kl_loss": 30.0}), 4) for _ in range(6)]  # far too high: up to the bound
    [0.21, 0.41, 0.61, 0.81, 1.0, 1.0]
    >>> round(scheduler.update({"kl_loss": 5.0}), 4)  # too low: released at once
    0.9401
    """

    type_name: ClassVar[str] = "control"
    per: ClassVar[str] = "step"
    reads: ClassVar[str] = "kl_loss"
    unit: ClassVar[str] = "nats"

    target_kl: float
    kp: float = 0.01
    ki: float = 1e-4
    min_beta: float = 0.0
    max_beta: float = 1.0

    def __post_init__(self) -> None:
        gains = {name: finite_float(name, getattr(self, name), minimum=0.0) for name in ("target_kl", "kp", "ki")}
        set_fields(self, **gains, **beta_range(self.min_beta, self.max_beta))

    @property
    def bounds(self) -> tuple[float, float]:
        """`min_beta` and `max_beta`."""
        return self.min_beta, self.max_beta

    def init(self) -> dict[str, float]:
        """Returns `min_beta` and a sum of 0."""
        return {"beta": self.min_beta, "integral": 0.0}

    def step(self, state: Mapping[str, Any], logs: Mapping[str, Any], xp: Any = np) -> tuple[dict[str, Any], Any]:
        """Returns the next state and β; see the class."""
        error = self.target_kl - 1.0 * logs["kl_loss"]
        proportional = self.kp / (1.0 + xp.exp(xp.clip(error, -_EXP_LIMIT, _EXP_LIMIT)))
        # The sums at which β meets its bounds. Beyond them the sum moves back only.
        lowest, highest = -proportional, self.max_beta - self.min_beta - proportional
        integral, moved = state["integral"], state["integral"] - self.ki * error
        held_below = xp.minimum(moved, xp.maximum(integral, highest))
        held_above = xp.maximum(moved, xp.minimum(integral, lowest))
        integral = xp.where(error < 0, held_below, held_above)
        beta = xp.clip(proportional + integral + self.min_beta, self.min_beta, self.max_beta)
        return {"beta": beta, "integral": integral}, beta
