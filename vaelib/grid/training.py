"""Schedules × seeds of one model, trained at once and compared on the same splits, initial weights and noise."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tqdm import tqdm

from vaelib._checks import boolean, finite_float, positive_int, renamed
from vaelib.callbacks import BetaSchedule
from vaelib.data import Dataset
from vaelib.grid.arguments import data_of, hides_bar, models_of, schedules_of, seeds_of
from vaelib.grid.chunks import bytes_of, chunks_of, stacks, trained
from vaelib.grid.mapped import convolutions, require_stackable
from vaelib.grid.members import Members
from vaelib.grid.result import GridResult
from vaelib.grid.stack import Stack
from vaelib.models.vae import VAE

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
    hidden = hides_bar(verbose, ("auto", 0, 1, 2))
    schedules, numbers = schedules_of(schedulers), seeds_of(seeds)
    models = models_of(build_model, numbers)
    data = data_of(models, dataset, batch_size, resplit)
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
    own_bytes = bytes_of(dataset, resplit)
    chunks = chunks_of(models[0], len(models), list(schedules), batch_size, own_bytes, in_turn=bool(slow))
    untrained = stacks(chunks, models, schedules, data, epochs, batch_size, learning_rate, side_by_side=not slow)
    with tqdm(total=epochs * len(chunks), unit="epoch", disable=hidden) as bar:

        def train(stack: Stack, members: Members) -> None:
            for epoch in range(epochs):
                members.note(stack.train_epoch(epoch), stack)
                bar.update()
                if verbose == 2:
                    print(members.line())

        return trained(
            untrained,
            train,
            lambda stack, members, own: members.finish(stack, own["train"], own["test"], restore_best),
            build_model,
        )


def _check_schedule(name: str, schedule: BetaSchedule, model: VAE, epochs: int, steps_per_epoch: int) -> None:
    try:
        schedule.check(model, epochs, steps_per_epoch)
    except ValueError as error:
        raise renamed(error, lambda _: f"schedulers[{name!r}]") from None
