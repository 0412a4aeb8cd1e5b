"""Members that are trained together: their history, their best epochs and their report on test data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vaelib._loss_arguments import MIN_SIGMA2
from vaelib.callbacks import BetaSchedule
from vaelib.grid.result import GridResult
from vaelib.grid.seed_data import SeedData
from vaelib.grid.stack import Stack
from vaelib.likelihood import gaussian_nll

ACTIVE = 0.01  # variance of a unit's posterior mean from which on it counts as active


class Members:
    """The members of some seeds under some schedules while they are trained, and what is told of them afterwards.

    Args:
        seeds: R seeds.
        schedules: S schedules by name.
        epochs: of the training to come.
    """

    def __init__(self, seeds: Sequence[int], schedules: Mapping[str, BetaSchedule], epochs: int) -> None:
        self.seeds, self.names = list(seeds), list(schedules)
        self.shape = (len(self.seeds), len(self.names))
        peaks = [schedule.first_peak(epochs) for schedule in schedules.values()]
        self._counted_from = np.array([math.floor(peak) for peak in peaks])  # see BestModel
        self.best = np.full(self.shape, np.inf)
        self.best_epoch = np.full(self.shape, -1)
        self.scheduled: dict[str, npt.NDArray[Any]] = {}  # in the best epoch, or the last one without
        self._figures: list[dict[str, npt.NDArray[Any]]] = []

    @property
    def epochs_done(self) -> int:
        """How many epochs have been noted."""
        return len(self._figures)

    @property
    def figures_of_last(self) -> dict[str, npt.NDArray[Any]]:
        """The last epoch's figures by name, (R, S)."""
        return self._figures[-1]

    def note(self, figures: dict[str, npt.NDArray[Any]], stack: Stack) -> None:
        """Notes an epoch: its figures, and the weights of members whose best epoch it is."""
        epoch, value = self.epochs_done, figures["val_negative_elbo"]
        is_best = (epoch >= self._counted_from) & (value < self.best)
        stack.keep(is_best)
        self.best = np.where(is_best, value, self.best)
        self.best_epoch = np.where(is_best, epoch, self.best_epoch)
        is_kept = is_best | (self.best_epoch < 0)
        for name in stack.betas.names:
            self.scheduled[name] = np.where(is_kept, figures[name], self.scheduled.get(name, figures[name]))
        self._figures.append(figures)

    def line(self) -> str:
        """Returns a line on the last epoch: the median validation figure of each schedule."""
        values = pd.DataFrame(self.figures_of_last["val_negative_elbo"], columns=self.names).median()
        told = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        return f"epoch {self.epochs_done}: median validation negative ELBO {told}"

    def finish(self, stack: Stack, train: SeedData, test: SeedData, restore_best: bool = True) -> GridResult:
        """Restores the best weights on request and returns what is told of the members."""
        stack.restore(self.best_epoch >= 0 if restore_best else np.zeros(self.shape, bool))
        scheduled = self.scheduled if restore_best else self.figures_of_last
        weights = stack.weights()
        places = {(self.names[s], self.seeds[r]): (r, s) for s in range(self.shape[1]) for r in range(self.shape[0])}
        return GridResult(
            self.history(stack),
            self.report(stack, train, test),
            _weights={key: [value[place].copy() for value in weights] for key, place in places.items()},
            _scheduled={
                key: {name: float(scheduled[name][place]) for name in stack.betas.names}
                for key, place in places.items()
            },
        )

    def history(self, stack: Stack) -> pd.DataFrame:
        """Returns one row for each schedule, seed and epoch, up to the epoch in which a member broke."""
        failed = np.where(stack.failed_step < 0, math.inf, stack.failed_step // stack.steps_per_epoch)
        tables = []
        for s, name in enumerate(self.names):
            for r, seed in enumerate(self.seeds):
                columns = {key: [each[key][r, s] for each in self._figures] for key in self._figures[0]}
                table = pd.DataFrame({"schedule": name, "seed": seed, "epoch": range(self.epochs_done), **columns})
                tables.append(table[table["epoch"] <= failed[r, s]])
        return pd.concat(tables, ignore_index=True)

    def report(self, stack: Stack, train: SeedData, test: SeedData) -> pd.DataFrame:
        """Returns one row for each schedule and seed: the members as the stack now holds them, on test data."""
        units, model = stack.model.latent_dim, stack.model
        of_train, of_test = stack.sums(train) / train.n, stack.sums(test) / test.n
        sigma2 = np.full(self.shape, np.nan)
        reconstruction = of_test[..., 0]
        if model.objective.has_sigma2:
            fitted = of_train[..., 0] / model.n_pixels
            sigma2 = np.where(fitted < MIN_SIGMA2, MIN_SIGMA2, fitted)
            reconstruction = np.asarray(gaussian_nll(reconstruction, model.n_pixels, np.log(sigma2)))
        kl, mean, square = of_test[..., 1 : 1 + units], of_test[..., -2 * units : -units], of_test[..., -units:]
        failures = stack.failures()
        rows = [
            {
                "schedule": name,
                "seed": seed,
                "best_epoch": None if self.best_epoch[r, s] < 0 else int(self.best_epoch[r, s]),
                "val_negative_elbo": self.best[r, s] if self.best_epoch[r, s] >= 0 else math.nan,
                "negative_elbo": float(reconstruction[r, s] + kl[r, s].sum()),
                "reconstruction": float(reconstruction[r, s]),
                "kl": float(kl[r, s].sum()),
                "sigma2": float(sigma2[r, s]),
                "active_units": int((square[r, s] - mean[r, s] ** 2 > ACTIVE).sum()),
                "failure": failures[r][s],
            }
            for s, name in enumerate(self.names)
            for r, seed in enumerate(self.seeds)
        ]
        return pd.DataFrame(rows).astype({"best_epoch": "Int64"})
