"""The spectrum of the data's covariance against the threshold below which latent units collapse."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error, finite_float
from vaelib.plots.style import COLOURS, readable


def plot_spectrum(
    eigenvalues: npt.ArrayLike,
    threshold: float | None = None,
    ax: Axes | None = None,
    label: str | None = None,
) -> Axes:
    """Draws covariance eigenvalues, largest first, on a logarithmic axis, with the collapse threshold β·σ².

    Directions above the threshold, which the linear β-VAE keeps, are dots; the others are crosses.
    Eigenvalues below 1e-12 of the largest, which are rounding errors, are left out.

    Args:
        eigenvalues: shape (D,), in squared units of the data, as `covariance_spectrum` returns them.
        threshold: β · σ², > 0, in the same unit; None draws the spectrum alone.
        ax: the Axes to draw on; by default a new figure's.
        label: what is written at the threshold; by default its value.

    Raises:
        ValueError: if `eigenvalues` is not a finite vector with a value above 0, or `threshold` is not > 0.
    """
    values = finite_array("eigenvalues", eigenvalues, ndim=1, axes="(D,)")
    if values.max() <= 0:
        received = Described(f"a largest value of {values.max():g}")
        raise argument_error("eigenvalues", "hold a value above 0", received)
    limit = 0.0 if threshold is None else finite_float("threshold", threshold, minimum=0.0, exclusive=True)
    if ax is None:
        _, ax = plt.subplots()
    index = 1 + np.arange(len(values))
    drawn = values > 1e-12 * values.max()
    kept = drawn & (values > limit)
    collapsed = drawn & ~kept
    ax.plot(index[kept], values[kept], "o", color=COLOURS["accent"], markersize=5)
    ax.plot(index[collapsed], values[collapsed], "x", color=COLOURS["muted"], markersize=5)
    ax.set_yscale("log")
    if threshold is not None:
        _draw_threshold(ax, limit, label or f"collapse threshold βσ² = {limit:.3g}")
        counts = ((kept, "kept", COLOURS["accent"]), (values <= limit, "collapsed", COLOURS["muted"]))
        for line, (which, word, colour) in enumerate(counts):
            offset = (0, -1.3 * line)
            ax.annotate(
                f"{np.count_nonzero(which)} {word}",
                xy=(1, 1),
                xycoords="axes fraction",
                xytext=offset,
                textcoords="offset fontsize",
                ha="right",
                va="top",
                color=readable(colour),
            )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="direction, by variance", ylabel="variance λ (squared data units)")
    return ax


def _draw_threshold(ax: Axes, threshold: float, label: str) -> None:
    ax.axhline(threshold, color=COLOURS["kl_loss"], linewidth=1.5)
    ax.annotate(
        label,
        xy=(0, threshold),
        xycoords=("axes fraction", "data"),
        xytext=(4, 3),
        textcoords="offset points",
        color=readable(COLOURS["kl_loss"]),
    )
