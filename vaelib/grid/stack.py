"""Many members of one model trained at once: their weights are stacked along two axes, R seeds × S schedules.

The ordinary model computes the terms of one member with that member's slice of the weights, inside two nested
calls of `tf.vectorized_map`, so that a dense layer becomes one batched product. What the seed alone decides (data,
order, noise, dropout) is drawn once for each seed and shared by its schedules. Adam is elementwise: one optimizer over
the stacked weights equals one for each member.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vaelib._loss_arguments import MIN_SIGMA2
from vaelib.callbacks import BetaSchedule
from vaelib.grid.adam import StackedAdam
from vaelib.grid.betas import StackedBetas
from vaelib.grid.draws import draws_of
from vaelib.grid.evaluation import StackEvaluation
from vaelib.grid.lent import lent, weights_of
from vaelib.grid.mapped import map_members
from vaelib.grid.seed_data import SeedData
from vaelib.models.vae import VAE


class Stack:
    """The members of R seeds × S schedules: their weights, their optimizer, and the functions that train them.

    Args:
        models: one model for each seed, alike in all but their weights; the first computes for all.
        schedules: S schedules.
        batch_size: examples a step.
        learning_rate: Adam's.
        side_by_side: whether members are computed at once; False needs R = S = 1.
    """

    def __init__(
        self,
        models: Sequence[VAE],
        schedules: Sequence[BetaSchedule],
        batch_size: int,
        learning_rate: float,
        side_by_side: bool = True,
    ) -> None:
        self.model, self.batch_size, self.side_by_side = models[0], batch_size, side_by_side
        self.shape = (len(models), len(schedules))
        self.betas = StackedBetas(self.model, schedules, len(models))
        self.values = [
            keras.Variable(
                np.zeros((*self.shape, *weight.shape), weight.dtype), dtype=weight.dtype, trainable=weight.trainable
            )
            for weight in weights_of(self.model)
        ]
        self._trained = len(self.model.trainable_variables)
        self.optimizer = StackedAdam([value.value for value in self.values[: self._trained]], learning_rate)
        self._best, self._last = ([tf.Variable(value.value, trainable=False) for value in self.values] for _ in "bl")
        # the first step whose loss was not finite, −1 without one, and whether its reconstruction and its KL were
        self.broken = tf.Variable(tf.fill((*self.shape, 3), -1.0), trainable=False)
        self._epoch = tf.function(self._train_epoch, reduce_retracing=True)
        self._evaluation = StackEvaluation(self.model, self.shape, self.betas.names, side_by_side)
        self._keep_all = tf.function(self._keep)

    # ------------------------------------------------------------ a training

    def takes(self, n_seeds: int, schedules: Sequence[BetaSchedule]) -> bool:
        """Whether as many seeds and these schedules can be trained without tracing anything anew."""
        return self.shape == (n_seeds, len(schedules)) and self.betas.takes(schedules)

    def restart(
        self, models: Sequence[VAE], schedules: Sequence[BetaSchedule], train: SeedData, val: SeedData, epochs: int
    ) -> None:
        """Gives every member the initial weights of its seed's model; the optimizer and the schedules begin anew.

        Args:
            models: one for each seed.
            schedules: such as `takes` accepts.
            train: training data, of each epoch's steps.
            val: validation data.
            epochs: of the training to come.
        """
        self._models = list(models)
        for value, *of_models in zip(self.values, *map(weights_of, models), strict=True):
            initial = np.stack([weight.numpy() for weight in of_models])
            value.assign(np.repeat(initial[:, np.newaxis], self.shape[1], axis=1))
        self.optimizer.restart()
        for variable, value in zip([*self._best, *self._last], [*self.values, *self.values], strict=True):
            variable.assign(value.value)
        self.broken.assign(tf.fill((*self.shape, 3), -1.0))
        self._train, self._val = train, val
        self.steps_per_epoch = math.ceil(train.n / self.batch_size)
        self._draws = draws_of(self._models, train.n, self.batch_size)
        self.betas.restart(schedules, epochs, self.steps_per_epoch)

    def train_epoch(self, epoch: int) -> dict[str, np.ndarray]:
        """Trains all members for one epoch; returns the epoch's figures by name, each (R, S).

        They are the training losses, their `mean_squared_error`, the scheduled numbers of the last step, and the
        validation losses; NaN for a member that broke.
        """
        sums = self._epoch(self._train.tensors, *self._draws(tf.constant(epoch, "int64"))).numpy() / self._train.n
        figures = dict(zip((*self.model.loss_names, "mean_squared_error"), np.moveaxis(sums, -1, 0), strict=True))
        scheduled = dict(zip(self.betas.names, self.betas.current.numpy(), strict=True))
        self.betas.end_epoch(figures, figures["mean_squared_error"])
        error = np.maximum(figures["mean_squared_error"], MIN_SIGMA2)
        sums = self.sums(self._val)
        values = self._evaluation.losses(self.values, sums / self._val.n, error, list(scheduled.values()))
        return {**figures, **scheduled, **{f"val_{name}": value for name, value in values.items()}}

    def keep(self, is_best: np.ndarray) -> None:
        """Notes the members' present weights: as the last whole ones of those unbroken, as the best of these (R, S)."""
        self._keep_all(tf.constant(is_best))

    def restore(self, has_best: np.ndarray) -> None:
        """Gives members (R, S) back the best weights that were noted, and the others their last whole ones."""
        for value, best, last in zip(self.values, self._best, self._last, strict=True):
            value.assign(tf.where(_beside(has_best, value), best, last))

    def copy_members(self, source: np.ndarray) -> None:
        """Makes each member a copy of another one of its seed, Adam's moments included: `source` (R, S)."""
        moments = [moment for pair in self.optimizer.moments for moment in pair]
        for variable in [*(value.value for value in self.values), *moments, self.broken]:
            variable.assign(tf.gather(variable, source, axis=1, batch_dims=1))

    def sums(self, data: SeedData) -> np.ndarray:
        """Returns the members' sums over examples, see `StackEvaluation.sums`."""
        return self._evaluation.sums(self.values, data, self._models)

    @property
    def failed_step(self) -> np.ndarray:
        """The first step of each member whose loss was not finite, −1 without one: (R, S)."""
        return self.broken.numpy()[..., 0]

    def failures(self) -> list[list[str | None]]:
        """Returns a sentence for each member (R, S) that broke, None for the others."""
        return [[_failure(*member) for member in of_seed] for of_seed in self.broken.numpy().tolist()]

    def weights(self) -> list[np.ndarray]:
        """Returns the weights (R, S, …) of all members, in the order of `set_weights_of`."""
        return [value.numpy() for value in self.values]

    # ------------------------------------------------------------ compiled

    def _train_epoch(self, data: Any, order: Any, noise: Any, last_noise: Any, states: Any) -> Any:
        size, full = self.batch_size, noise.shape[0]
        sums = tf.zeros((*self.shape, len(self.model.loss_names) + 1), self._dtype)
        for i in tf.range(full):
            index = tf.ensure_shape(order[:, i * size : (i + 1) * size], (self.shape[0], size))
            state = [of_generator[i] for of_generator in states]
            sums += size * self._step(self._train.gather(data, index), noise[i], state)
        if rest := last_noise.shape[1]:
            state = [of_generator[full] for of_generator in states]
            sums += rest * self._step(self._train.gather(data, order[:, -rest:]), last_noise, state)
        return sums

    def _step(self, batch: Any, noise: Any, states: Any) -> Any:
        """One step of all members; returns their losses and mean squared error (R, S, losses + 1)."""
        step = self.optimizer.iterations.read_value()
        betas = tf.cast(self.betas.at(step), self._dtype)
        values = [tf.convert_to_tensor(value.value) for value in self.values]
        weights = values[: self._trained]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            members = ([*weights, *values[self._trained :]], list(tf.unstack(betas)))
            objective, losses, figures, state = map_members(
                self._member, (batch, noise, states), members, self.side_by_side
            )
            total = tf.reduce_sum(objective)  # no member's gradient depends on another member
        self.optimizer.apply(tape.gradient(total, weights, unconnected_gradients="zero"))
        for variable, value in zip(self.values[self._trained :], state, strict=True):
            variable.assign(value)
        for variable, weight in zip(self.values, self.model.trainable_variables, strict=False):
            if weight.constraint is not None:
                variable.assign(self._constrained(weight.constraint, variable))
        self.betas.update(figures)
        named = [self.model.loss_names.index(name) for name in ("reconstruction_loss", "kl_loss")]
        finite = [tf.cast(tf.math.is_finite(losses[..., i]), "float32") for i in named]
        now = tf.stack([tf.fill(self.shape, tf.cast(step, "float32")), *finite], axis=-1)
        is_new = (self.broken[..., 0] < 0) & ~tf.reduce_all(tf.math.is_finite(losses), axis=-1)
        self.broken.assign(tf.where(is_new[..., tf.newaxis], now, self.broken))
        return losses

    def _member(self, of_seed: Any, of_member: Any) -> tuple[Any, ...]:
        """The objective, losses, figures and new state of one member in a training step."""
        (batch, noise, states), (values, betas) = of_seed, of_member
        x, _ = self.model.inputs.split(batch)
        scheduled = dict(zip(self.betas.names, betas, strict=True))
        with lent(self.model, values, states) as scope:
            terms = self.model.terms(batch, noise, training=True)
            losses = self.model.named_losses(terms, scheduled)
            objective = losses["total_loss"] + sum(self.model.losses)
            error = self.model.mean_squared_error(x, terms)
            figures = self.betas.figures(terms, error)
        named = [tf.cast(losses[name], self._dtype) for name in self.model.loss_names]
        pairs = zip(weights_of(self.model)[self._trained :], values[self._trained :], strict=True)
        new = [(scope.get_current_value(weight), old) for weight, old in pairs]
        state = [old if value is None else tf.convert_to_tensor(value) for value, old in new]
        return objective, tf.stack([*named, tf.cast(error, self._dtype)]), figures, state

    def _constrained(self, constraint: Any, variable: Any) -> Any:
        values, none = tf.convert_to_tensor(variable.value), tf.zeros(self.shape[0])
        return map_members(lambda _, own: constraint(own), none, values, self.side_by_side)

    @property
    def _dtype(self) -> str:
        return keras.backend.result_type(*(value.dtype for value in self.values[: self._trained]), "float32")

    def _keep(self, is_best: Any) -> None:
        finite = self.broken[..., 0] < 0
        for value in self.values:
            if value.value.dtype.is_floating:
                axes = list(range(2, len(value.shape)))
                finite &= tf.reduce_all(tf.math.is_finite(value.value), axis=axes)
        for value, best, last in zip(self.values, self._best, self._last, strict=True):
            best.assign(tf.where(_beside(is_best & finite, value), value.value, best))
            last.assign(tf.where(_beside(finite, value), value.value, last))


def _failure(step: float, has_reconstruction: float, has_kl: float) -> str | None:
    if step < 0:
        return None
    terms = {"reconstruction term": has_reconstruction, "KL term": has_kl}
    broken = [name for name, is_finite in terms.items() if not is_finite]
    return f"the loss was no longer finite at step {step:.0f}, in the {' and the '.join(broken) or 'total loss'}"


def _beside(mask: Any, value: Any) -> Any:
    """A mask (R, S) with axes of length 1 for those of `value` beyond."""
    return tf.reshape(mask, (*mask.shape, *[1] * (len(value.shape) - 2)))
