"""β by schedule: exact at every step inside the compiled training step, or once an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from vaelib._checks import argument_error, finite_float, one_of
from vaelib.callbacks.step_log import VAECallback
from vaelib.schedules import LinearBetaScheduler, beta_table, first_peak


class BetaSchedule(VAECallback):
    """Sets a model's β from a schedule.

    With `per="step"` the schedule becomes a table over steps that the compiled step reads by the optimizer's
    iteration, β(epoch + step / steps_per_epoch): exact also when one call runs an epoch of steps. With
    `per="epoch"` β is assigned when an epoch begins. Either way `beta`, the value of the epoch's last step,
    is in the logs and the history. `BetaVAE.fit` takes the table away afterwards; the model keeps its last β, or
    that of its best epoch where `BestModel` restores it with the weights.

    Args:
        scheduler: a schedule, or any callable from the (fractional, 0-based) epoch to β.
        per: "step" (default) or "epoch".

    Raises:
        ValueError: if `scheduler` is no callable or returns a value that is not finite and >= 0; if the
            number of steps is unknown to `fit` and `per="step"`.
    """

    def __init__(self, scheduler: Callable[[float], float], per: str = "step") -> None:
        super().__init__()
        if not callable(scheduler):
            raise argument_error("scheduler", "be a schedule or a callable from epoch to β", scheduler)
        self.scheduler = scheduler
        self.per = one_of("per", per, ("step", "epoch"))
        self._planned = False

    def first_peak(self, epochs: int) -> float:
        """Returns the epoch at which β first reaches its highest value; a whole one if β is set once an epoch."""
        peak = self._peak(epochs)
        return float(math.ceil(peak)) if self.per == "epoch" else peak

    def _peak(self, epochs: int) -> float:
        if self.per == "epoch" and not hasattr(self.scheduler, "warmup_end"):
            return float(np.argmax(beta_table(self.scheduler, epochs, 1, per="epoch")))
        return first_peak(self.scheduler, epochs)

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets the plan of an earlier training."""
        self._planned = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Writes the table for all epochs ahead, or this epoch's β."""
        if self.per == "epoch":
            self.model.beta.assign(beta_table(self.scheduler, 1, 1, "epoch", first_epoch=epoch)[0])
        elif not self._planned:
            steps, epochs = self.params["steps"], self.params["epochs"]
            if steps is None:
                remedy = "Pass steps_per_epoch to fit, or use per='epoch'."
                raise argument_error("per", "be 'epoch' where the number of steps is unknown", self.per, remedy)
            table = beta_table(self.scheduler, epochs - epoch, steps, first_epoch=epoch)
            self.model.steps.set_beta(table, start=int(self.model.optimizer.iterations))
            self._planned = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds `beta` to the logs."""
        if logs is not None:
            logs["beta"] = self.model.get_kl_weight()


class KLAnnealing(BetaSchedule):
    """Moves β from `start_beta` to `target_beta` over `total_epochs`, then keeps it there.

    β = start_beta + (target_beta − start_beta) · min(epoch / total_epochs, 1)

    Args:
        start_beta: β at the start, >= 0; 0 by default.
        target_beta: β at the end, >= 0; 1 by default. It may lie below `start_beta`.
        total_epochs: length in epochs, > 0; 10 by default.
        per: "step" (default: epoch counts fractions) or "epoch" (whole epochs, as the document has it).

    Raises:
        ValueError: if a value is out of range.

    Source: Bowman et al. (2016), arXiv 1511.06349.

    >>> annealing = KLAnnealing(0.0, 1.0, total_epochs=10)
    >>> [annealing.scheduler(epoch) for epoch in (0, 5, 10, 20)]
    [0.0, 0.5, 1.0, 1.0]
    """

    def __init__(
        self, start_beta: float = 0.0, target_beta: float = 1.0, total_epochs: float = 10, per: str = "step"
    ) -> None:
        start = finite_float("start_beta", start_beta, minimum=0)
        target = finite_float("target_beta", target_beta, minimum=0)
        progress = LinearBetaScheduler(1.0, finite_float("total_epochs", total_epochs, minimum=0, exclusive=True))
        self.start_beta, self.target_beta, self.total_epochs = start, target, progress.warmup_epochs
        super().__init__(lambda epoch: start + (target - start) * progress(epoch), per)

    def _peak(self, epochs: int) -> float:
        return 0.0 if self.start_beta == self.target_beta else self.total_epochs
