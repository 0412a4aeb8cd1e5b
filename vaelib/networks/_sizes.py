"""The sizes of networks: read as given, and bounded before anything is built."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vaelib._checks import argument_error, positive_int

MAX_WEIGHTS = 500_000_000  # of a network: 2 GB in float32, and four times that in training with Adam
MAX_LAYERS = 100


def layer_sizes(name: str, sizes: Any) -> tuple[int, ...]:
    """Returns widths or filters as integers >= 1, or raises if they are no sequence of at least one."""
    return _integers(name, sizes, f"be a sequence of 1 to {MAX_LAYERS} integers >= 1, one a layer")


def example_shape(name: str, shape: Any) -> tuple[int, ...]:
    """Returns the shape of one example as integers >= 1, or raises if it is none."""
    return _integers(name, shape, "be the shape of one example, integers >= 1 such as (8, 8, 1)")


def image_shape(name: str, shape: Any) -> tuple[int, int, int]:
    """Returns the shape of one image, or raises if it has not three axes."""
    sizes = example_shape(name, shape)
    if len(sizes) != 3:
        remedy = "Use the dense architecture, or add an axis of channels to the data."
        raise argument_error(name, "be (height, width, channels) for convolutions", tuple(shape), remedy)
    return sizes[0], sizes[1], sizes[2]


def check_weights(given: Mapping[str, Any], *kernels: Sequence[tuple[str, int]]) -> None:
    """Raises if kernels have more than `MAX_WEIGHTS` weights together.

    Args:
        given: the arguments that set their sizes, by name.
        kernels: of each kernel the lengths of its axes, each after the name of its argument.

    >>> check_weights({"hidden": (10**9,)}, [("input_shape", 64), ("hidden", 10**9)])
    Traceback (most recent call last):
    ValueError: Argument `hidden` must leave a network at most 500,000,000 weights. Received: hidden=(1000000000,).
    It would have 64,000,000,000.
    """
    counts = [math.prod(length for _, length in kernel) for kernel in kernels]
    total = sum(counts)
    if total > MAX_WEIGHTS:
        axes = [axis for axis in kernels[counts.index(max(counts))] if axis[0] in given]
        name, _ = max(axes, key=lambda axis: axis[1])
        must = f"leave a network at most {MAX_WEIGHTS:,} weights"
        raise argument_error(name, must, given[name], f"It would have {total:,}.")


def _integers(name: str, values: Any, must: str) -> tuple[int, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence) or not 1 <= len(values) <= MAX_LAYERS:
        raise argument_error(name, must, values)
    try:
        return tuple(positive_int(name, value) for value in values)
    except ValueError:
        raise argument_error(name, must, values) from None
