"""KL weights by schedule: exact at every step inside the compiled training step, or once an epoch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vaelib._checks import Described, argument_error, finite_float, one_of
from vaelib.callbacks.step_log import StepReader
from vaelib.schedules import ConstantBetaScheduler, beta_table, finish_warning, first_peak, get_beta_scheduler
from vaelib.schedules.base import Scheduler
from vaelib.schedules.feedback import FeedbackBetaScheduler

FEEDBACK_LIKELIHOODS = {"nats": ("gaussian", "bernoulli", "continuous_bernoulli"), "squared_error": ("mse",)}


class BetaSchedule(StepReader):
    """Sets a model's KL weights from a schedule.

    With `per="step"` the schedule becomes a table over steps that the compiled step reads by the optimizer's
    iteration, β(epoch + step / steps_per_epoch): exact also when one call runs an epoch of steps. With
    `per="epoch"` β is assigned when an epoch begins. Feedback schedules move at their own pace: ControlVAE and GECO
    at every step inside the compiled step, reconstruction levels after each epoch, on its mean training error.

    Either way `beta`, the value of the epoch's last step, is in the logs and the history; for a hierarchical model
    `global_kl_weight` and `local_kl_weight`, for a capacity schedule `capacity` too, and for warm restarts
    `last_restart_epoch`, `epochs_since_restart` and `is_restart_epoch` (with `global_` or `local_` before them in a
    hierarchical schedule). The model's `fit` takes the schedule away afterwards; the model keeps its last β, or
    that of its best epoch where `BestModel` restores it with the weights.

    Args:
        scheduler: a schedule, or any callable from the (fractional, 0-based) epoch to β. A `HierarchicalVAE` needs one
            that gives both its weights, such as `HierarchicalBetaScheduler`.
        per: "step" (default) or "epoch".

    Raises:
        ValueError: if `scheduler` is no callable or returns a value that is not finite and >= 0; if the
            number of steps is unknown to `fit` and `per="step"`; if the schedule does not fit the model.

    Warns:
        UserWarning: when training begins, if β will not end at its final value (`finish_warning`).
    """

    def __init__(self, scheduler: Callable[[float], Any], per: str = "step") -> None:
        super().__init__()
        if not callable(scheduler):
            raise argument_error("scheduler", "be a schedule or a callable from epoch to β", scheduler)
        self.scheduler = scheduler
        self.per = one_of("per", per, ("step", "epoch"))
        self.parts: dict[str, Callable[[float], float]] = getattr(scheduler, "parts", {"beta": scheduler})
        self.states = {name: part.init() for name, part in self.feedback("epoch").items()}
        self._planned = self._announced = False

    def description(self) -> str:
        """Returns what must be the same when a training is resumed; of a function no more than its name can be."""
        scheduler = self.scheduler
        named = repr(scheduler) if isinstance(scheduler, Scheduler) else getattr(scheduler, "__qualname__", "")
        return f"{named or type(scheduler).__name__} per {self.per}"

    def feedback(self, per: str) -> dict[str, FeedbackBetaScheduler]:
        """Returns the parts that read figures every "step" or every "epoch", by the name of what they set."""
        feedback = {name: part for name, part in self.parts.items() if isinstance(part, FeedbackBetaScheduler)}
        return {name: part for name, part in feedback.items() if part.per == per}

    def open_loop(self) -> dict[str, Callable[[float], float]]:
        """Returns the parts that depend on the epoch alone, by the name of what they set."""
        return {name: part for name, part in self.parts.items() if not isinstance(part, FeedbackBetaScheduler)}

    def check(self, model: Any, epochs: int | None = None, steps_per_epoch: int | None = None) -> None:
        """Raises a ValueError if the schedule does not fit the model, or breaks inside a run of that length."""
        known = model.scheduled
        weights = [name for name in known if name != "capacity"]
        if not set(weights) <= set(self.parts) <= set(known):
            must = f"give {' and '.join(known)} for this {type(model).__name__}"
            remedy = (
                "Use HierarchicalBetaScheduler."
                if len(weights) > 1
                else "Build the model with Objective(capacity=0.0)."
                if "capacity" in self.parts
                else ""
            )
            received = Described(f"{self.scheduler!r}, which gives {' and '.join(self.parts)}")
            raise argument_error("scheduler", must, received, remedy)
        for feedback in (self.feedback("step") | self.feedback("epoch")).values():
            _check_feedback(feedback, model)
        if epochs is not None and steps_per_epoch is not None:
            for part in self.open_loop().values():
                beta_table(part, epochs, steps_per_epoch, self.per)  # raises where β is no number >= 0

    def finish_warning(self, epochs: int, steps_per_epoch: int) -> str | None:
        """Returns a sentence if β will not end at its highest value in a run of that length (see `schedules`)."""
        return finish_warning(self.scheduler, epochs, 1 if self.per == "epoch" else steps_per_epoch)

    def announce(self, epochs: int, steps_per_epoch: int, consequence: str = "") -> None:
        """Warns, once a training and at the caller's caller, if β will not end well or there is a `consequence`."""
        said = [self.finish_warning(epochs, steps_per_epoch), consequence]
        if any(said) and not self._announced:
            warnings.warn(" ".join(filter(None, said)), stacklevel=3)
        self._announced = True

    def first_peak(self, epochs: int) -> float:
        """Returns the epoch at which β first reaches its highest value; a whole one if β is set once an epoch.

        Of several numbers the last to do so decides. Feedback schedules have no such epoch: 0.
        """
        peak = max((self._peak(part, epochs) for part in self.open_loop().values()), default=0.0)
        return float(math.ceil(peak)) if self.per == "epoch" else peak

    def _peak(self, part: Callable[[float], float], epochs: int) -> float:
        if self.per == "epoch" and not hasattr(part, "warmup_end"):
            return float(np.argmax(beta_table(part, epochs, 1, per="epoch")))
        return first_peak(part, epochs)

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks that schedule and model fit; forgets the plan of an earlier training."""
        self.check(self.model)
        self._planned = False
        if steps := 1 if self.per == "epoch" else self.params["steps"]:
            self.announce(self.params["epochs"], steps)
        self._announced = False
        self.states = {name: part.init() for name, part in self.feedback("epoch").items()}
        self.model.use_feedback(self.feedback("step"))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Writes the tables for all epochs ahead, or this epoch's values."""
        super().on_epoch_begin(epoch, logs)
        scheduled, parts = self.model.scheduled, self.open_loop()
        for name, state in self.states.items():
            scheduled[name].assign(state["beta"])
        if self.per == "epoch":
            for name, part in parts.items():
                scheduled[name].assign(beta_table(part, 1, 1, "epoch", first_epoch=epoch)[0])
        elif parts and not self._planned:
            steps, epochs = self.params["steps"], self.params["epochs"]
            if steps is None:
                remedy = "Pass steps_per_epoch to fit, or use per='epoch'."
                raise argument_error("per", "be 'epoch' where the number of steps is unknown", self.per, remedy)
            tables = {name: beta_table(part, epochs - epoch, steps, first_epoch=epoch) for name, part in parts.items()}
            self.model.steps.set_table(tables, start=int(self.model.optimizer.iterations))
            self._planned = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the values of the epoch's last step to the logs; moves schedules that read whole epochs."""
        logs = {} if logs is None else logs
        figures = epoch_figures(self.model, logs, self.training_error()) if self.states else {}
        rows, columns = self.rows(), self.model.steps.columns
        for name, variable in self.model.scheduled.items():
            logs[name] = float(rows[-1, columns.index(name)] if len(rows) else variable.numpy())
        logs.update(restart_figures(self.scheduler, epoch))
        for name, part in self.feedback("epoch").items():
            figure = figures[f"{name}/kl" if part.reads == "kl_loss" else part.unit]
            if math.isfinite(figure):  # else the training broke, and NaNGuard stops it
                self.states[name], _ = part.step(self.states[name], {part.reads: figure})

    def get_state(self) -> dict[str, float]:
        """Returns the states of feedback schedules, by "variable/entry"."""
        states: dict[str, Any] = {**self.model.steps.feedback.states(), **self.states}
        return {f"{name}/{key}": float(value) for name, state in states.items() for key, value in state.items()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Gives feedback schedules the states that `get_state` returned."""
        states: dict[str, dict[str, float]] = {}
        for key, value in state.items():
            name, entry = key.split("/")
            states.setdefault(name, {})[entry] = float(value)
        self.states = {name: states[name] for name in self.states}
        self.model.steps.feedback.set_states(states)


def as_beta_schedule(name: str, scheduler: Any) -> BetaSchedule:
    """Returns the callback of a number, a schedule or callable of the epoch, or a callback itself; or raises."""
    if isinstance(scheduler, BetaSchedule):
        return scheduler
    if callable(scheduler):
        return BetaSchedule(scheduler)
    return BetaSchedule(ConstantBetaScheduler(finite_float(name, scheduler, minimum=0)))


def epoch_figures(model: Any, losses: Mapping[str, Any], mse: Any) -> dict[str, Any]:
    """Returns what feedback schedules read of an epoch: reconstruction loss by unit, KL in nats by weight + "/kl".

    Args:
        model: the trained model.
        losses: the epoch's training losses by name, numbers or arrays with one entry a member.
        mse: its mean squared error for each number in x, likewise.
    """
    figures = {"mse": mse, "relative": mse, "squared_error": mse * model.n_pixels}
    figures["nats"] = losses["reconstruction_loss"] / model.objective.scales(model.n_pixels, 1)[0]
    for weight, name, dim in zip(model.get_kl_weights(), model.kl_names, model.group_dims, strict=True):
        figures[f"{weight}/kl"] = losses[name] / model.objective.scales(model.n_pixels, dim)[1]
    return figures


def restart_figures(scheduler: Any, epoch: int) -> dict[str, int]:
    """Returns when a schedule's warm restarts happened, as numbers for the logs; empty without restarts."""
    if not hasattr(scheduler, "get_restart_info"):
        return {}
    info = scheduler.get_restart_info(epoch)
    if "last_restart_epoch" in info:
        info = {"": info}
    keys = ("last_restart_epoch", "epochs_since_restart", "is_restart_epoch")
    return {
        f"{child.removesuffix('scheduler')}{key}": int(values[key]) for child, values in info.items() for key in keys
    }


def _check_feedback(part: FeedbackBetaScheduler, model: Any) -> None:
    objective = model.objective
    if objective.capacity is not None:
        raise argument_error("scheduler", "be open-loop with a capacity, whose γ is constant", part)
    likelihoods = FEEDBACK_LIKELIHOODS.get(part.unit) if part.reads == "reconstruction_loss" else None
    if likelihoods and objective.likelihood not in likelihoods:
        received = Described(f"{part!r} for likelihood={objective.likelihood!r}")
        must = f"read an error of this model's unit: {part.unit!r} is that of {', '.join(map(repr, likelihoods))}"
        raise argument_error("scheduler", must, received)
    s_r, s_k = objective.scales(model.n_pixels, model.latent_dim)
    if part.weighs_against_reconstruction and s_r != s_k:
        remedy = "Build the model with both scale factors 'sum'."
        raise argument_error("scheduler", "meet a loss in which β = 1 weighs both terms alike", part, remedy)


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
        length = finite_float("total_epochs", total_epochs, minimum=0, exclusive=True)
        self.start_beta, self.target_beta, self.total_epochs = start, target, length
        levels = [(0.0, start), (length, target)]
        super().__init__(get_beta_scheduler("reconstruction", levels=levels, unit="epoch", interpolation="linear"), per)

    def description(self) -> str:
        """Returns the arguments."""
        return f"KLAnnealing({self.start_beta}, {self.target_beta}, {self.total_epochs}) per {self.per}"

    def _peak(self, part: Callable[[float], float], epochs: int) -> float:
        return 0.0 if self.start_beta == self.target_beta else self.total_epochs
