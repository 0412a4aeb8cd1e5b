"""How many sprites of 64×64 pixels are drawn in a second."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from vaelib import render_sprites
from vaelib.data.sprites import GRID

IMAGES, RUNS = 20_000, 7


def rows() -> list[tuple[str, str, str]]:
    """Returns the table's row: what, measured, target. The first drawing, which makes the shapes, counts too."""
    rng = np.random.default_rng(0)
    classes = np.stack([rng.integers(count, size=IMAGES) for count in GRID.values()], axis=1)
    first, *others = [_seconds(classes) for _ in range(RUNS)]
    return [
        ("sprites of 64×64, in a second", f"{IMAGES / median(others):,.0f}", "≥ 20,000"),
        ("  the first time in a process", f"{IMAGES / first:,.0f}", "≥ 20,000"),
    ]


def _seconds(classes: np.ndarray) -> float:
    start = time.perf_counter()
    render_sprites(classes)
    return time.perf_counter() - start
