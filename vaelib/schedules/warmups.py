"""Schedules that reach their highest β once and stay there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vaelib._checks import argument_error, finite_float
from vaelib.schedules.base import BetaScheduler


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
        _set(self, beta=finite_float("beta", self.beta, minimum=0.0))

    def _beta(self, epoch: float) -> float:
        return self.beta

    @property
    def warmup_end(self) -> float:
        """0: the highest β is there from the start."""
        return 0.0


@dataclass(frozen=True, eq=False, repr=False)
class LinearBetaScheduler(BetaScheduler):
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

    max_beta: float = 1.0
    warmup_epochs: float = 10
    min_beta: float = 0.0

    def __post_init__(self) -> None:
        max_beta = finite_float("max_beta", self.max_beta, minimum=0.0)
        epochs = finite_float("warmup_epochs", self.warmup_epochs, minimum=0.0, exclusive=True)
        min_beta = finite_float("min_beta", self.min_beta, minimum=0.0)
        if min_beta > max_beta:
            raise argument_error("min_beta", f"be <= max_beta = {max_beta:g}", min_beta)
        whole = int(epochs) if epochs.is_integer() else epochs
        _set(self, max_beta=max_beta, warmup_epochs=whole, min_beta=min_beta)

    def _beta(self, epoch: float) -> float:
        if epoch >= self.warmup_epochs:
            return self.max_beta
        # Rounding must not lift β above its maximum just before the end.
        rise = (self.max_beta - self.min_beta) * (epoch / self.warmup_epochs)
        return min(self.min_beta + rise, self.max_beta)

    @property
    def warmup_end(self) -> float:
        """`warmup_epochs`, or 0 if β does not rise."""
        return 0.0 if self.min_beta == self.max_beta else float(self.warmup_epochs)


def _set(scheduler: BetaScheduler, **values: float) -> None:
    for name, value in values.items():
        object.__setattr__(scheduler, name, value)
