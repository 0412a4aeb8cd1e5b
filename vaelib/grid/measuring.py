"""Measures of one's own on all members of a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from vaelib._checks import argument_error
from vaelib.grid.result import GridResult
from vaelib.models.vae import VAE


def measure_members(grid: GridResult, measure: Callable[[VAE], Mapping[str, Any]]) -> pd.DataFrame:
    """Returns `grid.final` with more columns: what a function says of each trained model.

    Args:
        grid: what `train_grid` returned.
        measure: returns numbers by name for a model; names of columns that `final` has replace them. It is not called
            for members that failed, whose new columns are missing values.

    Raises:
        ValueError: if `measure` is no function of that kind.
    """
    if not isinstance(grid, GridResult):
        raise argument_error("grid", "be what train_grid returned", grid)
    if not callable(measure):
        raise argument_error("measure", "be a function from a model to numbers by name", measure)
    rows = []
    columns = (grid.final[name].tolist() for name in ("schedule", "seed", "failure"))
    for schedule, seed, failure in zip(*columns, strict=True):
        found = measure(grid.model(schedule, seed)) if not isinstance(failure, str) else {}
        if not isinstance(found, Mapping):
            raise argument_error("measure", "return a mapping", found)
        rows.append(dict(found))
    more = pd.DataFrame(rows, index=grid.final.index)
    return grid.final.drop(columns=more.columns, errors="ignore").join(more)
