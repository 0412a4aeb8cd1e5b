"""β as a function of the epoch. NumPy only."""

from vaelib.schedules.base import BetaScheduler, beta_table, first_peak
from vaelib.schedules.warmups import ConstantBetaScheduler, LinearBetaScheduler

__all__ = ["BetaScheduler", "ConstantBetaScheduler", "LinearBetaScheduler", "beta_table", "first_peak"]
