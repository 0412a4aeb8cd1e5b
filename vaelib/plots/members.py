"""All members of a comparison, one dot a seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vaelib._checks import argument_error, boolean
from vaelib.plots._arguments import axes_or_new
from vaelib.plots.comparison import named
from vaelib.plots.style import COLOURS
from vaelib.statistics._tables import by_seed


def plot_members(
    table: pd.DataFrame,
    measure: str = "negative_elbo",
    baseline: str | None = None,
    *,
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draws a measure of every member: a row for each schedule, a dot for each seed.

    Args:
        table: one row for each schedule and seed, with the columns `schedule`, `seed` and the measure, as
            `train_grid(…).final`; members that failed are left out.
        measure: a column of numbers.
        baseline: a schedule whose median is drawn as a line across all rows; None for no line.
        log: whether the axis of the measure is logarithmic.
        ax: the Axes to draw on; by default a new figure's.

    Raises:
        ValueError: if `table` is no such table, or `baseline` is none of its schedules.
    """
    wide = by_seed("table", table, measure)
    if baseline is not None and baseline not in wide.columns:
        raise argument_error("baseline", f"be one of {', '.join(map(repr, wide.columns))}, or None", baseline)
    boolean("log", log)
    ax = axes_or_new(ax, figsize=(6.5, 0.8 + 0.33 * len(wide.columns)))
    if baseline is not None:
        ax.axvline(float(np.nanmedian(wide[baseline])), color=COLOURS["muted"], linewidth=1.5, zorder=0)
    for row, name in enumerate(wide.columns):
        ax.plot(wide[name], np.full(len(wide), row), "o", color=COLOURS["accent"], alpha=0.6)
    ax.set_yticks(range(len(wide.columns)), list(wide.columns))
    ax.set_ylim(len(wide.columns) - 0.5, -0.5)  # the first schedule above
    ax.set_xlabel(named(measure))
    if log:
        ax.set_xscale("log")
    return ax
