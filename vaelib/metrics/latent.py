"""How much of the latent space a model uses and how much a code says, from means and log-variances of q(z|x)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error, finite_float, one_of, positive_int

Matrix = npt.NDArray[np.float64]
ESTIMATORS = ("sampled", "analytic")
_LARGEST = 300.0  # log-variance beyond which densities leave the range of float64
_CHUNK = 64  # rows of the (n, n) log-densities that are in memory at once


class MutualInformation(NamedTuple):
    """An estimate of I(x; z) in nats, log n, which limits what n examples can show, n, and the estimator's name."""

    value: float
    ceiling: float
    n: int
    estimator: str


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
    _require_two(means)
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


def kl_per_unit(z_mean: npt.ArrayLike, z_log_var: npt.ArrayLike) -> Matrix:
    r"""Returns each unit's KL divergence of q(z|x) from the prior N(0, 1), mean over the examples, in nats.

    .. math:: \text{KL}_u = \tfrac{1}{2} \, \mathbb{E}_x[e^{\ell_u} + \mu_u^2 - 1 - \ell_u]

    with mean μ and log-variance ℓ. A log-variance above 709 gives infinity, which is what is left of it in float64.

    Args:
        z_mean: posterior means, shape (n, latent_dim).
        z_log_var: logarithms of the posterior variances, of the same shape.

    Returns:
        float64, shape (latent_dim,), none below 0.

    Raises:
        ValueError: if an argument is not a finite matrix, or the shapes differ.

    Source: Kingma & Welling 2014, arXiv 1312.6114, appendix B.

    >>> kl_per_unit([[1.0, 0.0], [-2.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]).tolist()
    [1.25, 0.0]
    """
    means, log_vars = _posteriors(z_mean, z_log_var)
    with np.errstate(over="ignore"):
        kl = 0.5 * (np.expm1(log_vars) - log_vars + means**2)
    return np.asarray(kl.mean(axis=0))


def rate(z_mean: npt.ArrayLike, z_log_var: npt.ArrayLike) -> float:
    """Returns the KL divergence of q(z|x) from the prior N(0, 1), in nats per example: the sum of `kl_per_unit`.

    It is never below the mutual information of x and z.

    Args:
        z_mean: posterior means, shape (n, latent_dim).
        z_log_var: logarithms of the posterior variances, of the same shape.

    Raises:
        ValueError: as for `kl_per_unit`.

    Source: the name: Alemi et al. 2018, arXiv 1711.00464.

    >>> rate([[1.0, 0.0]], [[0.0, 0.0]])
    0.5
    """
    return float(kl_per_unit(z_mean, z_log_var).sum())


def mutual_information(
    z_mean: npt.ArrayLike, z_log_var: npt.ArrayLike, *, seed: int = 0, estimator: str = "sampled"
) -> MutualInformation:
    r"""Estimates how many nats a code z ~ q(z|x) says about which of the n examples it came from.

    .. math:: I(x; z) = \mathbb{E}[\log q(z \mid x)] - \mathbb{E}[\log q(z)], \qquad
        q(z) = \tfrac{1}{n} \sum_j q(z \mid x_j)

    with one draw of z for each example. "sampled" takes the same draw in both terms: an estimate that is never above
    log n, whatever the true value, and so reads as about log n where the truth is larger. "analytic" takes the exact
    first term, the negative entropy of q(z|x): it may exceed log n. Both can be slightly negative when q(z|x) hardly
    depends on x. Compare values of equal n.

    Args:
        z_mean: posterior means, shape (n, latent_dim), n >= 2.
        z_log_var: logarithms of the posterior variances, of the same shape, between −300 and 300.
        seed: integer >= 0 of the draws of z.
        estimator: "sampled" (default) or "analytic".

    Returns:
        `MutualInformation`: `value` in nats, `ceiling` = log n, `n`, `estimator`.

    Raises:
        ValueError: if the arrays are not finite matrices of one shape with two rows or more, a log-variance is out of
            range, or another argument is.

    Source: Hoffman & Johnson 2016, "ELBO surgery"; "analytic" as in He et al. 2019, arXiv 1901.05534. The limit log n:
        Poole et al. 2019, arXiv 1905.06922.

    Two examples that no draw confuses: log 2 nats. Two that nothing tells apart: none.

    >>> mutual_information([[-9.0], [9.0]], [[0.0], [0.0]])
    MutualInformation(value=0.693..., ceiling=0.693..., n=2, estimator='sampled')
    >>> mutual_information([[0.0], [0.0]], [[0.0], [0.0]]).value
    0.0
    """
    means, log_vars = _posteriors(z_mean, z_log_var)
    _require_two(means)
    if np.abs(log_vars).max() > _LARGEST:
        received = Described(f"values from {log_vars.min():g} to {log_vars.max():g}")
        raise argument_error("z_log_var", f"lie between -{_LARGEST:g} and {_LARGEST:g}", received)
    one_of("estimator", estimator, ESTIMATORS)
    noise = _draws(positive_int("seed", seed, minimum=0), means.shape)
    means = means - means.mean(axis=0)  # changes no density, and rounds less
    constant = -0.5 * (math.log(2 * math.pi) + log_vars).sum(axis=1)  # (n,)
    own = constant - 0.5 * (noise**2).sum(axis=1)  # log q(z_i | x_i)
    first = own if estimator == "sampled" else constant - 0.5 * means.shape[1]
    n = len(means)
    log_mixture = _log_sums(means + np.exp(0.5 * log_vars) * noise, means, log_vars, constant, own) - math.log(n)
    value = float((first - log_mixture).mean())
    if estimator == "sampled":
        value = min(value, math.log(n))  # which rounding may exceed
    return MutualInformation(value, math.log(n), n, estimator)


