"""Eight schedules × ten seeds on digits, stacked, against as many trainings one by one: Keras, pythae, papermill."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.batches import papermill_seconds, training_notebook
from benchmarks.table import Row
from benchmarks.torch_side import MISSING, TorchSide
from vaelib import (
    CosineBetaScheduler,
    CyclicalBetaScheduler,
    ExponentialBetaScheduler,
    GridResult,
    LinearBetaScheduler,
    SigmoidBetaScheduler,
    WarmRestartBetaScheduler,
    build_vae,
    load_dataset,
    train_grid,
)

EPOCHS, SEEDS, BATCH = 100, 10, 64
SCHEDULES = {
    "constant": 1.0,
    "linear": LinearBetaScheduler(1.0, 30),
    "cosine": CosineBetaScheduler(1.0, 30),
    "exponential": ExponentialBetaScheduler(max_beta=1.0, warmup_epochs=30),
    "sigmoid": SigmoidBetaScheduler(1.0, 30),
    "cyclical": CyclicalBetaScheduler(25),
    "ramp and hold": CyclicalBetaScheduler(25, wave_type="ramp", ramp_fraction=0.5),
    "warm restarts": WarmRestartBetaScheduler(restart_interval=25),
}
MEMBERS = SEEDS * len(SCHEDULES)
DIGITS = load_dataset("digits")


def build(seed: int, normalised: bool) -> Any:
    """Returns the model, with or without batch normalisation and dropout."""
    options = {"batch_norm": normalised, "dropout": 0.1 if normalised else 0.0}
    return build_vae(DIGITS.input_shape, 16, hidden=(64, 32), seed=seed, **options)


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows; first calls and all tracing are part of each figure.

    The grid without batch norm is trained before and after its rivals, and counts with the mean.
    """
    with torch_side(folder) as side:
        before, plain = grid_seconds(False), _plain(False)
        papermill = papermill_seconds(training_notebook(folder / "training.ipynb"), 0)
        pythae = side.ask("pythae", 1, EPOCHS) if side.known and side.known[1] != "-" else None
        grid = (before + grid_seconds(False)) / 2
    name = f"  pythae {side.known[1]}'s trainer, one thread" if pythae is not None else "  pythae's trainer"
    return [
        Row(f"{MEMBERS} trainings of {EPOCHS} epochs stacked, without batch norm", grid, "s", at_most=20),
        *_against(grid, "  plain Keras fit", plain, 15),
        *([Row(name, MISSING)] if pythae is None else _against(grid, name, pythae, 12)),
        *_against(grid, "  papermill on a notebook with train_vae", papermill, 40),
        *_normalised(),
    ]


def _normalised() -> list[Row]:
    grid, plain = grid_seconds(True), _plain(True)
    what = f"{MEMBERS} trainings of {EPOCHS} epochs stacked, with batch norm, dropout"
    return [Row(what, grid, "s", at_most=45), *_against(grid, "  plain Keras fit", plain, 10)]


def _against(grid: float, name: str, one: float, at_least: float) -> list[Row]:
    return [
        Row(f"{name}, one training", one, "s"),
        Row(f"  {MEMBERS} of them / stacked", MEMBERS * one / grid, "", ".0f", at_least=at_least),
    ]


def torch_side(folder: Path) -> TorchSide:
    """Starts `grid_torch.py` on the digits, which it finds in the folder."""
    parts = {"train": DIGITS.x_train, "val": DIGITS.x_val}
    for name, data in parts.items():
        np.save(folder / f"{name}.npy", data)
    return TorchSide("grid_torch.py", *(str(folder / f"{name}.npy") for name in parts))


def grid_seconds(normalised: bool) -> float:
    """Returns the seconds of the whole grid."""
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # schedules that end elsewhere: the time is the same
        result: GridResult = train_grid(
            lambda seed: build(seed, normalised), DIGITS, SCHEDULES, SEEDS, EPOCHS, BATCH, verbose=0
        )
    seconds = time.perf_counter() - begin
    assert result.final["failure"].isna().all()
    keras.backend.clear_session()
    return seconds


def _plain(normalised: bool) -> float:
    """Returns the seconds of one training under plain `fit`, from building the model on."""
    begin = time.perf_counter()
    model = build(0, normalised)
    model.compile("adam")
    model.fit(DIGITS.x_train, batch_size=BATCH, epochs=EPOCHS, validation_data=DIGITS.x_val, verbose=0)
    return time.perf_counter() - begin
