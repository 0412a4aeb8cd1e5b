"""How a training went: its losses and β over the epochs, and several trainings side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error
from vaelib.plots._arguments import axes_or_new
from vaelib.plots.direct import label_line_ends
from vaelib.plots.style import COLOURS

_PANELS = {"total_loss": "Total loss", "reconstruction_loss": "Reconstruction loss", "kl_loss": "KL loss"}
_GROUPS = {"global_kl_loss": "global", "local_kl_loss": "local"}  # in place of "kl_loss", in a hierarchical model
_SCHEDULED = {
    "beta": ("β", "beta"),
    "capacity": ("capacity", "capacity"),
    "global_kl_weight": ("global weight", "global_kl_loss"),
    "local_kl_weight": ("local weight", "local_kl_loss"),
}
"""What schedules set: its name in the figure, and its colour."""


def plot_vae_history(
    history: Any, axes: npt.ArrayLike | None = None, unit: str = "per example"
) -> npt.NDArray[np.object_]:
    """Draws total, reconstruction and KL loss over the epochs, with validation and what schedules set where recorded.

    Args:
        history: a mapping or DataFrame with `total_loss`, `reconstruction_loss`, `kl_loss`, and optionally
            `val_...` of each, `beta`, `capacity` and `epoch` (by default counted from 0); or an object with such a
            `.history`, like the one that Keras' `fit` returns. Where it holds `global_kl_loss` and `local_kl_loss`,
            these are drawn in place of their sum, with `global_kl_weight` and `local_kl_weight`.
        axes: three Axes to draw on; by default three panels one above another in a new figure.
        unit: the unit of the losses, written at each panel; "nats per example" if they are in nats.

    Returns:
        The three Axes. Validation is dashed. What schedules set is drawn as steps in the KL panel, from 0 up, each
        on a scale of its own: its label says what the top stands for.

    Raises:
        ValueError: if a loss is missing, lengths differ, there is no epoch, or `axes` are not three.
    """
    columns = _columns(history)
    if axes is None:
        _, axes = plt.subplots(3, 1, sharex=True, figsize=(6.5, 7.0))
    panels = np.asarray(axes, dtype=object).ravel()
    if not all(isinstance(ax, Axes) for ax in panels):
        raise argument_error("axes", "be three Axes", axes)
    if len(panels) != 3:
        raise argument_error("axes", "be three Axes", Described(f"{len(panels)} of them"))
    epochs = columns["epoch"]
    marker = "o" if len(epochs) == 1 else None
    for ax, (key, title) in zip(panels, _PANELS.items(), strict=True):
        lines, labels = _draw_losses(ax, key, columns, marker)
        ax.set(title=title, ylabel=unit)
        ax.margins(x=0)
        if key == "kl_loss":
            for name in (name for name in _SCHEDULED if name in columns):
                line, label = _draw_scheduled(ax, epochs, name, columns[name])
                lines.append(line)
                labels.append(label)
        label_line_ends(ax, lines, labels)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        place = ax.get_subplotspec()
        if place is None or place.is_last_row():
            ax.set_xlabel("epoch")
    return panels


def plot_curves(
    curves: Mapping[str, Any],
    x: npt.ArrayLike | None = None,
    ax: Axes | None = None,
    xlabel: str = "epoch",
    ylabel: str = "",
    log: bool = False,
) -> Axes:
    """Draws several named curves, each with its name at its right end.

    Args:
        curves: name → values, shape (n,). NaN leaves a gap.
        x: where the values lie, shape (n,), shared by all curves; by default counted from 0, which allows
            curves of different lengths.
        ax: the Axes to draw on; by default a new figure's.
        xlabel: name and unit of x.
        ylabel: name and unit of the values.
        log: True for a logarithmic y axis.

    Raises:
        ValueError: if there is no curve, a curve is empty or does not match `x`, or `x` is no finite vector.
    """
    if not hasattr(curves, "items") or len(curves) == 0:
        raise argument_error("curves", "be a mapping from names to curves, at least one", curves)
    shared = None if x is None else finite_array("x", x, ndim=1, axes="(n,)")
    drawn = []
    for name, values in curves.items():
        y = _column("curves", name, values)
        at = np.arange(len(y)) if shared is None else shared
        if at.shape != y.shape:
            received = Described(f"{name!r} of shape {y.shape} with x of shape {at.shape}")
            raise argument_error("curves", "have one value for each x", received)
        drawn.append((at, y))
    ax = axes_or_new(ax)
    lines = [line for at, y in drawn for line in ax.plot(at, y, marker="o" if len(y) == 1 else None)]
    if log:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.margins(x=0)
    label_line_ends(ax, lines, list(curves))
    return ax


def _draw_losses(
    ax: Axes, key: str, columns: Mapping[str, npt.NDArray[Any]], marker: str | None
) -> tuple[list[Line2D], list[str]]:
    """Draws a loss in training and validation; of a hierarchical model's KL both groups."""
    epochs, lines, labels = columns["epoch"], [], []
    groups = _GROUPS if key == "kl_loss" and _GROUPS.keys() <= columns.keys() else {key: "training"}
    for name, label in groups.items():
        lines += ax.plot(epochs, columns[name], color=COLOURS[name], marker=marker)
        labels.append(label)
        if f"val_{name}" in columns:
            dashed = ax.plot(epochs, columns[f"val_{name}"], color=COLOURS[name], linestyle="--", marker=marker)
            if groups is not _GROUPS:  # there the colour tells the group, and the panels above what dashes mean
                lines += dashed
                labels.append("validation")
    return lines, labels


