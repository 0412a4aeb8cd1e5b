"""A model that computes with the weights of a member: which they are, and how they are lent to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from vaelib.models.vae import VAE


def weights_of(model: VAE) -> list[Any]:
    """Returns the variables whose values a member has of its own, trained ones first; not those that schedules set."""
    scheduled = {id(variable) for variable in model.scheduled.values()}
    rest = [weight for weight in model.non_trainable_weights if id(weight) not in scheduled]
    return [*model.trainable_variables, *rest]


def set_weights_of(model: VAE, values: Sequence[np.ndarray]) -> None:
    """Gives a model the weights of a member."""
    for weight, value in zip(weights_of(model), values, strict=True):
        weight.assign(value)


def lent(model: VAE, values: Sequence[Any], states: Sequence[Any] = ()) -> keras.StatelessScope:
    """Returns a scope in which the model computes with one member's weights, and draws dropout from these states."""
    generators = [generator.state for generator in model.generators[: len(states)]]
    mapping = [*zip(weights_of(model), values, strict=True), *zip(generators, states, strict=True)]
    return keras.StatelessScope(state_mapping=mapping)
