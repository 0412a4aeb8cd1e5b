"""A callback for a VAE alone, and the reading of what the compiled step recorded of every optimizer step."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd

from vaelib.models.beta_vae import require_vae
from vaelib.steps import LOG_COLUMNS


class VAECallback(keras.callbacks.Callback):
    """A Keras callback for a `BetaVAE` and for no other model."""

    def set_model(self, model: Any) -> None:
        """Takes the model that `fit` trains.

        Raises:
            ValueError: if it is no `BetaVAE`.
        """
        super().set_model(require_vae("model", model))


class StepReader(VAECallback):
    """A callback that reads the current epoch's steps from the model, whatever their number per execution."""

    first_step = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Makes room in the model's log for the epoch's steps."""
        self.first_step = int(self.model.optimizer.iterations)
        self.model.steps.start_log(self.params["steps"] or 1, self.first_step)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Makes more room where `fit` does not know the number of steps."""
        if self.params["steps"] is None:
            self.model.steps.extend_log(int(self.model.optimizer.iterations) + self.model.steps_per_execution)

    def rows(self) -> np.ndarray:
        """Returns the steps of this epoch so far: (steps, columns of `LOG_COLUMNS`)."""
        return self.model.steps.log(stop=int(self.model.optimizer.iterations))


class StepLog(StepReader):
    """Keeps the batch size, β, the three losses and the mean squared error of every optimizer step.

    `frame()` returns them as a table, of no rows before the first training.
    """

    def __init__(self) -> None:
        super().__init__()
        self._epochs: list[tuple[int, int, np.ndarray]] = []  # epoch, its first step, its rows

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets an earlier training."""
        self._epochs = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Reads what the last execution wrote, before anything can undo it."""
        self._rows = self.rows()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps the epoch's steps."""
        self._epochs.append((epoch, self.first_step, self._rows))

    def frame(self) -> pd.DataFrame:
        """Returns all steps: index `step`; columns `epoch`, `examples`, `beta`, the losses, `mean_squared_error`."""
        none = np.empty((0, len(LOG_COLUMNS)), "float32")
        kept = [(0, 0, none), *self._epochs]
        epochs = np.concatenate([np.full(len(rows), epoch) for epoch, _, rows in kept])
        steps = np.concatenate([first + np.arange(len(rows)) for _, first, rows in kept])
        frame = pd.DataFrame(
            np.concatenate([rows for *_, rows in kept]),
            index=pd.Index(steps, name="step"),
            columns=list(LOG_COLUMNS),
        )
        frame.insert(0, "epoch", epochs)
        return frame
