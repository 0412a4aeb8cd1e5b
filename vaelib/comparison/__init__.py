"""Comparisons in batches: a specification, its runs of a notebook on Dask, and the folder of their results."""

from vaelib.comparison.batch import connected, outcomes
from vaelib.comparison.execution import Outcome, execute
from vaelib.comparison.folder import RunsFolder
from vaelib.comparison.parameters import Parameter, declared_parameters
from vaelib.comparison.runs import Run, Task
from vaelib.comparison.specification import read_specification

__all__ = [
    "read_specification",
    "Run",
    "Task",
    "Parameter",
    "declared_parameters",
    "execute",
    "Outcome",
    "connected",
    "outcomes",
    "RunsFolder",
]
