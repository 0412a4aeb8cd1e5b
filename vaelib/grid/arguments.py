"""What grids and populations are given, checked: schedules, seeds, models, data, and what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vaelib._checks import Described, argument_error, positive_int
from vaelib.callbacks import BetaSchedule
from vaelib.callbacks.beta_schedule import as_beta_schedule
from vaelib.data import Dataset
from vaelib.models.vae import VAE, require_vae
from vaelib.training.batches import checked_data, start_sigma2


def schedules_of(schedulers: Any) -> dict[str, BetaSchedule]:
    """Returns each schedule as the callback that sets it, by name."""
    if not isinstance(schedulers, Mapping) or not schedulers or not all(isinstance(name, str) for name in schedulers):
        raise argument_error("schedulers", "map names to schedules", schedulers)
    for name, value in schedulers.items():
        if isinstance(value, str | Mapping | list | tuple):
            remedy = "`get_beta_scheduler` builds one from its name and parameters."
            raise argument_error(f"schedulers[{name!r}]", "be a number, a schedule or a BetaSchedule", value, remedy)
    return {name: as_beta_schedule(f"schedulers[{name!r}]", value) for name, value in schedulers.items()}


def seeds_of(seeds: Any) -> list[int]:
    """Returns the seeds: 0, 1, … where their number is given."""
    must = "be an integer >= 1, or a list of integers >= 0, none of them twice"
    if isinstance(seeds, Sequence | np.ndarray | range) and not isinstance(seeds, str):
        numbers = [positive_int(f"seeds[{i}]", seed, minimum=0) for i, seed in enumerate(seeds)]
        if not numbers or len(set(numbers)) < len(numbers):
            raise argument_error("seeds", must, seeds)
        return numbers
    try:
        return list(range(positive_int("seeds", seeds)))
    except ValueError:
        raise argument_error("seeds", must, seeds) from None


def models_of(build_model: Any, seeds: Sequence[int]) -> list[VAE]:
    """Returns one model for each seed, alike in all but what the seed decides."""
    if not callable(build_model) or isinstance(build_model, VAE):
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


def data_of(models: Sequence[VAE], dataset: Dataset, batch_size: int, resplit: bool) -> Callable[[int], dict[str, Any]]:
    """Checks the data and returns a function from a model's place to its parts; it also starts a learned σ².

    The parts are the same objects where the seeds share them, and else made when they are asked for.
    """
    shared = checked_data(models[0], dataset, batch_size)

    def parts(place: int) -> dict[str, Any]:
        model = models[place]
        own = dataset.resplit(model.seed) if resplit else dataset
        start_sigma2(model, own.x_train)
        return checked_data(model, own, batch_size) if resplit else shared

    return parts


def hides_bar(verbose: Any, choices: Sequence[str | int]) -> bool | None:
    """Returns whether no progress bar is shown; None leaves that to the terminal."""
    if not isinstance(verbose, str | int | np.integer) or isinstance(verbose, bool) or verbose not in choices:
        *first, last = map(repr, choices)
        raise argument_error("verbose", f"be {', '.join(first)} or {last}", verbose)
    return None if verbose == "auto" else verbose != 1
