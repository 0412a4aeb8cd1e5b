"""MIG, SAP and DCI of 2,000 codes of ten units, on the whole grid of dSprites' factors: 3, 6, 40, 32 and 32 classes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Row
from vaelib import dci_scores, mutual_information_gap, sap_score
from vaelib.data.sprites import GRID

TRAIN, TEST, UNITS, CORES = 2_000, 1_000, 10, 2


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows."""
    rng = np.random.default_rng(0)
    factors = np.stack([rng.integers(count, size=TRAIN + TEST) for count in GRID.values()], axis=1)
    mixing = rng.normal(size=(len(GRID), UNITS))
    noise = rng.normal(0, 0.3, size=(TRAIN + TEST, UNITS))
    z_mean = (factors / list(GRID.values()) @ mixing + noise).astype("float32")
    codes, test = (z_mean[:TRAIN], factors[:TRAIN]), (z_mean[TRAIN:], factors[TRAIN:])
    classes = "-".join(str(count) for count in GRID.values())
    seconds = {
        "MIG": _seconds(lambda: mutual_information_gap(*codes)),
        "SAP": _seconds(lambda: sap_score(*codes, *test)),
        "DCI": _seconds(lambda: dci_scores(*codes, *test, n_jobs=CORES)),
    }
    total = f"MIG + SAP + DCI, 2,000 × 10, factors {classes}"
    parts = [Row(f"  {name}", spent, "s", ".2f") for name, spent in seconds.items()]
    return [Row(total, sum(seconds.values()), "s", at_most=60), *parts]


def _seconds(measure: Callable[[], Any]) -> float:
    start = time.perf_counter()
    measure()
    return time.perf_counter() - start
