"""Encoders and decoders: the dense pair of the β-VAE document."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from vaelib._checks import argument_error, finite_float, positive_int
from vaelib.layers import Sampling
from vaelib.randomness import initializer, stream

BATCH_NORM_MOMENTUM = 0.9  # Keras' 0.99 needs hundreds of steps before evaluation matches training


@keras.saving.register_keras_serializable("vaelib")
class Encoder(keras.Model):
    """Maps x to `z_mean, z_log_var, z`, each (batch, latent_dim), by a body and two linear heads.

    Args:
        body: Keras model from x to features (batch, features).
        latent_dim: number of latent units, >= 1.
        seed: integer >= 0; initialises the heads and the sampling layer's own noise.

    Raises:
        ValueError: if `body` is no Keras model, `latent_dim` no integer >= 1, or `seed` none >= 0.
    """

    def __init__(self, body: keras.Model, latent_dim: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.body = require_network("body", body)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.seed = positive_int("seed", seed, minimum=0)
        self.z_mean = layers.Dense(
            latent_dim, kernel_initializer=initializer("GlorotUniform", seed, "z_mean"), name="z_mean"
        )
        self.z_log_var = layers.Dense(
            latent_dim, kernel_initializer=initializer("GlorotUniform", seed, "z_log_var"), name="z_log_var"
        )
        self.sampling = Sampling(stream(seed, "sampling layer"), name="sampling")
        self.build((None, *body.input_shape[1:]))

    def build(self, input_shape: Any) -> None:
        """Creates the heads' weights."""
        for head in (self.z_mean, self.z_log_var):
            if not head.built:
                head.build(self.body.output_shape)
        self.built = True

    def call(self, x: Any, noise: Any = None, training: bool = False) -> tuple[Any, Any, Any]:
        """Returns `z_mean, z_log_var, z`; z uses `noise` (batch, latent_dim) where given, else draws its own."""
        features = self.body(x, training=training)
        z_mean, z_log_var = self.z_mean(features), self.z_log_var(features)
        return z_mean, z_log_var, self.sampling((z_mean, z_log_var), noise=noise)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the encoder."""
        body = keras.saving.serialize_keras_object(self.body)
        return {"body": body, "latent_dim": self.latent_dim, "seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Encoder:
        """Rebuilds the encoder from its configuration."""
        config = copy.deepcopy(config)  # Keras takes its parts out of it
        body = keras.saving.deserialize_keras_object(config.pop("body"), custom_objects=custom_objects)
        return cls(body, **config)


def require_network(name: str, network: Any) -> keras.Model:
    """Returns `network`, or raises a ValueError if it is no Keras model with known input and output shapes."""
    if not isinstance(network, keras.Model) or not hasattr(network, "input_shape"):
        raise argument_error(name, "be a Keras model that is built, with one input and one output", network)
    return network


def dense_encoder(
    input_shape: Sequence[int],
    latent_dim: int,
    hidden: Sequence[int] = (64, 32),
    batch_norm: bool = True,
    dropout: float = 0.1,
    kernel_initializer: str = "GlorotUniform",
    seed: int = 0,
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

    Raises:
        ValueError: if a size, the rate or the seed is out of range.

    >>> z_mean, z_log_var, z = dense_encoder((8, 8, 1), latent_dim=2)(keras.ops.zeros((5, 8, 8, 1)))
    >>> z.shape
    TensorShape([5, 2])
    """
    shape = _shape("input_shape", input_shape)
    positive_int("latent_dim", latent_dim)
    x = inputs = keras.Input(shape)
    x = layers.Flatten()(x)
    x = _hidden_layers(x, hidden, batch_norm, dropout, kernel_initializer, seed, "encoder")
    return Encoder(keras.Model(inputs, x, name="encoder_body"), latent_dim, seed, name="encoder")


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
    means for a Gaussian likelihood, logits for a Bernoulli.

    >>> dense_decoder((8, 8, 1), latent_dim=2)(keras.ops.zeros((5, 2))).shape
    TensorShape([5, 8, 8, 1])
    """
    shape = _shape("output_shape", output_shape)
    x = inputs = keras.Input((positive_int("latent_dim", latent_dim),))
    x = _hidden_layers(x, hidden, batch_norm, dropout, kernel_initializer, seed, "decoder")
    output = initializer("GlorotUniform", seed, "decoder_output")
    x = layers.Dense(math.prod(shape), kernel_initializer=output, name="decoder_output")(x)
    return keras.Model(inputs, layers.Reshape(shape)(x), name="decoder")


def _hidden_layers(
    x: Any,
    widths: Sequence[int],
    batch_norm: bool,
    dropout: float,
    kernel_initializer: str,
    seed: int,
    part: str,
) -> Any:
    """Dense + ReLU for each width; batch normalisation and dropout after all but the last."""
    if isinstance(widths, str) or not isinstance(widths, Sequence) or not widths:
        raise argument_error("hidden", "be a non-empty sequence of layer widths", widths)
    rate = finite_float("dropout", dropout, minimum=0, maximum=0.95)
    positive_int("seed", seed, minimum=0)
    for i, width in enumerate(widths):
        name = f"{part}_{i}"
        try:
            kernel = initializer(kernel_initializer, seed, name)
        except (TypeError, ValueError):
            must = "be the class name of a seeded Keras initialiser, such as 'GlorotUniform' or 'HeNormal'"
            raise argument_error("kernel_initializer", must, kernel_initializer) from None
        width = positive_int("hidden", width)
        x = layers.Dense(width, activation="relu", kernel_initializer=kernel, name=name)(x)
        if i < len(widths) - 1:
            if batch_norm:
                x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_batch_norm")(x)
            if rate:
                x = layers.Dropout(rate, seed=stream(seed, f"dropout/{name}"), name=f"{name}_dropout")(x)
    return x


def _shape(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    if isinstance(shape, str) or not isinstance(shape, Sequence) or not shape:
        raise argument_error(name, "be the shape of one example, such as (8, 8, 1)", shape)
    return tuple(positive_int(name, size) for size in shape)
