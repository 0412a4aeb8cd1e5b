"""What a training returns and leaves on disk."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.figure
import pandas as pd

from vaelib._checks import argument_error
from vaelib._files import atomic_path, writable_folder
from vaelib.evaluation import Elbo, fit_sigma2, negative_elbo
from vaelib.models.vae import VAE
from vaelib.plots import plot_vae_history

WEIGHTS, MODEL, HISTORY, PLOT = "vae.weights.h5", "vae.keras", "history.csv", "vae_loss_plot.png"
STATE = "training_state.npz"
FILES = (WEIGHTS, MODEL, HISTORY, PLOT, STATE)


@dataclass(frozen=True)
class TrainingResult:
    """What `train_vae` returns.

    Attributes:
        model: the trained model, with the weights of `best_epoch` unless `restore_best` is False.
        history: one row an epoch: training losses, validation figures, β, learning rate.
        steps: one row an optimizer step: β, losses, mean squared error.
        best_epoch: 0-based epoch of the lowest `val_negative_elbo` after warm-up, or None if no epoch
            counted.
        test: negative ELBO at β = 1 of the test data, σ² fitted on the training data, nats per example.
        restored: whether the model has the weights of `best_epoch` and not the last ones.
        failure: at which step and in which term the loss broke, or None.
        files: what was written, by name.
    """

    model: VAE
    history: pd.DataFrame
    steps: pd.DataFrame
    best_epoch: int | None
    test: Elbo
    restored: bool = False
    failure: str | None = None
    files: dict[str, Path] = field(default_factory=dict)

    def __repr__(self) -> str:
        best = "no best epoch" if self.best_epoch is None else f"best epoch {self.best_epoch}"
        return (
            f"TrainingResult({len(self.history)} epochs, {best}, test negative ELBO at β = 1: "
            f"{self.test.negative_elbo:.2f} nats per example, of which KL {self.test.kl:.2f})"
        )


def is_resumable(output: Any, overwrite: bool, resume: bool) -> bool:
    """Whether a training is to be resumed and `output` holds one to go on with."""
    if overwrite and resume:
        raise argument_error("overwrite", "be left out with resume=True, which goes on with what is there", overwrite)
    if output is None and resume:
        raise argument_error("output", "be the folder of the training to resume", output)
    return resume and isinstance(output, str | os.PathLike) and (Path(output) / STATE).is_file()


def output_folder(output: Any, overwrite: bool) -> Path | None:
    """The folder for results, created if need be and checked."""
    return None if output is None else writable_folder("output", output, FILES, overwrite)


def report_on_test(model: VAE, data: dict[str, Any]) -> Elbo:
    """The negative ELBO of the test data; NaN where the model's outputs overflow, as a broken training leaves it."""
    if not model.objective.has_sigma2:
        return negative_elbo(model, data["test"])
    sigma2 = fit_sigma2(model, data["train"])
    if not math.isfinite(sigma2):
        return Elbo(math.nan, math.nan, math.nan, sigma2)
    return negative_elbo(model, data["test"], sigma2)


def write_files(folder: Path, model: VAE, history: pd.DataFrame) -> dict[str, Path]:
    """Writes the model in both formats, the history and its plot, whole or not at all; returns all files, by name."""
    figure = matplotlib.figure.Figure(figsize=(6.5, 7), layout="constrained")
    unit = "nats per example" if model.objective.in_nats else "per example"
    plot_vae_history(history, axes=figure.subplots(3, 1, sharex=True), unit=unit)
    writers: dict[str, Callable[[Path], Any]] = {
        WEIGHTS: model.save_weights,
        MODEL: model.save,
        HISTORY: history.to_csv,
        PLOT: lambda path: figure.savefig(path, dpi=150, facecolor="white"),
    }
    for name, write in writers.items():
        with atomic_path(folder / name) as temporary:
            write(temporary)
    return {name: folder / name for name in (*writers, STATE)}
