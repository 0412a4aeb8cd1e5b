"""Measures of a trained model: arrays in, numbers out."""

from vaelib.metrics.latent import active_units, unit_variances

__all__ = ["active_units", "unit_variances"]
