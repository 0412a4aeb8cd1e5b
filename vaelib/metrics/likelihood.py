"""How well data are described: distortion, the negative ELBO at β = 1 and the importance-weighted bound, from arrays.

They take the arrays of anybody's model; `vaelib.evaluation` computes the same for a model of this library.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from vaelib._arrays import Array, finite_array
from vaelib._checks import Described, argument_error, one_of
from vaelib._loss_arguments import MIN_SIGMA2, fixed_sigma2
from vaelib.metrics.latent import rate

_LIKELIHOODS = ("gaussian", "mse", "bernoulli")
_MIN_PROBABILITY = 1e-7  # a float32 sigmoid reaches 0 and 1


class Elbo(NamedTuple):
    """The negative ELBO at β = 1 and its two parts, in nats per example, and the σ² it was computed with."""

    negative_elbo: float
    reconstruction: float
    kl: float
    sigma2: float | None


def optimal_sigma2(x: npt.ArrayLike, x_reconstructed: npt.ArrayLike) -> float:
    """Returns the variance of a Gaussian decoder at which `x` is most likely: the mean squared error.

    Args:
        x: examples, shape (n, …). Take those of the training set.
        x_reconstructed: their reconstructions, of the same shape, each from one draw of z ~ q(z|x).

    Returns:
        σ², one number for all pixels, never below exp(−12).

    Raises:
        ValueError: if an argument is not numeric and finite, or the shapes differ.

    Source: Rybkin et al. 2021, arXiv 2006.13202.

    >>> optimal_sigma2([[0.0, 2.0]], [[0.0, 1.0]])
    0.5
    """
    return _optimal(*_pair(x, x_reconstructed))


def distortion(
    x: npt.ArrayLike, x_reconstructed: npt.ArrayLike, likelihood: str = "gaussian", sigma2: float | None = None
) -> float:
    """Returns the mean error of an example, summed over its pixels: −log p(x|z) in nats, or the squared error.

    "gaussian" gives ½ (D log 2πσ² + S/σ²) with S the squared error summed over D pixels; "mse" gives S itself, which
    is no number of nats; "bernoulli" gives the cross-entropy of zeros and ones.

    Args:
        x: examples, shape (n, …).
        x_reconstructed: their reconstructions, of the same shape, each from one draw of z ~ q(z|x): those from the mean
            codes have a smaller error, and no negative ELBO is made of them. For "bernoulli" probabilities; what
            happened counts as having had 1e-7 at least.
        likelihood: "gaussian" (default), "mse" or "bernoulli".
        sigma2: σ² of the Gaussian, at least exp(−12); by default `optimal_sigma2` of these arrays. For test data give
            that of the training set.

    Raises:
        ValueError: if an array is not numeric and finite or outside the likelihood's range, if shapes differ, or
            another argument is out of range.

    Source: the name: Alemi et al. 2018, arXiv 1711.00464.

    >>> distortion([[0.0, 2.0]], [[0.0, 1.0]], "mse")
    1.0
    >>> round(distortion([[0.0, 2.0]], [[0.0, 1.0]], sigma2=0.5), 4)  # log π + 1
    2.1447
    >>> round(distortion([[1.0, 0.0]], [[0.5, 0.5]], "bernoulli"), 4)  # 2 log 2
    1.3863
    """
    one_of("likelihood", likelihood, _LIKELIHOODS)
    examples, reconstructed = _pair(x, x_reconstructed)
    if likelihood == "gaussian":
        variance = _optimal(examples, reconstructed) if sigma2 is None else fixed_sigma2(sigma2)
        squared = _squared_error(examples, reconstructed)
        return 0.5 * (examples.shape[1] * math.log(2 * math.pi * variance) + squared / variance)
    if sigma2 is not None:
        raise argument_error("sigma2", f"be left out: {likelihood} has no σ²", sigma2)
    if likelihood == "mse":
        return _squared_error(examples, reconstructed)
    if not np.isin(examples, (0.0, 1.0)).all():
        raise argument_error("x", "hold only 0 and 1 under likelihood='bernoulli'", _range(examples))
    if reconstructed.min() < 0 or reconstructed.max() > 1:
        must = "hold probabilities under likelihood='bernoulli'"
        raise argument_error("x_reconstructed", must, _range(reconstructed), "Take the sigmoid of logits.")
    probability = np.where(examples == 1.0, reconstructed, 1.0 - reconstructed)
    return float(-np.log(np.maximum(probability, _MIN_PROBABILITY)).sum(axis=1).mean())


def negative_elbo_arrays(
    x: npt.ArrayLike,
    x_reconstructed: npt.ArrayLike,
    z_mean: npt.ArrayLike,
    z_log_var: npt.ArrayLike,
    *,
    likelihood: str = "gaussian",
    sigma2: float | None = None,
) -> Elbo:
    """Returns the negative ELBO at β = 1 and its parts from the arrays of anybody's model, in nats per example.

    −log p(x|z) + KL(q(z|x) ‖ N(0, 1)), whatever β and σ² the model was trained with: so models trained in different
    ways can be compared.

    Args:
        x: examples, shape (n, …).
        x_reconstructed: their reconstructions, each from one draw of z ~ q(z|x).
        z_mean: posterior means, shape (n, latent_dim).
        z_log_var: logarithms of the posterior variances, of the same shape.
        likelihood: "gaussian" (default) or "bernoulli".
        sigma2: σ² of the Gaussian; by default fitted to these arrays, which flatters test data. For those give
            `optimal_sigma2` of the training set.

    Raises:
        ValueError: as for `distortion` and `kl_per_unit`, or if the numbers of examples differ.

    >>> negative_elbo_arrays([[1.0, 0.0]], [[0.5, 0.5]], [[1.0]], [[0.0]], likelihood="bernoulli")
    Elbo(negative_elbo=1.886..., reconstruction=1.386..., kl=0.5, sigma2=None)
    """
    one_of("likelihood", likelihood, ("gaussian", "bernoulli"))
    kl = rate(z_mean, z_log_var)
    examples, reconstructed = _pair(x, x_reconstructed)
    codes = np.asarray(z_mean)
    if len(codes) != len(examples):
        received = Described(f"an array of shape {codes.shape}")
        raise argument_error("z_mean", f"hold a row for each of the {len(examples)} examples", received)
    if likelihood == "gaussian" and sigma2 is None:
        sigma2 = _optimal(examples, reconstructed)
    reconstruction = distortion(examples, reconstructed, likelihood, sigma2)
    return Elbo(reconstruction + kl, reconstruction, kl, None if sigma2 is None else float(sigma2))


def importance_weighted_bound_arrays(log_weights: npt.ArrayLike) -> float:
    r"""Returns the importance-weighted upper bound of −log p(x), in nats per example.

    .. math:: -\mathbb{E}_x \log \tfrac{1}{k} \sum_{i=1}^k \frac{p(x \mid z_i) \, p(z_i)}{q(z_i \mid x)},
        \qquad z_i \sim q(z \mid x)

    With k = 1 it is the negative ELBO; in expectation it falls as k grows, towards −log p(x). Its sign is that of the
    negative ELBO: the smaller, the tighter.

    Args:
        log_weights: log p(x|z) + log p(z) − log q(z|x) in nats, shape (n, k), one row for each example.

    Raises:
        ValueError: if `log_weights` is not a finite matrix.

    Source: Burda et al. 2015, arXiv 1509.00519.

    Weights 1 and 3 have the mean 2; one draw alone is the negative ELBO:

    >>> round(importance_weighted_bound_arrays([[0.0, math.log(3.0)]]), 4)  # −log 2
    -0.6931
    >>> importance_weighted_bound_arrays([[-2.0], [-4.0]])
    3.0
    """
    weights = finite_array("log_weights", log_weights, ndim=2, axes="(n, k)").astype(np.float64)
    return float(math.log(weights.shape[1]) - logsumexp(weights, axis=1).mean())


def _pair(x: npt.ArrayLike, x_reconstructed: npt.ArrayLike) -> tuple[Array, Array]:
    """Returns both as float64 matrices, one example a row, or raises."""
    examples, reconstructed = finite_array("x", x), finite_array("x_reconstructed", x_reconstructed)
    if examples.ndim < 2:
        raise argument_error("x", "have the shape (n, …)", Described(f"an array of shape {examples.shape}"))
    if examples.shape != reconstructed.shape:
        received = Described(f"an array of shape {reconstructed.shape}")
        raise argument_error("x_reconstructed", f"have the shape of x, {examples.shape}", received)
    n = len(examples)
    return examples.reshape(n, -1).astype(np.float64), reconstructed.reshape(n, -1).astype(np.float64)


def _squared_error(x: Array, x_reconstructed: Array) -> float:
    return float(((x - x_reconstructed) ** 2).sum(axis=1).mean())


def _optimal(x: Array, x_reconstructed: Array) -> float:
    return max(_squared_error(x, x_reconstructed) / x.shape[1], MIN_SIGMA2)


def _range(values: Array) -> Described:
    return Described(f"values from {values.min():g} to {values.max():g}")
