"""Models in the plane of rate and distortion, where a model's negative ELBO is the sum of its two coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error
from vaelib.plots._arguments import axes_or_new, one_each
from vaelib.plots.style import COLOURS, readable


def plot_rate_distortion(
    rates: npt.ArrayLike,
    distortions: npt.ArrayLike,
    labels: Sequence[object] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws models by rate and distortion, with the line of equal negative ELBO through the best of them.

    On the line, of slope −1, rate + distortion is what it is for the best model; every other model lies above.

    Args:
        rates: KL(q(z|x) ‖ p(z)) of each model, in nats per example, shape (n,).
        distortions: −log p(x|z) of each model, expected over q(z|x), in nats per example, shape (n,).
        labels: a name for each model, such as its β, written beside its dot.
        ax: the Axes to draw on; by default a new figure's.

    Raises:
        ValueError: if rates or distortions are no finite vectors, or lengths differ.

    Source: Alemi et al. 2018, "Fixing a broken ELBO", arXiv 1711.00464.
    """
    x = finite_array("rates", rates, ndim=1, axes="(n,)").astype(np.float64)
    y = finite_array("distortions", distortions, ndim=1, axes="(n,)").astype(np.float64)
    if len(y) != len(x):
        raise argument_error("distortions", f"have one value for each of {len(x)} rates", Described(f"{len(y)} values"))
    names = [] if labels is None else one_each("labels", labels, len(x), "models")
    ax = axes_or_new(ax)
    ax.plot(x, y, "o", color=COLOURS["accent"], markersize=5)
    best = int(np.argmin(x + y))
    ax.margins(0.1)
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())  # the line has no end, and must not widen them
    ax.axline((float(x[best]), float(y[best])), slope=-1, color=COLOURS["total_loss"], linestyle="--", linewidth=1.5)
    # the corner of the highest sums, where few models lie
    lowest = f"lowest negative ELBO: {x[best] + y[best]:.4g} nats"
    ax.text(1, 1, lowest, transform=ax.transAxes, ha="right", va="top", color=readable(COLOURS["total_loss"]))
    for i, name in enumerate(names):
        ax.annotate(
            str(name),
            xy=(x[i], y[i]),
            xytext=(5, 3),
            textcoords="offset points",
            color=readable(COLOURS["accent"]),
            annotation_clip=False,
        )
    ax.set(xlabel="rate (nats per example)", ylabel="distortion (nats per example)")
    return ax
