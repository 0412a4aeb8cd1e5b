"""The diagnosis of one of the library's models: its arrays and what it knows of its own loss."""

from __future__ import annotations

from typing import Any

from vaelib._checks import Described, argument_error
from vaelib.diagnosis import Diagnosis
from vaelib.diagnosis._rules import examine
from vaelib.diagnosis._training_facts import training_facts, training_history
from vaelib.evaluation._model_case import known_of, model_case, spectrum_left
from vaelib.models.vae import VAE, require_vae


def diagnose(model: VAE, x: Any, history: Any = None, scheduler: Any = None) -> Diagnosis:
    """Says what is wrong with a trained model, on which evidence, and what to change.

    The rules are those of `diagnose_arrays`. The reconstructions come from one draw of z for each example, the same at
    every call; the loss, its KL weight and the bounds of the log-variance are the model's own.

    Args:
        model: a VAE of vaelib.
        x: (n, …) data of the model's shape, n >= 2, best some hundred examples of the validation set; for a model with
            a condition the pair (data, conditions).
        history: what training returned (`train_vae` or Keras' `fit`), or a table with the columns `beta`,
            `val_kl_loss` and `val_negative_elbo`. Where `train_vae` restored the best epoch's weights, what came after
            it is no overfitting of the model. Without it an unfinished schedule and overfitting are not assessed.
        scheduler: the schedule of β, if there was one; else the history's `beta` shows whether it came to its end.

    Raises:
        ValueError: if `model` is no VAE of vaelib, `x` is no data of it or constant, or its outputs are not finite.
    """
    data = require_vae("model", model).check("x", x)
    restored = history.best_epoch if getattr(history, "restored", False) else None
    facts = training_facts({**known_of(model), "schedule": scheduler, "restored_epoch": restored})
    figures = training_history(history)
    case = model_case(model, data, spectrum_left(model, data), facts=facts, history=figures)
    if not case.is_finite:
        received = Described("a model that gives NaN or infinite numbers for x")
        raise argument_error("model", "give finite codes and reconstructions", received, "Its training broke.")
    return examine(case)
