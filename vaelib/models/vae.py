"""What all VAEs share: a Keras model over an encoder and a decoder, with its own training and test steps."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import keras
import tensorflow as tf
from keras import ops

from vaelib._checks import Described, argument_error, finite_float, positive_int
from vaelib.layers import Sampling, numbers
from vaelib.models.compiled import compile_losses, compile_terms
from vaelib.models.inputs import Inputs
from vaelib.networks import Encoder, require_network
from vaelib.objective import Losses, Objective, Terms
from vaelib.randomness import generator_states, normal_at, normal_rows, stream
from vaelib.schedules.feedback import FeedbackBetaScheduler
from vaelib.steps import StepFeedback, StepTables


class VAE(keras.Model):
    """What every VAE of the library has: an encoder, a decoder, an `Objective`, and its own training and test steps.

    A subclass gives its parts to `_set_up`, names the numbers that a schedule may set with `_scheduled`, ends with
    `_set_up_steps`, and defines `call`, `terms` and `generate`. The model logs `loss_names`, each the mean over the
    examples of an epoch; penalties that layers add (L2 on the heads) are minimised with them and not logged. Sampling
    noise, dropout and every other random layer are functions of `seed` and the optimizer's iteration.
    """

    loss_names: ClassVar[tuple[str, ...]] = Losses._fields[:3]
    kl_names: ClassVar[tuple[str, ...]] = ("kl_loss",)  # of each group of latent units
    conditions: ClassVar[bool] = False  # whether the model takes any

    def terms(self, x: Any, noise: Any = None, training: bool = False) -> Terms:
        """Returns the terms of the objective for a batch, before any sum or mean over it.

        Args:
            x: (batch, …); with a condition the pair of x and conditions (batch, condition_dim).
            noise: ε of the sample, (batch, latent_dim); drawn by the sampling layer where left out.
            training: whether batch normalisation and dropout act as in training.

        Returns:
            `Terms`: decoder output, distortion and reconstruction (batch,), and for each group of latent units z_mean,
            z_log_var, kl (batch, units).
        """
        raise NotImplementedError

    @classmethod
    def _check_parts(cls, encoder: Any, objective: Any) -> None:
        if objective is not None and not isinstance(objective, Objective):
            raise argument_error("objective", "be a vaelib.Objective", objective)
        if not isinstance(encoder, Encoder):
            raise argument_error("encoder", "be a vaelib.Encoder, for example from dense_encoder", encoder)
        if encoder.condition_dim and not cls.conditions:
            remedy = "Use ConditionalVAE or HierarchicalVAE."
            raise argument_error(
                "encoder", "have no condition", Described(f"condition_dim={encoder.condition_dim}"), remedy
            )

    @staticmethod
    def _check_decoder(encoder: Encoder, decoder: Any, latent_dim: int) -> None:
        require_network("decoder", decoder)
        shape, width = encoder.body.input_shape[1:], latent_dim + encoder.condition_dim
        if decoder.input_shape[1:] != (width,) or decoder.output_shape[1:] != shape:
            must = f"map (None, {width}) to {(None, *shape)}, as the encoder does back"
            raise argument_error("decoder", must, Described(f"{decoder.input_shape} to {decoder.output_shape}"))

    def _set_up(self, encoder: Encoder, decoder: keras.Model, objective: Objective, seed: int) -> None:
        """Keeps the parts that every VAE has."""
        self.encoder = encoder
        self.decoder = decoder
        self.objective = objective
        self.seed = positive_int("seed", seed, minimum=0)
        if objective.kl_clip is not None and encoder.heads.log_var_bounds is not None:
            must = "be left out with log_var_bounds: a log-variance is bounded in one place"
            raise argument_error("kl_clip", must, objective.kl_clip)
        self.inputs = Inputs(self.example_shape, encoder.condition_dim, objective)
        self.log_sigma2 = None
        if objective.sigma2 == "learned":
            self.log_sigma2 = self.add_weight((), "zeros", "float32", name="log_sigma2")
        self._scheduled_variables: dict[str, Any] = {}

    def _scheduled(self, name: str, value: float) -> Any:
        """A non-trainable number that a schedule may set."""
        variable = self.add_weight((), "zeros", "float32", trainable=False, name=name)
        variable.assign(finite_float(name, value, minimum=0))
        self._scheduled_variables[name] = variable
        return variable

    def _set_up_steps(self) -> None:
        """Prepares what the compiled steps use; the last act of building a model."""
        self.steps = StepTables(self._scheduled_variables, self.loss_names)
        self._trackers = [keras.metrics.Mean(name) for name in self.loss_names]
        self.generators = [
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
        """One tracker for each of `loss_names`."""
        return self._trackers

    @property
    def scheduled(self) -> dict[str, Any]:
        """The variables that a schedule may set, by name: KL weights, and `capacity` if there is one."""
        return dict(self._scheduled_variables)

    @property
    def latent_dim(self) -> int:
        """Number of latent units, those of all groups together."""
        return self.encoder.latent_dim

    @property
    def group_dims(self) -> tuple[int, ...]:
        """Number of latent units of each group."""
        return (self.latent_dim,)

    @property
    def n_pixels(self) -> int:
        """How many numbers one example holds."""
        return math.prod(self.example_shape)

    @property
    def condition_dim(self) -> int:
        """Width of the condition, 0 for none."""
        return self.encoder.condition_dim

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.encoder.body.input_shape[1:])

    def get_kl_weights(self) -> dict[str, float]:
        """Returns the current KL weights by name: `beta`, or `global_kl_weight` and `local_kl_weight`."""
        return {name: float(variable.numpy()) for name, variable in self.scheduled.items() if name != "capacity"}

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains as `keras.Model.fit` does; arrays are checked first; of a pipeline's batches only labels are.

        Raises:
            ValueError: if `x` or `validation_data` is no data of this model, or targets or weights are given.
        """
        given = self._checked(super().fit, x, *args, **kwargs)
        try:
            with self.inputs.label_errors():
                return super().fit(*given.args, **given.kwargs)
        finally:
            self.steps.end_fit()  # an interrupted training must not leave its schedule to the next

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluates as `keras.Model.evaluate` does, with the checks of `fit`."""
        given = self._checked(super().evaluate, x, *args, **kwargs)
        with self.inputs.label_errors():
            return super().evaluate(*given.args, **given.kwargs)

    def _checked(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        given = inspect.signature(method).bind(*args, **kwargs)
        self.inputs.check_fit(given.arguments)
        return given

    def check(self, name: str, x: Any) -> Any:
        """Returns `x` as float32 data of this model, or raises a ValueError if it cannot be (`Inputs.check`)."""
        return self.inputs.check(name, x)

    def use_feedback(self, schedulers: dict[str, FeedbackBetaScheduler]) -> None:
        """Lets feedback schedules, by the name of the variable they set, move at every step of the training to come.

        Schedules other than the last ones are traced into the train function anew.
        """
        if schedulers != self.steps.feedback.schedulers:
            self.steps.feedback = StepFeedback(schedulers)
            self.make_train_function(force=True)
        self.steps.feedback.restart()

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Runs `call` if `x` can be data of this model, else raises a ValueError (`Inputs.of_call`)."""
        return super().__call__(self.inputs.of_call("x", x), *args, **kwargs)

    def decode(self, z: Any, condition: Any = None, training: bool = False) -> Any:
        """Returns the decoder's output for codes (batch, latent_dim) and their conditions or labels.

        Raises:
            ValueError: if codes or conditions are no numbers of the model's shape, or there should be none.
        """
        z = numbers("z", z, (self.latent_dim,))
        if self.condition_dim:
            condition = self.inputs.as_vectors("condition", condition, z.shape[0])
            z = ops.concatenate([z, ops.cast(condition, z.dtype)], axis=-1)
        elif condition is not None:
            raise argument_error("condition", "be left out: this model has none", condition)
        return self.decoder(z, training=training)

    def _prior_draws(self, n: int, seed: int) -> Any:
        seed = positive_int("seed", seed, minimum=0)
        return normal_at((positive_int("n", n), self.latent_dim), stream(seed, "prior"), 0)

    def _terms(self, x: Any, output: Any, groups: list[tuple[Any, ...]], variance: Any = 0.0) -> Terms:
        """The terms from the decoder's output and each group's z_mean, z_log_var[, prior mean and log-variance].

        `variance` (batch,) is added to the distortion: what a sample would have added where `output` is a mean.
        """
        # a loss in float32 at least, whatever precision the layers compute in
        dtype = keras.backend.result_type(output.dtype, "float32")
        x, variance, output, *groups = tf.nest.map_structure(
            lambda value: ops.cast(value, dtype), [x, variance, output, *groups]
        )
        distortion = self.objective.distortion(x, output) + variance
        reconstruction = self.objective.reconstruction(distortion, self.n_pixels, self.log_sigma2)
        return Terms(output, distortion, reconstruction, tuple(self.objective.latents(*group) for group in groups))

    def named_losses(self, terms: Terms, scheduled: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the losses of a batch by `loss_names`, under given values of the scheduled variables."""
        weights = [value for name, value in scheduled.items() if name != "capacity"]
        losses = self.objective.losses(terms, weights, scheduled.get("capacity"))
        return {**losses._asdict(), **dict(zip(self.kl_names, losses.group_kl, strict=True))}

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of the optimizer on a batch; β, noise and dropout are those of the optimizer's iteration."""
        x, condition = self.inputs.split(data)
        n = tf.shape(x)[0]
        step = tf.cast(self.optimizer.iterations.value, "int64")
        self.steps.set_scheduled(step)
        for generator, state in zip(self.generators, self.generator_states(step), strict=True):
            generator.state.assign(state)
        noise = self.training_noise(n, step)
        with tf.GradientTape() as tape:
            terms = self.terms(x if condition is None else (x, condition), noise, training=True)
            losses = self.named_losses(terms, self.scheduled)
            objective = losses["total_loss"] + sum(self.losses)  # layers may add regularisation
            objective = self.optimizer.scale_loss(objective)  # under mixed precision with float16
        gradients = tape.gradient(objective, self.trainable_variables)
        error = self.mean_squared_error(x, terms)
        self.steps.record(step, {"examples": n, **losses, "mean_squared_error": error})
        self.steps.feedback.update(self.figures(terms, error, self.steps.feedback.schedulers))
        self.optimizer.apply(gradients, self.trainable_variables)
        return self._track(losses, n)

    def mean_squared_error(self, x: Any, terms: Terms) -> Any:
        """Returns the mean squared error of a batch for each number in x."""
        if self.objective.has_sigma2:
            return ops.mean(terms.distortion) / self.n_pixels
        return ops.mean((x - self.objective.mean(terms.output)) ** 2)

    def figures(
        self, terms: Terms, error: Any, schedulers: Mapping[str, FeedbackBetaScheduler]
    ) -> dict[str, dict[str, Any]]:
        """Returns what feedback schedules read of a step, by the name of what they set: KL, or error in their unit."""
        reconstruction = {"nats": terms.reconstruction, "squared_error": terms.distortion, "mse": error}
        figures = {}
        for name, scheduler in schedulers.items():
            if scheduler.reads == "kl_loss":
                group = terms.latents[list(self._scheduled_variables).index(name)]
                figure = ops.sum(group.kl, axis=-1)  # nats
            else:
                figure = reconstruction[scheduler.unit]
            figures[name] = {scheduler.reads: ops.cast(ops.mean(figure), "float32")}
        return figures

    def test_step(self, data: Any) -> dict[str, Any]:
        """The losses of a batch without training; noise depends on the position in the evaluated data alone.

        Where σ² is "optimal" it is each batch's own, so the losses depend on the batch size too; `negative_elbo`
        does not.
        """
        x, condition = self.inputs.split(data)
        n = tf.shape(x)[0]
        noise = self.evaluation_noise(n, self._trackers[0].count)
        terms = self.terms(x if condition is None else (x, condition), noise, training=False)
        return self._track(self.named_losses(terms, self.scheduled), n)

    @cached_property
    def evaluation_terms(self) -> Any:
        """The compiled function of `compile_terms`."""
        return compile_terms(self)

    @cached_property
    def evaluation_losses(self) -> Any:
        """The compiled function of `compile_losses`."""
        return compile_losses(self)

    def training_noise(self, n: Any, step: Any) -> Any:
        """Returns the noise (n, latent_dim) of a training step's batch."""
        return normal_at((n, self.latent_dim), self._noise_seed, step)

    def generator_states(self, step: Any) -> list[Any]:
        """Returns the states of `generators` (dropout's, say) at a training step."""
        return generator_states(self.generators, self.seed, step)

    def evaluation_noise(self, n: Any, position: Any) -> Any:
        """Returns the noise (n, latent_dim) of examples that stand at `position` and after it in evaluated data."""
        return normal_rows(n, self.latent_dim, self._test_seed, first=position)

    def _track(self, losses: dict[str, Any], n: Any) -> dict[str, Any]:
        for tracker in self._trackers:
            # weighted, so that a ragged last batch counts by size
            tracker.update_state(losses[tracker.name], sample_weight=n)
        return {tracker.name: tracker.result() for tracker in self._trackers}

    def _shared_config(self) -> dict[str, Any]:
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "objective": self.objective.get_config(),
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Rebuilds the model from its configuration."""
        config = copy.deepcopy(config)  # Keras takes its parts out of it
        parts = {
            part: keras.saving.deserialize_keras_object(config.pop(part), custom_objects=custom_objects)
            for part in ("encoder", "decoder")
        }
        return cls(**parts, objective=Objective(**config.pop("objective")), **config)


def require_vae(name: str, model: Any) -> VAE:
    """Returns `model`, or raises a ValueError if it is no `VAE`."""
    if not isinstance(model, VAE):
        raise argument_error(name, "be a model of vaelib, for example from build_vae", model)
    return model
