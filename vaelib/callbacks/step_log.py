"""A callback for a VAE alone, and the reading of what the compiled step recorded of every optimizer step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pandas as pd

from vaelib._loss_arguments import MIN_SIGMA2
from vaelib.models.vae import VAE, require_vae
from vaelib.steps import log_columns


class VAECallback(keras.callbacks.Callback):
    """A Keras callback for a VAE of vaelib and for no other model."""

    def set_model(self, model: Any) -> None:
        """Takes the model that `fit` trains.

        Raises:
            ValueError: if it is no `VAE`.
        """
        super().set_model(require_vae("model", model))

    def get_state(self) -> dict[str, Any]:
        """Returns what a resumed training needs of this callback, as numbers, words and arrays; nothing by default."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes up what `get_state` returned."""


class StepReader(VAECallback):
    """A callback that reads the current epoch's steps from the model, whatever their number per execution."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Makes room in the model's log for the epoch's steps, once for all who read it."""
        if not self.model.steps.started:
            self.model.steps.start_log(self.params["steps"] or 1, int(self.model.optimizer.iterations))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Makes more room where `fit` does not know the number of steps."""
        self.model.steps.expect_rows()
        if self.params["steps"] is None:
            self.model.steps.extend_log(int(self.model.optimizer.iterations) + self.model.steps_per_execution)

    @property
    def first_step(self) -> int:
        """The iteration that the epoch began with."""
        return self.model.steps.first

    def rows(self) -> np.ndarray:
        """Returns the steps of this epoch so far that a `NaNGuard` has left: (steps, `model.steps.columns`)."""
        return self.model.steps.log()

    def training_error(self) -> float:
        """Returns the mean squared error per pixel of the examples that this epoch has trained on; NaN without any."""
        rows = self.rows()
        if not len(rows):
            return math.nan
        examples, error = (rows[:, self.model.steps.columns.index(name)] for name in ("examples", "mean_squared_error"))
        return max(float(np.average(error, weights=examples)), MIN_SIGMA2)


class StepLog(StepReader):
    """Keeps the batch size, the KL weights, the losses and the mean squared error of every optimizer step.

    `frame()` returns them as a table, of no rows before the first training.
    """

    def __init__(self) -> None:
        super().__init__()
        self._epochs: list[tuple[int, int, np.ndarray]] = []  # epoch, its first step, its rows
        self._columns = log_columns(("beta",), VAE.loss_names)

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets an earlier training."""
        self._epochs = []
        self._columns = self.model.steps.columns

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Reads what the last execution wrote, whatever a `NaNGuard` has undone."""
        self._rows = self.model.steps.log(withdrawn=True)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps the epoch's steps."""
        self._epochs.append((epoch, self.first_step, self._rows))

    def get_state(self) -> dict[str, np.ndarray]:
        """Returns the epochs' numbers, first steps and rows, as arrays."""
        epochs = np.array([(epoch, first, len(rows)) for epoch, first, rows in self._epochs], "int64")
        return {"epochs": epochs, "rows": np.concatenate([rows for *_, rows in self._epochs])}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes up what `get_state` returned."""
        epochs = np.asarray(state["epochs"])
        rows = np.split(state["rows"], np.cumsum(epochs[:, 2])[:-1])
        self._epochs = [(int(epoch), int(first), part) for (epoch, first, _), part in zip(epochs, rows, strict=True)]

    def frame(self) -> pd.DataFrame:
        """Returns all steps: index `step`; columns `epoch`, `examples`, `beta`, the losses, `mean_squared_error`."""
        none = np.empty((0, len(self._columns)), "float32")
        kept = [(0, 0, none), *self._epochs]
        epochs = np.concatenate([np.full(len(rows), epoch) for epoch, _, rows in kept])
        steps = np.concatenate([first + np.arange(len(rows)) for _, first, rows in kept])
        frame = pd.DataFrame(
            np.concatenate([rows for *_, rows in kept]),
            index=pd.Index(steps, name="step"),
            columns=list(self._columns),
        )
        frame.insert(0, "epoch", epochs)
        return frame
