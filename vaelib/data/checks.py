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
        raise argument_error(name, must, Described(received) if array.ndim else x)
    return examples


def as_examples(
    array: Array, shape: Sequence[int] | None = None
) -> tuple[npt.NDArray[np.float32], tuple[str, str] | None]:
    """Returns an array as float32 examples, with what it must be and is instead, or None if it is usable."""
    problem = shape_problem(array.shape, array.dtype, shape)
    if problem is not None:
        return array, problem
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    return array, problem_of(array)


def shape_problem(
    shape: tuple[int, ...], dtype: np.dtype[Any], wanted: Sequence[int] | None = None
) -> tuple[str, str] | None:
    """Returns what can be said against an array of examples before its numbers are read, or None."""
    if len(shape) < 2:
        return "have the shape (n, ...), one example a row", f"an array of shape {shape}"
    if dtype.kind not in "buif":
        return "hold real numbers", f"an array of dtype {dtype}"
    if 0 in shape:
        return "not be empty", f"an array of shape {shape}"
    if wanted is not None and shape[1:] != tuple(wanted):
        return f"hold examples of shape {tuple(wanted)}", f"an array of shape {shape}"
    return None


def labels_problem(y: Array, n: int) -> tuple[str, str] | None:
    """Returns what labels of n examples must be and what they are instead, or None if they fit."""
    if y.ndim == 0 or len(y) != n:
        return f"hold one label for each of the {n} examples", f"an array of shape {y.shape}"
    return problem_of(y)


def factors_problem(factors: Array, n: int) -> tuple[str, str] | None:
    """Returns what factors of n examples must be and what they are instead, or None if they fit."""
    if factors.dtype.kind not in "bui":
        return "hold integers, the classes of the factors", f"an array of dtype {factors.dtype}"
    if factors.ndim != 2 or len(factors) != n or factors.shape[1] == 0:
        return f"have the shape ({n}, k), one row for each example", f"an array of shape {factors.shape}"
    return None
