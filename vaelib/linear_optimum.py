"""The exact optimum of the linear β-VAE, for any β and any decoder variance, a learned one included. NumPy only."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vaelib._checks import finite_float, one_of, positive_int
from vaelib.theory import covariance_spectrum, units_kept

_Array = npt.NDArray[np.float64]
_RELATIVE = 1e-12  # numbers of dimensions closer than this count as equal


@dataclass(frozen=True, eq=False)
class LinearOptimum:
    """What the linear β-VAE is at its optimum; units come in the order of the eigenvalues that they code for.

    Attributes:
        beta: the KL weight β.
        sigma2: the decoder's variance, as given or at its optimum; 0 where the loss is unbounded.
        case: "unique", "flat" or "unbounded"; see `linear_vae_optimum`.
        active_units: k, how many units are active.
        loss: reconstruction + β · kl, in nats per example.
        reconstruction: expected negative log-likelihood in nats, its constant ½ D ln 2πσ² included.
        kl: the sum of `kl_per_unit`, in nats.
        negative_elbo: reconstruction + kl: the loss at β = 1 of a model trained with this β.
        collapsed_loss: the loss with no active unit, σ² given or at its own optimum.
        kl_per_unit: (latent_dim,), in nats.
        posterior_variance: (latent_dim,), the variance of q(z_i given x), the same for every x.
        mean_variance: (latent_dim,), the variance of the posterior mean over the examples.
        weight_norm: (latent_dim,), the length of the decoder's column; its direction is a principal axis.
        mean: (D,), the mean of the examples, which is the decoder's bias.
        eigenvalues: (D,), the covariance spectrum, largest first.
    """

    beta: float
    sigma2: float
    case: str
    active_units: int
    loss: float
    reconstruction: float
    kl: float
    negative_elbo: float
    collapsed_loss: float
    kl_per_unit: _Array
    posterior_variance: _Array
    mean_variance: _Array
    weight_norm: _Array
    mean: _Array = field(repr=False)
    eigenvalues: _Array = field(repr=False)


def linear_vae_optimum(
    x: npt.ArrayLike, latent_dim: int, beta: float = 1.0, sigma2: float | str = 1.0
) -> LinearOptimum:
    r"""Returns the optimum of the β-VAE with a linear encoder, a linear decoder and a Gaussian likelihood.

    The loss −E log N(x; Wz + d, σ²) + β · KL falls apart into one problem for each principal axis of the data, and unit
    i ≤ L codes for the i-th:

    .. math::
        \lambda_i > \beta\sigma^2: \quad \mathrm{KL}_i = \tfrac12 \ln\frac{\lambda_i}{\beta\sigma^2}, \quad
        \operatorname{Var} q = \frac{\beta\sigma^2}{\lambda_i}, \quad
        \operatorname{Var} \mu_i = 1 - \frac{\beta\sigma^2}{\lambda_i}, \quad
        \lVert w_i \rVert^2 = \lambda_i - \beta\sigma^2,

    and otherwise the unit is at the prior. An active direction leaves an expected squared error of βσ², the others
    leave their λ_i. With the k that is best at each σ², the loss is a convex, once differentiable function of ln σ²
    with the derivative ½ (D − kβ − Σ_{i>k} λ_i / σ²), so a learned σ² agrees with its own k at one place:

    .. math:: \sigma^2 = \frac{\sum_{i>k} \lambda_i}{D - k\beta}

    at β = 1 the maximum-likelihood variance of probabilistic PCA. Two cases differ. Let K be the smaller of L and the
    rank, and let K units hold all variance. "flat": Kβ = D, and the loss is the same for every σ² up to λ_K / β; this
    upper end is reported. "unbounded": Kβ < D, constant data among them, and the loss falls without end as σ² → 0; the
    limits are reported: σ² = 0, a loss of −∞, an infinite KL. A given σ² is always "unique".

    Args:
        x: examples, shape (n, ...), n >= 2; each is flattened to D numbers.
        latent_dim: L, the number of latent units, >= 1.
        beta: the KL weight β, > 0, both terms being sums over pixels and units.
        sigma2: the decoder's variance σ² > 0; or "learned" or "optimal", both the one with the lowest loss.

    Returns:
        A `LinearOptimum`. Up to the sign and the order of units it is the only one where eigenvalues differ.

    Raises:
        ValueError: if `x` is not usable (see `covariance_spectrum`) or another argument is out of range.

    Source: Lucas et al. 2019, arXiv 1911.02469, at β = 1; with β the same derivation.

    Variances 2 and ½ along the two axes; σ² = 1 lies between them:

    >>> x = [[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    >>> optimum = linear_vae_optimum(x, latent_dim=2)
    >>> optimum.active_units, optimum.posterior_variance.tolist(), optimum.weight_norm.tolist()
    (1, [0.5, 1.0], [1.0, 0.0])
    >>> optimum.kl_per_unit.round(4).tolist()  # ½ ln 2
    [0.3466, 0.0]

    A learned σ² with one unit is what that unit leaves, ½ / (2 − 1). With two, all smaller ones are as good:

    >>> [(o.sigma2, o.case) for o in (linear_vae_optimum(x, n, sigma2="learned") for n in (1, 2))]
    [(0.5, 'unique'), (0.5, 'flat')]
    >>> linear_vae_optimum(x, 2, beta=0.5, sigma2="learned").case
    'unbounded'
    """
    units = positive_int("latent_dim", latent_dim)
    weight = finite_float("beta", beta, minimum=0.0, exclusive=True)
    learned = isinstance(sigma2, str) and bool(one_of("sigma2", sigma2, ("learned", "optimal")))
    variance = 0.0 if learned else finite_float("sigma2", sigma2, minimum=0.0, exclusive=True)
    spectrum = covariance_spectrum(x)
    if learned:
        variance, active, case = optimal_variance(spectrum, units, weight)
    else:
        active, case = units_kept(spectrum, weight * variance, units), "unique"
    coded = spectrum[:active]
    with np.errstate(divide="ignore"):  # σ² = 0: an infinite KL
        kl = _for_units(0.5 * np.log(coded / np.array(weight * variance)), units)

    def nats(kl_weight: float) -> float:
        return _nats(spectrum, active, weight, variance, kl_weight)

    return LinearOptimum(
        beta=weight,
        sigma2=variance,
        case=case,
        active_units=active,
        loss=nats(weight),
        reconstruction=nats(0.0),
        kl=float(kl.sum()),
        negative_elbo=nats(1.0),
        collapsed_loss=_nats(spectrum, 0, weight, float(spectrum.mean()) if learned else variance, weight),
        kl_per_unit=kl,
        posterior_variance=_for_units(weight * variance / coded, units, rest=1.0),
        mean_variance=_for_units(1 - weight * variance / coded, units),
        weight_norm=_for_units(np.sqrt(coded - weight * variance), units),
        mean=np.asarray(x, dtype=np.float64).reshape(-1, len(spectrum)).mean(axis=0),
        eigenvalues=spectrum,
    )


def optimal_variance(eigenvalues: _Array, units: int, beta: float) -> tuple[float, int, str]:
    """Returns the σ² at which the linear model's loss is lowest, its number of active units k, and the case.

    Args:
        eigenvalues: (D,), largest first, exactly 0 beyond the rank, as `covariance_spectrum` returns them.
        units: number of latent units.
        beta: the KL weight, >= 0.

    >>> optimal_variance(np.array([2.0, 0.5]), units=1, beta=1.0)
    (0.5, 1, 'unique')
    """
    d = len(eigenvalues)
    usable = int(np.count_nonzero(eigenvalues[:units]))
    left = np.append(np.cumsum(eigenvalues[::-1])[::-1], 0.0)  # left[k] = Σ_{i>k} λ_i
    # twice the derivative where unit k + 1 sets in, σ² = λ_{k+1} / β: the optimum lies below while it is above 0
    k = np.arange(usable)
    derivative = d - k * beta - beta * left[:usable] / eigenvalues[:usable]
    active = int(np.count_nonzero(derivative > _RELATIVE * d))
    case = "unique"
    if left[usable] == 0 and math.isclose(usable * beta, d, rel_tol=_RELATIVE):
        case = "flat"
    elif left[usable] == 0 and usable * beta < d:
        case = "unbounded"
    return float(left[active] / (d - active * beta)), active, case


def _nats(eigenvalues: _Array, active: int, beta: float, sigma2: float, kl_weight: float) -> float:
    """Returns reconstruction + kl_weight · KL of the state with this σ², the limit where σ² is 0."""
    d = len(eigenvalues)
    constant = d * math.log(2 * math.pi) + active * beta + kl_weight * np.log(eigenvalues[:active] / beta).sum()
    if sigma2:
        constant += eigenvalues[active:].sum() / sigma2
    slope = d - active * kl_weight  # of ln σ²
    log_sigma2 = math.log(sigma2) if sigma2 else -math.inf
    return float(0.5 * (constant + (slope * log_sigma2 if slope else 0.0)))


def _for_units(active: _Array, units: int, rest: float = 0.0) -> _Array:
    return np.append(active, np.full(units - len(active), rest))
