"""Schedules that reach their highest β once and stay there."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from vaelib._checks import finite_float
from vaelib.schedules.base import BetaScheduler, beta_range, epoch_count, set_fields


@dataclass(frozen=True, eq=False, repr=False)
class ConstantBetaScheduler(BetaScheduler):
    r"""The same β at every epoch.

    .. math:: \beta(t) = \beta

    Args:
        beta: the KL weight, >= 0.

    Raises:
        ValueError: if `beta` is negative or not finite.

    Source: Higgins et al., "beta-VAE", ICLR 2017.

    >>> scheduler = ConstantBetaScheduler(beta=4.0)
    >>> scheduler(0), scheduler(99.5)
    (4.0, 4.0)
    """

    type_name: ClassVar[str] = "constant"

    beta: float = 1.0

    def __post_init__(self) -> None:
        set_fields(self, beta=finite_float("beta", self.beta, minimum=0.0))

    def _beta(self, epoch: float) -> float:
        return self.beta

    @property
    def warmup_end(self) -> float:
        """0: the highest β is there from the start."""
        return 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        """`beta` twice."""
        return self.beta, self.beta


@dataclass(frozen=True, eq=False, repr=False)
class WarmUp(BetaScheduler):
    r"""A rise from `min_beta` to `max_beta`; a subclass says along which curve.

    .. math:: \beta(t) = \beta_{\min} + (\beta_{\max} - \beta_{\min}) \cdot f(t / T) \text{ for } t < T,
        \quad \beta_{\max} \text{ from } T \text{ on}

    with T = `warmup_epochs`, f(0) = 0 and f(1) = 1.
    """

    max_beta: float = 1.0
    warmup_epochs: float = 10
    min_beta: float = 0.0

    def __post_init__(self) -> None:
        epochs = epoch_count("warmup_epochs", self.warmup_epochs)
        set_fields(self, warmup_epochs=epochs, **beta_range(self.min_beta, self.max_beta))

    @abstractmethod
    def _curve(self, t: float) -> float:
        """Returns f at t in [0, 1)."""

    def _beta(self, epoch: float) -> float:
        if epoch >= self.warmup_epochs:
            return self.max_beta
        # Rounding must not lead β out of its range.
        rise = (self.max_beta - self.min_beta) * max(self._curve(epoch / self.warmup_epochs), 0.0)
        return min(self.min_beta + rise, self.max_beta)

    @property
    def warmup_end(self) -> float:
        """`warmup_epochs`, or 0 if β does not rise."""
        return 0.0 if self.min_beta == self.max_beta else float(self.warmup_epochs)

    @property
    def bounds(self) -> tuple[float, float]:
        """`min_beta` and `max_beta`."""
        return self.min_beta, self.max_beta


@dataclass(frozen=True, eq=False, repr=False)
class LinearBetaScheduler(WarmUp):
    r"""β rises in a straight line and then stays at its maximum.

    .. math:: \beta(t) = \beta_{\min} + (\beta_{\max} - \beta_{\min}) \cdot \min(t / T, 1)

    with T = `warmup_epochs`.

    Args:
        max_beta: β from epoch `warmup_epochs` on.
        warmup_epochs: the length of the rise in epochs, > 0; fractions are allowed.
        min_beta: β at epoch 0; 0 <= min_beta <= max_beta.

    Raises:
        ValueError: if an argument is out of range or not finite.

    Source: Sønderby et al., "Ladder Variational Autoencoders", arXiv 1602.02282, section 2.3.

    >>> scheduler = LinearBetaScheduler(max_beta=0.5, warmup_epochs=10)
    >>> scheduler(0), scheduler(2.5), scheduler(10), scheduler(50)
    (0.0, 0.125, 0.5, 0.5)
    """

    type_name: ClassVar[str] = "linear"

    def _curve(self, t: float) -> float:
        return t


@dataclass(frozen=True, eq=False, repr=False)
class CosineBetaScheduler(WarmUp):
    r"""β rises along half a cosine wave, slowly at both ends, and then stays at its maximum.

    .. math:: \beta(t) = \beta_{\min} + (\beta_{\max} - \beta_{\min}) \cdot \tfrac12 (1 - \cos(\pi t / T))
        \text{ for } t < T, \quad \beta_{\max} \text{ from } T \text{ on}

    Args:
        max_beta: β from epoch `warmup_epochs` on.
        warmup_epochs: T, the length of the rise in epochs, > 0; fractions are allowed.
        min_beta: β at epoch 0; 0 <= min_beta <= max_beta.

    Raises:
        ValueError: if an argument is out of range or not finite.

    >>> scheduler = CosineBetaScheduler(max_beta=1.0, warmup_epochs=10)
    >>> [round(scheduler(epoch), 4) for epoch in (0, 2.5, 5, 10, 50)]
    [0.0, 0.1464, 0.5, 1.0, 1.0]
    """

    type_name: ClassVar[str] = "cosine"

    def _curve(self, t: float) -> float:
        return math.sin(0.5 * math.pi * t) ** 2  # the same as the half cosine, without its cancellation near 0


@dataclass(frozen=True, eq=False, repr=False)
class ExponentialBetaScheduler(WarmUp):
    r"""β rises ever faster and then stays at its maximum.

    .. math:: \beta(t) = \beta_{\min} + (\beta_{\max} - \beta_{\min}) \cdot \frac{e^{k t / T} - 1}{e^k - 1}
        \text{ for } t < T, \quad \beta_{\max} \text{ from } T \text{ on}

    Args:
        max_beta: β from epoch `warmup_epochs` on.
        warmup_epochs: T, the length of the rise in epochs, > 0; fractions are allowed.
        min_beta: β at epoch 0; 0 <= min_beta <= max_beta.
        rate: k, in [0.001, 1000]; the larger, the later the rise. Close to 0 it is a straight line.

    Raises:
        ValueError: if an argument is out of range or not finite.

    >>> scheduler = ExponentialBetaScheduler(max_beta=1.0, warmup_epochs=10)
    >>> [round(scheduler(epoch), 4) for epoch in (0, 5, 9, 10, 50)]
    [0.0, 0.0759, 0.6039, 1.0, 1.0]
    """

    type_name: ClassVar[str] = "exponential"

    rate: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        set_fields(self, rate=_rate(self.rate))

    def _curve(self, t: float) -> float:
        # numerator and denominator divided by exp(k), which a large rate would overflow
        return math.exp(self.rate * (t - 1)) * math.expm1(-self.rate * t) / math.expm1(-self.rate)


@dataclass(frozen=True, eq=False, repr=False)
class SigmoidBetaScheduler(WarmUp):
    r"""β rises along an S-shaped curve, steepest half-way, and then stays at its maximum.

    .. math:: \beta(t) = \beta_{\min} + (\beta_{\max} - \beta_{\min}) \cdot \frac{s(t / T) - s(0)}{s(1) - s(0)},
        \quad s(u) = \frac{1}{1 + e^{-k (u - 1/2)}}

    for t < T, and the maximum from T on. The scaling makes the logistic curve meet both ends exactly.

    Args:
        max_beta: β from epoch `warmup_epochs` on.
        warmup_epochs: T, the length of the rise in epochs, > 0; fractions are allowed.
        min_beta: β at epoch 0; 0 <= min_beta <= max_beta.
        rate: k, in [0.001, 1000]; the larger, the more sudden the rise. Close to 0 it is a straight line.

    Raises:
        ValueError: if an argument is out of range or not finite.

    Source: a logistic rise is Bowman et al.'s, arXiv 1511.06349; theirs counts steps and is not scaled.

    >>> scheduler = SigmoidBetaScheduler(max_beta=1.0, warmup_epochs=10)
    >>> [round(scheduler(epoch), 4) for epoch in (0, 2.5, 5, 10, 50)]
    [0.0, 0.0701, 0.5, 1.0, 1.0]
    """

    type_name: ClassVar[str] = "sigmoid"

    rate: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        set_fields(self, rate=_rate(self.rate))

    def _curve(self, t: float) -> float:
        # the logistic curve in terms of tanh, which is odd: f(0) = 0 to the last bit
        return 0.5 + 0.5 * math.tanh(0.5 * self.rate * (t - 0.5)) / math.tanh(0.25 * self.rate)


def _rate(value: float) -> float:
    return finite_float("rate", value, minimum=0.001, maximum=1000.0)
