"""The validation figures of the training-improvements document, over the whole validation set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vaelib.callbacks.step_log import StepReader
from vaelib.evaluation import checked_terms, elbo_of
from vaelib.objective import MIN_SIGMA2
from vaelib.steps import LOG_COLUMNS

FIGURES = ("val_total_loss", "val_reconstruction_loss", "val_kl_loss", "beta", "val_negative_elbo")


class ValidationMonitor(StepReader):
    """Evaluates a model on validation data after each epoch, into the logs, the history and a printed line.

    The four figures are `val_reconstruction_loss`, `val_kl_loss`, `val_total_loss`, under the model's own
    objective and its current β, and that `beta`, the KL weight. Beside them stands `val_negative_elbo`: nats
    per example at β = 1, both terms summed, by which epochs under different β can be compared. Its σ², and
    that of an objective whose σ² is "optimal", is the mean squared error of the epoch's training steps, so
    that σ² is never fitted to validation data. The draws of z are the same in every epoch.

    Args:
        validation_data: (n, …) data of the model's shape.
        verbose: whether to print one line an epoch.

    Raises:
        ValueError: when training starts, if the data is not of the model's shape, not finite, or outside the
            likelihood's support.
    """

    def __init__(self, validation_data: np.ndarray, verbose: bool = True) -> None:
        super().__init__()
        self.validation_data = validation_data
        self.verbose = verbose

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks the validation data, once for all epochs."""
        self._checked = self.model.check("validation_data", self.validation_data)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluates, logs and prints."""
        figures = self.figures()
        if logs is not None:
            logs.update(figures)
        if self.verbose:
            print(
                f"epoch {epoch + 1}: validation reconstruction loss {figures['val_reconstruction_loss']:.6f}, "
                f"KL loss {figures['val_kl_loss']:.6f}, KL weight {figures['beta']:.6f}, "
                f"total loss {figures['val_total_loss']:.6f}"
            )

    def figures(self) -> dict[str, float]:
        """Returns the figures for the model as it is now; NaN where no step of the epoch is left (see `NaNGuard`)."""
        model, objective = self.model, self.model.objective
        if not len(self.rows()):
            return {**dict.fromkeys(FIGURES, math.nan), "beta": model.get_kl_weight()}
        terms = checked_terms(model, self._checked)
        n_pixels, beta = math.prod(model.example_shape), model.get_kl_weight()
        sigma2 = self.training_error() if objective.has_sigma2 else None
        log_sigma2 = math.log(sigma2) if sigma2 and objective.sigma2 == "optimal" else model.log_sigma2
        scale = objective.scales(n_pixels, model.latent_dim)
        distortion = terms.distortion.mean(dtype="float64")
        reconstruction = scale[0] * float(objective.reconstruction(distortion, n_pixels, log_sigma2))
        elbo = elbo_of(model, terms, sigma2)
        kl = scale[1] * elbo.kl
        values = (reconstruction + beta * kl, reconstruction, kl, beta, elbo.negative_elbo)
        return dict(zip(FIGURES, values, strict=True))

    def training_error(self) -> float:
        """Returns the mean squared error per pixel over the examples that this epoch has trained on."""
        rows = self.rows()
        examples, error = (rows[:, LOG_COLUMNS.index(name)] for name in ("examples", "mean_squared_error"))
        return max(float(np.average(error, weights=examples)), MIN_SIGMA2)
