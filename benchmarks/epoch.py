"""An epoch inside `train_vae` against the same model's epoch under plain Keras `fit` on NumPy arrays."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import keras

from benchmarks.table import Row, median_row
from vaelib import Dataset, LinearBetaScheduler, build_vae, load_dataset, train_vae
from vaelib.callbacks import BestModel, ValidationMonitor

PAIRS, PLAIN_EPOCHS, EPOCHS, BATCH = 7, 4, 12, 64


class Stopwatch(keras.callbacks.Callback):
    """Notes when epochs begin, and the seconds that named callbacks spend at the end of each."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[float] = []
        self.spent: dict[str, list[float]] = {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the time."""
        self.starts.append(time.perf_counter())

    def epochs(self) -> list[float]:
        """Returns the seconds of every epoch but the first, which traces, and the last, which has no end here."""
        return [b - a for a, b in zip(self.starts[1:], self.starts[2:], strict=False)]

    def timed(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Returns `method` with its time added under `name`."""

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = method(*args, **kwargs)
            self.spent.setdefault(name, []).append(time.perf_counter() - start)
            return result

        return wrapper


def plain_epoch(model: keras.Model, dataset: Dataset) -> float:
    """Returns the median seconds of an epoch under plain `fit`."""
    watch = Stopwatch()
    model.fit(dataset.x_train, batch_size=BATCH, epochs=PLAIN_EPOCHS, verbose=0, callbacks=[watch])
    return median(watch.epochs())


def vaelib_epoch(dataset: Dataset, output: Path | None) -> tuple[float, dict[str, float]]:
    """Returns the median seconds of an epoch in `train_vae` without validation and best-model tracking, and those.

    The tracking writes a checkpoint where `output` is given.
    """
    watch = Stopwatch()
    originals: dict[Any, Any] = {cls: cls.on_epoch_end for cls in (ValidationMonitor, BestModel)}
    for cls, method in originals.items():
        cls.on_epoch_end = watch.timed(cls.__name__, method)
    try:
        train_vae(
            build_vae(dataset.input_shape, 16),
            dataset,
            EPOCHS,
            scheduler=LinearBetaScheduler(1.0, 5),
            batch_size=BATCH,
            output=output,
            overwrite=True,
            callbacks=[watch],
            verbose=0,
        )
    finally:
        for cls, method in originals.items():
            cls.on_epoch_end = method
    spent = {name: values[1:-1] for name, values in watch.spent.items()}
    inner = [total - sum(parts) for total, *parts in zip(watch.epochs(), *spent.values(), strict=True)]
    return median(inner), {name: median(values) for name, values in spent.items()}


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows."""
    dataset = load_dataset("digits")
    plain_model = build_vae(dataset.input_shape, 16)
    plain_model.compile("adam")
    plain_epoch(plain_model, dataset)  # traces
    pairs = []
    beside: dict[str, list[float]] = {}
    for _ in range(PAIRS):
        plain = plain_epoch(plain_model, dataset)
        ours, parts = vaelib_epoch(dataset, output=None)
        pairs.append((plain, ours))
        for name, value in parts.items():
            beside.setdefault(name, []).append(value)
    _, on_disk = vaelib_epoch(dataset, folder)
    ratios = [ours / plain for plain, ours in pairs]
    plain, ours = (1e3 * median(values) for values in zip(*pairs, strict=True))
    return [
        Row("epoch, plain Keras fit on arrays", plain, "ms"),
        Row("epoch inside train_vae", ours, "ms"),
        median_row(f"  ratio, median of {PAIRS} interleaved pairs", ratios, at_most=0.35),
        Row("  beside it: validation", 1e3 * median(beside["ValidationMonitor"]), "ms"),
        Row("  beside it: best-model tracking", 1e3 * median(beside["BestModel"]), "ms"),
        Row("  the same with a checkpoint on disk", 1e3 * on_disk["BestModel"], "ms"),
    ]
