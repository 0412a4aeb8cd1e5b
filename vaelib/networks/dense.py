"""The dense encoder and decoder of the β-VAE document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from vaelib._checks import argument_error, boolean, finite_float, positive_int
from vaelib.layers import BATCH_NORM_MOMENTUM, seeded
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
    Dense(64) → BatchNorm → Dropout → Dense(32) → heads.

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
        ValueError: if a size, the rate or the seed is out of range.

    >>> z_mean, z_log_var, z = dense_encoder((8, 8, 1), latent_dim=2)(keras.ops.zeros((5, 8, 8, 1)))
    >>> z.shape
    TensorShape([5, 2])
    """
    shape = example_shape("input_shape", input_shape)
    positive_int("latent_dim", latent_dim)
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
    x = inputs = keras.Input((positive_int("latent_dim", latent_dim),))
    x = _hidden_layers(x, hidden, batch_norm, dropout, kernel_initializer, seed, "decoder")
    output = initializer("GlorotUniform", seed, "decoder_output")
    x = layers.Dense(math.prod(shape), kernel_initializer=output, name="decoder_output")(x)
    return keras.Model(inputs, layers.Reshape(shape)(x), name="decoder")


def _hidden_layers(
    x: Any,
    hidden: Sequence[int],
    batch_norm: bool,
    dropout: float,
    kernel_initializer: str,
    seed: int,
    part: str,
) -> Any:
    """Dense + ReLU for each width; batch normalisation and dropout after all but the last."""
    rate = finite_float("dropout", dropout, minimum=0, maximum=0.95)
    positive_int("seed", seed, minimum=0)
    boolean("batch_norm", batch_norm)
    widths = layer_sizes("hidden", hidden)
    for i, width in enumerate(widths):
        name = f"{part}_{i}"
        kernel = seeded("kernel_initializer", kernel_initializer, seed, name)
        x = layers.Dense(width, activation="relu", kernel_initializer=kernel, name=name)(x)
        if i < len(widths) - 1:
            if batch_norm:
                x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_batch_norm")(x)
            if rate:
                x = layers.Dropout(rate, seed=stream(seed, f"dropout/{name}"), name=f"{name}_dropout")(x)
    return x


def layer_sizes(name: str, sizes: Any) -> tuple[int, ...]:
    """Returns widths or filters as integers >= 1, or raises if they are no sequence of at least one."""
    if isinstance(sizes, str) or not isinstance(sizes, Sequence) or not sizes:
        raise argument_error(name, "be a non-empty sequence of integers >= 1, one a layer", sizes)
    return tuple(positive_int(name, size) for size in sizes)


def example_shape(name: str, shape: Any) -> tuple[int, ...]:
    """Returns the shape of one example as integers >= 1, or raises if it is none."""
    if isinstance(shape, str) or not isinstance(shape, Sequence) or not shape:
        raise argument_error(name, "be the shape of one example, such as (8, 8, 1)", shape)
    return tuple(positive_int(name, size) for size in shape)
