"""Eight schedules × ten seeds on digits, stacked, against as many plain Keras `fit`s; the cost by number of members."""

from __future__ import annotations

import time
import warnings
from typing import Any

import keras

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
COUNTS = (1, 10, 50)  # seeds: 8, 80 and 400 members
DIGITS = load_dataset("digits")


def build(seed: int, normalised: bool) -> Any:
    """Returns the model, with or without batch normalisation and dropout."""
    options = {"batch_norm": normalised, "dropout": 0.1 if normalised else 0.0}
    return build_vae(DIGITS.input_shape, 16, hidden=(64, 32), seed=seed, **options)


def rows() -> list[tuple[str, str, str]]:
    """Returns the table's rows: what, measured, target; the first call and all tracing are part of each figure."""
    table = []
    for normalised, most, ratio in ((False, 20, 15), (True, 45, 10)):
        grid, _ = _grid(normalised, SEEDS, EPOCHS)
        plain = _plain(normalised)
        name = "with batch norm and dropout" if normalised else "without"
        table += [
            (f"80 trainings of 100 epochs stacked, {name}", f"{grid:.1f} s", f"≤ {most} s"),
            ("  plain Keras fit, one training", f"{plain:.1f} s", ""),
            ("  80 of them / stacked", f"{80 * plain / grid:.0f}", f"≥ {ratio}"),
        ]
    for count in COUNTS:
        epoch = _grid(False, count, 12)[1]
        steps = -(-len(DIGITS.x_train) // BATCH)
        cost = 1e6 * epoch / steps / count / len(SCHEDULES)
        table.append((f"  a step of one of {8 * count} members, validation included", f"{cost:.0f} µs", ""))
    return table


def _grid(normalised: bool, seeds: int, epochs: int) -> tuple[float, float]:
    """Returns the seconds of a grid, and those of one of its later epochs."""
    starts: list[float] = []
    from vaelib.grid.stack import Stack

    train_epoch = Stack.train_epoch

    def noted(self: Stack, epoch: int) -> Any:
        starts.append(time.perf_counter())
        return train_epoch(self, epoch)

    Stack.train_epoch = noted  # type: ignore[method-assign]
    begin = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # schedules that end elsewhere: the time is the same
            result: GridResult = train_grid(
                lambda seed: build(seed, normalised), DIGITS, SCHEDULES, seeds, epochs, BATCH, verbose=0
            )
    finally:
        Stack.train_epoch = train_epoch  # type: ignore[method-assign]
    seconds = time.perf_counter() - begin
    assert result.final["failure"].isna().all()
    keras.backend.clear_session()
    return seconds, (starts[-1] - starts[1]) / (len(starts) - 2)


def _plain(normalised: bool) -> float:
    """Returns the seconds of one training under plain `fit`, from building the model on."""
    begin = time.perf_counter()
    model = build(0, normalised)
    model.compile("adam")
    model.fit(DIGITS.x_train, batch_size=BATCH, epochs=EPOCHS, validation_data=DIGITS.x_val, verbose=0)
    return time.perf_counter() - begin
