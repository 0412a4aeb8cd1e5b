"""A training step of the convolutional VAE in Keras fit against the same model in eager PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import keras
import numpy as np

from benchmarks.epoch import Stopwatch
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


class TorchSide:
    """`conv_torch.py` in a process of its own, under the interpreter that TORCH_PYTHON names."""

    def __init__(self) -> None:
        script = [os.environ.get("TORCH_PYTHON", sys.executable), str(Path(__file__).with_name("conv_torch.py"))]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        self.process = subprocess.Popen(script, text=True, stdin=pipe, stdout=pipe, stderr=null)
        self.version, self.weights = "", 0
        if first := self._read():
            self.version, self.weights = first[0], int(first[1])

    def _read(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def step_seconds(self, threads: int) -> float:
        """Returns the same with so many threads."""
        assert self.process.stdin is not None
        print(threads, file=self.process.stdin, flush=True)
        return float(self._read()[0])

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


def rows() -> list[tuple[str, str, str]]:
    """Returns the table's rows: what, measured, target."""
    keras_side, torch_side = KerasSide(), TorchSide()
    try:
        keras_side.step_seconds()  # traces
        if not torch_side.version:
            ours = median(keras_side.step_seconds() for _ in range(ROUNDS))
            return [
                ("conv VAE 28×28, a step in Keras fit", f"{1e3 * ours:.1f} ms", ""),
                ("  eager PyTorch", "not installed", "pip install -e .[bench], or TORCH_PYTHON=…"),
            ]
        assert keras_side.weights == torch_side.weights
        for threads in THREADS:
            torch_side.step_seconds(threads)
        rounds = [
            (keras_side.step_seconds(), *(torch_side.step_seconds(threads) for threads in THREADS))
            for _ in range(ROUNDS)
        ]
    finally:
        torch_side.close()
    ours, *theirs = (median(column) for column in zip(*rounds, strict=True))
    best = theirs.index(min(theirs))
    ratios = sorted(times[0] / times[1 + best] for times in rounds)
    return [
        ("conv VAE 28×28, a step in Keras fit", f"{1e3 * ours:.1f} ms", ""),
        *(
            (f"  eager PyTorch {torch_side.version}, threads: {threads}", f"{1e3 * seconds:.1f} ms", "")
            for threads, seconds in zip(THREADS, theirs, strict=True)
        ),
        (
            f"  ratio to the better, median of {ROUNDS} rounds",
            f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})",
            "≤ 0.8",
        ),
    ]
