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

from vaelib._checks import Described, argument_error
from vaelib.plots.direct import label_line_ends
from vaelib.plots.style import COLOURS

_PANELS = {"total_loss": "Total loss", "reconstruction_loss": "Reconstruction loss", "kl_loss": "KL loss"}


def plot_vae_history(
    history: Any, axes: npt.ArrayLike | None = None, unit: str = "per example"
) -> npt.NDArray[np.object_]:
    """Draws total, reconstruction and KL loss over the epochs, with validation and β where they are recorded.

    Args:
        history: a mapping or DataFrame with `total_loss`, `reconstruction_loss`, `kl_loss`, and optionally
            `val_...` of each, `beta` and `epoch` (by default counted from 0); or an object with such a
            `.history`, like the one that Keras' `fit` returns.
        axes: three Axes to draw on; by default three panels one above another in a new figure.
        unit: the unit of the losses, written at each panel; "nats per example" if they are in nats.

    Returns:
        The three Axes. β is drawn as steps in the KL panel, from 0 up, on a scale of its own.

    Raises:
        ValueError: if a loss is missing, lengths differ, there is no epoch, or `axes` are not three.
    """
    columns = _columns(history)
    if axes is None:
        _, axes = plt.subplots(3, 1, sharex=True, figsize=(6.5, 7.0))
    panels = np.asarray(axes, dtype=object).ravel()
    if len(panels) != 3:
        raise argument_error("axes", "be three Axes", Described(f"{len(panels)} of them"))
    epochs = columns["epoch"]
    marker = "o" if len(epochs) == 1 else None
    for ax, (key, title) in zip(panels, _PANELS.items(), strict=True):
        lines = ax.plot(epochs, columns[key], color=COLOURS[key], marker=marker)
        labels = ["training"]
        if f"val_{key}" in columns:
            lines += ax.plot(epochs, columns[f"val_{key}"], color=COLOURS[key], linestyle="--", marker=marker)
            labels.append("validation")
        ax.set(title=title, ylabel=unit)
        ax.margins(x=0)
        if key == "kl_loss" and "beta" in columns:
            beta_lines, beta_label = _draw_beta(ax, epochs, columns["beta"])
            lines += beta_lines
            labels.append(beta_label)
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
        ValueError: if there is no curve, or a curve is empty or does not match `x`.
    """
    if not hasattr(curves, "items") or len(curves) == 0:
        raise argument_error("curves", "be a mapping from names to curves, at least one", curves)
    if ax is None:
        _, ax = plt.subplots()
    lines = []
    for name, values in curves.items():
        y = _column("curves", name, values)
        at = np.arange(len(y)) if x is None else np.asarray(x)
        if at.shape != y.shape:
            received = Described(f"{name!r} of shape {y.shape} with x of shape {at.shape}")
            raise argument_error("curves", "have one value for each x", received)
        lines += ax.plot(at, y, marker="o" if len(y) == 1 else None)
    if log:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.margins(x=0)
    label_line_ends(ax, lines, list(curves))
    return ax


def _draw_beta(ax: Axes, epochs: npt.NDArray[Any], beta: npt.NDArray[Any]) -> tuple[list[Line2D], str]:
    """Draws β over its own range, without a second scale: the label says what the top stands for."""
    right = ax.twinx()
    lines = right.plot(epochs, beta, color=COLOURS["beta"], drawstyle="steps-post", linewidth=1.5)
    right.margins(x=0)
    right.set_ylim(bottom=0)
    right.set_axis_off()
    highest = np.max(beta)
    label = f"β = {highest:.3g}" if np.all(beta == highest) else f"β, highest {highest:.3g}"
    return lines, label


def _columns(history: Any) -> dict[str, npt.NDArray[Any]]:
    """Returns the columns that are drawn, and `epoch`, as arrays of one length."""
    table = getattr(history, "history", history)
    wanted = [*_PANELS, *(f"val_{key}" for key in _PANELS), "beta", "epoch"]
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
