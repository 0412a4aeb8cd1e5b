"""The convolutional encoder and decoder of the training-improvements document."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import keras
from keras import layers

from vaelib._checks import boolean, finite_float, positive_int
from vaelib.layers import BATCH_NORM_MOMENTUM, seeded
from vaelib.networks._sizes import check_weights, image_shape, layer_sizes
from vaelib.networks.encoder import Encoder
from vaelib.randomness import initializer, stream


def conv_encoder(
    input_shape: Sequence[int],
    latent_dim: int,
    filters: Sequence[int] = (16, 32),
    kernel_size: int = 3,
    hidden: Sequence[int] = (64,),
    batch_norm: bool = True,
    dropout: float = 0.1,
    kernel_initializer: str = "HeNormal",
    seed: int = 0,
    condition_dim: int = 0,
    **heads: Any,
) -> Encoder:
    """Builds the convolutional encoder: convolutions of stride 2, dense layers, then linear heads.

    Each Conv2D is followed by batch normalisation and ReLU, and halves height and width, rounded up; dropout stands
    before each dense layer.

    Args:
        input_shape: (height, width, channels) of one example.
        latent_dim: number of latent units, >= 1.
        filters: number of filters of each convolution, at least one.
        kernel_size: side of their kernels, >= 2, their stride, so that no pixel is passed over.
        hidden: widths of the dense ReLU layers between convolutions and heads, at least one.
        batch_norm: whether to normalise after each convolution; the moving averages have momentum 0.9.
        dropout: rate in [0, 0.95]; 0 leaves the layers out.
        kernel_initializer: Keras initialiser of all layers that end in ReLU; heads and output keep Glorot's.
        seed: integer >= 0; initial weights are a function of it.
        condition_dim: width of the condition; 0, the default, for none.
        heads: options of `GaussianHeads`.

    Raises:
        ValueError: if a size, the rate or the seed is out of range, an example is no image, or the network would have
            more than 500 million weights.

    Source: batch normalisation after each convolution: Ioffe & Szegedy (2015), arXiv 1502.03167; He's initialiser
        for ReLU: He et al. (2015), arXiv 1502.01852.

    >>> z_mean, z_log_var, z = conv_encoder((28, 28, 1), latent_dim=2)(keras.ops.zeros((5, 28, 28, 1)))
    >>> z.shape
    TensorShape([5, 2])
    """
    shape = image_shape("input_shape", input_shape)
    positive_int("latent_dim", latent_dim)
    positive_int("seed", seed, minimum=0)
    size = positive_int("kernel_size", kernel_size, minimum=2)
    rate = finite_float("dropout", dropout, minimum=0, maximum=0.95)
    boolean("batch_norm", batch_norm)
    counts, widths = layer_sizes("filters", filters), layer_sizes("hidden", hidden)
    given = {"input_shape": input_shape, "filters": filters, "kernel_size": kernel_size, "hidden": hidden}
    pixels = math.prod(-(-side // 2 ** len(counts)) for side in shape[:2])
    flat = [("input_shape", pixels), ("filters", counts[-1]), ("hidden", widths[0])]
    channels = ("input_shape", shape[2]), *(("filters", count) for count in counts)
    _check_filters(given, channels, flat, *pairwise(("hidden", width) for width in widths))
    x = inputs = keras.Input(shape)
    for i, count in enumerate(counts):
        name = f"encoder_conv_{i}"
        kernel = seeded("kernel_initializer", kernel_initializer, seed, name)
        x = layers.Conv2D(count, size, strides=2, padding="same", kernel_initializer=kernel, name=name)(x)
        x = _activated(x, batch_norm, name)
    x = layers.Flatten()(x)
    for i, width in enumerate(widths):
        x = _dense(x, width, rate, kernel_initializer, seed, f"encoder_{i}")
    return Encoder(keras.Model(inputs, x, name="encoder_body"), latent_dim, seed, condition_dim, heads, name="encoder")


def conv_decoder(
    output_shape: Sequence[int],
    latent_dim: int,
    filters: Sequence[int] = (32, 16),
    kernel_size: int = 3,
    hidden: Sequence[int] = (64,),
    batch_norm: bool = True,
    dropout: float = 0.1,
    kernel_initializer: str = "HeNormal",
    seed: int = 0,
) -> keras.Model:
    """Builds the convolutional decoder, the mirror image of `conv_encoder`: dense layers, then Conv2DTranspose.

    Arguments and errors as for `conv_encoder`, with filters and widths in the decoder's order. Each transposed
    convolution of stride 2 is followed by batch normalisation and ReLU but the last, whose output is linear: means
    for a Gaussian likelihood, logits for a Bernoulli. Sides that are odd are cut to the size that the encoder had.

    >>> conv_decoder((28, 28, 1), latent_dim=2)(keras.ops.zeros((5, 2))).shape
    TensorShape([5, 28, 28, 1])
    """
    shape = image_shape("output_shape", output_shape)
    positive_int("seed", seed, minimum=0)
    size = positive_int("kernel_size", kernel_size, minimum=2)
    counts = layer_sizes("filters", filters)
    rate = finite_float("dropout", dropout, minimum=0, maximum=0.95)
    boolean("batch_norm", batch_norm)
    sides = [shape[:2]]  # what the encoder had: height and width before each of its convolutions
    for _ in counts:
        height, width = sides[-1]
        sides.append((-(-height // 2), -(-width // 2)))
    widths = layer_sizes("hidden", hidden)
    given = {"output_shape": output_shape, "filters": filters, "kernel_size": kernel_size, "hidden": hidden}
    given["latent_dim"] = positive_int("latent_dim", latent_dim)
    flat = [("output_shape", math.prod(sides[-1])), ("filters", counts[0]), ("hidden", widths[-1])]
    channels = *(("filters", count) for count in counts), ("output_shape", shape[2])
    dense = ("latent_dim", latent_dim), *(("hidden", width) for width in widths)
    _check_filters(given, channels, flat, *pairwise(dense))
    x = inputs = keras.Input((latent_dim,))
    for i, units in enumerate((*widths, math.prod(sides[-1]) * counts[0])):
        x = _dense(x, units, rate, kernel_initializer, seed, f"decoder_{i}")
    x = layers.Reshape((*sides[-1], counts[0]))(x)
    for i, count in enumerate((*counts[1:], shape[2])):
        last = i == len(counts) - 1
        name = "decoder_output" if last else f"decoder_conv_{i}"
        if last:
            kernel = initializer("GlorotUniform", seed, name)
        else:
            kernel = seeded("kernel_initializer", kernel_initializer, seed, name)
        up = layers.Conv2DTranspose(count, size, strides=2, padding="same", kernel_initializer=kernel, name=name)
        x = up(x)
        target = sides[-2 - i]
        extra = [(0, have - want) for have, want in zip(x.shape[1:3], target, strict=True)]
        if extra != [(0, 0), (0, 0)]:
            x = layers.Cropping2D(extra, name=f"{name}_crop")(x)
        if not last:
            x = _activated(x, batch_norm, name)
    return keras.Model(inputs, x, name="decoder")


def _check_filters(
    given: dict[str, Any], channels: Iterable[tuple[str, int]], *dense: Sequence[tuple[str, int]]
) -> None:
    """Bounds the weights of convolutions between these numbers of channels, and of dense kernels."""
    side = [("kernel_size", given["kernel_size"])] * 2
    check_weights(given, *([*side, *pair] for pair in pairwise(channels)), *dense)


def _activated(x: Any, batch_norm: bool, name: str) -> Any:
    if batch_norm:
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_batch_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _dense(x: Any, units: int, rate: float, kernel_initializer: str, seed: int, name: str) -> Any:
    if rate and name != "decoder_0":  # a decoder without its codes would learn to do without them
        x = layers.Dropout(rate, seed=stream(seed, f"dropout/{name}"), name=f"{name}_dropout")(x)
    kernel = seeded("kernel_initializer", kernel_initializer, seed, name)
    return layers.Dense(units, activation="relu", kernel_initializer=kernel, name=name)(x)
