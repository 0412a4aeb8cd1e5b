"""Schedules × seeds of one model, trained at once and compared on the same splits, initial weights and noise."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from vaelib._checks import Described, argument_error, boolean, finite_float, positive_int, renamed
from vaelib.callbacks import BetaSchedule
from vaelib.callbacks.beta_schedule import as_beta_schedule
from vaelib.data import Dataset
from vaelib.data.dataset import PARTS
from vaelib.grid.mapped import convolutions, layer_outputs, require_stackable
from vaelib.grid.members import Members
from vaelib.grid.result import GridResult
from vaelib.grid.seed_data import SeedData
from vaelib.grid.stack import MEMORY, Stack
from vaelib.models.vae import VAE, require_vae
from vaelib.training.batches import checked_data, start_sigma2

MOST = 400  # members trained at once: the cost of each falls until about 80 and stays
_COPIES = 8  # of the weights: themselves, gradients, Adam's two moments, the best, the last, and two on the way
_LOG = logging.getLogger("vaelib")


def train_grid(
    build_model: Callable[[int], VAE],
    dataset: Dataset,
    schedulers: Mapping[str, Any],
    seeds: int | Sequence[int] = 10,
    epochs: int = 50,
    batch_size: int = 64,
    *,
    learning_rate: float = 1e-3,
    resplit: bool = False,
    restore_best: bool = True,
    verbose: int | str = "auto",
) -> GridResult:
    """Trains a model under every schedule with every seed, all of them at once.

    A member is what `train_vae` trains with that seed and schedule, to rounding: the seed decides the initial weights,
    the order of the data, noise and dropout (and the split with `resplit`), the schedule nothing but β. So two
    schedules with one seed are a pair, and their difference is the schedules' alone. Dense models train stacked, at a
    tenth of the cost of one after another; a model with convolutions, which gain nothing from it, trains its members
    in turn on one compiled function, and the logger "vaelib" says so. Members that do not fit into 1 GiB together are
    trained in several stacks.

    Args:
        build_model: returns a model for a seed, such as `lambda seed: build_vae((8, 8, 1), 16, seed=seed)`.
        dataset: training, validation and test data.
        schedulers: schedules by name; each is what `train_vae` takes as `scheduler`.
        seeds: their number, for the seeds 0, 1, …, or the seeds themselves.
        epochs: number of epochs, >= 1.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        learning_rate: Adam's, > 0.
        resplit: whether each seed has its own split of the data, `dataset.resplit(seed)`.
        restore_best: whether a member ends with the weights of its best epoch, as in `train_vae`.
        verbose: "auto" (a progress bar on a terminal, else nothing), 0 (nothing), 1 (bar) or 2 (a line an epoch).

    Returns:
        A `GridResult`. A member whose loss is no longer finite keeps its last finite weights, is named in `failure` and
        disturbs no other. Stopped from the keyboard, the grid returns what it has trained so far.

    Raises:
        ValueError: before anything is trained, if an argument or the data is unusable, models of two seeds differ in
            more than their weights, or a layer of the model cannot be stacked.
    """
    epochs, batch_size = positive_int("epochs", epochs), positive_int("batch_size", batch_size)
    learning_rate = finite_float("learning_rate", learning_rate, minimum=0, exclusive=True)
    for name, value in {"resplit": resplit, "restore_best": restore_best}.items():
        boolean(name, value)
    if isinstance(verbose, bool) or verbose not in ("auto", 0, 1, 2):
        raise argument_error("verbose", "be 'auto', 0, 1 or 2", verbose)
    schedules, numbers = _schedules(schedulers), _seeds(seeds)
    models = _models(build_model, numbers)
    data = _data(models, dataset, batch_size, resplit)
    steps_per_epoch = math.ceil(len(dataset.x_train) / batch_size)
    for name, schedule in schedules.items():
        _check_schedule(name, schedule, models[0], epochs, steps_per_epoch)
    require_stackable("build_model", models[0])
    for name, schedule in schedules.items():
        if said := schedule.finish_warning(epochs, steps_per_epoch):
            warnings.warn(f"Schedule {name!r}: {said}", stacklevel=2)

    slow = convolutions(models[0])
    if slow:
        _LOG.info(
            "%d members train in turn: %s gains nothing from being stacked", len(models) * len(schedules), slow[0]
        )
    chunks = list(_chunks(models[0], len(models), list(schedules), batch_size, in_turn=bool(slow)))
    stack, parts = None, []
    with tqdm(total=epochs * len(chunks), unit="epoch", disable=None if verbose == "auto" else verbose != 1) as bar:
        for rows, names in chunks:
            chosen = {name: schedules[name] for name in names}
            if stack is None or not stack.takes(len(rows), list(chosen.values())):
                stack = Stack([models[r] for r in rows], list(chosen.values()), batch_size, learning_rate, not slow)
            own = {part: SeedData([data[r][part] for r in rows]) for part in PARTS}
            stack.restart([models[r] for r in rows], list(chosen.values()), own["train"], own["val"], epochs)
            members = Members([numbers[r] for r in rows], chosen, epochs)
            interrupted = _train(stack, members, epochs, bar, verbose == 2)
            if members.epochs_done:
                parts.append(_finished(stack, members, own, restore_best))
            if interrupted:
                break
    if not parts:
        raise KeyboardInterrupt
    return _joined(parts, build_model, interrupted)


def _train(stack: Stack, members: Members, epochs: int, bar: Any, tells: bool) -> bool:
    """Trains members for all epochs; returns whether the keyboard stopped it."""
    try:
        for epoch in range(epochs):
            members.note(stack.train_epoch(epoch), stack)
            bar.update()
            if tells:
                print(members.line())
    except KeyboardInterrupt:
        return True
    return False


def _finished(stack: Stack, members: Members, data: Mapping[str, SeedData], restore_best: bool) -> GridResult:
    stack.restore(members.best_epoch >= 0 if restore_best else np.zeros(members.shape, bool))
    scheduled = members.scheduled if restore_best else members.figures_of_last
    places = [(r, s) for s in range(members.shape[1]) for r in range(members.shape[0])]
    return GridResult(
        members.history(stack),
        members.report(stack, data["train"], data["test"]),
        _weights={(members.names[s], members.seeds[r]): stack.weights_of(r, s) for r, s in places},
        _scheduled={
            (members.names[s], members.seeds[r]): {name: float(scheduled[name][r, s]) for name in stack.betas.names}
            for r, s in places
        },
    )


def _joined(parts: Sequence[GridResult], build: Callable[[int], VAE], interrupted: bool) -> GridResult:
    """The results of all stacks as one, in the order schedule, seed."""
    order = list(dict.fromkeys(key for part in parts for key in part._weights))
    schedules = list(dict.fromkeys(name for name, _ in order))

    def table(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
        whole = pd.concat(frames, ignore_index=True)
        place = whole["schedule"].map(schedules.index)
        return whole.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)

    return GridResult(
        table([part.history for part in parts]),
        table([part.final for part in parts]),
        interrupted,
        build,
        {key: value for part in parts for key, value in part._weights.items()},
        {key: value for part in parts for key, value in part._scheduled.items()},
    )


# ---------------------------------------------------------------- checks


def _schedules(schedulers: Any) -> dict[str, BetaSchedule]:
    if not isinstance(schedulers, Mapping) or not schedulers or not all(isinstance(name, str) for name in schedulers):
        raise argument_error("schedulers", "map names to schedules", schedulers)
    return {name: as_beta_schedule(f"schedulers[{name!r}]", value) for name, value in schedulers.items()}


def _seeds(seeds: Any) -> list[int]:
    if isinstance(seeds, Sequence | np.ndarray | range) and not isinstance(seeds, str):
        numbers = [positive_int(f"seeds[{i}]", seed, minimum=0) for i, seed in enumerate(seeds)]
        if not numbers or len(set(numbers)) < len(numbers):
            raise argument_error("seeds", "be a number, or different integers >= 0", seeds)
        return numbers
    return list(range(positive_int("seeds", seeds)))


def _models(build_model: Any, seeds: Sequence[int]) -> list[VAE]:
    """One model for each seed, alike in all but what the seed decides."""
    if not callable(build_model):
        raise argument_error("build_model", "be a function from a seed to a model", build_model)
    models = [require_vae("build_model(seed)", build_model(seed)) for seed in seeds]
    for model, seed in zip(models, seeds, strict=True):
        if model.seed != seed:
            received = Described(f"a model with seed={model.seed} for the seed {seed}")
            raise argument_error("build_model", "pass its seed on to the model", received)
        if _unseeded(model.get_config()) != _unseeded(models[0].get_config()):
            received = Described(f"another model for seed {seed} than for seed {seeds[0]}")
            raise argument_error("build_model", "build models that differ by their seed alone", received)
    return models


def _unseeded(config: Any) -> Any:
    """A model's configuration without seeds and the names that Keras counts."""
    passing = {"seed", "name", "shared_object_id", "inbound_nodes", "input_layers", "output_layers"}
    if isinstance(config, dict):
        return {key: _unseeded(value) for key, value in config.items() if key not in passing}
    return [_unseeded(value) for value in config] if isinstance(config, list | tuple) else config


