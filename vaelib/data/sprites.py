"""Binary images of a square, an ellipse and a heart, drawn from five factors on dSprites' grid."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error, positive_int
from vaelib.data._source import FEWEST, Source
from vaelib.data.dataset import Dataset, Factors

Images = npt.NDArray[np.uint8]

# factor -> how many classes it has
GRID = {"shape": 3, "scale": 6, "orientation": 40, "position_x": 32, "position_y": 32}
SIZES = (16, 32, 64)
DEFAULT_NUMBER = 10_000

# Lengths in pixels of the image of 64 × 64, at scale 1.
_SIDE = 18.5
_SEMI_AXES = 13.0, 6.0
_HEART = 9.0
_REACH = 14  # no shape, turned and moved off its pixel, reaches further
_FIRST = 16  # the pixel of a centre at position 0; the last is 47
# Centres lie a little beside a pixel's centre: on it, the square would look alike in some orientations.
_OFF = 0.27
_BLOCK = 512  # images drawn at once, so that they stay in the processor's cache


def load_sprites(
    n: int | None = None,
    *,
    size: int = 64,
    shapes: Iterable[int] | None = None,
    scales: Iterable[int] | None = None,
    orientations: Iterable[int] | None = None,
    positions_x: Iterable[int] | None = None,
    positions_y: Iterable[int] | None = None,
    split_seed: int = 0,
) -> Dataset:
    """Draws a dataset of sprites, of the whole grid of factors or of the classes given for each factor.

    The grid has 3 × 6 × 40 × 32 × 32 = 737,280 images: `render_sprites` says what the classes are. Five sevenths of
    the images are for training, one each for validation and test.

    Args:
        n: how many images to draw at random from the chosen grid, >= 10; by default 10,000, or all if there are fewer.
        size: height and width of an image in pixels: 16, 32 or 64.
        shapes: the classes of the shape that occur, among 0, 1 and 2; None takes all.
        scales: the classes of the scale, 0 to 5.
        orientations: the classes of the orientation, 0 to 39.
        positions_x: the classes of the horizontal position, 0 to 31.
        positions_y: the classes of the vertical position, 0 to 31.
        split_seed: the seed of the division, between 0 and 2**32 - 1.

    Returns:
        Images of shape (size, size, 1) with 0 and 1, and as factors the five classes of each image, in the order
        shape, scale, orientation, horizontal and vertical position.

    Raises:
        ValueError: if an argument is out of range, the chosen grid has fewer than ten images, or `n` images take more
            than 2 GiB in float32.

    >>> dataset = load_sprites(size=16, shapes=[2], scales=[5], orientations=[0])
    >>> dataset
    Dataset('sprites', examples of shape (16, 16, 1), 732 train, 146 validation, 146 test, no labels, factors,
    split_seed=0)
    >>> dataset.factors[33].tolist()
    [2, 5, 0, 1, 1]
    """
    size = _check_size(size)
    chosen = (shapes, scales, orientations, positions_x, positions_y)
    arguments = ("shapes", "scales", "orientations", "positions_x", "positions_y")
    axes = [_chosen(*each) for each in zip(arguments, chosen, GRID.values(), strict=True)]
    classes = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    if len(classes) < FEWEST:
        name = next(name for name, each in zip(arguments, chosen, strict=True) if each is not None)
        must = f"leave {FEWEST} images or more, together with the other choices"
        raise argument_error(name, must, Described(f"{len(classes)} images"))
    if n is None:
        n = min(len(classes), DEFAULT_NUMBER)
    return Source("sprites", {"x": _Grid(classes, size), "factors": classes}, "the chosen sprites").divided(
        split_seed, n
    )


def render_sprites(classes: npt.ArrayLike, size: int = 64) -> Images:
    r"""Draws one image for each row of factor classes.

    - shape: 0 is the square, 1 the ellipse, 2 the heart.
    - scale: 0 to 5 are 0.5, 0.6, …, 1.
    - orientation: 0 to 39 are 0 to 2π in 39 equal steps, clockwise.
    - horizontal position: 0 to 31 are 0 to 1 in 31 equal steps, from left to right.
    - vertical position: 0 to 31 are 0 to 1 in 31 equal steps, from top to bottom.

    Values and columns are the published ones; which way shapes turn and positions count is not published. Both ends of
    the orientation are the same angle, so classes 0 and 39 look alike; all other images differ at 64 pixels. The
    lengths are not published either; here one step of a
    position is one pixel of 64, the square's side is 18.5 pixels at scale 1, the ellipse's semi-axes are 13 and 6, and
    the heart is :math:`(x^2 + y^2 - 1)^3 \le x^2 y^3` with a unit of 9 pixels. With these, as in the published images,
    4.3 % of all pixels are 1, and every shape lies wholly inside the image. A pixel is 1 if its centre lies in the
    shape. Images of 32 and 16 pixels take each second or fourth pixel of the image of 64.

    Args:
        classes: integers, shape (n, 5), the columns as above.
        size: height and width in pixels: 16, 32 or 64.

    Returns:
        uint8, shape (n, size, size, 1), with 0 and 1.

    Raises:
        ValueError: if `classes` or `size` is out of range.

    Source: Matthey, Higgins, Hassabis and Lerchner, "dSprites: Disentanglement testing Sprites dataset", 2017,
    https://github.com/google-deepmind/dsprites-dataset.

    >>> image = render_sprites([[0, 0, 0, 0, 0]])[0, :, :, 0]
    >>> image.shape, int(image.sum()), np.argwhere(image)[0].tolist(), np.argwhere(image)[-1].tolist()
    ((64, 64), 81, [12, 12], [20, 20])
    """
    size = _check_size(size)
    numbers = finite_array("classes", classes, 2, "(n, 5)")
    if numbers.shape[1] != len(GRID):
        raise argument_error("classes", "have the shape (n, 5)", numbers)
    if numbers.dtype.kind not in "ui":
        raise argument_error("classes", "hold integers", Described(f"an array of dtype {numbers.dtype}"))
    for column, (factor, count) in enumerate(GRID.items()):
        outside = (numbers[:, column] < 0) | (numbers[:, column] >= count)
        if outside.any():
            received = f"{numbers[outside, column][0]} in row {int(np.argmax(outside))}"
            raise argument_error("classes", f"hold in column {column}, {factor}, 0 to {count - 1}", Described(received))
    return _draw(numbers.astype(np.int64, copy=False), size)


class _Grid:
    """Images that are drawn when asked for."""

    def __init__(self, classes: Factors, size: int) -> None:
        self.classes = classes
        self.size = size
        self.shape = (len(classes), size, size, 1)
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, rows: Any) -> Images:
        return _draw(self.classes[rows], self.size)


def _draw(classes: Factors, size: int) -> Images:
    step = 64 // size
    masks = _masks()
    images = np.empty((len(classes), size, size, 1), np.uint8)
    canvas = np.empty((_BLOCK, 64, 64), np.uint8)
    # (image, row, column) of a mask's first pixel -> the pixels that it covers
    windows = np.lib.stride_tricks.sliding_window_view(canvas, masks.shape[-2:], axis=(1, 2), writeable=True)
    for start in range(0, len(classes), _BLOCK):
        shape, scale, orientation, x, y = classes[start : start + _BLOCK].T
        n = len(shape)
        canvas[:n] = 0
        first = _FIRST - _REACH
        windows[np.arange(n), y + first, x + first] = masks[shape, scale, orientation]
        images[start : start + n, :, :, 0] = canvas[:n, step // 2 :: step, step // 2 :: step]
    return images


@cache
def _masks() -> Images:
    """Returns each shape at each scale and orientation around its centre, (shape, scale, orientation, row, column)."""
    offset = np.arange(-_REACH, _REACH + 1) - _OFF
    across, down = offset[None, None, None, :], offset[None, None, :, None]
    scale = np.linspace(0.5, 1, GRID["scale"])[:, None, None, None]
    angle = np.linspace(0, 2 * math.pi, GRID["orientation"])[None, :, None, None]
    u = (np.cos(angle) * across + np.sin(angle) * down) / scale
    v = (np.cos(angle) * down - np.sin(angle) * across) / scale
    square = np.maximum(abs(u), abs(v)) <= _SIDE / 2
    ellipse = (u / _SEMI_AXES[0]) ** 2 + (v / _SEMI_AXES[1]) ** 2 <= 1
    # The heart's own origin lies below the middle of its height.
    x, y = u / _HEART, 0.12 - v / _HEART
    heart = (x**2 + y**2 - 1) ** 3 <= x**2 * y**3
    masks = np.stack([square, ellipse, heart]).astype(np.uint8)
    masks.flags.writeable = False
    return masks


def _check_size(size: int) -> int:
    size = positive_int("size", size)
    if size not in SIZES:
        raise argument_error("size", "be 16, 32 or 64", size)
    return size


def _chosen(name: str, classes: Iterable[int] | None, count: int) -> Factors:
    """Returns the chosen classes of one factor, in rising order."""
    if classes is None:
        return np.arange(count)
    must = f"hold different integers from 0 to {count - 1}"
    try:
        numbers = [positive_int(name, each, minimum=0) for each in classes]
    except (TypeError, ValueError):
        raise argument_error(name, must, classes) from None
    if not numbers or max(numbers) >= count or len(set(numbers)) < len(numbers):
        raise argument_error(name, must, classes)
    return np.array(sorted(numbers))
