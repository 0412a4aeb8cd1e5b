"""What the compiled training step reads and writes for each step: β from a table or by feedback, its losses into a log.

One call of Keras' train function may run a whole epoch of steps. Table and log are variables of any length, so
that changing the schedule or the number of steps retraces nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from vaelib.schedules.feedback import FeedbackBetaScheduler


def log_columns(scheduled: Iterable[str], losses: Iterable[str]) -> tuple[str, ...]:
    """Returns what the log keeps of a step: the batch size, the scheduled numbers, the losses, the error per pixel."""
    return ("examples", *scheduled, *losses, "mean_squared_error")


class StepTables:
    """The scheduled numbers and the step log of one model, both indexed by the optimizer's iteration.

    Args:
        scheduled: the model's variables that schedules set, by name: β and the like.
        losses: names of the losses that a step records.
    """

    def __init__(self, scheduled: dict[str, Any], losses: tuple[str, ...]) -> None:
        self.scheduled = scheduled
        self.columns = log_columns(scheduled, losses)
        # a NaN in the table leaves the model's variable as it is; an empty plan has one such row
        self._table = tf.Variable(
            np.full((1, len(scheduled)), np.nan), shape=[None, None], dtype="float32", trainable=False
        )
        self._table_start = tf.Variable(0, dtype="int64", trainable=False)
        # a ring: row i holds the last iteration t with t mod length = i, and t itself in front of the columns
        width = 1 + len(self.columns)
        self._log = tf.Variable(np.full((1, width), np.nan), shape=[None, width], dtype="float32", trainable=False)
        self._room = 0  # length of the log in this fit
        self.first = 0  # the iteration that the epoch began with
        self.started = False  # whether the epoch's log is set up and nothing recorded yet
        self._rows: np.ndarray | None = None  # what was last read, until more may have been recorded
        self._kept: int | None = None  # the number of rows that a NaNGuard has left
        self.feedback = StepFeedback({})

    def set_table(self, tables: Mapping[str, np.ndarray], start: int) -> None:
        """Uses `tables[name][i]` at iteration `start + i`; past either end the nearest entry holds.

        The tables are of one length; a variable without a table keeps its value.
        """
        length = max((len(table) for table in tables.values()), default=1)
        rows = np.full((length, len(self.scheduled)), np.nan, "float32")
        for name, table in tables.items():
            rows[:, list(self.scheduled).index(name)] = table
        self._table.assign(rows)
        self._table_start.assign(start)

    def end_fit(self) -> None:
        """Forgets what the schedule and the callbacks of a training have set up."""
        self.set_table({}, 0)
        self.feedback.active.assign(False)
        self._room, self.started = 0, False

    def start_log(self, n_steps: int, start: int) -> None:
        """Begins an epoch of iterations `start` to `start + n_steps − 1`; only the first of a fit empties the log."""
        self.first, self.started, self._rows, self._kept = start, True, None, None
        if self._room < n_steps:
            self._room = n_steps
            self._log.assign(np.full((n_steps, self._log.shape[1]), np.nan, "float32"))

    def extend_log(self, stop: int) -> None:
        """Makes room up to iteration `stop − 1`, at least doubling the log where it is too short."""
        if stop - self.first > self._room:
            rows = self._read()
            self._room = max(stop - self.first, 2 * self._room)
            log = np.full((self._room, self._log.shape[1]), np.nan, "float32")
            log[(self.first + np.arange(len(rows))) % self._room] = rows
            self._log.assign(log)

    def expect_rows(self) -> None:
        """Says that more is about to be recorded, so that the log is read anew for the next who asks."""
        self.started, self._rows = False, None

    def withdraw(self, stop: int) -> None:
        """Says that the weights are again those before iteration `stop`."""
        self._kept = max(stop - self.first, 0)

    def log(self, withdrawn: bool = False) -> np.ndarray:
        """Returns what the epoch has recorded so far: (steps, columns), on request with steps since withdrawn."""
        if self._rows is None:
            self._rows = self._read()[:, 1:]
        return self._rows if withdrawn else self._rows[: self._kept]

    def _read(self) -> np.ndarray:
        log = self._log.numpy()
        if begin := self.first % len(log):
            log = np.concatenate([log[begin:], log[:begin]])
        # where data run out, Keras counts an iteration that had no batch: its row is an older one's
        return log[log[:, 0] == np.arange(self.first, self.first + len(log)).astype("float32")]

    def set_scheduled(self, iteration: Any) -> None:
        """Inside the compiled step: gives the scheduled variables their values of this iteration."""
        last = tf.shape(self._table, out_type="int64")[0] - 1
        row = tf.gather(self._table, tf.clip_by_value(iteration - self._table_start, 0, last))
        for i, (name, variable) in enumerate(self.scheduled.items()):
            value = tf.where(tf.math.is_nan(row[i]), tf.cast(variable.value, "float32"), row[i])
            variable.assign(self.feedback.value(name, value))

    def record(self, iteration: Any, values: Mapping[str, Any]) -> None:
        """Inside the compiled step: writes one row."""
        self.expect_rows()
        values = {name: variable.value for name, variable in self.scheduled.items()} | dict(values)
        row = tf.stack([tf.cast(value, "float32") for value in (iteration, *(values[name] for name in self.columns))])
        place = iteration % tf.shape(self._log, out_type="int64")[0]
        self._log.scatter_nd_update(tf.reshape(place, (1, 1)), row[tf.newaxis])


class StepFeedback:
    """Schedules that read every training step, inside the compiled step; each state is one variable.

    Args:
        schedulers: feedback schedules by the name of the variable that they set.
    """

    def __init__(self, schedulers: Mapping[str, FeedbackBetaScheduler]) -> None:
        self.schedulers = dict(schedulers)
        self.active = tf.Variable(False, trainable=False)
        self._entries = {name: tuple(scheduler.init()) for name, scheduler in self.schedulers.items()}
        self._states = {name: tf.Variable(tf.zeros(len(keys)), trainable=False) for name, keys in self._entries.items()}

    def restart(self) -> None:
        """Takes every schedule back to its initial state and lets it act."""
        self.set_states({name: scheduler.init() for name, scheduler in self.schedulers.items()})
        self.active.assign(bool(self.schedulers))

    def states(self) -> dict[str, dict[str, float]]:
        """Returns the state of each schedule."""
        return {
            name: dict(zip(keys, self._states[name].numpy().tolist(), strict=True))
            for name, keys in self._entries.items()
        }

    def set_states(self, states: Mapping[str, Mapping[str, float]]) -> None:
        """Gives each schedule its state."""
        for name, keys in self._entries.items():
            self._states[name].assign([float(states[name][key]) for key in keys])

    def value(self, name: str, otherwise: Any) -> Any:
        """Inside the compiled step: β by feedback where a schedule sets `name` and acts, else `otherwise`."""
        if name not in self._entries:
            return otherwise
        return tf.where(self.active, self._states[name][self._entries[name].index("beta")], otherwise)

    def update(self, logs: Mapping[str, Mapping[str, Any]]) -> None:
        """Inside the compiled step: moves every state on by the step's figures, `logs[name]`."""
        for name, scheduler in self.schedulers.items():
            keys, variable = self._entries[name], self._states[name]
            moved, _ = scheduler.step(dict(zip(keys, tf.unstack(variable), strict=True)), logs[name], xp=ops)
            values = tf.stack([tf.cast(moved[key], "float32") for key in keys])
            variable.assign(tf.where(self.active, values, variable))


