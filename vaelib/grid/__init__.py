"""Schedules × seeds of one model, trained at once (driver 2: stacked members)."""

from vaelib.grid.result import GridResult
from vaelib.grid.training import train_grid

__all__ = ["GridResult", "train_grid"]
