"""Numbers of a trained model: codes, per-example terms, the negative ELBO at β = 1, and every measure in one call."""

from vaelib.evaluation.importance import importance_weighted_bound
from vaelib.evaluation.measures import measures, sample_quality, train_test_gap
from vaelib.evaluation.model_diagnosis import diagnose
from vaelib.evaluation.terms import (
    BATCH,
    ExampleTerms,
    RepeatedLosses,
    encode,
    example_terms,
    fit_sigma2,
    negative_elbo,
)
from vaelib.metrics.likelihood import Elbo

__all__ = [
    "BATCH",
    "Elbo",
    "ExampleTerms",
    "RepeatedLosses",
    "diagnose",
    "encode",
    "example_terms",
    "fit_sigma2",
    "importance_weighted_bound",
    "measures",
    "negative_elbo",
    "sample_quality",
    "train_test_gap",
]
