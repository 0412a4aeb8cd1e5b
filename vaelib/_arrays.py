"""Checks of arrays that the NumPy half of the library shares: numeric, not empty, finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vaelib._checks import Described, argument_error

Array = npt.NDArray[Any]
LARGEST = 1e30  # products of a few such numbers stay within float64


def problem_of(array: Array) -> tuple[str, str] | None:
    """Returns what an array must be and what it is instead, or None if it holds finite numbers.

    >>> problem_of(np.array([1.0, np.nan]))
    ('hold only finite numbers', 'an array of shape (2,) with 1 value that is NaN or infinite, at [1]')
    """
    if array.dtype.kind not in "buif":
        return "hold real numbers", f"an array of dtype {array.dtype}"
    if array.size == 0:
        return "not be empty", f"an array of shape {array.shape}"
    bad = ~np.isfinite(array)
    count = int(np.count_nonzero(bad))
    if count == 0:
        return None
    where = [int(i) for i in np.unravel_index(int(np.argmax(bad)), array.shape)]
    values = "1 value that is" if count == 1 else f"{count} values that are"
    first = "at" if count == 1 else "the first at"
    return (
        "hold only finite numbers",
        f"an array of shape {array.shape} with {values} NaN or infinite, {first} {where}",
    )


def finite_array(name: str, value: Any, ndim: int | None = None, axes: str = "") -> Array:
    """Returns `value` as an array of finite numbers of at most 1e30 in size, or raises.

    Args:
        name: the argument's name, for the error.
        value: anything that NumPy can read as an array.
        ndim: the number of axes it must have; None allows any.
        axes: the axes in words, such as "(n, latent_dim)", for the error.

    Raises:
        ValueError: if it is empty, masked, not numeric, not finite, too large, or has another number of axes.
    """
    if np.ma.is_masked(value):
        raise argument_error(name, "hold no masked values", Described(f"a masked array of shape {np.shape(value)}"))
    try:
        array = np.asarray(value)
    except ValueError:
        raise argument_error(name, "hold rows of equal length", Described("a ragged sequence")) from None
    except (TypeError, RuntimeError) as error:  # a tensor that NumPy cannot read
        tensor = Described(f"a {type(value).__name__}: {error}")
        raise argument_error(name, "be readable by NumPy", tensor, "Pass tensor.detach().cpu().numpy().") from None
    problem = problem_of(array)
    if problem is None and float(np.abs(array, dtype=np.float64).max()) > LARGEST:
        problem = f"hold numbers of at most {LARGEST:g} in size", f"an array of shape {array.shape}"
    if problem is None and ndim is not None and array.ndim != ndim:
        problem = f"have the shape {axes}", f"an array of shape {array.shape}"
    if problem is not None:
        must, received = problem
        raise argument_error(name, must, Described(received) if array.ndim else value)
    return array
