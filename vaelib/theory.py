"""What a loss's scales mean for β, and where the linear β-VAE collapses. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error, finite_float, one_of, positive_int

_REDUCTIONS = ("mean", "sum")
_LIKELIHOODS = ("gaussian", "bernoulli", "continuous_bernoulli")


def effective_beta(
    kl_weight: float,
    *,
    n_pixels: int,
    n_latents: int,
    reconstruction: str = "mean",
    kl: str = "mean",
    likelihood: str = "gaussian",
    sigma2: float = 0.5,
) -> float:
    r"""Returns the β that a KL weight amounts to once both terms are sums over pixels and latent units.

    For the loss R / Dr + w · K / Lr, with R the squared error summed over D pixels (or the binary
    cross-entropy) and K the KL in nats summed over L latent units,

    .. math:: \beta_{\text{eff}} = \frac{w \, D_r}{2\sigma^2 L_r},

    where Dr = D and Lr = L under the reduction "mean" and 1 under "sum". For the two Bernoulli likelihoods
    β is w · Dr / Lr.

    Args:
        kl_weight: w, >= 0.
        n_pixels: D, the numbers in one example.
        n_latents: L, the number of latent units.
        reconstruction: "mean" or "sum", how the reconstruction term is reduced over pixels.
        kl: "mean" or "sum", how the KL is reduced over latent units.
        likelihood: "gaussian" (squared error), "bernoulli" or "continuous_bernoulli".
        sigma2: variance of the Gaussian decoder against whose negative ELBO the loss is compared. The default
            1/2 reads the squared error itself as the negative log-likelihood.

    Returns:
        β in front of the KL in nats, the other term being the negative log-likelihood in nats.

    Raises:
        ValueError: if an argument is out of range, or `sigma2` is given for a Bernoulli likelihood.

    A weight of 1 on 28 x 28 images with 10 latent units, both terms averaged:

    >>> effective_beta(1.0, n_pixels=784, n_latents=10)
    78.4

    The weight 0.00025 with summed KL on 64 x 64 x 3 images:

    >>> round(effective_beta(0.00025, n_pixels=64 * 64 * 3, n_latents=128, kl="sum"), 2)
    3.07
    """
    weight = finite_float("kl_weight", kl_weight, minimum=0.0)
    dr, lr = _reductions(n_pixels, n_latents, reconstruction, kl)
    variance = finite_float("sigma2", sigma2, minimum=0.0, exclusive=True)
    if one_of("likelihood", likelihood, _LIKELIHOODS) == "gaussian":
        return weight * dr / (2 * variance * lr)
    if variance != 0.5:
        raise argument_error("sigma2", f"be left out for the likelihood {likelihood!r}", sigma2)
    return weight * dr / lr


def covariance_spectrum(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns the eigenvalues of the covariance matrix of the examples, largest first.

    Args:
        x: examples, shape (n, ...), n >= 2; each is flattened to D numbers. The covariance divides by n.

    Returns:
        float64, shape (D,), in squared units of the data, none below 0. Values up to max(n, D) · 2.2e-16 of the
        largest are rounding errors and returned as 0, so that the others count the rank.

    Raises:
        ValueError: if `x` is not numeric and finite, or holds fewer than two examples.

    >>> covariance_spectrum([[0.0, 0.0], [2.0, 0.0]]).tolist()
    [1.0, 0.0]
    """
    examples = finite_array("x", x)
    if examples.ndim < 2 or len(examples) < 2:
        received = Described(f"an array of shape {examples.shape}")
        raise argument_error("x", "have the shape (n, ...) with n >= 2", received)
    flat = examples.reshape(len(examples), -1).astype(np.float64)
    flat -= flat[0]  # constant columns become exactly 0, whatever their mean is rounded to
    flat -= flat.mean(axis=0)
    n, d = flat.shape
    # Both products have the same eigenvalues above 0: take the smaller one.
    product = flat @ flat.T if n < d else flat.T @ flat
    eigenvalues = np.zeros(d)
    eigenvalues[: len(product)] = np.linalg.eigvalsh(product)[::-1] / n
    return np.where(eigenvalues > max(n, d) * np.finfo(np.float64).eps * eigenvalues[0], eigenvalues, 0.0)


def collapse_weight(x: npt.ArrayLike, *, n_latents: int, reconstruction: str = "mean", kl: str = "mean") -> float:
    r"""Returns the smallest KL weight at which the linear β-VAE collapses completely.

    .. math:: w^\ast = 2 \lambda_1 L_r / D_r

    with λ₁ the largest covariance eigenvalue of the data. The loss is the squared error without a factor
    1/2, R / Dr + w · K / Lr; its σ² does not matter. For a nonlinear model this is the weight at which the
    collapsed state becomes locally stable. `predict_collapse` says the same of every `Objective`.

    Args:
        x: examples, shape (n, ...), n >= 2.
        n_latents: L, the number of latent units.
        reconstruction: "mean" or "sum", how the squared error is reduced over pixels.
        kl: "mean" or "sum", how the KL is reduced over latent units.

    Raises:
        ValueError: if `x` is not usable (see `covariance_spectrum`) or another argument is out of range.

    Source: the optimum of the linear VAE, Lucas et al. 2019, arXiv 1911.02469, with a KL weight.

    >>> collapse_weight([[0.0, 0.0], [2.0, 0.0]], n_latents=4, reconstruction="sum", kl="sum")
    2.0
    """
    eigenvalues = covariance_spectrum(x)
    dr, lr = _reductions(len(eigenvalues), n_latents, reconstruction, kl)
    return 2 * float(eigenvalues[0]) * lr / dr


def units_kept(eigenvalues: npt.ArrayLike, beta_sigma2: float, n_latents: int) -> int:
    r"""Returns how many latent units the optimal linear β-VAE keeps active.

    Unit i is active if and only if its eigenvalue exceeds β · σ²,

    .. math:: \lambda_i > \beta\sigma^2, \qquad i \le L

    Args:
        eigenvalues: covariance eigenvalues, shape (D,), as `covariance_spectrum` returns them.
        beta_sigma2: the product β · σ², >= 0; for the loss R / Dr + w · K / Lr it is w · Dr / (2 Lr).
        n_latents: L, the number of latent units.

    Raises:
        ValueError: if an argument is out of range or not finite.

    Source: Lucas et al. 2019, arXiv 1911.02469, at β = 1.

    >>> units_kept([0.7, 0.2, 0.1], beta_sigma2=0.0, n_latents=2)
    2
    >>> units_kept([0.7, 0.2, 0.1], beta_sigma2=0.2, n_latents=2)
    1
    >>> units_kept([0.7, 0.2, 0.1], beta_sigma2=0.7, n_latents=2)
    0
    """
    spectrum = finite_array("eigenvalues", eigenvalues, ndim=1, axes="(D,)")
    threshold = finite_float("beta_sigma2", beta_sigma2, minimum=0.0)
    return min(int(np.count_nonzero(spectrum > threshold)), positive_int("n_latents", n_latents))


def _reductions(n_pixels: int, n_latents: int, reconstruction: str, kl: str) -> tuple[int, int]:
    d = positive_int("n_pixels", n_pixels)
    latents = positive_int("n_latents", n_latents)
    return (
        d if one_of("reconstruction", reconstruction, _REDUCTIONS) == "mean" else 1,
        latents if one_of("kl", kl, _REDUCTIONS) == "mean" else 1,
    )
