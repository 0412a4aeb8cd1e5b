"""Schedules × seeds of one model, trained at once (driver 2: stacked members)."""

from vaelib.grid.measuring import measure_members
from vaelib.grid.population import PopulationResult, train_population
from vaelib.grid.result import GridResult
from vaelib.grid.training import train_grid

__all__ = ["GridResult", "PopulationResult", "measure_members", "train_grid", "train_population"]
