"""Measures of a trained model: arrays in, numbers out."""

from vaelib.metrics.course import unsteadiness
from vaelib.metrics.disentanglement import (
    DciScores,
    dci_scores,
    factor_information,
    importance_disentanglement,
    mutual_information_gap,
    sap_score,
)
from vaelib.metrics.frechet import FeatureClassifier, SampleQuality, frechet_distance, sample_quality_arrays
from vaelib.metrics.gap import train_test_gap_arrays
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
from vaelib.metrics.probe import chance_accuracy, linear_probe_accuracy, nearest_label_accuracy

__all__ = [
    "DciScores",
    "Elbo",
    "FeatureClassifier",
    "MutualInformation",
    "SampleQuality",
    "active_units",
    "chance_accuracy",
    "dci_scores",
    "distortion",
    "factor_information",
    "frechet_distance",
    "importance_disentanglement",
    "importance_weighted_bound_arrays",
    "kl_per_unit",
    "linear_probe_accuracy",
    "mutual_information",
    "mutual_information_gap",
    "nearest_label_accuracy",
    "negative_elbo_arrays",
    "optimal_sigma2",
    "rate",
    "sample_quality_arrays",
    "sap_score",
    "train_test_gap_arrays",
    "unit_variances",
    "unsteadiness",
]
