"""A model as a case to diagnose: its arrays, and what it knows of its own loss."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from vaelib.diagnosis._case import Case, checked_data, measured
from vaelib.evaluation.terms import batches, example_terms
from vaelib.models.vae import VAE
from vaelib.theory import covariance_spectrum


def model_case(model: VAE, data: Any, eigenvalues: np.ndarray, **known: Any) -> Case:
    """Returns the case of a model and checked data; `known` are the `Case`'s facts and history."""
    x = _examples(data)
    terms = example_terms(model, data)
    reconstructed = []
    for start, batch in batches(data):
        noise = model.evaluation_noise(len(_examples(batch)), np.int64(start))
        reconstructed.append(np.asarray(model(batch, noise=noise)))
    return Case(
        **measured(checked_data(x), np.concatenate(reconstructed), eigenvalues),
        z_mean=terms.z_mean.astype(np.float64),
        z_log_var=terms.z_log_var.astype(np.float64),
        kl=terms.kl.astype(np.float64),
        standard_units=model.group_dims[0],
        **known,
    )


def spectrum_left(model: VAE, data: Any) -> np.ndarray:
    """Returns the covariance spectrum of what the codes have to explain: of x less a linear fit on the condition."""
    x = checked_data(_examples(data))
    if model.condition_dim:
        condition = np.asarray(model.inputs.split(data)[1], dtype=np.float64)
        regressors = np.column_stack([np.ones(len(x)), condition])
        x = x - regressors @ np.linalg.lstsq(regressors, x, rcond=None)[0]
    return covariance_spectrum(x)


def _examples(data: Any) -> np.ndarray:
    return np.asarray(keras.tree.flatten(data)[0])


def known_of(model: VAE) -> dict[str, Any]:
    """Returns the entries of `training` that a model knows of itself."""
    objective, heads = model.objective, model.encoder.heads
    weights = set(model.get_kl_weights().values())
    facts = {
        "likelihood": objective.likelihood,
        "sigma2": None if objective.likelihood == "mse" else objective.sigma2,
        "reconstruction_scale": objective.reconstruction_scale,
        "kl_scale": objective.kl_scale,
        "kl_clip": objective.kl_clip,
        "log_var_bounds": heads.log_var_bounds,
        "log_var_form": heads.log_var_form,
    }
    # two weights are no one β; with a capacity the weight is γ and no β
    if len(weights) == 1 and objective.capacity is None:
        facts["kl_weight"] = weights.pop()
    return facts
