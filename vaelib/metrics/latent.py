"""How much of the latent space a model uses, from the posterior means alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error, finite_float


def unit_variances(z_mean: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns the variance of each latent unit's posterior mean over the examples, Var_x(E[z_u | x]).

    Args:
        z_mean: posterior means, shape (n, latent_dim), n >= 2. The variance divides by n.

    Returns:
        float64, shape (latent_dim,), in squared units of z; the prior's variance is 1.

    Raises:
        ValueError: if `z_mean` is not a finite matrix with two rows or more.

    >>> unit_variances([[0.0, 3.0], [2.0, 3.0]]).tolist()
    [1.0, 0.0]
    """
    means = finite_array("z_mean", z_mean, ndim=2, axes="(n, latent_dim)")
    if len(means) < 2:
        received = Described(f"an array of shape {means.shape}")
        raise argument_error("z_mean", "hold two examples or more", received)
    return np.asarray(means.var(axis=0, dtype=np.float64))


def active_units(z_mean: npt.ArrayLike, threshold: float = 0.01) -> int:
    r"""Counts the latent units whose posterior mean varies with the example.

    .. math:: \text{AU} = \#\{u : \operatorname{Var}_x(\mathbb{E}[z_u \mid x]) > \text{threshold}\}

    Args:
        z_mean: posterior means, shape (n, latent_dim), n >= 2.
        threshold: the variance that a unit must exceed, >= 0.

    Raises:
        ValueError: if `z_mean` is not a finite matrix with two rows or more, or `threshold` is negative.

    Source: Burda et al. 2015, arXiv 1509.00519, section 5.2.

    >>> active_units([[0.0, 3.0], [2.0, 3.0]])
    1
    """
    limit = finite_float("threshold", threshold, minimum=0.0)
    return int(np.count_nonzero(unit_variances(z_mean) > limit))
