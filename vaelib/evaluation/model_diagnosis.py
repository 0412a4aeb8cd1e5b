"""The diagnosis of one of the library's models: its arrays and what it knows of its own loss."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from vaelib._checks import Described, argument_error
from vaelib.diagnosis import Diagnosis
from vaelib.diagnosis.arrays import examine
from vaelib.diagnosis.case import Case, checked_data, measured
from vaelib.diagnosis.training_facts import training_facts, training_history
from vaelib.evaluation.terms import batches, example_terms
from vaelib.models.vae import VAE, require_vae
from vaelib.theory import covariance_spectrum


def diagnose(model: VAE, x: Any, history: Any = None, scheduler: Any = None) -> Diagnosis:
    """Says what is wrong with a trained model, on which evidence, and what to change.

    The rules are those of `diagnose_arrays`. The reconstructions come from one draw of z for each example, the same at
    every call; the loss, its KL weight and the bounds of the log-variance are the model's own.

    Args:
        model: a VAE of vaelib.
        x: (n, …) data of the model's shape, n >= 2, best some hundred examples of the validation set; for a model with
            a condition the pair (data, conditions).
        history: what training returned (`train_vae` or Keras' `fit`), or a table with the columns `beta`,
            `val_kl_loss` and `val_negative_elbo`. Without it an unfinished schedule and overfitting are not assessed.
        scheduler: the schedule of β, if there was one; else the history's `beta` shows whether it came to its end.

    Raises:
        ValueError: if `model` is no VAE of vaelib, `x` is no data of it or constant, or its outputs are not finite.
    """
    data = require_vae("model", model).check("x", x)
    facts = training_facts({**known_of(model), "schedule": scheduler})
    figures = training_history(history)
    case = model_case(model, data, spectrum_left(model, data), facts=facts, history=figures)
    if not case.is_finite:
        received = Described("a model that gives NaN or infinite numbers for x")
        raise argument_error("model", "give finite codes and reconstructions", received, "Its training broke.")
    return examine(case)


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
