"""What the seeds draw for an epoch: the order of the data, noise, and the states of dropout's generators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from vaelib.models.vae import VAE
from vaelib.randomness import order_at


def draws_of(models: Sequence[VAE], n: int, batch_size: int) -> Any:
    """Returns the compiled function of the epoch's number that draws for R seeds, as `train_vae` draws for each.

    It gives the order of the n examples (R, n); the noise of all steps with a whole batch
    (steps, R, batch_size, latent_dim), and of a smaller last one (R, rest, latent_dim); and for each of the model's
    generators its states (steps, R, 2).
    """
    steps_per_epoch, full = math.ceil(n / batch_size), n // batch_size
    width, generators = models[0].latent_dim, models[0].generators

    def noise(step: Any, size: int = batch_size) -> Any:
        return tf.stack([model.training_noise(size, step) for model in models])

    def states(step: Any) -> list[Any]:
        each = [model.generator_states(step) for model in models]
        return [tf.stack(of_generator) for of_generator in zip(*each, strict=True)]

    def draws(epoch: Any) -> tuple[Any, ...]:
        order = tf.stack([order_at(n, model.seed, epoch) for model in models])
        steps = epoch * steps_per_epoch + tf.range(steps_per_epoch, dtype="int64")
        spec = tf.TensorSpec((len(models), batch_size, width), "float32")
        noises = tf.map_fn(noise, steps[:full], fn_output_signature=spec)
        specs = [tf.TensorSpec((len(models), 2), generator.state.dtype) for generator in generators]
        drawn = tf.map_fn(states, steps, fn_output_signature=specs) if generators else []
        return order, noises, noise(steps[-1], n - full * batch_size), drawn

    return tf.function(draws)
