"""Schedules that read training figures: the state and the pure step that they have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from vaelib._checks import argument_error, finite_float
from vaelib.schedules.base import BetaScheduler

_REMEDY = "Pass the figures of a step or an epoch, such as {'kl_loss': 3.2}."


class FeedbackBetaScheduler(BetaScheduler):
    """β from what training has shown so far: the β of a step comes from the figures of the steps before it.

    Training keeps the state and calls `init` and `step`. Outside a training loop `update` keeps it in the scheduler,
    and `scheduler(epoch)` is the current β, whatever the epoch. That state is no part of the configuration, of
    equality or of the hash.

    A subclass sets `per`, `reads` and `unit` and defines `init`, `step` and `bounds`.

    Attributes:
        per: "step" or "epoch", how often training updates it.
        reads: the figure that it reads, "kl_loss" or "reconstruction_loss".
        weighs_against_reconstruction: whether its β is a ratio of the two terms, and so needs a loss in which β = 1
            weighs both alike.
    """

    per: ClassVar[str]
    reads: ClassVar[str]
    weighs_against_reconstruction: ClassVar[bool] = False

    @property
    @abstractmethod
    def unit(self) -> str:
        """The figure's unit: "nats", "squared_error" (summed over an example), "mse" (per element) or "relative"."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest β that it can give."""

    @abstractmethod
    def init(self) -> dict[str, float]:
        """Returns the state before the first figure; its entry "beta" is the β to start with."""

    @abstractmethod
    def step(self, state: Mapping[str, Any], logs: Mapping[str, Any], xp: Any = np) -> tuple[dict[str, Any], Any]:
        """Returns the next state and the β that follows from `logs`; a pure function.

        Args:
            state: what `init` or the last `step` returned; numbers, or arrays with one entry a member.
            logs: the figures; only `logs[self.reads]` is read, a number or an array as the state's entries are.
            xp: `numpy`, or `keras.ops` inside a compiled step.
        """

    def update(self, logs: Mapping[str, Any]) -> float:
        """Takes in the figures of a step or an epoch and returns the β that follows.

        Raises:
            ValueError: if `logs` lacks the figure that `reads` names, or if it is not finite, or negative where
                its unit cannot be.
        """
        if not isinstance(logs, Mapping):
            raise argument_error("logs", "be a mapping", logs, _REMEDY)
        if self.reads not in logs:
            raise argument_error("logs", f"hold {self.reads!r}", dict(logs), _REMEDY)
        # a reconstruction loss in nats is a density's: it may be negative
        lowest = None if (self.reads, self.unit) == ("reconstruction_loss", "nats") else 0.0
        figure = finite_float(self.reads, logs[self.reads], minimum=lowest)
        with np.errstate(over="ignore"):  # what overflows is infinite, and the bounds cut it
            state, beta = self.step(self._state, {self.reads: figure})
        self.__dict__["_now"] = {name: float(value) for name, value in state.items()}
        return float(beta)

    def reset(self) -> None:
        """Forgets every update."""
        self.__dict__.pop("_now", None)

    @property
    def _state(self) -> dict[str, float]:
        return self.__dict__.get("_now") or self.init()

    def _beta(self, epoch: float) -> float:
        return self._state["beta"]

    @property
    def warmup_end(self) -> float:
        """0: when the highest β is reached cannot be known before."""
        return 0.0


def moving_average(state: Mapping[str, Any], name: str, figure: Any, smoothing: float, xp: Any) -> Any:
    """Returns smoothing · state[name] + (1 − smoothing) · figure; the first figure itself while state["seen"] is 0."""
    average = smoothing * state[name] + (1.0 - smoothing) * figure
    return xp.where(state["seen"] > 0, average, figure)


def smoothing_factor(value: Any) -> float:
    """Returns the factor of a moving average as a float in [0, 1), or raises."""
    return finite_float("smoothing", value, minimum=0.0, below=1.0)