def _data(models: Sequence[VAE], dataset: Dataset, batch_size: int, resplit: bool) -> list[dict[str, Any]]:
    """The checked parts of each model's data, the same objects where they are shared; starts a learned σ²."""
    shared = checked_data(models[0], dataset, batch_size)
    given = []
    for model in models:
        own = dataset.resplit(model.seed) if resplit else dataset
        given.append(checked_data(model, own, batch_size) if resplit else shared)
        start_sigma2(model, own.x_train)
    return given


def _check_schedule(name: str, schedule: BetaSchedule, model: VAE, epochs: int, steps_per_epoch: int) -> None:
    try:
        schedule.check(model, epochs, steps_per_epoch)
    except ValueError as error:
        raise renamed(error, lambda _: f"schedulers[{name!r}]") from None


# ---------------------------------------------------------------- memory


def _chunks(
    model: VAE, n_seeds: int, names: Sequence[str], batch_size: int, in_turn: bool
) -> Iterator[tuple[list[int], list[str]]]:
    """Cuts the grid into seeds and schedules that are trained together, whole seeds where they fit."""
    weights = sum(math.prod(weight.shape) for weight in model.weights)
    bytes_each = 4 * (_COPIES * weights + _COPIES * batch_size * layer_outputs(model))
    most = 1 if in_turn else max(1, min(MOST, MEMORY // bytes_each))
    schedules = min(len(names), most)
    seeds = max(1, most // schedules)
    for i in range(0, len(names), schedules):
        for j in range(0, n_seeds, seeds):
            yield list(range(j, min(j + seeds, n_seeds))), list(names[i : i + schedules])
