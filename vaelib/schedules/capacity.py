"""Burgess et al.'s rising capacity: a KL target that grows, under one constant weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vaelib._checks import finite_float
from vaelib.schedules.base import BetaScheduler, Scheduler, epoch_count, set_fields
from vaelib.schedules.warmups import ConstantBetaScheduler, LinearBetaScheduler


@dataclass(frozen=True, eq=False, repr=False)
class CapacityBetaScheduler(Scheduler):
    r"""A constant γ and a capacity C that rises from 0, for the KL term :math:`\gamma \cdot |KL - C|`.

    .. math:: C(t) = C_{\max} \cdot \min(t / T, 1), \quad T = \text{rise\_epochs}

    Args:
        max_capacity: the capacity from epoch `rise_epochs` on, in nats per example, >= 0.
        rise_epochs: the length of the rise in epochs, > 0; fractions are allowed.
        gamma: the weight γ, >= 0. It holds the KL close to C while it is large beside what a nat of KL can gain
            in reconstruction.

    Raises:
        ValueError: if an argument is out of range or not finite.

    Source: Burgess et al., "Understanding disentangling in β-VAE", arXiv 1804.03599.

    >>> scheduler = CapacityBetaScheduler(max_capacity=25.0, rise_epochs=10, gamma=100.0)
    >>> scheduler(0), scheduler(4), scheduler(10), scheduler(50)
    ({'beta': 100.0, 'capacity': 0.0}, {'beta': 100.0, 'capacity': 10.0},
     {'beta': 100.0, 'capacity': 25.0}, {'beta': 100.0, 'capacity': 25.0})
    """

    type_name: ClassVar[str] = "capacity"

    max_capacity: float = 25.0
    rise_epochs: float = 10
    gamma: float = 1000.0

    def __post_init__(self) -> None:
        set_fields(
            self,
            max_capacity=finite_float("max_capacity", self.max_capacity, minimum=0.0),
            rise_epochs=epoch_count("rise_epochs", self.rise_epochs),
            gamma=finite_float("gamma", self.gamma, minimum=0.0),
        )

    @property
    def parts(self) -> dict[str, BetaScheduler]:
        """γ as "beta", and "capacity" in nats."""
        capacity = LinearBetaScheduler(self.max_capacity, self.rise_epochs)
        return {"beta": ConstantBetaScheduler(self.gamma), "capacity": capacity}

    def __call__(self, epoch: float) -> dict[str, float]:
        """Returns γ and C at `epoch`, by name.

        Raises:
            ValueError: if `epoch` is negative or not finite.
        """
        return {name: part(epoch) for name, part in self.parts.items()}
