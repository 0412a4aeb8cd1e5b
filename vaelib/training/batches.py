"""The data of a training: checked once, then fed by a compiled pipeline."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vaelib._checks import Described, argument_error
from vaelib.data import Dataset
from vaelib.data.dataset import PARTS
from vaelib.models.vae import VAE, require_vae
from vaelib.randomness import order_at


def checked_data(model: VAE, dataset: Dataset, batch_size: int) -> dict[str, Any]:
    """Returns the three parts as data of the model, or raises a ValueError if it cannot be trained on them."""
    require_vae("model", model)
    if not isinstance(dataset, Dataset):
        raise argument_error("dataset", "be a vaelib.Dataset", Described(type(dataset).__name__), "See load_dataset.")
    broken = [weight.path for weight in model.weights if not np.isfinite(weight.numpy()).all()]
    if broken:
        raise argument_error("model", "have finite weights", Described(f"NaN or infinite values in {broken[0]}"))
    data = {part: model.inputs.of_dataset(dataset, part) for part in PARTS}
    if batch_size > len(dataset.x_train):
        raise argument_error("batch_size", f"be <= {len(dataset.x_train)}, the number of training examples", batch_size)
    if batch_size == 1 and any(isinstance(layer, keras.layers.BatchNormalization) for layer in model._flatten_layers()):
        remedy = "Build the model with batch_norm=False to train on single examples."
        raise argument_error("batch_size", "be >= 2 with batch normalisation, whose mean it would be", 1, remedy)
    return data


def start_sigma2(model: VAE, x: np.ndarray) -> None:
    """Starts a learned σ² that was not trained before where a decoder that knows only the mean would have it."""
    if model.log_sigma2 is not None and float(model.log_sigma2) == 0.0:
        model.log_sigma2.assign(math.log(float(np.var(x, axis=0).mean()) + 1e-12))


def training_batches(x: Any, batch_size: int, seed: int, first_epoch: int = 0) -> tf.data.Dataset:
    """Returns an endless pipeline of epochs, each all of `x` in an order that depends on seed and epoch alone.

    `x` are examples, or the pair of examples and conditions.
    """
    data, n = tf.nest.map_structure(tf.constant, x), len(tf.nest.flatten(x)[0])

    def epoch_batches(epoch: Any) -> tf.data.Dataset:
        order = order_at(n, seed, epoch)
        shuffled = tf.nest.map_structure(lambda values: tf.gather(values, order), data)
        return tf.data.Dataset.from_tensor_slices(shuffled).batch(batch_size)

    return tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max).flat_map(epoch_batches).prefetch(tf.data.AUTOTUNE)
