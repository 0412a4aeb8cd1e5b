"""Schedules side by side: their differences from a baseline with intervals, and their learning curves with bands."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vaelib._checks import Described, argument_error
from vaelib.plots._arguments import axes_or_new
from vaelib.plots.direct import label_line_ends, write_beside
from vaelib.plots.style import CLASS_COLOURS, COLOURS, CYCLE
from vaelib.statistics import VERDICTS
from vaelib.statistics._tables import measured

_VERDICT_COLOURS = dict(zip(VERDICTS, (CYCLE[2], CYCLE[1], CYCLE[0], COLOURS["muted"]), strict=True))
_TEXTS, _NUMBERS = ("schedule", "baseline", "measure"), ("dropped", "difference", "low", "high", "smallest_effect")
_IN_NATS = {
    "negative_elbo": "negative ELBO",
    "val_negative_elbo": "validation negative ELBO",
    "reconstruction": "reconstruction",
    "kl": "KL",
}
"""The measures of a grid that are in nats per example, and their names in the figures."""


def plot_differences(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws each schedule's mean difference from the baseline with its interval, and writes the verdict beside it.

    Differences in the shaded band, within ± the smallest effect, do not matter. An interval without ends spans the
    Axes; where there are fewer than two pairs there is none. Seeds that were dropped are counted beside the verdict.

    Args:
        frame: what `paired_differences` returns.
        ax: the Axes to draw on; by default a new figure's.

    Raises:
        ValueError: if `frame` is not what `paired_differences` returns, or rows of it.
    """
    if problem := _not_differences(frame):
        raise argument_error("frame", "be what `paired_differences` returns", Described(problem))
    ax = axes_or_new(ax, figsize=(6.5, 1.2 + 0.4 * len(frame)))
    rows = np.arange(len(frame))
    colours = [_VERDICT_COLOURS[verdict] for verdict in frame["verdict"]]
    band = float(frame["smallest_effect"].iloc[0])
    centres, low, high = (frame[column].to_numpy(np.float64) for column in ("difference", "low", "high"))
    shown = np.concatenate([[-band, 0.0, band], centres, low, high])
    shown = shown[np.isfinite(shown)]
    room = 0.05 * float(np.ptp(shown)) or 1.0
    left, right = float(shown.min()) - room, float(shown.max()) + room
    ax.axvspan(-band, band, color=COLOURS["muted"], alpha=0.2, linewidth=0)
    ax.axvline(0.0, color=COLOURS["muted"], linewidth=1.5)
    for row in np.flatnonzero(~np.isnan(low)):
        ax.hlines(row, max(low[row], left), min(high[row], right), colors=colours[row])
    ax.scatter(centres, rows, color=colours, s=30, zorder=3)
    for row, verdict, dropped, colour in zip(rows, frame["verdict"], frame["dropped"], colours, strict=True):
        text = f"{verdict} ({dropped} dropped)" if dropped else verdict
        write_beside(ax, text, (1, float(row)), ("axes fraction", "data"), colour)
    ax.set_yticks(rows, list(frame["schedule"]))
    ax.set(xlim=(left, right), ylim=(len(frame) - 0.5, -0.5))  # the first schedule above
    measure, baseline = frame["measure"].iloc[0], frame["baseline"].iloc[0]
    ax.set_xlabel(f"difference from {baseline}\nin {named(measure)}")
    return ax


def plot_learning_curves(history: pd.DataFrame, measure: str = "val_negative_elbo", ax: Axes | None = None) -> Axes:
    """Draws for each schedule the median of a measure over the seeds, and the middle half of them as a band.

    Seeds whose training broke count up to the epoch before.

    Args:
        history: one row for each schedule, seed and epoch, with the columns `schedule`, `seed`, `epoch` and the
            measure, as `train_grid(…).history`.
        measure: a column of numbers.
        ax: the Axes to draw on; by default a new figure's.

    Raises:
        ValueError: if `history` is no such table.
    """
    rows = measured("history", history, measure, ("schedule", "seed", "epoch"))
    if rows["epoch"].dtype.kind not in "iuf":
        raise argument_error("history", "have numbers as epochs", Described(f"epochs of dtype {rows['epoch'].dtype}"))
    ax = axes_or_new(ax)
    lines = []
    names = list(dict.fromkeys(rows["schedule"]))
    for i, name in enumerate(names):
        own = rows[rows["schedule"] == name].groupby("epoch")["value"]
        quartiles = cast(pd.DataFrame, own.quantile([0.25, 0.5, 0.75]).unstack())  # epochs × 3
        epochs, colour = quartiles.index.to_numpy(np.float64), CLASS_COLOURS[i % len(CLASS_COLOURS)]
        ax.fill_between(epochs, quartiles[0.25], quartiles[0.75], color=colour, alpha=0.2, linewidth=0)
        lines += ax.plot(epochs, quartiles[0.5], color=colour, marker="o" if len(epochs) == 1 else None)
    ax.set(xlabel="epoch", ylabel=named(measure, "\n"))
    ax.margins(x=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_line_ends(ax, lines, names)
    return ax


def _not_differences(frame: Any) -> str:
    """Says what keeps a frame from being drawn as differences, or returns ""."""
    if not isinstance(frame, pd.DataFrame):
        return f"a {type(frame).__name__}"
    if missing := [name for name in (*_TEXTS, *_NUMBERS, "verdict") if name not in frame.columns]:
        return f"one without {', '.join(map(repr, missing))}"
    if frame.empty:
        return "one without rows"
    if others := [name for name in _NUMBERS if frame[name].dtype.kind not in "iuf"]:
        return f"one with other than numbers in {', '.join(map(repr, others))}"
    if mixed := [name for name in ("baseline", "measure", "smallest_effect") if frame[name].nunique() != 1]:
        return f"one with several values of {', '.join(map(repr, mixed))}"
    unknown = [verdict for verdict in frame["verdict"] if verdict not in VERDICTS]
    return f"one with the verdict {unknown[0]!r}" if unknown else ""


def named(measure: str, before_unit: str = " ") -> str:
    """Returns a measure's name with its unit, where that is known.

    >>> named("kl"), named("active_units")
    ('KL (nats per example)', 'active units')
    """
    if measure in _IN_NATS:
        return f"{_IN_NATS[measure]}{before_unit}(nats per example)"
    return measure.replace("_", " ")