def _draw_scheduled(ax: Axes, epochs: npt.NDArray[Any], name: str, values: npt.NDArray[Any]) -> tuple[Line2D, str]:
    """Draws what a schedule set over its own range, without a second scale: the label says what the top stands for."""
    words, colour = _SCHEDULED[name]
    right = ax.twinx()
    style = "-" if name == "beta" else ":"
    (line,) = right.plot(epochs, values, color=COLOURS[colour], drawstyle="steps-post", linewidth=1.5, linestyle=style)
    right.margins(x=0)
    right.set_ylim(bottom=0)
    right.set_axis_off()
    highest = np.max(values)
    label = f"{words} = {highest:.3g}" if np.all(values == highest) else f"{words}, highest {highest:.3g}"
    return line, label


def _columns(history: Any) -> dict[str, npt.NDArray[Any]]:
    """Returns the columns that are drawn, and `epoch`, as arrays of one length."""
    table = getattr(history, "history", history)
    losses = [*_PANELS, *_GROUPS]
    wanted = [*losses, *(f"val_{key}" for key in losses), *_SCHEDULED, "epoch"]
    try:
        present = {str(key) for key in table.keys()}  # noqa: SIM118 - a DataFrame iterates otherwise
    except AttributeError:
        raise argument_error("history", "be a mapping, a DataFrame or have a `.history`", history) from None
    for key in _PANELS:
        if key not in present:
            received = Described(f"one with {', '.join(sorted(present)) or 'nothing'}")
            raise argument_error("history", f"hold `{key}`", received)
    columns = {key: _column("history", key, table[key]) for key in wanted if key in present}
    columns.setdefault("epoch", np.arange(len(columns["total_loss"])))
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise argument_error("history", "hold columns of one length", Described(f"lengths {lengths}"))
    return columns


def _column(argument: str, name: str, values: Any) -> npt.NDArray[Any]:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise argument_error(argument, "hold numbers", Described(f"{name!r} with other values")) from None
    if column.ndim != 1 or len(column) == 0:
        received = Described(f"{name!r} of shape {column.shape}")
        raise argument_error(argument, "hold one number or more for each name", received)
    return column