def _draws(seed: int, shape: tuple[int, ...]) -> Matrix:
    """Returns noise of a stream of its own: codes that were made by `default_rng(seed)` must not meet it again."""
    return np.random.default_rng([seed, 0x7A]).standard_normal(shape)


def _log_sums(z: Matrix, means: Matrix, log_vars: Matrix, constant: Matrix, own: Matrix) -> Matrix:
    """Returns log Σ_j q(z_i | x_j) for each draw z_i, (n,); `own` is log q(z_i | x_i) as it was drawn."""
    precision = np.exp(-log_vars)
    # the square, expanded, is a product of matrices, many times as fast as differences, but rounds by this much
    largest = precision.max(axis=0) * np.maximum(z**2, means**2).max(axis=0)
    rounding = 4 * (z.shape[1] + 1) * np.finfo(np.float64).eps * float(largest.sum())
    right = np.concatenate([-0.5 * precision, means * precision], axis=1).T  # (2 · latent_dim, n)
    constant_of_x = constant - 0.5 * (means**2 * precision).sum(axis=1)
    sums = np.empty(len(z))
    for start in range(0, len(z), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(z)))
        log_q = np.concatenate([z[rows] ** 2, z[rows]], axis=1) @ right  # (chunk, n)
        log_q += constant_of_x
        if rounding > 1e-6:
            for i, row in zip(rows, log_q, strict=True):
                near = np.flatnonzero(row > own[i] - 50 - rounding)  # what else adds less than n · exp(−50)
                row[near] = constant[near] - 0.5 * ((z[i] - means[near]) ** 2 * precision[near]).sum(axis=1)
        log_q[np.arange(len(rows)), rows] = own[rows]
        highest = log_q.max(axis=1)
        log_q -= highest[:, np.newaxis]
        sums[rows] = highest + np.log(np.exp(log_q, out=log_q).sum(axis=1))
    return sums


def _require_two(means: npt.NDArray[np.generic]) -> None:
    if len(means) < 2:
        raise argument_error("z_mean", "hold two examples or more", Described(f"an array of shape {means.shape}"))


def _posteriors(z_mean: npt.ArrayLike, z_log_var: npt.ArrayLike) -> tuple[Matrix, Matrix]:
    """Returns both as float64 matrices of one shape, or raises."""
    means = finite_array("z_mean", z_mean, ndim=2, axes="(n, latent_dim)")
    log_vars = finite_array("z_log_var", z_log_var, ndim=2, axes="(n, latent_dim)")
    if means.shape != log_vars.shape:
        received = Described(f"an array of shape {log_vars.shape}")
        raise argument_error("z_log_var", f"have the shape of z_mean, {means.shape}", received)
    return means.astype(np.float64), log_vars.astype(np.float64)
