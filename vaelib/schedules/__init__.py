"""β as a function of the epoch, or of what training shows. NumPy only."""

from vaelib.schedules.base import BetaScheduler, Scheduler, beta_table, first_peak
from vaelib.schedules.capacity import CapacityBetaScheduler
from vaelib.schedules.constants import KL_ANNEALING_EPOCHS, KL_WEIGHT
from vaelib.schedules.control import ControlBetaScheduler
from vaelib.schedules.cyclical import CyclicalBetaScheduler
from vaelib.schedules.factory import get_beta_scheduler, register_beta_scheduler
from vaelib.schedules.feedback import FeedbackBetaScheduler
from vaelib.schedules.finish import finish_warning
from vaelib.schedules.geco import GecoBetaScheduler
from vaelib.schedules.hierarchical import HierarchicalBetaScheduler
from vaelib.schedules.reconstruction import DOCUMENT_EPOCHS, DOCUMENT_LEVELS, ReconstructionBetaScheduler
from vaelib.schedules.warm_restart import WarmRestartBetaScheduler
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
    "ConstantBetaScheduler",
    "LinearBetaScheduler",
    "CosineBetaScheduler",
    "ExponentialBetaScheduler",
    "SigmoidBetaScheduler",
    "CyclicalBetaScheduler",
    "WarmRestartBetaScheduler",
    "HierarchicalBetaScheduler",
    "FeedbackBetaScheduler",
    "ReconstructionBetaScheduler",
    "DOCUMENT_LEVELS",
    "DOCUMENT_EPOCHS",
    "ControlBetaScheduler",
    "GecoBetaScheduler",
    "CapacityBetaScheduler",
    "get_beta_scheduler",
    "register_beta_scheduler",
    "beta_table",
    "first_peak",
    "finish_warning",
    "KL_WEIGHT",
    "KL_ANNEALING_EPOCHS",
]
