"""The β-VAE: a Keras model over an encoder and a decoder, with its own training and test steps."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from vaelib._checks import Described, argument_error, finite_float, positive_int
from vaelib.data.checks import check_examples
from vaelib.layers import Sampling
from vaelib.networks import Encoder, require_network
from vaelib.objective import Latents, Losses, Objective, Terms, gaussian_kl
from vaelib.randomness import normal_at, normal_rows, set_position, stream
from vaelib.steps import StepTables


@keras.saving.register_keras_serializable("vaelib")
class BetaVAE(keras.Model):
    """A variational autoencoder whose KL term has the weight β.

    loss = s_r · reconstruction + β · s_k · KL, as the `Objective` says. β is the non-trainable variable `beta`, read
    inside the compiled step: assign to it, or let a schedule do so, without compiling again. The model logs
    `total_loss`, `reconstruction_loss` and `kl_loss`, each the mean over the examples of an epoch. Sampling noise,
    dropout and every other random layer are functions of `seed` and the optimizer's iteration.

    Args:
        encoder: maps x to `z_mean, z_log_var, z`, such as `dense_encoder` builds it.
        decoder: maps z (batch, latent_dim) to x's shape.
        objective: the likelihood and scale factors; `Objective()` by default.
        beta: initial KL weight, >= 0; 1 by default.
        seed: integer >= 0 of all draws in training.

    Raises:
        ValueError: if encoder and decoder are none or do not fit together, or a number is out of range.

    Source: Higgins et al. (2017); Kingma & Welling (2014), arXiv 1312.6114.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: keras.Model,
        objective: Objective | None = None,
        beta: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if objective is not None and not isinstance(objective, Objective):
            raise argument_error("objective", "be a vaelib.Objective", objective)
        if not isinstance(encoder, Encoder):
            raise argument_error("encoder", "be a vaelib.Encoder, for example from dense_encoder", encoder)
        require_network("decoder", decoder)
        shape = encoder.body.input_shape[1:]
        if decoder.input_shape[1:] != (encoder.latent_dim,) or decoder.output_shape[1:] != shape:
            must = f"map (None, {encoder.latent_dim}) to {(None, *shape)}, as the encoder does back"
            raise argument_error("decoder", must, Described(f"{decoder.input_shape} to {decoder.output_shape}"))
        self.encoder = encoder
        self.decoder = decoder
        self.objective = objective or Objective()
        self.seed = positive_int("seed", seed, minimum=0)
        self.beta = self.add_weight((), "zeros", "float32", trainable=False, name="beta")
        self.beta.assign(finite_float("beta", beta, minimum=0))
        self.log_sigma2 = None
        if self.objective.sigma2 == "learned":
            self.log_sigma2 = self.add_weight((), "zeros", "float32", name="log_sigma2")
        self.steps = StepTables()
        self._trackers = [keras.metrics.Mean(name) for name in Losses._fields]
        self._generators = [
            value
            for layer in self._flatten_layers()
            if not isinstance(layer, Sampling)  # given its noise, it draws none
            for value in vars(layer).values()
            if isinstance(value, keras.random.SeedGenerator)
        ]
        self._noise_seed, self._test_seed = stream(self.seed, "noise"), stream(self.seed, "evaluation")
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The three trackers: total_loss, reconstruction_loss, kl_loss."""
        return self._trackers

    @property
    def latent_dim(self) -> int:
        """Number of latent units."""
        return self.encoder.latent_dim

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.encoder.body.input_shape[1:])

    @property
    def effective_beta(self) -> float:
        """The β of the negative ELBO that the current loss equals, up to a factor (`Objective.effective_beta`)."""
        return self.objective.effective_beta(self.get_kl_weight(), math.prod(self.example_shape), self.latent_dim)

    @property
    def implied_sigma2(self) -> float:
        """The decoder variance that the current plain squared-error loss implies (`Objective.implied_sigma2`)."""
        return self.objective.implied_sigma2(self.get_kl_weight(), math.prod(self.example_shape), self.latent_dim)

    def get_kl_weight(self) -> float:
        """Returns the current KL weight β."""
        return float(self.beta.numpy())

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains as `keras.Model.fit` does; arrays are checked first, the batches of a pipeline are not.

        Raises:
            ValueError: if `x` or `validation_data` is no data of this model, or targets or weights are given.
        """
        given = self._checked(super().fit, x, *args, **kwargs)
        try:
            return super().fit(*given.args, **given.kwargs)
        finally:
            self.steps.end_fit()  # an interrupted training must not leave its schedule to the next

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluates as `keras.Model.evaluate` does, with the checks of `fit`."""
        given = self._checked(super().evaluate, x, *args, **kwargs)
        return super().evaluate(*given.args, **given.kwargs)

    def _checked(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        """The arguments of Keras' `fit` or `evaluate`, before Keras traces anything that a bad one would break."""
        given = inspect.signature(method).bind(*args, **kwargs)
        values = given.arguments
        for name in ("y", "sample_weight", "class_weight"):
            if values.get(name) is not None:
                raise argument_error(name, f"be left out: {ALONE}", values[name])
        values["x"] = self._checked_data("x", values.get("x"))
        validation = _alone("validation_data", values.get("validation_data"))
        if validation is not None:
            values["validation_data"] = self._checked_data("validation_data", validation)
        return given

    def _checked_data(self, name: str, x: Any) -> Any:
        if isinstance(x, tf.data.Dataset):
            _alone(name, x.element_spec)
        elif x is None or isinstance(x, list | tuple | dict) or hasattr(x, "__array__"):
            return self.check(name, x)
        return x

    def check(self, name: str, x: Any) -> np.ndarray:
        """Returns `x` as float32 examples, or raises a ValueError if it cannot be data of this model.

        It cannot if its shape is wrong, if values are not finite, or if they lie outside the likelihood's support.
        """
        if x is None:
            raise argument_error(name, f"hold examples of shape {self.example_shape}", x)
        examples = check_examples(name, x, shape=self.example_shape)
        self.objective.check(name, examples)
        return examples

    def call(self, x: Any, noise: Any = None, training: bool = False) -> Any:
        """Returns the reconstruction of x: from its mean code, or from a sample where `noise` is given."""
        z_mean, _, z = self.encoder(
            x, noise=ops.zeros((1, self.latent_dim)) if noise is None else noise, training=training
        )
        return self.objective.mean(self.decoder(z_mean if noise is None else z, training=training))

    def generate(self, n: int, seed: int = 0) -> Any:
        """Returns `n` examples decoded from draws of the prior N(0, 1)."""
        seed = positive_int("seed", seed, minimum=0)
        z = normal_at((positive_int("n", n), self.latent_dim), stream(seed, "prior"), 0)
        return self.objective.mean(self.decoder(z, training=False))

    def terms(self, x: Any, noise: Any = None, training: bool = False) -> Terms:
        """Returns the terms of the objective for a batch, before any sum or mean over it.

        Args:
            x: (batch, …).
            noise: ε of the sample, (batch, latent_dim); drawn by the sampling layer where left out.
            training: whether batch normalisation and dropout act as in training.

        Returns:
            `Terms`: decoder output, reconstruction (batch,) in nats, and z_mean, z_log_var, kl (batch,
            latent_dim).
        """
        x = _examples(x)
        latents = self.encoder(x, noise=noise, training=training)
        # a loss in float32, whatever precision the layers compute in
        z_mean, z_log_var, output = (
            ops.cast(value, "float32") for value in (*latents[:2], self.decoder(latents[2], training=training))
        )
        distortion = self.objective.distortion(x, output)
        reconstruction = self.objective.reconstruction(distortion, math.prod(self.example_shape), self.log_sigma2)
        return Terms(output, reconstruction, (Latents(z_mean, z_log_var, gaussian_kl(z_mean, z_log_var)),))

    def train_step(self, x: Any) -> dict[str, Any]:
        """One step of the optimizer on the batch x; β, noise and dropout are those of the optimizer's iteration."""
        x = _examples(x)
        step = tf.cast(self.optimizer.iterations.value, "int64")
        self.beta.assign(self.steps.beta_at(step, self.beta.value))
        set_position(self._generators, self.seed, step)
        noise = normal_at((tf.shape(x)[0], self.latent_dim), self._noise_seed, step)
        with tf.GradientTape() as tape:
            terms = self.terms(x, noise, training=True)
            losses = self.objective.losses(terms, self.beta)
            objective = losses.total_loss + sum(self.losses)  # layers may add regularisation
            objective = self.optimizer.scale_loss(objective)  # under mixed precision with float16
        gradients = tape.gradient(objective, self.trainable_variables)
        error = tf.reduce_mean((x - self.objective.mean(terms.output)) ** 2)
        self.steps.record(step, (tf.shape(x)[0], self.beta.value, *losses, error))
        self.optimizer.apply(gradients, self.trainable_variables)
        return self._track(losses, tf.shape(x)[0])

    def test_step(self, x: Any) -> dict[str, Any]:
        """The losses of the batch x without training; noise depends on the position in the evaluated data alone.

        Where σ² is "optimal" it is each batch's own, so the losses depend on the batch size too; `negative_elbo`
        does not.
        """
        x = _examples(x)
        noise = normal_rows(tf.shape(x)[0], self.latent_dim, self._test_seed, first=self._trackers[0].count)
        return self._track(self.objective.losses(self.terms(x, noise, training=False), self.beta), tf.shape(x)[0])

    @cached_property
    def evaluation_terms(self) -> Any:
        """The compiled function (x, position of its first example) -> `Terms` without training."""

        def terms(x: Any, position: Any) -> Terms:
            noise = normal_rows(tf.shape(x)[0], self.latent_dim, self._test_seed, first=position)
            return self.terms(x, noise, training=False)

        batch = tf.TensorSpec((None, *self.example_shape), "float32")
        return tf.function(terms, input_signature=[batch, tf.TensorSpec((), "int64")]).get_concrete_function()

    def _track(self, losses: Losses, batch: Any) -> dict[str, Any]:
        for tracker, value in zip(self._trackers, losses, strict=True):
            tracker.update_state(value, sample_weight=batch)  # weighted, so that a ragged last batch counts by size
        return {tracker.name: tracker.result() for tracker in self._trackers}

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the model."""
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "objective": self.objective.get_config(),
            "beta": self.get_kl_weight(),
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> BetaVAE:
        """Rebuilds the model from its configuration."""
        config = copy.deepcopy(config)  # Keras takes its parts out of it
        parts = {
            part: keras.saving.deserialize_keras_object(config.pop(part), custom_objects=custom_objects)
            for part in ("encoder", "decoder")
        }
        return cls(**parts, objective=Objective(**config.pop("objective")), **config)


ALONE = "a VAE has no targets and weighs examples equally"


def _alone(name: str, x: Any) -> Any:
    """The examples of a batch; Keras passes targets and weights, or None in their place, in a tuple with them."""
    if isinstance(x, tuple) and x and all(part is None for part in x[1:]):
        x = x[0]
    if isinstance(x, tuple | list | dict):
        raise argument_error(name, f"be examples alone: {ALONE}", Described(f"{len(x)} arrays a batch"))
    return x


def _examples(x: Any) -> Any:
    return tf.cast(_alone("x", x), "float32")


def require_vae(name: str, model: Any) -> BetaVAE:
    """Returns `model`, or raises a ValueError if it is no `BetaVAE`."""
    if not isinstance(model, BetaVAE):
        raise argument_error(name, "be a vaelib.BetaVAE, for example from build_vae", model)
    return model