class Snapshot:
    """The values of variables at one moment, read in one compiled call: `saved`, one flat tensor for each dtype."""

    def __init__(self, variables: list[Any]) -> None:
        self._groups: dict[Any, list[Any]] = {}
        for variable in variables:
            variable = getattr(variable, "value", variable)
            self._groups.setdefault(variable.dtype, []).append(variable)
        self._read = tf.function(self._values, autograph=False).get_concrete_function()
        _, self.saved = self._read()

    def save_if_finite(self) -> bool:
        """Keeps the present values if all are finite; returns whether they are."""
        finite, values = self._read()
        if finite:
            self.saved = values
        return bool(finite)

    def restore(self) -> None:
        """Writes the kept values back into the variables."""
        for variables, values in zip(self._groups.values(), self.saved, strict=True):
            parts = tf.split(values, [variable.shape.num_elements() for variable in variables])
            for variable, part in zip(variables, parts, strict=True):
                variable.assign(tf.reshape(part, variable.shape))

    def _values(self) -> Any:
        values = [
            tf.concat([tf.reshape(variable, [-1]) for variable in variables], axis=0)
            for variables in self._groups.values()
        ]
        finite = [tf.reduce_all(tf.math.is_finite(value)) for value in values if value.dtype.is_floating]
        return tf.reduce_all(finite), values
