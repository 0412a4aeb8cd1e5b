"""The scheduled numbers of stacked members: each schedule's table, and feedback from each member's own figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from vaelib.callbacks import BetaSchedule
from vaelib.callbacks.beta_schedule import epoch_figures
from vaelib.models.vae import VAE
from vaelib.schedules import beta_table
from vaelib.schedules.feedback import FeedbackBetaScheduler


class StackedBetas:
    """The values of the model's scheduled variables for R seeds × S schedules.

    Args:
        model: whose scheduled variables they are; its own values hold where no schedule sets them.
        schedules: the S schedules.
        n_seeds: R.
    """

    def __init__(self, model: VAE, schedules: Sequence[BetaSchedule], n_seeds: int) -> None:
        self.model, self.names, self.schedules = model, tuple(model.scheduled), list(schedules)
        shape = (len(self.names), n_seeds, len(self.schedules))
        self.current = tf.Variable(tf.zeros(shape), trainable=False)  # at the last step
        self._held = tf.Variable(tf.zeros(shape), trainable=False)  # where the table has NaN
        self._table = tf.Variable(tf.zeros((1, shape[0], shape[2])), shape=[None, shape[0], shape[2]], trainable=False)
        self._by_step = self._feedback("step")  # traced into the step
        self._states = {
            place: tf.Variable(tf.zeros((len(part.init()), n_seeds)), trainable=False)
            for place, part in self._by_step.items()
        }

    def _feedback(self, per: str) -> dict[tuple[str, int], FeedbackBetaScheduler]:
        return {(name, s): part for s, each in enumerate(self.schedules) for name, part in each.feedback(per).items()}

    def takes(self, schedules: Sequence[BetaSchedule]) -> bool:
        """Whether these schedules can take the place of the first ones: nothing of them is traced, or the same."""
        by_step = [schedule.feedback("step") for schedule in schedules]
        return by_step == [schedule.feedback("step") for schedule in self.schedules]

    def restart(self, schedules: Sequence[BetaSchedule], epochs: int, steps_per_epoch: int) -> None:
        """Takes up schedules that `takes` accepts, and writes the tables of a training of that length."""
        self.schedules = list(schedules)
        names, n_seeds, n_schedules = self.current.shape
        table = np.full((epochs * steps_per_epoch, names, n_schedules), np.nan, "float32")
        own = [float(variable.numpy()) for variable in self.model.scheduled.values()]
        held = np.tile(np.reshape(own, (names, 1, 1)), (1, n_seeds, n_schedules))
        for s, schedule in enumerate(self.schedules):
            for name, part in schedule.open_loop().items():
                table[:, self.names.index(name), s] = beta_table(part, epochs, steps_per_epoch, schedule.per)
        self._table.assign(table)
        self._held.assign(held)
        self.by_epoch = self._feedback("epoch")
        self._epoch_states = {
            place: {key: np.full(n_seeds, value) for key, value in part.init().items()}
            for place, part in self.by_epoch.items()
        }
        for place, part in self._by_step.items():
            self._states[place].assign(np.tile(np.reshape(list(part.init().values()), (-1, 1)), (1, n_seeds)))
        self._hold()

    def hold(self, name: str, values: np.ndarray) -> None:
        """Sets one of the numbers for each member (R, S), in place of what the schedules say of it."""
        i = self.names.index(name)
        table, held = self._table.numpy(), self._held.numpy()
        table[:, i], held[i] = np.nan, values
        self._table.assign(table)
        self._held.assign(held)

    def at(self, step: Any) -> Any:
        """Inside the compiled step: the values (names, R, S) of this step."""
        row = tf.gather(self._table, tf.minimum(step, tf.shape(self._table, out_type="int64")[0] - 1))[:, tf.newaxis]
        values = tf.where(tf.math.is_nan(row), self._held, row)
        for (name, s), part in self._by_step.items():
            beta = self._states[name, s][list(part.init()).index("beta")]
            columns = tf.unstack(values, axis=2)
            columns[s] = tf.tensor_scatter_nd_update(columns[s], [[self.names.index(name)]], beta[tf.newaxis])
            values = tf.stack(columns, axis=2)
        self.current.assign(values)
        return values

    def figures(self, terms: Any, error: Any) -> dict[str, Any]:
        """Inside the compiled step, for one member: what each schedule that reads every step would read of it."""
        return {
            f"{name}/{s}": self.model.figures(terms, error, {name: part})[name][part.reads]
            for (name, s), part in self._by_step.items()
        }

    def update(self, figures: Mapping[str, Any]) -> None:
        """Inside the compiled step: moves the states on by the figures, each (R, S)."""
        for (name, s), part in self._by_step.items():
            variable = self._states[name, s]
            state = dict(zip(part.init(), tf.unstack(variable), strict=True))
            moved, _ = part.step(state, {part.reads: figures[f"{name}/{s}"][:, s]}, xp=ops)
            variable.assign(tf.stack([tf.cast(moved[key], "float32") for key in state]))

    def end_epoch(self, losses: Mapping[str, np.ndarray], error: np.ndarray) -> None:
        """Moves the schedules that read whole epochs on; a member whose figures are not finite keeps its β.

        Args:
            losses: the epoch's training losses by name, each (R, S).
            error: its mean squared error for each number in x, (R, S).
        """
        for (name, s), part in self.by_epoch.items():
            read = epoch_figures(self.model, {key: value[:, s] for key, value in losses.items()}, error[:, s])
            figure = read[f"{name}/kl" if part.reads == "kl_loss" else part.unit]
            before, finite = self._epoch_states[name, s], np.isfinite(figure)
            after, _ = part.step(before, {part.reads: np.where(finite, figure, 1.0)})
            self._epoch_states[name, s] = {key: np.where(finite, after[key], before[key]) for key in before}
        if self.by_epoch:
            self._hold()

    def _hold(self) -> None:
        held = self._held.numpy()
        for (name, s), state in self._epoch_states.items():
            held[self.names.index(name), :, s] = state["beta"]
        self._held.assign(held)
