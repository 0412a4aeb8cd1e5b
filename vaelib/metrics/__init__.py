"""Measures of a trained model: arrays in, numbers out."""

from vaelib.metrics.latent import (
    MutualInformation,
    active_units,
    kl_per_unit,
    mutual_information,
    rate,
    unit_variances,
)
from vaelib.metrics.likelihood import (
    Elbo,
    distortion,
    importance_weighted_bound_arrays,
    negative_elbo_arrays,
    optimal_sigma2,
)

__all__ = [
    "Elbo",
    "MutualInformation",
    "active_units",
    "distortion",
    "importance_weighted_bound_arrays",
    "kl_per_unit",
    "mutual_information",
    "negative_elbo_arrays",
    "optimal_sigma2",
    "rate",
    "unit_variances",
]
