"""Training with Keras `fit` at compiled speed."""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import pandas as pd

from vaelib._checks import Described, argument_error, boolean, finite_float, positive_int
from vaelib.callbacks import (
    BestModel,
    BetaSchedule,
    EpochProgress,
    NaNGuard,
    StepLog,
    TensorBoardLog,
    ValidationMonitor,
)
from vaelib.callbacks.beta_schedule import as_beta_schedule
from vaelib.callbacks.training_state import TrainingState, fingerprint
from vaelib.data import Dataset
from vaelib.models.vae import VAE
from vaelib.training.batches import checked_data, start_sigma2, training_batches
from vaelib.training.result import (
    STATE,
    WEIGHTS,
    TrainingResult,
    is_resumable,
    output_folder,
    report_on_test,
    write_files,
)


class _LearningRate(keras.callbacks.ReduceLROnPlateau):
    """Logs the learning rate of each epoch; with a patience, halves it as `ReduceLROnPlateau` does after warm-up.

    During warm-up β and not the fit moves the figure.
    """

    def __init__(self, monitor: str, patience: int | None, start_from_epoch: int) -> None:
        super().__init__(monitor, factor=0.5, patience=patience or 0, mode="min")
        self.start_from_epoch = math.inf if patience is None else start_from_epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        if epoch >= self.start_from_epoch:
            super().on_epoch_end(epoch, logs)


def train_vae(
    model: VAE,
    dataset: Dataset,
    epochs: int = 50,
    *,
    scheduler: float | Callable[[float], float] | BetaSchedule | None = None,
    batch_size: int = 64,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    early_stopping: int | None = None,
    reduce_learning_rate: int | None = None,
    restore_best: bool = True,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
) -> TrainingResult:
    """Trains a VAE on a data set with Adam, follows it on validation data and reports it on test data.

    Every epoch runs in one compiled call. The order of the data, noise and dropout are functions of
    `model.seed` and the step, never of the schedule: two trainings with one seed are a pair. The best epoch
    is the one with the lowest validation negative ELBO at β = 1, among those trained at least in part after the
    schedule has first reached its highest β; its weights are restored.

    Each call is a training of its own: Adam, the order of the data, noise and dropout begin at step 0, so two calls
    of n epochs are not one of 2n. With `resume=True` a training that was interrupted goes on after its last whole
    epoch, and one that ended goes on to more epochs: the same call with the same arguments, in another process if
    need be, ends with the same weights and history as one that was never interrupted.

    Args:
        model: a VAE of vaelib. Its weights are trained on from where they are, by a fresh Adam. To train it again from
            the start, keep `model.get_weights()` and set them back: that traces nothing anew.
        dataset: training, validation and test data, such as `load_dataset` returns.
        epochs: number of epochs, >= 1.
        scheduler: β: a number, a schedule or callable of the epoch (β changes at every step), or a
            `BetaSchedule` callback such as `KLAnnealing`. By default the model's own β stays.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        learning_rate: Adam's, > 0, or a Keras learning-rate schedule.
        early_stopping: stop after this many epochs without improvement, counted after warm-up; never by
            default.
        reduce_learning_rate: halve the learning rate after this many epochs without improvement, counted
            after warm-up; never by default.
        restore_best: whether the model ends with the weights of the best epoch; False keeps the last ones.
        output: folder for `vae.weights.h5` (the best weights so far, written at each improvement; in the end those of
            the returned model), `vae.keras`, `history.csv`, `vae_loss_plot.png` and, after each epoch,
            `training_state.npz`; nothing is written by default.
        overwrite: whether `output` may hold earlier results.
        resume: whether to go on from the state in `output`, which then holds earlier results; without a state the
            training begins at its first epoch. Your own `callbacks` begin anew.
        callbacks: further Keras callbacks; they see all figures in their logs.
        verbose: "auto" (a progress bar on a terminal, else nothing), 0 (nothing), 1 (bar) or 2 (a line an
            epoch).

    Returns:
        A `TrainingResult`. Training that breaks (a loss that is NaN or infinite) ends early with a
        RuntimeWarning and `failure` set; the model keeps its last finite weights. A schedule that will not end at its
        final β inside the run (`finish_warning`), a warm-up too long for any epoch to count as best, and a training to
        resume that has all its epochs already are UserWarnings before training starts.

    Raises:
        ValueError: before anything is trained or written, if an argument or the data is unusable.
    """
    epochs = positive_int("epochs", epochs)
    batch_size = positive_int("batch_size", batch_size)
    if early_stopping is not None:
        positive_int("early_stopping", early_stopping)
    if reduce_learning_rate is not None:
        positive_int("reduce_learning_rate", reduce_learning_rate)
    data = checked_data(model, dataset, batch_size)
    if not isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        learning_rate = finite_float("learning_rate", learning_rate, minimum=0, exclusive=True)
    elif reduce_learning_rate is not None:
        raise argument_error("reduce_learning_rate", "be left out with a learning-rate schedule", reduce_learning_rate)
    for name, value in {"restore_best": restore_best, "overwrite": overwrite, "resume": resume}.items():
        boolean(name, value)
    if isinstance(verbose, bool) or verbose not in ("auto", 0, 1, 2):
        raise argument_error("verbose", "be 'auto', 0, 1 or 2", verbose)
    if verbose == "auto":
        verbose = int(sys.stderr.isatty())
    if not isinstance(callbacks, list | tuple) or not all(isinstance(c, keras.callbacks.Callback) for c in callbacks):
        raise argument_error("callbacks", "be a list of Keras callbacks", callbacks)
    steps_per_epoch = math.ceil(len(dataset.x_train) / batch_size)
    schedule = _schedule(scheduler, callbacks)
    if schedule is not None:
        schedule.check(model, epochs, steps_per_epoch)
    warmup_end = 0.0 if schedule is None else schedule.first_peak(epochs)
    resuming = is_resumable(output, overwrite, resume)
    logs = [callback for callback in callbacks if isinstance(callback, TensorBoardLog)]
    for log in logs:
        log.refuse_earlier(model, resuming)
    folder = output_folder(output, overwrite or resuming)
    state = None
    if folder is not None:
        settings = {
            "batch_size": batch_size,
            "learning_rate": learning_rate if isinstance(learning_rate, float) else learning_rate.get_config(),
            "early_stopping": early_stopping,
            "reduce_learning_rate": reduce_learning_rate,
        }
        state = TrainingState(folder / STATE, _lasting(model, schedule, data) | settings)
        if resuming:
            state.read()
    for log in logs:
        log.prepare(model, resumed=resuming)
    best = BestModel(warmup_end, None if folder is None else folder / WEIGHTS, restore=restore_best, overwrite=True)
    if schedule is not None:
        too_late = f"The warm-up ends at epoch {warmup_end:g}: no epoch counts as best, and the last weights are kept."
        schedule.announce(epochs, steps_per_epoch, too_late if best.counted_from >= epochs else "")

    start_sigma2(model, dataset.x_train)
    _compile(model, learning_rate, steps_per_epoch)

    step_log, guard = StepLog(), NaNGuard()
    active = [step_log, guard, *([] if schedule is None else [schedule])]
    active += [ValidationMonitor(data["val"], verbose=verbose == 2), best]
    active.append(_LearningRate(best.monitor, reduce_learning_rate, best.counted_from))
    if early_stopping is not None:
        stopping = {"patience": early_stopping, "start_from_epoch": best.counted_from, "mode": "min"}
        active.append(keras.callbacks.EarlyStopping(best.monitor, **stopping))
    if state is not None:
        state.followed = list(active)
        if resuming:
            state.restore(model)
            if state.stopped or state.epochs_done >= epochs:
                done = f"{state.epochs_done} epochs" + (", and was stopped" if state.stopped else "")
                warnings.warn(f"The training in `output` has {done}: there is nothing to resume.", stacklevel=2)
    active += [callback for callback in callbacks if callback is not schedule]
    if verbose == 1:
        active.append(EpochProgress())
    first_epoch = 0 if state is None else state.epochs_done
    earlier = {} if state is None else {name: list(values) for name, values in state.history.items()}
    history = model.fit(
        training_batches(data["train"], batch_size, model.seed, first_epoch),
        epochs=first_epoch if state is not None and state.stopped else max(epochs, first_epoch),
        initial_epoch=first_epoch,
        steps_per_epoch=steps_per_epoch,
        callbacks=active if state is None else [*active, state],
        shuffle=False,
        verbose=0,
    )

    frame = pd.concat([pd.DataFrame(earlier), pd.DataFrame(history.history)], ignore_index=True).rename_axis("epoch")
    test = report_on_test(model, data)
    restored = restore_best and best.best_epoch is not None
    files = {} if folder is None else write_files(folder, model, frame)
    return TrainingResult(model, frame, step_log.frame(), best.best_epoch, test, restored, guard.message, files)


