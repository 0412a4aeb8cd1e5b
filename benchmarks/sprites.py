"""How many sprites of 64×64 pixels are drawn in a second."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.table import Row
from vaelib import render_sprites
from vaelib.data.sprites import GRID

IMAGES, RUNS = 20_000, 7


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows. The first drawing, which makes the shapes, counts too."""
    rng = np.random.default_rng(0)
    classes = np.stack([rng.integers(count, size=IMAGES) for count in GRID.values()], axis=1)
    first, *others = [_seconds(classes) for _ in range(RUNS)]
    return [
        Row("sprites of 64×64, in a second", IMAGES / median(others), "", ",.0f", at_least=20_000),
        Row("  the first time in a process", IMAGES / first, "", ",.0f", at_least=20_000),
    ]


def _seconds(classes: np.ndarray) -> float:
    start = time.perf_counter()
    render_sprites(classes)
    return time.perf_counter() - start
