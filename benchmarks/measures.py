"""The latent measures of 10,000 examples of 32 units, the importance-weighted bound of 1,000 digits, a diagnosis."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

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


def rows() -> list[tuple[str, str, str]]:
    """Returns the table's rows: what, measured, target. The bound is traced anew each time, which counts."""
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
        ("all latent measures, 10,000 × 32", f"{_seconds(latent):.2f} s", "≤ 2 s"),
        (
            "  mutual information where σ² is about 1e-9",
            f"{_seconds(lambda: mutual_information(z_mean, sharp)):.2f} s",
            "",
        ),
        ("importance-weighted bound, 1,000 digits × 50", f"{bound:.2f} s", "≤ 5 s"),
        ("diagnose, dense, 1,000 digits", f"{_seconds(lambda: diagnose(model, x)):.2f} s", "≤ 3 s"),
        (
            "  convolutional, 1,000 sprites of 64×64",
            f"{_seconds(lambda: diagnose(convolutional, sprites)):.2f} s",
            "≤ 3 s",
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
