"""What a grid of trainings returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from vaelib._checks import argument_error, one_of
from vaelib.grid.lent import set_weights_of
from vaelib.models.vae import VAE


@dataclass(frozen=True, eq=False)
class GridResult:
    """What `train_grid` returns.

    Attributes:
        history: one row for each schedule, seed and epoch: training losses, scheduled numbers, validation losses.
        final: one row for each schedule and seed: `best_epoch` and its `val_negative_elbo`; of the test data
            `negative_elbo` at β = 1 with σ² fitted on the training data, its parts `reconstruction` and `kl` (nats per
            example), `sigma2`, `active_units`; and `failure`, a sentence where the loss broke, else None.
        interrupted: whether the grid was stopped from the keyboard; then `history` and `final` hold what was done.
    """

    history: pd.DataFrame
    final: pd.DataFrame
    interrupted: bool = False
    _build: Callable[[int], VAE] | None = field(default=None, repr=False)
    _weights: dict[tuple[str, int], list[np.ndarray]] = field(default_factory=dict, repr=False)
    _scheduled: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict, repr=False)

    def model(self, schedule: str, seed: int) -> VAE:
        """Returns one trained model.

        Args:
            schedule: its schedule's name.
            seed: its seed.

        Raises:
            ValueError: if the grid has no such schedule or seed.
        """
        one_of("schedule", schedule, dict.fromkeys(name for name, _ in self._weights))
        seeds = [own for name, own in self._weights if name == schedule]
        if seed not in seeds:
            raise argument_error("seed", f"be one of {', '.join(map(str, seeds))}", seed)
        assert self._build is not None
        model = self._build(seed)
        set_weights_of(model, self._weights[schedule, seed])
        for name, value in self._scheduled[schedule, seed].items():
            model.scheduled[name].assign(value)
        return model

    def __repr__(self) -> str:
        return self._summary(f"{self.final['schedule'].nunique()} schedules")

    def _summary(self, members: str) -> str:
        broken = int(self.final["failure"].notna().sum())
        said = f", {broken} of them broke" if broken else ""
        said += ", interrupted" if self.interrupted else ""
        return f"{type(self).__name__}({members} × {self.final['seed'].nunique()} seeds{said})"


def joined(parts: Sequence[GridResult], build: Callable[[int], VAE], interrupted: bool = False) -> GridResult:
    """Returns the results of all stacks as one, in the order schedule, seed."""

    def table(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
        whole = pd.concat(frames, ignore_index=True)
        place = pd.factorize(whole["schedule"])[0]
        return whole.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)

    return GridResult(
        table([part.history for part in parts]),
        table([part.final for part in parts]),
        interrupted,
        build,
        {key: value for part in parts for key, value in part._weights.items()},
        {key: value for part in parts for key, value in part._scheduled.items()},
    )
