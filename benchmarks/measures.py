"""The latent measures of 10,000 examples of 32 units, the importance-weighted bound of 1,000 digits, a diagnosis."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.table import Row
from vaelib import (
    active_units,
    build_vae,
    diagnose,
    importance_weighted_bound,
    kl_per_unit,
    load_dataset,
    load_sprites,
    mutual_information,
    rate,
)

EXAMPLES, UNITS, DIGITS, SAMPLES, RUNS = 10_000, 32, 1_000, 50, 5


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows. The bound is traced anew each time, which counts."""
    rng = np.random.default_rng(1)
    z_mean, z_log_var = rng.normal(size=(EXAMPLES, UNITS)), rng.normal(-1, 1, size=(EXAMPLES, UNITS))
    model, x = build_vae((8, 8, 1), 16), load_dataset("digits").x_train[:DIGITS]

    def latent() -> None:
        active_units(z_mean)
        kl_per_unit(z_mean, z_log_var)
        rate(z_mean, z_log_var)
        mutual_information(z_mean, z_log_var)

    sharp = z_log_var - 20.0
    sprites = load_sprites(5 * DIGITS, size=64).x_train[:DIGITS]
    convolutional = build_vae(sprites.shape[1:], 16, architecture="convolutional")
    bound = _seconds(lambda: importance_weighted_bound(model, x, 0.05, SAMPLES))
    return [
        Row("all latent measures, 10,000 × 32", _seconds(latent), "s", ".2f", at_most=2),
        Row(
            "  mutual information where σ² is about 1e-9",
            _seconds(lambda: mutual_information(z_mean, sharp)),
            "s",
            ".2f",
        ),
        Row("importance-weighted bound, 1,000 digits × 50", bound, "s", ".2f", at_most=5),
        Row("diagnose, dense, 1,000 digits", _seconds(lambda: diagnose(model, x)), "s", ".2f", at_most=3),
        Row(
            "  convolutional, 1,000 sprites of 64×64",
            _seconds(lambda: diagnose(convolutional, sprites)),
            *("s", ".2f"),
            at_most=3,
        ),
    ]


def _seconds(measure: Callable[[], Any]) -> float:
    """Returns the median time of a call."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        measure()
        times.append(time.perf_counter() - start)
    return median(times)