def _schedule(scheduler: Any, callbacks: Sequence[keras.callbacks.Callback]) -> BetaSchedule | None:
    """The one β schedule of a training, from `scheduler` or among the callbacks; None leaves β to the model."""
    given = [callback for callback in callbacks if isinstance(callback, BetaSchedule)]
    if len(given) > 1:
        received = Described(f"[{', '.join(type(callback).__name__ for callback in callbacks)}]")
        raise argument_error("callbacks", "hold one schedule of β at most", received)
    if given and scheduler is not None:
        raise argument_error("scheduler", "be left out where a callback sets β", scheduler)
    if given:
        return given[0]
    return None if scheduler is None else as_beta_schedule("scheduler", scheduler)


def _lasting(model: VAE, schedule: BetaSchedule | None, data: dict[str, Any]) -> dict[str, Any]:
    """What must be the same when a training goes on: model, data, schedule, and the weights that no schedule sets.

    The model's configuration counts without those weights and without the names that Keras counts.
    """
    passing = {*model.scheduled, "name", "shared_object_id", "inbound_nodes", "input_layers", "output_layers"}

    def lasting(config: Any) -> Any:
        if isinstance(config, dict):
            return {key: lasting(value) for key, value in config.items() if key not in passing}
        return [lasting(value) for value in config] if isinstance(config, list | tuple) else config

    scheduled = () if schedule is None else schedule.parts
    return {
        "model": lasting(model.get_config()),
        "dataset": keras.tree.map_structure(fingerprint, {name: data[name] for name in ("train", "val")}),
        "scheduler": None if schedule is None else schedule.description(),
        **{name: float(weight) for name, weight in model.scheduled.items() if name not in scheduled},
    }


def _compile(model: VAE, learning_rate: Any, steps_per_epoch: int) -> None:
    """Gives the model a new Adam, or resets the one of an earlier `train_vae`, for which nothing is traced again."""
    plan = (steps_per_epoch, *(id(variable) for variable in model.trainable_variables))
    optimizer: Any = getattr(model, "optimizer", None)
    constant = isinstance(learning_rate, float)
    if constant and getattr(optimizer, "vaelib_plan", None) == plan:
        for variable in optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        optimizer.learning_rate = learning_rate
        return
    optimizer = keras.optimizers.Adam(learning_rate)
    if constant:
        optimizer.vaelib_plan = plan
    # every step counts: a loss scale for float16 would skip steps, and sums over pixels need none
    model.compile(optimizer, steps_per_execution=steps_per_epoch, jit_compile=False, auto_scale_loss=False)
