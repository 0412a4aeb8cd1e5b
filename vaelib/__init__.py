"""Variational autoencoders whose KL term behaves: models, schedules, measures and figures.

Public names load when first used, so that `import vaelib` stays fast and free of TensorFlow.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# public name -> module that defines it
_HOME = {
    "BetaScheduler": "schedules",
    "FeedbackBetaScheduler": "schedules",
    "ConstantBetaScheduler": "schedules",
    "LinearBetaScheduler": "schedules",
    "CosineBetaScheduler": "schedules",
    "ExponentialBetaScheduler": "schedules",
    "SigmoidBetaScheduler": "schedules",
    "CyclicalBetaScheduler": "schedules",
    "WarmRestartBetaScheduler": "schedules",
    "HierarchicalBetaScheduler": "schedules",
    "ReconstructionBetaScheduler": "schedules",
    "ControlBetaScheduler": "schedules",
    "GecoBetaScheduler": "schedules",
    "CapacityBetaScheduler": "schedules",
    "get_beta_scheduler": "schedules",
    "register_beta_scheduler": "schedules",
    "finish_warning": "schedules",
    "KL_WEIGHT": "schedules",
    "KL_ANNEALING_EPOCHS": "schedules",
    "effective_beta": "theory",
    "covariance_spectrum": "theory",
    "collapse_weight": "theory",
    "units_kept": "theory",
    "LinearOptimum": "linear_optimum",
    "linear_vae_optimum": "linear_optimum",
    "CollapsePrediction": "collapse_prediction",
    "predict_collapse": "collapse_prediction",
    "active_units": "metrics",
    "kl_per_unit": "metrics",
    "rate": "metrics",
    "mutual_information": "metrics",
    "Elbo": "metrics",
    "distortion": "metrics",
    "optimal_sigma2": "metrics",
    "negative_elbo_arrays": "metrics",
    "train_test_gap_arrays": "metrics",
    "importance_weighted_bound_arrays": "metrics",
    "linear_probe_accuracy": "metrics",
    "nearest_label_accuracy": "metrics",
    "chance_accuracy": "metrics",
    "unsteadiness": "metrics",
    "FeatureClassifier": "metrics",
    "frechet_distance": "metrics",
    "sample_quality_arrays": "metrics",
    "paired_differences": "statistics",
    "win_matrix": "statistics",
    "seeds_needed": "statistics",
    "rank_agreement": "statistics",
    "RankAgreement": "statistics",
    "diagnose_arrays": "diagnosis",
    "Diagnosis": "diagnosis",
    "Finding": "diagnosis",
    "mutual_information_gap": "metrics",
    "sap_score": "metrics",
    "dci_scores": "metrics",
    "Dataset": "data",
    "load_dataset": "data",
    "load_sprites": "data",
    "render_sprites": "data",
    "plot_vae_history": "plots",
    "Sampling": "layers",
    "GaussianHeads": "layers",
    "bounded_log_var": "layers",
    "Objective": "objective",
    "Terms": "objective",
    "gaussian_kl": "kl",
    "Encoder": "networks",
    "dense_encoder": "networks",
    "dense_decoder": "networks",
    "conv_encoder": "networks",
    "conv_decoder": "networks",
    "VAE": "models",
    "BetaVAE": "models",
    "ConditionalVAE": "models",
    "HierarchicalVAE": "models",
    "LinearVAE": "models",
    "build_vae": "models",
    "load_vae": "models",
    "encode": "evaluation",
    "example_terms": "evaluation",
    "fit_sigma2": "evaluation",
    "negative_elbo": "evaluation",
    "importance_weighted_bound": "evaluation",
    "train_test_gap": "evaluation",
    "sample_quality": "evaluation",
    "measures": "evaluation",
    "traversals": "traversal",
    "diagnose": "evaluation",
    "BetaSchedule": "callbacks",
    "BestModel": "callbacks",
    "KLAnnealing": "callbacks",
    "CollapseMonitor": "callbacks",
    "EpochProgress": "callbacks",
    "NaNGuard": "callbacks",
    "StepLog": "callbacks",
    "TensorBoardLog": "callbacks",
    "ValidationMonitor": "callbacks",
    "TrainingConfig": "config",
    "TrainingResult": "training",
    "train_vae": "training",
    "GridResult": "grid",
    "train_grid": "grid",
    "measure_members": "grid",
    "PopulationResult": "grid",
    "train_population": "grid",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vaelib' has no attribute {name!r}")
    value = getattr(import_module(f"vaelib.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
