"""What a step of one member costs when many are trained at once, by their number and against `torch.func.vmap`."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from math import ceil
from pathlib import Path
from statistics import median

import tensorflow as tf

from benchmarks.grid import BATCH, DIGITS, SCHEDULES, build, torch_side
from benchmarks.table import Row, median_row
from benchmarks.torch_side import MISSING, TorchSide
from vaelib.grid.arguments import data_of, models_of, schedules_of
from vaelib.grid.chunks import stacks

COUNTS = (8, 80, 400)
ROUNDS, EPOCHS, WAYS, THREADS = 7, 6, ("grad", "sum"), (1, 2)
FLAT = 1.1  # what counts as flat


class OurSide:
    """A stack of so many members, trained without validation."""

    def __init__(self, count: int) -> None:
        models = models_of(lambda seed: build(seed, False), range(count // len(SCHEDULES)))
        schedules = schedules_of(SCHEDULES)
        data = data_of(models, DIGITS, BATCH, resplit=False)
        chunk = (range(len(models)), list(schedules))
        self.stack, _, _ = next(stacks([chunk], models, schedules, data, EPOCHS * ROUNDS, BATCH, 1e-3))
        self.weights = sum(weight.shape.num_elements() for weight in models[0].trainable_variables)
        self.epochs, self.count = 0, count
        self._epoch()  # traces

    def _epoch(self) -> None:
        draws = self.stack._draws(tf.constant(self.epochs, "int64"))
        self.stack._epoch(self.stack._train.tensors, *draws).numpy()
        self.epochs += 1

    def step_seconds(self) -> float:
        """Returns the median over epochs of the mean step of one member, draws of data and noise included."""
        times = []
        for _ in range(EPOCHS):
            start = time.perf_counter()
            self._epoch()
            times.append(time.perf_counter() - start)
        return median(times) / ceil(len(DIGITS.x_train) / BATCH) / self.count


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows."""
    ours = {count: OurSide(count) for count in COUNTS}
    sides: list[Callable[[], float]] = [ours[count].step_seconds for count in COUNTS]
    with torch_side(folder) as side:
        if not side.known:
            return _rows(_rounds(sides), Row("  torch.func, 80 members", MISSING))
        assert ours[80].weights == int(side.known[-1])
        way, threads = _fastest(side)
        by_count = _rounds([*sides, lambda: side.ask("members", way, threads, EPOCHS)])
    theirs = by_count.pop()
    what = f"  torch.func's vmap, {side.known[0]}, 80 members, threads: {threads}"
    ratios = [mine / other for mine, other in zip(by_count[1], theirs, strict=True)]
    return _rows(
        by_count,
        median_row(what, [1e6 * seconds for seconds in theirs], "µs", ".0f"),
        median_row("  80 members, ours / torch.func's", ratios, at_most=1.0),
    )


def _fastest(side: TorchSide) -> tuple[str, int]:
    seconds = {pair: min(side.ask("members", *pair, 1) for _ in range(3)) for pair in product(WAYS, THREADS)}
    return min(seconds, key=lambda pair: seconds[pair])


def _rounds(sides: list[Callable[[], float]]) -> list[list[float]]:
    """Returns each side's figure in every round; the sides take turns."""
    return [list(column) for column in zip(*([side() for side in sides] for _ in range(ROUNDS)), strict=True)]


def _rows(by_count: list[list[float]], *rivals: Row) -> list[Row]:
    few, several, many = by_count
    return [
        *(
            median_row(f"a step of one of {count} members", [1e6 * seconds for seconds in column], "µs", ".0f")
            for count, column in zip(COUNTS, by_count, strict=True)
        ),
        median_row("  80 members / 8", [b / a for a, b in zip(few, several, strict=True)], at_most=1.0),
        median_row("  400 members / 80", [b / a for a, b in zip(several, many, strict=True)], at_most=FLAT),
        *rivals,
    ]
