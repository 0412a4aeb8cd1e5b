"""A training step of the convolutional VAE in Keras fit against the same model in eager PyTorch."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import keras
import numpy as np

from benchmarks.epoch import Stopwatch
from benchmarks.table import Row, median_row
from benchmarks.torch_side import MISSING, TorchSide
from vaelib import build_vae
from vaelib.training import training_batches

SIDE, LATENT, BATCH, STEPS, EPOCHS = 28, 16, 64, 20, 8
ROUNDS, THREADS = 9, (1, 2)


class KerasSide:
    """The model as `train_vae` compiles it: every epoch one call."""

    def __init__(self) -> None:
        x = np.random.default_rng(0).random((STEPS * BATCH, SIDE, SIDE, 1), dtype="float32")
        options = {"filters": (16, 32), "hidden": (64,), "dropout": 0.0}
        self.model = build_vae((SIDE, SIDE, 1), LATENT, "convolutional", **options)
        self.model.compile(
            keras.optimizers.Adam(1e-3), steps_per_execution=STEPS, jit_compile=False, auto_scale_loss=False
        )
        self.data = training_batches(x, BATCH, seed=0)
        self.weights = sum(int(np.prod(weight.shape)) for weight in self.model.trainable_variables)

    def step_seconds(self) -> float:
        """Returns the median over epochs of the mean step."""
        watch = Stopwatch()
        self.model.fit(self.data, epochs=EPOCHS, steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[watch])
        return median(watch.epochs()) / STEPS


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows."""
    keras_side = KerasSide()
    keras_side.step_seconds()  # traces
    with TorchSide("conv_torch.py") as torch_side:
        if not torch_side.known:
            ours = median(keras_side.step_seconds() for _ in range(ROUNDS))
            return [Row("conv VAE 28×28, a step in Keras fit", 1e3 * ours, "ms"), Row("  eager PyTorch", MISSING)]
        version, weights = torch_side.known
        assert keras_side.weights == int(weights)
        for threads in THREADS:
            torch_side.ask(threads)
        rounds = [(keras_side.step_seconds(), *(torch_side.ask(threads) for threads in THREADS)) for _ in range(ROUNDS)]
    ours, *theirs = (median(column) for column in zip(*rounds, strict=True))
    best = theirs.index(min(theirs))
    ratios = [times[0] / times[1 + best] for times in rounds]
    return [
        Row("conv VAE 28×28, a step in Keras fit", 1e3 * ours, "ms"),
        *(
            Row(f"  eager PyTorch {version}, threads: {threads}", 1e3 * seconds, "ms")
            for threads, seconds in zip(THREADS, theirs, strict=True)
        ),
        median_row(f"  ratio to the better, median of {ROUNDS} rounds", ratios, at_most=0.8),
    ]
