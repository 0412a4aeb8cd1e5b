"""Schedules that go up again and again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from vaelib._checks import argument_error, finite_float, one_of
from vaelib.schedules.base import BetaScheduler, beta_range, epoch_count, set_fields


@dataclass(frozen=True, eq=False, repr=False)
class CyclicalBetaScheduler(BetaScheduler):
    r"""β repeats the same wave for ever, starting each cycle at its minimum.

    With τ in [0, 1) the fraction of the cycle that has passed,

    .. math:: \beta = \beta_{\min} + (\beta_{\max} - \beta_{\min}) \cdot f(\tau), \quad f(\tau) =
        \begin{cases} \tfrac12 (1 - \cos 2\pi\tau) & \text{cosine} \\ 1 - |2\tau - 1| & \text{triangle} \\
        \min(\tau / R, 1) & \text{ramp} \end{cases}

    A cosine or triangle is at its maximum half-way and at its minimum when the cycle ends. The ramp rises for a
    fraction R of the cycle, holds, and falls back at once.

    Args:
        cycle_length: length of a cycle in epochs, > 0; fractions are allowed.
        min_beta: the lowest β.
        max_beta: the highest β; 0 <= min_beta <= max_beta.
        wave_type: "cosine", "triangle" or "ramp".
        ramp_fraction: R in (0, 1], for "ramp" only; 0.5 where it is not given.

    Raises:
        ValueError: if an argument is out of range or not finite, or `ramp_fraction` is given for another wave.

    Source: Fu et al., "Cyclical Annealing Schedule", arXiv 1903.10145, is the ramp; with T steps and M cycles
    `cycle_length` is T / M in epochs. The other two waves were not tested there.

    >>> scheduler = CyclicalBetaScheduler(cycle_length=20)
    >>> [round(scheduler(epoch), 4) for epoch in (0, 5, 10, 15, 20, 30)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 1.0]
    >>> ramp = CyclicalBetaScheduler(cycle_length=20, wave_type="ramp", ramp_fraction=0.5)
    >>> [ramp(epoch) for epoch in (0, 5, 10, 19.5, 20)]
    [0.0, 0.5, 1.0, 1.0, 0.0]
    """

    type_name: ClassVar[str] = "cyclical"

    cycle_length: float = 20
    min_beta: float = 0.0
    max_beta: float = 1.0
    wave_type: str = "cosine"
    ramp_fraction: float | None = None

    def __post_init__(self) -> None:
        length = epoch_count("cycle_length", self.cycle_length)
        wave = one_of("wave_type", self.wave_type, ("cosine", "triangle", "ramp"))
        fraction = self.ramp_fraction
        if wave == "ramp":
            given = 0.5 if fraction is None else fraction
            fraction = finite_float("ramp_fraction", given, minimum=0.0, maximum=1.0, exclusive=True)
        elif fraction is not None:
            raise argument_error("ramp_fraction", f"be left out for the wave {wave!r}", fraction)
        limits = beta_range(self.min_beta, self.max_beta)
        set_fields(self, cycle_length=length, wave_type=wave, ramp_fraction=fraction, **limits)

    def _wave(self, tau: float) -> float:
        if self.ramp_fraction is not None:
            return min(tau / self.ramp_fraction, 1.0)
        if self.wave_type == "triangle":
            return 1.0 - abs(2.0 * tau - 1.0)
        return math.sin(math.pi * tau) ** 2  # = (1 - cos(2 pi tau)) / 2

    def _beta(self, epoch: float) -> float:
        tau = math.fmod(epoch, self.cycle_length) / self.cycle_length
        if tau > 1.0 - 1e-9:  # a cycle begins where rounding still sees the end of the last one
            tau = 0.0
        return min(self.min_beta + (self.max_beta - self.min_beta) * self._wave(tau), self.max_beta)

    @property
    def warmup_end(self) -> float:
        """The end of the first rise: half a cycle, or `ramp_fraction` of it."""
        rise = 0.5 if self.ramp_fraction is None else self.ramp_fraction
        return 0.0 if self.min_beta == self.max_beta else rise * self.cycle_length

    @property
    def bounds(self) -> tuple[float, float]:
        """`min_beta` and `max_beta`."""
        return self.min_beta, self.max_beta
