"""The dense encoder and decoder of the β-VAE document."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import keras
from keras import layers

from vaelib._checks import boolean, finite_float, positive_int
from vaelib.layers import BATCH_NORM_MOMENTUM, seeded
from vaelib.networks._sizes import check_weights, example_shape, layer_sizes
from vaelib.networks.encoder import Encoder
from vaelib.randomness import initializer, stream


def dense_encoder(
    input_shape: Sequence[int],
    latent_dim: int,
    hidden: Sequence[int] = (64, 32),
    batch_norm: bool = True,
    dropout: float = 0.1,
    kernel_initializer: str = "GlorotUniform",
    seed: int = 0,
    condition_dim: int = 0,
    **heads: Any,
) -> Encoder:
    """Builds the dense encoder: Dense + ReLU layers, then linear heads for z_mean and z_log_var.

    Every hidden layer but the last is followed by batch normalisation and dropout, as in the β-VAE document:
    Dense(64) → BatchNorm → Dropout → Dense(32) → heads. A single one is followed by them too.

    Args:
        input_shape: shape of one example, e.g. (8, 8, 1).
        latent_dim: number of latent units, >= 1.
        hidden: widths of the hidden layers, at least one.
        batch_norm: whether to normalise; the moving averages have momentum 0.9.
        dropout: rate in [0, 0.95]; 0 leaves the layers out.
        kernel_initializer: Keras initialiser of the ReLU layers ("GlorotUniform", "HeNormal", …).
        seed: integer >= 0; initial weights are a function of it.
        condition_dim: width of the condition; 0, the default, for none.
        heads: options of `GaussianHeads`.

    Raises:
        ValueError: if a size, the rate or the seed is out of range, or the network would have more than 500 million
            weights.

    >>> z_mean, z_log_var, z = dense_encoder((8, 8, 1), latent_dim=2)(keras.ops.zeros((5, 8, 8, 1)))
    >>> z.shape
    TensorShape([5, 2])
    """
    shape = example_shape("input_shape", input_shape)
    positive_int("latent_dim", latent_dim)
    given = {"input_shape": input_shape, "hidden": hidden}
    widths = layer_sizes("hidden", hidden)
    _check_widths(given, ("input_shape", math.prod(shape)), *(("hidden", width) for width in widths))
    x = inputs = keras.Input(shape)
    x = layers.Flatten()(x)
    x = _hidden_layers(x, hidden, batch_norm, dropout, kernel_initializer, seed, "encoder")
    return Encoder(keras.Model(inputs, x, name="encoder_body"), latent_dim, seed, condition_dim, heads, name="encoder")


def dense_decoder(
    output_shape: Sequence[int],
    latent_dim: int,
    hidden: Sequence[int] = (32, 64),
    batch_norm: bool = True,
    dropout: float = 0.1,
    kernel_initializer: str = "GlorotUniform",
    seed: int = 0,
) -> keras.Model:
    """Builds the dense decoder: Dense(32) → BatchNorm → Dropout → Dense(64) → linear output of `output_shape`.

    Arguments and errors as for `dense_encoder`, with the widths in the decoder's order. The output is linear:
    means for a Gaussian likelihood, logits for a Bernoulli. With a condition, `latent_dim` is the sum of both widths.

    >>> dense_decoder((8, 8, 1), latent_dim=2)(keras.ops.zeros((5, 2))).shape
    TensorShape([5, 8, 8, 1])
    """
    shape = example_shape("output_shape", output_shape)
    given = {"latent_dim": latent_dim, "hidden": hidden, "output_shape": output_shape}
    ends = ("latent_dim", positive_int("latent_dim", latent_dim)), ("output_shape", math.prod(shape))
    _check_widths(given, ends[0], *(("hidden", width) for width in layer_sizes("hidden", hidden)), ends[1])
    x = inputs = keras.Input((latent_dim,))
    x = _hidden_layers(x, hidden, batch_norm, dropout, kernel_initializer, seed, "decoder")
    output = initializer("GlorotUniform", seed, "decoder_output")
    x = layers.Dense(math.prod(shape), kernel_initializer=output, name="decoder_output")(x)
    return keras.Model(inputs, layers.Reshape(shape)(x), name="decoder")


def _check_widths(given: Mapping[str, Any], *widths: tuple[str, int]) -> None:
    check_weights(given, *pairwise(widths))


def _hidden_layers(
    x: Any,
    hidden: Sequence[int],
    batch_norm: bool,
    dropout: float,
    kernel_initializer: str,
    seed: int,
    part: str,
) -> Any:
    """Dense + ReLU for each width; batch normalisation and dropout after all but the last, or after a single one."""
    rate = finite_float("dropout", dropout, minimum=0, maximum=0.95)
    positive_int("seed", seed, minimum=0)
    boolean("batch_norm", batch_norm)
    widths = layer_sizes("hidden", hidden)
    for i, width in enumerate(widths):
        name = f"{part}_{i}"
        kernel = seeded("kernel_initializer", kernel_initializer, seed, name)
        x = layers.Dense(width, activation="relu", kernel_initializer=kernel, name=name)(x)
        if i < max(len(widths) - 1, 1):
            if batch_norm:
                x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_batch_norm")(x)
            if rate:
                x = layers.Dropout(rate, seed=stream(seed, f"dropout/{name}"), name=f"{name}_dropout")(x)
    return x
