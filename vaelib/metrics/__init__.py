"""Measures of a trained model: arrays in, numbers out."""

from vaelib.metrics.latent import (
    MutualInformation,
    active_units,
    kl_per_unit,
    mutual_information,
    rate,
    unit_variances,
)

__all__ = ["MutualInformation", "active_units", "kl_per_unit", "mutual_information", "rate", "unit_variances"]
