"""The spectrum of the data's covariance against the threshold below which latent units collapse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error, finite_float, positive_int
from vaelib.plots._arguments import axes_or_new
from vaelib.plots.style import COLOURS, readable


def plot_spectrum(
    eigenvalues: npt.ArrayLike,
    threshold: float | None = None,
    ax: Axes | None = None,
    label: str | None = None,
    n_latents: int | None = None,
) -> Axes:
    """Draws covariance eigenvalues, largest first, on a logarithmic axis, with the collapse threshold β·σ².

    Directions above the threshold, which the linear β-VAE keeps as far as it has units for them, are dots; the
    others are crosses.
    Eigenvalues below 1e-12 of the largest, which are rounding errors, are left out.

    Args:
        eigenvalues: shape (D,), in any order, in squared units of the data, as `covariance_spectrum` returns them.
        threshold: β · σ², > 0, in the same unit; None draws the spectrum alone.
        ax: the Axes to draw on; by default a new figure's.
        label: what is written at the threshold; by default its value.
        n_latents: the number of latent units; by default one for every direction.

    Raises:
        ValueError: if `eigenvalues` is not a finite vector with a value above 0, `threshold` is not > 0, or
            `n_latents` is no integer >= 1.
    """
    values = np.sort(finite_array("eigenvalues", eigenvalues, ndim=1, axes="(D,)").astype(np.float64))[::-1]
    if values[0] <= 0:
        received = Described(f"a largest value of {values[0]:g}")
        raise argument_error("eigenvalues", "hold a value above 0", received)
    limit = 0.0 if threshold is None else finite_float("threshold", threshold, minimum=0.0, exclusive=True)
    units = len(values) if n_latents is None else positive_int("n_latents", n_latents)
    ax = axes_or_new(ax)
    index = 1 + np.arange(len(values))
    drawn = values > 1e-12 * values[0]
    above = values > limit
    kept = drawn & above & (index <= units)
    collapsed = drawn & ~kept
    ax.plot(index[kept], values[kept], "o", color=COLOURS["accent"], markersize=5)
    ax.plot(index[collapsed], values[collapsed], "x", color=COLOURS["muted"], markersize=5)
    ax.set_yscale("log")
    if threshold is not None:
        counts = [f"{kept.sum()} kept", f"{len(values) - kept.sum()} not kept"]
        if n_latents is not None:
            counts = [f"{kept.sum()} of {units} units kept", f"{above.sum()} of {len(values)} directions above"]
        text = label or f"collapse threshold βσ² = {limit:.3g}"
        _draw_threshold(ax, limit, text, counts, high=above.sum() < len(values) / 4)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="direction, by variance", ylabel="variance λ (squared data units)")
    return ax


def _draw_threshold(ax: Axes, threshold: float, label: str, counts: list[str], high: bool) -> None:
    """Draws the threshold with its label, and the counts in the corner that a falling curve leaves free."""
    ax.axhline(threshold, color=COLOURS["kl_loss"], linewidth=1.5)
    ax.annotate(
        label,
        xy=(0.99 if high else 0.01, threshold),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right" if high else "left",
        color=readable(COLOURS["kl_loss"]),
    )
    for line, (text, colour) in enumerate(zip(counts, ("accent", "muted"), strict=True)):
        ax.annotate(
            text,
            xy=(0.02, 0.02) if high else (0.98, 0.98),
            xycoords="axes fraction",
            xytext=(0, 1.3 * (1 - line if high else -line)),
            textcoords="offset fontsize",
            ha="left" if high else "right",
            va="bottom" if high else "top",
            color=readable(COLOURS[colour]),
        )
