"""One case: the arrays of a model and what is measured on them, before any judgement."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error
from vaelib.diagnosis._training_facts import TrainingFacts
from vaelib.linear_optimum import optimal_variance
from vaelib.metrics import active_units
from vaelib.theory import covariance_spectrum, units_kept

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """Checked arrays and facts; every property is computed once.

    Attributes:
        n_pixels: D, the numbers in an example.
        variance: their mean variance: the squared error of the best constant reconstruction.
        squared_error: mean squared error for each of them.
        in_unit_interval: whether the data lie in [0, 1], as a Bernoulli likelihood would have them.
        z_mean, z_log_var: (n, latent_dim), as float64.
        facts: what is known of the training.
        history: columns of figures, one value an epoch.
        eigenvalues: (D,), covariance spectrum of what the codes have to explain: of x, or of what a condition leaves.
        kl: (n, latent_dim), in nats; computed from the codes by default.
        standard_units: how many of the units, from the first on, have the prior N(0, 1); all by default.
    """

    n_pixels: int
    variance: float
    squared_error: float
    in_unit_interval: bool
    eigenvalues: Array
    z_mean: Array
    z_log_var: Array
    facts: TrainingFacts = field(default_factory=TrainingFacts)
    history: dict[str, Array] = field(default_factory=dict)
    kl: Array | None = None
    standard_units: int | None = None

    @property
    def is_finite(self) -> bool:
        """Whether codes and reconstructions are numbers, as those of a training that broke are not."""
        return math.isfinite(self.squared_error) and bool(np.isfinite(self.z_mean + self.z_log_var).all())

    @property
    def latent_dim(self) -> int:
        """L."""
        return self.z_mean.shape[1]

    @cached_property
    def kl_per_unit(self) -> Array:
        """(latent_dim,): mean KL of each unit in nats."""
        with np.errstate(over="ignore"):
            values = 0.5 * (np.exp(self.z_log_var) + self.z_mean**2 - 1 - self.z_log_var)
        return (values if self.kl is None else self.kl).mean(axis=0)

    @cached_property
    def rate(self) -> float:
        """Total KL in nats per example."""
        return float(self.kl_per_unit.sum())

    @cached_property
    def last_kl(self) -> float:
        """Total KL in nats in the history's last epoch; 0 where it is not known."""
        for name in ("val_kl_loss", "kl_loss"):
            if name in self.history:
                values = self.history[name]
                return float(values[np.isfinite(values)][-1]) / self.facts.scales(self.n_pixels, self.latent_dim)[1]
        return 0.0

    @cached_property
    def information(self) -> float:
        """Nats that the means tell of an example over the noise of the codes, Σ ½ ln(1 + Var E[z|x] / E Var[z|x])."""
        with np.errstate(over="ignore", divide="ignore"):
            noise = np.exp(self.z_log_var).mean(axis=0)
            return float(0.5 * np.log1p(self.z_mean.var(axis=0) / noise).sum())

    @cached_property
    def active_units(self) -> int:
        """Units whose mean varies by more than 0.01 over the examples."""
        return active_units(self.z_mean)

    @cached_property
    def second_moment(self) -> float:
        """Mean over units of E[z²] under q: 1 for the prior N(0, 1)."""
        units = slice(self.standard_units)
        with np.errstate(over="ignore"):
            return float((self.z_mean[:, units] ** 2 + np.exp(self.z_log_var[:, units])).mean())

    @property
    def judged_error(self) -> float:
        """The squared error, or that of the mean, which any decoder can reach, where it is smaller; never 0."""
        return max(min(self.squared_error, self.variance), 1e-12 * self.variance)

    @cached_property
    def supported_kl_per_unit(self) -> Array:
        """(active units,): KL of the linear VAE at β = 1 whose decoder variance is the error that this model leaves."""
        kept = units_kept(self.eigenvalues, self.judged_error, self.latent_dim)
        return np.asarray(0.5 * np.log(self.eigenvalues[:kept] / self.judged_error))

    @property
    def supported_units(self) -> int:
        """Active units of that linear VAE."""
        return len(self.supported_kl_per_unit)

    @property
    def supported_rate(self) -> float:
        """Its total KL in nats per example."""
        return float(self.supported_kl_per_unit.sum())

    @cached_property
    def apparent_beta(self) -> float:
        """β of the linear VAE that spends the same KL and leaves the same error (at most that of the mean)."""
        spectrum = self.eigenvalues[: self.latent_dim]
        spectrum = spectrum[spectrum > 0]
        # with k units above the level τ = βσ² the KL is ½ Σ ln(λ_i / τ); the right k gives the highest τ
        kept = np.arange(1, len(spectrum) + 1)
        level = np.exp((np.cumsum(np.log(spectrum)) - 2 * self.rate) / kept).max(initial=0.0)
        return float(level / self.judged_error)

    @cached_property
    def reachable_sigma2(self) -> float:
        """The decoder variance that the linear VAE at β = 1 fits to these data; the error where it has none."""
        sigma2, _, case = optimal_variance(self.eigenvalues, self.latent_dim, 1.0)
        return sigma2 if case == "unique" else self.squared_error

    @property
    def scaling(self) -> float | None:
        """β at a KL weight of 1 against the error that the model leaves; None where the loss is not known."""
        if self.facts.kl_weight is None or self.squared_error <= 0:
            return None
        return self.facts.scaling(self.squared_error, self.n_pixels, self.latent_dim)

    @property
    def effective_beta(self) -> float | None:
        """The KL weight as a β against the error that the model leaves; None where the loss is not known."""
        scaling = self.scaling
        return None if scaling is None or self.facts.kl_weight is None else self.facts.kl_weight * scaling

    @cached_property
    def weight_at_one(self) -> float | None:
        """The KL weight at which β is 1 at the error of this model or of a linear VAE, whichever is smaller."""
        if self.facts.kl_weight is None:
            return None
        return 1 / self.facts.scaling(
            max(min(self.reachable_sigma2, self.squared_error), 1e-12), self.n_pixels, self.latent_dim
        )

    @property
    def bounds(self) -> tuple[float, float]:
        """Where log-variances have a gradient in the KL: the narrower of a clip and the head's bounds."""
        given = [bounds for bounds in (self.facts.kl_clip, self.facts.log_var_bounds) if bounds]
        return min(given, key=lambda bounds: bounds[1] - bounds[0]) if given else (-math.inf, math.inf)

    @cached_property
    def log_var_gradient(self) -> Array | None:
        """(n, latent_dim): what is left of the gradient of the log-variance behind its bounds, 0 to 1; None without."""
        lower, upper = self.bounds
        if upper == math.inf:
            return None
        middle, half = (lower + upper) / 2, (upper - lower) / 2
        place = np.abs(self.z_log_var - middle) / half  # 1 at the bounds
        if self.bounds == self.facts.log_var_bounds and self.facts.log_var_form == "soft":
            return np.clip(1 - place**2, 0.0, 1.0)  # the derivative of tanh
        return np.asarray(place < 1 - 1e-5, dtype=np.float64)

    def numbers(self) -> dict[str, float]:
        """What a diagnosis reports as measured."""
        beta = self.effective_beta
        return {
            "examples": len(self.z_mean),
            "active_units": self.active_units,
            "latent_dim": self.latent_dim,
            "rate": self.rate,
            "supported_units": self.supported_units,
            "supported_rate": self.supported_rate,
            "second_moment": self.second_moment,
            "squared_error": self.squared_error,
            "apparent_beta": self.apparent_beta,
            "data_variance": self.variance,
            **({} if beta is None else {"effective_beta": beta}),
        }


def checked_data(x: Any) -> Array:
    """Returns the data as (n, D) float64; raises a ValueError if it is not numeric and finite, or constant."""
    data = finite_array("x", x)
    if data.ndim < 2 or len(data) < 2:
        raise argument_error("x", "have the shape (n, ...) with n >= 2", Described(f"an array of shape {data.shape}"))
    flat = data.reshape(len(data), -1).astype(np.float64)
    if not np.ptp(flat, axis=0).any():
        received = Described(f"{len(data)} equal examples")
        raise argument_error("x", "hold examples that differ: constant data has nothing to encode", received)
    return flat


def measured(x: Array, x_reconstructed: Any, eigenvalues: Array | None = None) -> dict[str, Any]:
    """Returns what a `Case` holds of data (n, D) and reconstructions; `eigenvalues` are those of x by default."""
    return {
        "n_pixels": x.shape[1],
        "variance": float(x.var(axis=0).mean()),
        "in_unit_interval": bool(x.min() >= 0 and x.max() <= 1),
        "squared_error": float(((x - np.asarray(x_reconstructed).reshape(x.shape)) ** 2).mean()),
        "eigenvalues": covariance_spectrum(x) if eigenvalues is None else eigenvalues,
    }
