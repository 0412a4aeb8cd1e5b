"""The validation figures of the training-improvements document, over the whole validation set."""

from __future__ import annotations

import math
from typing import Any

from vaelib._checks import boolean
from vaelib.callbacks.step_log import StepReader
from vaelib.evaluation import RepeatedLosses


class ValidationMonitor(StepReader):
    """Evaluates a model on validation data after each epoch, into the logs, the history and a printed line.

    The four figures are `val_reconstruction_loss`, `val_kl_loss`, `val_total_loss`, under the model's own
    objective and its current β, and that `beta`, the KL weight; a hierarchical model has both weights and the KL of
    each group. Beside them stands `val_negative_elbo`: nats per example at β = 1, both terms summed, by which epochs
    under different β can be compared. Its σ², and that of an objective whose σ² is "optimal", is the mean squared error
    of the epoch's training steps, so that σ² is never fitted to validation data. The draws of z are the same in every
    epoch.

    Args:
        validation_data: (n, …) data of the model's shape; for a model with a condition the pair (data, conditions).
        verbose: whether to print one line an epoch.

    Raises:
        ValueError: if `verbose` is not True or False; when training starts, if the data is not of the model's shape,
            not finite, or outside the likelihood's support.
    """

    def __init__(self, validation_data: Any, verbose: bool = True) -> None:
        super().__init__()
        self.validation_data = validation_data
        self.verbose = boolean("verbose", verbose)

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks the validation data, once for all epochs."""
        data = self.model.check("validation_data", self.validation_data)
        self._losses, self._weights = RepeatedLosses(self.model, data), tuple(self.model.get_kl_weights())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluates, logs and prints."""
        figures = self.figures()
        if logs is not None:
            logs.update(figures)
        if self.verbose:
            parts = {"reconstruction loss": figures["val_reconstruction_loss"]}
            parts |= {_words(name): figures[f"val_{name}"] for name in self.model.kl_names}
            names = {"beta": "KL weight"}
            parts |= {names.get(name) or _words(name): figures[name] for name in self.model.get_kl_weights()}
            parts["total loss"] = figures["val_total_loss"]
            line = ", ".join(f"{name} {value:.6f}" for name, value in parts.items())
            print(f"epoch {epoch + 1}: validation {line}")

    def figures(self) -> dict[str, float]:
        """Returns the figures for the model as it is now; NaN where no step of the epoch is left (see `NaNGuard`)."""
        names = (*self.model.loss_names, "negative_elbo")
        if not len(self.rows()):
            return {**{f"val_{name}": math.nan for name in names}, **self.model.get_kl_weights()}
        values = self._losses(self.training_error() if self.model.objective.has_sigma2 else None)
        return {f"val_{name}": values[name] for name in names} | {name: values[name] for name in self._weights}


def _words(name: str) -> str:
    return name.replace("_", " ").replace("kl", "KL")
