"""Names written beside the lines that they belong to, in place of a legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from vaelib._checks import argument_error
from vaelib.plots._arguments import given_axes, one_each
from vaelib.plots.style import readable

_LINE_SPACING = 1.2


def label_line_ends(ax: Axes, lines: Sequence[Line2D], labels: Sequence[str]) -> None:
    """Writes each label at the right end of its line, moved up or down where labels would overlap.

    The lines may lie on `ax` or on a twin of it. Their limits are fixed, so call it when everything is drawn.
    Lines without a finite point get no label.

    Raises:
        ValueError: if `ax` is no Axes, `lines` are no drawn lines, or there is not one label for each.
    """
    given_axes(ax)
    if not isinstance(lines, Sequence) or not all(isinstance(line, Line2D) and line.axes for line in lines):
        raise argument_error("lines", "be a list of lines that are drawn on Axes", lines)
    names = one_each("labels", labels, len(lines), "lines")
    ends = []
    for line, label in zip(lines, names, strict=True):
        own = cast(Axes, line.axes)
        own.set(xlim=own.get_xlim(), ylim=own.get_ylim())
        points = np.column_stack([np.asarray(data, dtype=np.float64) for data in line.get_data()])
        drawn = points[np.isfinite(points).all(axis=1)]
        if len(drawn):
            height = ax.transAxes.inverted().transform(own.transData.transform(drawn[-1]))[1]
            ends.append((drawn[-1, 0], height, label, line.get_color()))
    for (x, _, label, colour), height in zip(ends, spread([end[1] for end in ends], _gap(ax)), strict=True):
        write_beside(ax, label, (x, height), ("data", "axes fraction"), colour)


def write_beside(ax: Axes, text: str, place: tuple[float, float], coordinates: tuple[str, str], colour: Any) -> None:
    """Writes a text to the right of a place, in a readable shade of the colour, outside the Axes too.

    `coordinates` are Matplotlib's names of those of x and of y, such as ("data", "axes fraction").
    """
    ax.annotate(
        text,
        xy=place,
        xycoords=coordinates,
        xytext=(5, 0),
        textcoords="offset points",
        color=readable(colour),
        va="center",
        annotation_clip=False,
    )


def spread(positions: npt.ArrayLike, gap: float) -> npt.NDArray[np.float64]:
    """Returns the positions nearest to the given ones (least squares) that keep `gap` and lie in [0, 1].

    Where they cannot all fit, the gap shrinks.

    >>> spread([0.9, 0.1, 0.1], gap=0.2).round(3).tolist()
    [0.9, 0.0, 0.2]
    """
    wanted = np.asarray(positions, dtype=np.float64)
    n = len(wanted)
    gap = min(gap, 1 / max(n - 1, 1))
    order = np.argsort(wanted, kind="stable")
    offsets = gap * np.arange(n)
    # With the gaps taken out, the positions only have to rise: pool neighbours that do not.
    pools: list[tuple[float, int]] = []
    for value in wanted[order] - offsets:
        mean, size = float(value), 1
        while pools and pools[-1][0] > mean:
            before, length = pools.pop()
            mean = (mean * size + before * length) / (size + length)
            size += length
        pools.append((mean, size))
    rising = np.repeat([mean for mean, _ in pools], [size for _, size in pools])
    placed = np.empty(n)
    placed[order] = np.clip(rising, 0.0, 1.0 - gap * max(n - 1, 0)) + offsets
    return placed


def _gap(ax: Axes) -> float:
    """The height of a line of text as a fraction of the height of the Axes."""
    figure = cast(Figure, ax.get_figure(root=True))
    inches = ax.get_position().height * figure.get_figheight()
    return _LINE_SPACING * FontProperties().get_size_in_points() / 72 / inches
