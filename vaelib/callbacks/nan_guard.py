"""Stops a training whose loss is no longer finite, and keeps the last finite weights."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from vaelib.callbacks.step_log import StepReader
from vaelib.steps import Snapshot

TERMS = {"reconstruction_loss": "reconstruction term", "kl_loss": "KL term"}


class NaNGuard(StepReader):
    """Stops training at a loss that is NaN or infinite and restores the weights of the last finite execution.

    An execution is what one call of the compiled train function runs: a step, or many with
    `steps_per_execution`. The optimizer's state is restored too. `message` says at which step and in which
    term the loss broke; it is also given as a RuntimeWarning. Place it before callbacks that keep or write
    weights.
    """

    message: str | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Keeps the initial weights."""
        self.message = None
        if not self.model.optimizer.built:  # else its moments would not be in the snapshot
            self.model.optimizer.build(self.model.trainable_variables)
        self._snapshot = Snapshot([*self.model.variables, *self.model.optimizer.variables])
        self._snapshot.save_if_finite()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts counting the epoch's steps."""
        super().on_epoch_begin(epoch, logs)
        self._seen = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the steps of the last execution."""
        rows = self.rows()
        bad = np.flatnonzero(~np.isfinite(rows[self._seen :]).all(axis=1))
        if len(bad):
            self._stop(self._seen + int(bad[0]), rows)
        elif not self._snapshot.save_if_finite():
            self._stop(len(rows), rows)
        self._seen = len(rows)

    def get_state(self) -> dict[str, str]:
        """Returns the message of a training that broke."""
        return {} if self.message is None else {"message": self.message}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes up what `get_state` returned."""
        self.message = str(state["message"]) if state else None

    def _stop(self, index: int, rows: np.ndarray) -> None:
        step = self.first_step + index
        if index == len(rows):
            where = f"step {step - 1} had a finite loss but left weights that are not: its gradient broke"
        else:
            row = dict(zip(self.model.steps.columns, rows[index], strict=True))
            broken = [f"{words} ({row[name]:g})" for name, words in TERMS.items() if not np.isfinite(row[name])]
            where = f"the loss was no longer finite at step {step}, in the {' and the '.join(broken) or 'total loss'}"
        self._snapshot.restore()
        steps = int(self.model.optimizer.iterations)
        self.model.steps.withdraw(steps)
        self.model.stop_training = True
        self.message = (
            f"Training stopped: {where}. The model keeps the weights of the last execution that was finite "
            f"(after {steps} steps). Lower the learning rate or rescale the data."
        )
        warnings.warn(self.message, RuntimeWarning, stacklevel=2)
