"""What the compiled training step reads and writes for each step: β from a table, its losses into a log.

One call of Keras' train function may run a whole epoch of steps. Both arrays are variables of any length, so
that changing the schedule or the number of steps retraces nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

LOG_COLUMNS = ("examples", "beta", "total_loss", "reconstruction_loss", "kl_loss", "mean_squared_error")


class StepTables:
    """The β table and the step log of one model, both indexed by the optimizer's iteration."""

    def __init__(self) -> None:
        # a NaN in the table leaves the model's β as it is; an empty plan has one such row
        self._beta = tf.Variable([np.nan], shape=[None], dtype="float32", trainable=False)
        self._beta_start = tf.Variable(0, dtype="int64", trainable=False)
        self._log = tf.Variable(np.zeros((1, len(LOG_COLUMNS))), shape=[None, None], dtype="float32", trainable=False)
        self._log_start = tf.Variable(0, dtype="int64", trainable=False)
        self._log_room: tuple[int, int] | None = None  # what start_log made room for in this fit

    def set_beta(self, table: np.ndarray, start: int) -> None:
        """Uses `table[i]` as β of iteration `start + i`; past either end the nearest entry holds."""
        self._beta.assign(np.asarray(table, "float32"))
        self._beta_start.assign(start)

    def clear_beta(self) -> None:
        """Leaves β to the model's variable again."""
        self.set_beta(np.array([np.nan]), 0)

    def end_fit(self) -> None:
        """Forgets what the schedule and the callbacks of a training have set up."""
        self.clear_beta()
        self._log_room = None

    def start_log(self, n_steps: int, start: int) -> None:
        """Empties the log and makes room for iterations `start` to `start + n_steps − 1`, once for all who ask."""
        if self._log_room == (n_steps, start):
            return
        self._log_room = n_steps, start
        self._log.assign(np.full((n_steps, len(LOG_COLUMNS)), np.nan, "float32"))
        self._log_start.assign(start)

    def extend_log(self, stop: int) -> None:
        """Makes room up to iteration `stop − 1`, at least doubling the log where it is too short."""
        log = self._log.numpy()
        missing = stop - int(self._log_start.numpy()) - len(log)
        if missing > 0:
            room = np.full((max(missing, len(log)), len(LOG_COLUMNS)), np.nan, "float32")
            self._log.assign(np.concatenate([log, room]))

    def log(self, stop: int) -> np.ndarray:
        """Returns what was recorded before iteration `stop`: (steps, columns of `LOG_COLUMNS`)."""
        rows = self._log.numpy()[: max(stop - int(self._log_start.numpy()), 0)]
        return rows[~np.isnan(rows[:, 0])]  # where data run out, Keras counts an iteration that had no batch

    def beta_at(self, iteration: Any, beta: Any) -> Any:
        """Inside the compiled step: β of this iteration, `beta` where no table is set."""
        last = tf.shape(self._beta, out_type="int64")[0] - 1
        value = tf.gather(self._beta, tf.clip_by_value(iteration - self._beta_start, 0, last))
        return tf.where(tf.math.is_nan(value), tf.cast(beta, "float32"), value)

    def record(self, iteration: Any, values: tuple[Any, ...]) -> None:
        """Inside the compiled step: writes one row; rows outside the log overwrite its last."""
        last = tf.shape(self._log, out_type="int64")[0] - 1
        row = tf.clip_by_value(iteration - self._log_start, 0, last)
        values_row = tf.stack([tf.cast(value, "float32") for value in values])
        self._log.scatter_nd_update(tf.reshape(row, (1, 1)), values_row[tf.newaxis])


class Snapshot:
    """The values of variables at one moment, read in one compiled call."""

    def __init__(self, variables: list[Any]) -> None:
        self._variables = [getattr(variable, "value", variable) for variable in variables]
        self._read = tf.function(self._values, autograph=False).get_concrete_function()
        _, self._saved = self._read()

    def save_if_finite(self) -> bool:
        """Keeps the present values if all are finite; returns whether they are."""
        finite, values = self._read()
        if finite:
            self._saved = values
        return bool(finite)

    def restore(self) -> None:
        """Writes the kept values back into the variables."""
        for variable, value in zip(self._variables, self._saved, strict=True):
            variable.assign(value)

    def _values(self) -> Any:
        values = [tf.identity(variable) for variable in self._variables]
        finite = [tf.reshape(tf.math.is_finite(value), [-1]) for value in values if value.dtype.is_floating]
        return tf.reduce_all(tf.concat(finite, axis=0)), values
