"""Where an objective will collapse a model on given data, foreseen from the covariance alone. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error, finite_float, positive_int
from vaelib._loss_arguments import MIN_SIGMA2
from vaelib.linear_optimum import optimal_variance
from vaelib.theory import covariance_spectrum

_Array = npt.NDArray[np.float64]


@runtime_checkable
class _Objective(Protocol):
    """What is read of a `vaelib.Objective`."""

    likelihood: str
    sigma2: Any
    free_bits: Any
    capacity: Any
    kl_clip: Any

    def scales(self, n_pixels: int, n_latents: int) -> tuple[float, float]: ...

    def check(self, name: str, x: npt.NDArray[Any]) -> None: ...


@dataclass(frozen=True, eq=False)
class CollapsePrediction:
    """What `predict_collapse` foresees.

    Attributes:
        units_kept: how many units stay active.
        collapses: whether none does, kl_weight >= collapse_weight.
        kl_weight: the weight that was asked about.
        collapse_weight: the smallest weight that collapses all units.
        effective_beta: β, what `kl_weight` amounts to with both terms as sums, kl_weight · s_k / s_r.
        sigma2: the decoder's variance of the prediction: ½ for "mse", None for the Bernoulli likelihoods.
        spectrum: (D,), largest first, the ratios without a unit that compare with β: a unit is kept for each above it.
    """

    units_kept: int
    collapses: bool
    kl_weight: float
    collapse_weight: float
    effective_beta: float
    sigma2: float | None
    spectrum: _Array = field(repr=False)


def predict_collapse(x: npt.ArrayLike, objective: Any, kl_weight: float, latent_dim: int) -> CollapsePrediction:
    r"""Returns how many latent units a linear model will keep, and the smallest KL weight that collapses them all.

    To second order around the collapsed state, in the decoder's weights W towards the likelihood's natural parameters
    and the encoder's weights B, the loss changes by

    .. math:: -\operatorname{tr} WBS + \tfrac12 \operatorname{tr} W^\top V W + \tfrac\beta2 \operatorname{tr} BSB^\top
              = \tfrac12 \operatorname{tr} W^\top (V - S/\beta) W \quad\text{at the best } B = W^\top / \beta,

    S being the covariance of the data and V the diagonal of the likelihood's variances at the pixels' means. So the
    state is stable if and only if no generalised eigenvalue of (S, V) exceeds β. This holds for nonlinear models too;
    the number of eigenvalues above β as the number of units kept is exact for the linear Gaussian model alone.

    - Gaussian, V = σ²: the ratios are λ_i / σ². A σ² that is fitted is the one that agrees with its own number of
      units (`linear_vae_optimum`), at least exp(−12); in the collapsed state it is Σλ / D, so that all collapses from
      β = λ₁ D / Σλ on. "mse" is the Gaussian at σ² = ½: `collapse_weight` of `vaelib.theory`.
    - Bernoulli, V = p (1 − p): the eigenvalues of the correlation matrix.
    - Continuous Bernoulli: V is its variance where its mean is the pixel's. Pixels that are constant have no part in
      either.

    Args:
        x: examples, shape (n, ...), n >= 2, within the likelihood's support.
        objective: a `vaelib.Objective` without `free_bits`, `capacity` and `kl_clip`.
        kl_weight: the weight of the KL in the objective's loss, >= 0.
        latent_dim: number of latent units, >= 1.

    Raises:
        ValueError: if `x` is not usable or constant, the objective transforms the KL, or a number is out of range.

    Source: for the linear model Lucas et al. 2019, arXiv 1911.02469; the general case is the expansion above.

    Variances 2 and ½ along the two axes, and the squared error with both terms summed:

    >>> from vaelib import Objective
    >>> x = [[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    >>> predict_collapse(x, Objective("mse"), kl_weight=2.0, latent_dim=2)
    CollapsePrediction(units_kept=1, collapses=False, kl_weight=2.0, collapse_weight=4.0, effective_beta=2.0,
    sigma2=0.5)

    With σ² at its optimum all collapses at β = 2 · 2 / 2.5:

    >>> predict_collapse(x, Objective(), kl_weight=1.6, latent_dim=2).collapses
    True
    """
    if not isinstance(objective, _Objective):
        raise argument_error("objective", "be a vaelib.Objective", objective)
    for name in ("free_bits", "capacity", "kl_clip"):
        if getattr(objective, name) is not None:
            raise argument_error("objective", f"have no {name}: the loss then counts another KL", objective)
    weight = finite_float("kl_weight", kl_weight, minimum=0.0)
    units = positive_int("latent_dim", latent_dim)
    examples = np.atleast_1d(finite_array("x", x))
    objective.check("x", examples)
    sigma2 = {"gaussian": objective.sigma2, "mse": 0.5}.get(objective.likelihood)
    if sigma2 is None:
        examples = examples.astype(np.float64) * _inverse_deviation(objective.likelihood, examples)
    eigenvalues = covariance_spectrum(examples)
    if eigenvalues[0] == 0:
        received = Described(f"{len(examples)} equal ones")
        raise argument_error("x", "hold examples that differ: constant data have nothing to code for", received)
    s_r, s_k = objective.scales(len(eigenvalues), units)
    at_collapse = sigma2
    if isinstance(sigma2, str):
        sigma2 = max(optimal_variance(eigenvalues, units, weight * s_k / s_r)[0], MIN_SIGMA2)
        at_collapse = max(float(eigenvalues.mean()), MIN_SIGMA2)
    spectrum = eigenvalues / (sigma2 or 1.0)
    collapse_weight = float(eigenvalues[0] / (at_collapse or 1.0)) * s_r / s_k
    collapses = weight >= collapse_weight
    return CollapsePrediction(
        units_kept=0 if collapses else min(int(np.count_nonzero(spectrum * s_r / s_k > weight)), units),
        collapses=collapses,
        kl_weight=weight,
        collapse_weight=collapse_weight,
        effective_beta=weight * s_k / s_r,
        sigma2=sigma2,
        spectrum=spectrum,
    )


def _inverse_deviation(likelihood: str, x: npt.NDArray[Any]) -> _Array:
    """Returns 1 / √V of each pixel, 0 where it is constant."""
    varies = x.max(axis=0) > x.min(axis=0)
    mean = np.where(varies, x.mean(axis=0, dtype=np.float64), 0.5)
    variance = mean * (1 - mean) if likelihood == "bernoulli" else _continuous_bernoulli_variance(mean)
    return np.where(varies, 1 / np.sqrt(variance), 0.0)


def _continuous_bernoulli_variance(mean: _Array) -> _Array:
    """Returns the variance of the continuous Bernoulli with this mean, in (0, 1).

    Its natural parameter has the size a > 0 with 1/a − 1/(eᵃ − 1) = m, the smaller of mean and 1 − mean; a < 1/m.

    >>> _continuous_bernoulli_variance(np.array([0.5]))  # the uniform distribution's, 1/12
    array([0.08333333])
    """
    m = np.minimum(mean, 1 - mean)
    low, high = np.zeros_like(m), 1 / m
    for _ in range(60):
        a = (low + high) / 2
        above = 1 / a + np.exp(-a) / np.expm1(-a) > m
        low, high = np.where(above, a, low), np.where(above, high, a)
    series = 1 / 12 - a**2 / 240 + a**4 / 6048
    return np.where(a < 0.1, series, 1 / a**2 - np.exp(-a) / np.expm1(-a) ** 2)
