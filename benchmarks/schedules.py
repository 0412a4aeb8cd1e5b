"""What schedules, monitoring and TensorBoard add to a compiled epoch, on digits with the dense model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import keras

from benchmarks.epoch import BATCH, Stopwatch
from benchmarks.table import Row, median_row
from vaelib import BetaVAE, Dataset, build_vae, get_beta_scheduler, load_dataset
from vaelib.callbacks import BestModel, BetaSchedule, NaNGuard, StepLog, TensorBoardLog, ValidationMonitor
from vaelib.training import training_batches

PAIRS, EPOCHS = 25, 10  # the warm-ups end with the run
SCHEDULES: dict[str, dict[str, Any]] = {
    "cosine": {},
    "control": {"target_kl": 10.0},
    "geco": {"tolerance": 0.0},
    "reconstruction": {},
}


def monitored(dataset: Dataset, type: str, **params: Any) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that `train_vae` uses where nothing is written to disk."""
    schedule = BetaSchedule(get_beta_scheduler(type, **params))
    return [StepLog(), NaNGuard(), schedule, ValidationMonitor(dataset.x_val, verbose=False), BestModel()]


def variants(
    dataset: Dataset, folder: Path
) -> dict[str, tuple[Callable[[], list[keras.callbacks.Callback]], float | None]]:
    """Returns what is measured: a function that makes the callbacks, and the target, by name."""

    def two(type: str, **params: Any) -> list[keras.callbacks.Callback]:
        schedule = BetaSchedule(get_beta_scheduler(type, **params))
        return [schedule, ValidationMonitor(dataset.x_val, verbose=False)]

    def logged() -> list[keras.callbacks.Callback]:
        return [*monitored(dataset, "cosine"), TensorBoardLog(folder / "tensorboard", overwrite=True)]

    return {
        **{
            f"  with BetaSchedule({type}) and ValidationMonitor": (partial(two, type, **params), 1.1)
            for type, params in SCHEDULES.items()
        },
        "  cosine, with NaNGuard, BestModel, StepLog too": (partial(monitored, dataset, "cosine"), None),
        "  the same and TensorBoardLog": (logged, 1.5),
    }


class Fit:
    """A compiled model and its data, as `train_vae` sets them up."""

    def __init__(self, dataset: Dataset) -> None:
        self.model: BetaVAE = build_vae(dataset.input_shape, 16)
        self.steps = -(-len(dataset.x_train) // BATCH)
        self.data = training_batches(dataset.x_train, BATCH, seed=0)
        self.model.compile(
            keras.optimizers.Adam(1e-3), steps_per_execution=self.steps, jit_compile=False, auto_scale_loss=False
        )

    def epoch(self, callbacks: list[keras.callbacks.Callback]) -> float:
        """Returns the median seconds of an epoch."""
        watch = Stopwatch()
        options: dict[str, Any] = {"steps_per_epoch": self.steps, "shuffle": False, "verbose": 0}
        self.model.fit(self.data, epochs=EPOCHS, callbacks=[*callbacks, watch], **options)
        return median(watch.epochs())


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows."""
    dataset = load_dataset("digits")
    plain, plains, table = Fit(dataset), [], []
    plain.epoch([])  # traces
    for what, (callbacks, target) in variants(dataset, folder).items():
        observed, ratios = Fit(dataset), []
        observed.epoch(callbacks())
        for _ in range(PAIRS):
            plains.append(plain.epoch([]))
            ratios.append(observed.epoch(callbacks()) / plains[-1])
        table.append(median_row(what, ratios, at_most=target))
    return [Row("epoch of a compiled fit without callbacks", 1e3 * median(plains), "ms"), *table]
