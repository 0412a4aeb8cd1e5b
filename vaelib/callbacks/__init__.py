"""Keras callbacks for training a VAE, one a file; they work in any `fit` of the library's models."""

from vaelib.callbacks.best_model import BestModel
from vaelib.callbacks.beta_schedule import BetaSchedule, KLAnnealing
from vaelib.callbacks.collapse_monitor import CollapseMonitor
from vaelib.callbacks.nan_guard import NaNGuard
from vaelib.callbacks.progress import EpochProgress
from vaelib.callbacks.step_log import StepLog
from vaelib.callbacks.tensorboard_log import TensorBoardLog
from vaelib.callbacks.validation_monitor import ValidationMonitor

__all__ = [
    "BestModel",
    "BetaSchedule",
    "CollapseMonitor",
    "EpochProgress",
    "KLAnnealing",
    "NaNGuard",
    "StepLog",
    "TensorBoardLog",
    "ValidationMonitor",
]
