"""β as a function of the epoch, or of what training shows. NumPy only."""

from vaelib.schedules.base import BetaScheduler, Scheduler, beta_table, first_peak
from vaelib.schedules.factory import get_beta_scheduler, register_beta_scheduler
from vaelib.schedules.feedback import FeedbackBetaScheduler
from vaelib.schedules.hierarchical import HierarchicalBetaScheduler
from vaelib.schedules.warmups import (
    ConstantBetaScheduler,
    CosineBetaScheduler,
    ExponentialBetaScheduler,
    LinearBetaScheduler,
    SigmoidBetaScheduler,
)

__all__ = [
    "Scheduler",
    "BetaScheduler",
    "FeedbackBetaScheduler",
    "ConstantBetaScheduler",
    "LinearBetaScheduler",
    "CosineBetaScheduler",
    "ExponentialBetaScheduler",
    "SigmoidBetaScheduler",
    "HierarchicalBetaScheduler",
    "get_beta_scheduler",
    "register_beta_scheduler",
    "beta_table",
    "first_peak",
]
