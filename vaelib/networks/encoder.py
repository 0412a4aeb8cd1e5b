"""The encoder: a body that turns x into features, and the heads and the sample of q(z|x)."""

from __future__ import annotations

import copy
from typing import Any

import keras
from keras import layers, ops

from vaelib._checks import argument_error, positive_int
from vaelib.layers import GaussianHeads, Sampling, numbers
from vaelib.networks._sizes import check_weights
from vaelib.randomness import initializer, stream


@keras.saving.register_keras_serializable("vaelib")
class Encoder(keras.Model):
    """Maps x to `z_mean, z_log_var, z`, each (batch, latent_dim), by a body and two linear heads.

    With a condition, a ReLU layer as wide as the body's output stands between the body and the heads; it sees the
    features and the condition.

    Args:
        body: Keras model from x to features (batch, features).
        latent_dim: number of latent units, >= 1.
        seed: integer >= 0; initialises the heads and the sampling layer's own noise.
        condition_dim: width of the condition; 0, the default, for none.
        heads: options of `GaussianHeads`: `l2`, `log_var_bounds`, `log_var_form`, `bn_gamma`, `initializer`, …

    Raises:
        ValueError: if `body` is no Keras model, `latent_dim` no integer >= 1, `seed` or `condition_dim` none >= 0.
    """

    def __init__(
        self,
        body: keras.Model,
        latent_dim: int,
        seed: int = 0,
        condition_dim: int = 0,
        heads: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.body = require_network("body", body)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.seed = positive_int("seed", seed, minimum=0)
        self.condition_dim = positive_int("condition_dim", condition_dim, minimum=0)
        features = self.body.output_shape[-1]
        heads_axes = [("latent_dim", 2 * latent_dim), ("", features)]
        mix_axes = [("condition_dim", features + condition_dim if condition_dim else 0), ("", features)]
        check_weights({"latent_dim": latent_dim, "condition_dim": condition_dim}, heads_axes, mix_axes)
        self.mix = None
        if self.condition_dim:
            kernel = initializer("GlorotUniform", seed, "encoder_condition")
            self.mix = layers.Dense(features, activation="relu", kernel_initializer=kernel, name="encoder_condition")
        self.heads = GaussianHeads(latent_dim, seed, **(heads or {}), name="heads")
        self.sampling = Sampling(stream(seed, "sampling layer"), name="sampling")
        self.build((None, *body.input_shape[1:]))

    @property
    def z_mean(self) -> keras.layers.Dense:
        """The head of the means."""
        return self.heads.z_mean

    @property
    def z_log_var(self) -> keras.layers.Dense | None:
        """The head of the log-variances; None where they are constant."""
        return self.heads.z_log_var

    def build(self, input_shape: Any) -> None:
        """Creates the heads' weights."""
        features = self.body.output_shape[-1]
        if self.mix is not None and not self.mix.built:
            self.mix.build((None, features + self.condition_dim))
        if not self.heads.built:
            self.heads.build((None, features))
        self.built = True

    def mixed(self, features: Any, condition: Any = None) -> Any:
        """Returns what the heads see, (batch, features): the features, mixed with the condition if there is one."""
        if self.mix is None:
            return features
        return self.mix(ops.concatenate([features, ops.cast(condition, features.dtype)], axis=-1))

    def __call__(self, x: Any, condition: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Runs `call` if x and the condition have the encoder's shapes, else raises a ValueError."""
        x = numbers("x", x, tuple(self.body.input_shape[1:]))
        if not self.condition_dim and condition is not None:
            raise argument_error("condition", "be left out: this encoder has none", condition)
        if self.condition_dim:
            if condition is None:
                raise argument_error("condition", f"be given, of shape (batch, {self.condition_dim})", None)
            condition = numbers("condition", condition, (self.condition_dim,))
        return super().__call__(x, condition, *args, **kwargs)

    def call(self, x: Any, condition: Any = None, noise: Any = None, training: bool = False) -> tuple[Any, Any, Any]:
        """Returns `z_mean, z_log_var, z`; z uses `noise` (batch, latent_dim) where given, else draws its own."""
        z_mean, z_log_var = self.heads(self.mixed(self.body(x, training=training), condition), training=training)
        return z_mean, z_log_var, self.sampling((z_mean, z_log_var), noise=noise)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the encoder."""
        return {
            "body": keras.saving.serialize_keras_object(self.body),
            "latent_dim": self.latent_dim,
            "seed": self.seed,
            "condition_dim": self.condition_dim,
            "heads": self.heads.options(),
            "name": self.name,
        }

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
