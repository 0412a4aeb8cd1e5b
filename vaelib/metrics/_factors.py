"""Checks of the codes and factors that scores of disentanglement compare."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vaelib._arrays import Array, finite_array
from vaelib._checks import Described, argument_error


def codes_and_factors(z_mean: npt.ArrayLike, factors: npt.ArrayLike, integers: bool = True) -> tuple[Array, Array]:
    """Returns codes and factors that a score can be computed from, or raises."""
    means = _codes("z_mean", z_mean)
    if min(means.shape) < 2:
        must = "hold two examples or more, of two latent units or more"
        raise argument_error("z_mean", must, Described(f"an array of shape {means.shape}"))
    values = _factors("factors", factors, len(means), integers)
    constant = np.flatnonzero(values.min(axis=0) == values.max(axis=0))
    if len(constant):
        j = int(constant[0])
        received = Described(f"an array whose column {j} holds only {values[0, j]}")
        remedy = "Leave such factors out: a score cannot say which unit follows them."
        raise argument_error("factors", "take two values or more in each column", received, remedy)
    return means, values


def held_out(z_mean: npt.ArrayLike | None, factors: npt.ArrayLike | None, *train: Array) -> tuple[Array, Array]:
    """Returns codes and factors of test examples that have the columns of the training examples, or raises."""
    for name, value in {"z_mean_test": z_mean, "factors_test": factors}.items():
        if value is None:
            raise argument_error(name, "be given: the score is an accuracy on test examples", value)
    means = _codes("z_mean_test", z_mean)
    values = _factors("factors_test", factors, len(means), integers=True)
    for name, array, other in zip(("z_mean_test", "factors_test"), (means, values), train, strict=True):
        if array.shape[1] != other.shape[1]:
            must = f"have {other.shape[1]} columns, as `{name.removesuffix('_test')}` has"
            raise argument_error(name, must, Described(f"an array of shape {array.shape}"))
    return means, values


def _codes(name: str, z_mean: npt.ArrayLike | None) -> Array:
    means = finite_array(name, z_mean, ndim=2, axes="(n, latent_dim)")
    return means if means.dtype in (np.float32, np.float64) else means.astype(np.float64)


def _factors(name: str, factors: npt.ArrayLike | None, n: int, integers: bool) -> Array:
    values = finite_array(name, factors, ndim=2, axes="(n, k)")
    if len(values) != n:
        received = Described(f"an array of shape {values.shape}")
        raise argument_error(name, f"have one row for each of the {n} examples", received)
    if integers and values.dtype.kind not in "bui":
        received = Described(f"an array of dtype {values.dtype}")
        raise argument_error(name, "hold integers, the classes of the factors", received)
    return values
