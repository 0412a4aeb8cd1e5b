"""Checks that data must pass before anything is trained on them. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vaelib._arrays import Array, problem_of
from vaelib._checks import Described, argument_error


def check_examples(name: str, x: Any, shape: Sequence[int] | None = None) -> npt.NDArray[np.float32]:
    """Returns `x` as a float32 array of examples, or raises.

    Args:
        name: the argument's name, for the error.
        x: examples, shape (n, ...), n >= 1.
        shape: the shape that each example must have, such as (8, 8, 1); None allows any.

    Returns:
        float32, shape (n, ...); `x` itself if it is such an array already.

    Raises:
        ValueError: if `x` is empty, not numeric, not finite in float32, or has another shape.

    >>> check_examples("x", [[0, 1], [2, 3]]).dtype
    dtype('float32')
    """
    try:
        array = np.asarray(x)
    except ValueError:
        raise argument_error(name, "hold examples of equal shape", Described("a ragged sequence")) from None
    examples, problem = as_examples(array, shape)
    if problem is not None:
        must, received = problem
        raise argument_error(name, must, Described(received))
    return examples


def as_examples(
    array: Array, shape: Sequence[int] | None = None
) -> tuple[npt.NDArray[np.float32], tuple[str, str] | None]:
    """Returns an array as float32 examples, with what it must be and is instead, or None if it is usable."""
    if array.dtype.kind in "buif":
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
    if array.ndim < 2:
        return array, ("have the shape (n, ...), one example a row", f"an array of shape {array.shape}")
    problem = problem_of(array)
    if problem is None and shape is not None and array.shape[1:] != tuple(shape):
        problem = f"hold examples of shape {tuple(shape)}", f"an array of shape {array.shape}"
    return array, problem
