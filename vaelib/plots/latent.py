"""What a latent space looks like: where the examples lie, and which units carry information."""

from __future__ import annotations

import reprlib

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from vaelib._arrays import Array, finite_array
from vaelib._checks import Described, argument_error
from vaelib.plots._arguments import axes_or_new, one_each
from vaelib.plots.style import CLASS_COLOURS, COLOURS, readable

_MOST_CLASSES = 20


def plot_latent_map(z_mean: npt.ArrayLike, labels: npt.ArrayLike | None = None, ax: Axes | None = None) -> Axes:
    """Draws the examples in the plane of the two latent units whose posterior means vary most.

    Args:
        z_mean: posterior means, shape (n, latent_dim), latent_dim >= 2.
        labels: the class of each example, a word or a number, shape (n,), at most 20 classes; each
            class gets a colour, and its name at the example nearest to its median.
        ax: the Axes to draw on; by default a new figure's.

    Returns:
        The Axes, whose unit is the prior's standard deviation.

    Raises:
        ValueError: if `z_mean` is not finite or has fewer than two columns, or `labels` do not fit it or
            hold anything but words and numbers.
    """
    means = finite_array("z_mean", z_mean, ndim=2, axes="(n, latent_dim)")
    if means.shape[1] < 2:
        raise argument_error("z_mean", "have two latent units or more", Described(f"shape {means.shape}"))
    first, second = np.argsort(-means.var(axis=0), kind="stable")[:2]
    classes = np.zeros(len(means)) if labels is None else _classes(labels, len(means))
    names = np.unique(classes)
    if len(names) > _MOST_CLASSES:
        received = Described(f"{len(names)} distinct values")
        raise argument_error("labels", f"hold at most {_MOST_CLASSES} classes", received)
    ax = axes_or_new(ax, figsize=(6.0, 5.5))
    for i, name in enumerate(names):
        colour = COLOURS["accent"] if labels is None else CLASS_COLOURS[i % len(CLASS_COLOURS)]
        members = means[classes == name]
        ax.scatter(members[:, first], members[:, second], s=9, color=colour, alpha=0.6, linewidths=0)
    if labels is not None:
        for i, name in enumerate(names):
            members = means[classes == name][:, [first, second]]
            middle = np.linalg.norm(members - np.median(members, axis=0), axis=1).argmin()
            x, y = members[middle]
            _name_class(ax, str(name), float(x), float(y), CLASS_COLOURS[i % len(CLASS_COLOURS)])
    ax.set(xlabel=f"z_mean of unit {first}", ylabel=f"z_mean of unit {second}")
    ax.set_aspect("equal", adjustable="datalim")
    return ax


def plot_kl_per_unit(kl_per_unit: npt.ArrayLike, ax: Axes | None = None) -> Axes:
    """Draws the KL of each latent unit as bars, largest first, with the total; up to ten units are named.

    Args:
        kl_per_unit: KL averaged over examples, in nats, shape (latent_dim,).
        ax: the Axes to draw on; by default a new figure's.

    Raises:
        ValueError: if `kl_per_unit` is not a finite vector.
    """
    kl = finite_array("kl_per_unit", kl_per_unit, ndim=1, axes="(latent_dim,)").astype(np.float64)
    ax = axes_or_new(ax)
    order = np.argsort(-kl, kind="stable")
    places = np.arange(len(kl))
    ax.bar(places, kl[order], color=COLOURS["kl_loss"])
    if len(kl) <= 10:
        ax.set_xticks(places, [str(unit) for unit in order])
    else:  # too many for their names
        ax.set_xticks([])
    ax.set(xlabel="latent units, largest KL first", ylabel="KL (nats per example)")
    ax.grid(False, axis="x")
    colour = readable(COLOURS["kl_loss"])
    ax.text(1, 1, f"total {kl.sum():.2f} nats", transform=ax.transAxes, ha="right", va="top", color=colour)
    return ax


def _classes(labels: npt.ArrayLike, n: int) -> Array:
    """Returns the class of each example, shape (n,), or raises."""
    entries = one_each("labels", labels, n, "examples")
    for i, entry in enumerate(entries):
        if not isinstance(entry, str | int | float | np.generic) or entry != entry:  # NaN differs from itself
            raise argument_error(
                "labels", "hold words or numbers, no NaN", Described(f"{reprlib.repr(entry)} at [{i}]")
            )
    return np.asarray(entries)


def _name_class(ax: Axes, name: str, x: float, y: float, colour: str) -> None:
    box = {"boxstyle": "round,pad=0.2", "facecolor": readable(colour), "edgecolor": "white", "linewidth": 0.8}
    ax.text(x, y, name, color="white", weight="bold", ha="center", va="center", bbox=box)
