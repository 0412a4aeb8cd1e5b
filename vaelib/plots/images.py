"""Images side by side, each on its own opaque ground so that they look the same on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from vaelib._arrays import Array, finite_array
from vaelib._checks import Described, argument_error, positive_int
from vaelib.plots._arguments import axes_or_new, one_each

_WIDTH = 6.5


def plot_images(
    images: npt.ArrayLike,
    titles: Sequence[str] | None = None,
    columns: int = 8,
    row_labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws images in rows, values 0 (black) to 1 (white).

    Args:
        images: shape (n, height, width), (n, height, width, 1) or, in colour, (n, height, width, 3); values
            outside [0, 1] are shown as the nearer end.
        titles: one text for each image, written above it.
        columns: images in a row.
        row_labels: one text for each row.
        ax: the Axes to draw on; by default a new figure's.

    Returns:
        The Axes; its unit is one pixel of the images.

    Raises:
        ValueError: if `images` has another shape or is not finite, or a list of texts has another length.
    """
    pictures = _pictures("images", images, 4)
    n, height, width, _ = pictures.shape
    columns = min(positive_int("columns", columns), n)
    rows = -(-n // columns)
    above = [] if titles is None else one_each("titles", titles, n, "images")
    beside = [] if row_labels is None else one_each("row_labels", row_labels, rows, "rows")
    gap = _gap(width)
    top = max(gap, round(0.4 * height)) if above else gap
    grid = np.full((rows * columns, *pictures.shape[1:]), np.nan)
    grid[:n] = pictures
    ax = _draw(grid.reshape(rows, columns, *pictures.shape[1:]), ax, top, gap)
    for i, title in enumerate(above):
        row, column = divmod(i, columns)
        x, y = column * (width + gap) + (width - 1) / 2, row * (height + top) - 0.7
        ax.text(x, y, title, ha="center", va="bottom", size="small")
    _label_rows(ax, beside, height, top)
    return ax


def plot_reconstructions(x: npt.ArrayLike, x_reconstructed: npt.ArrayLike, ax: Axes | None = None) -> Axes:
    """Draws original images in a row and their reconstructions below.

    Args:
        x: images, shape (n, height, width) or (n, height, width, channels), values 0 to 1.
        x_reconstructed: their reconstructions, in the same shape.
        ax: the Axes to draw on; by default a new figure's.

    Raises:
        ValueError: if the shapes differ, or the arrays are not images.
    """
    originals = _pictures("x", x, 4)
    copies = _pictures("x_reconstructed", x_reconstructed, 4)
    if originals.shape != copies.shape:
        received = Described(f"shape {copies.shape}")
        raise argument_error("x_reconstructed", f"have the shape {originals.shape} of `x`", received)
    pictures = np.concatenate([originals, copies])
    return plot_images(pictures, columns=len(originals), row_labels=["original", "reconstruction"], ax=ax)


def plot_traversal(
    images: npt.ArrayLike,
    values: npt.ArrayLike,
    units: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws decoded images while one latent unit moves: a row for each unit, a column for each value.

    Args:
        images: shape (units, steps, height, width) or (units, steps, height, width, channels), values 0 to 1.
        values: the value of z in each column, shape (steps,), in standard deviations of the prior.
        units: the number of each row's unit; by default counted from 0.
        ax: the Axes to draw on; by default a new figure's.

    Raises:
        ValueError: if `images` are not such images, `values` or `units` have another length, or a unit is no
            integer >= 0.
    """
    pictures = _pictures("images", images, 5)
    rows, steps, height, width, _ = pictures.shape
    z = finite_array("values", values, ndim=1, axes="(steps,)").astype(np.float64)
    one_each("values", z, steps, "columns")
    chosen = range(rows) if units is None else one_each("units", units, rows, "rows")
    numbers = [positive_int(f"units[{row}]", unit, minimum=0) for row, unit in enumerate(chosen)]
    gap = _gap(width)
    ax = _draw(pictures, ax, gap, gap)
    _label_rows(ax, [f"unit {unit}" for unit in numbers], height, gap)
    every = -(-steps // 9)
    centres = np.arange(steps) * (width + gap) + (width - 1) / 2
    ax.set_xticks(centres[::every], [f"{value:.3g}" for value in z[::every]])
    ax.set_xlabel("z (standard deviations of the prior)")
    return ax


def _pictures(name: str, images: npt.ArrayLike, ndim: int) -> Array:
    """Returns images with a last axis of one or three channels."""
    pictures = finite_array(name, images)
    if pictures.ndim == ndim - 1:
        pictures = pictures[..., np.newaxis]
    if pictures.ndim != ndim or pictures.shape[-1] not in (1, 3):
        first = "n" if ndim == 4 else "units, steps"
        must = f"have the shape ({first}, height, width), with a last axis of 1 or 3 if it has one more"
        raise argument_error(name, must, Described(f"an array of shape {pictures.shape}"))
    return pictures.astype(np.float64)


def _gap(width: int) -> int:
    return max(1, round(0.06 * width))


def _draw(grid: Array, ax: Axes | None, top: int, gap: int) -> Axes:
    """Draws images of shape (rows, columns, height, width, channels) as one; gaps and NaN are transparent."""
    rows, columns, height, width, _ = grid.shape
    sheet = np.zeros((rows * (height + top) - top, columns * (width + gap) - gap, 4))
    for row in range(rows):
        for column in range(columns):
            picture = grid[row, column]
            if np.isnan(picture).any():
                continue
            y, x = row * (height + top), column * (width + gap)
            sheet[y : y + height, x : x + width, :3] = np.clip(picture, 0, 1)
            sheet[y : y + height, x : x + width, 3] = 1
    tall = _WIDTH * sheet.shape[0] / sheet.shape[1]
    ax = axes_or_new(ax, figsize=(_WIDTH, min(tall + 0.6, 1.5 * _WIDTH)))
    ax.imshow(sheet, interpolation="nearest")
    if top > gap:
        ax.set_ylim(sheet.shape[0] - 0.5, -top - 0.5)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.grid(False)
    return ax


def _label_rows(ax: Axes, labels: Sequence[str], height: int, top: int) -> None:
    ax.set_yticks([row * (height + top) + (height - 1) / 2 for row in range(len(labels))], labels)
