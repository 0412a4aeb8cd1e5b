"""A grid cut into chunks that fit into memory, and their training, one stack after another."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from vaelib._quiet import RETRACED, quiet
from vaelib.callbacks import BetaSchedule
from vaelib.data import Dataset
from vaelib.data.dataset import PARTS
from vaelib.grid.evaluation import MEMORY
from vaelib.grid.mapped import layer_outputs
from vaelib.grid.members import Members
from vaelib.grid.result import GridResult, joined
from vaelib.grid.seed_data import SeedData
from vaelib.grid.stack import Stack
from vaelib.models.vae import VAE

MOST = 400  # members trained at once: the cost of each falls until about 80 and stays
_COPIES_OF_DATA = 3  # the split, its stack with those of other seeds, and that as a tensor
_COPIES = 8  # of the weights: themselves, gradients, Adam's two moments, the best, the last, and two on the way


def bytes_of(dataset: Dataset, resplit: bool) -> int:
    """Returns the memory that each seed's own data takes, 0 where it is shared."""
    parts = [dataset.x_train, dataset.x_val, dataset.x_test]
    return _COPIES_OF_DATA * sum(part.nbytes for part in parts) if resplit else 0


def chunks_of(
    model: VAE,
    n_seeds: int,
    names: Sequence[str],
    batch_size: int,
    own_bytes: int = 0,
    in_turn: bool = False,
    whole_seeds: bool = False,
) -> list[tuple[list[int], list[str]]]:
    """Cuts the grid into seeds and schedules that are trained together, whole seeds where they fit or have to be."""
    weights = sum(math.prod(weight.shape) for weight in model.weights)
    bytes_each = 4 * (_COPIES * weights + _COPIES * batch_size * layer_outputs(model))
    most = 1 if in_turn else max(1, min(MOST, MEMORY // bytes_each))
    schedules = len(names) if whole_seeds else min(len(names), most)
    seeds = max(1, min(most // schedules, MEMORY // max(1, own_bytes)))
    return [
        (list(range(j, min(j + seeds, n_seeds))), list(names[i : i + schedules]))
        for i in range(0, len(names), schedules)
        for j in range(0, n_seeds, seeds)
    ]


def stacks(
    chunks: Sequence[tuple[Sequence[int], Sequence[str]]],
    models: Sequence[VAE],
    schedules: Mapping[str, BetaSchedule],
    data: Callable[[int], Mapping[str, Any]],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    side_by_side: bool = True,
) -> Iterator[tuple[Stack, Members, dict[str, SeedData]]]:
    """Yields for each chunk a stack at its first step, its members and their data; traces anew only where it must.

    Args:
        chunks: the places of models and the names of schedules that are trained together.
        models: one for each seed.
        schedules: all of them by name.
        data: a function from a model's place to the parts of its data.
        epochs: of the training to come.
        batch_size: examples a step.
        learning_rate: Adam's.
        side_by_side: whether members are computed at once.
    """
    stack = None
    for rows, names in chunks:
        seeded, chosen = [models[r] for r in rows], {name: schedules[name] for name in names}
        if stack is None or not stack.takes(len(rows), list(chosen.values())):
            stack = Stack(seeded, list(chosen.values()), batch_size, learning_rate, side_by_side)
        given = [data(r) for r in rows]
        own = {part: SeedData([parts[part] for parts in given]) for part in PARTS}
        stack.restart(seeded, list(chosen.values()), own["train"], own["val"], epochs)
        yield stack, Members([model.seed for model in seeded], chosen, epochs), own


def trained(
    untrained: Iterable[tuple[Stack, Members, dict[str, SeedData]]],
    train: Callable[[Stack, Members], None],
    finish: Callable[[Stack, Members, dict[str, SeedData]], GridResult],
    build_model: Callable[[int], VAE],
) -> GridResult:
    """Trains one stack after another and returns the results as one, what there is of them after Ctrl-C.

    Args:
        untrained: as `stacks` yields them.
        train: trains the members of a stack for all epochs; where Ctrl-C stops it, the epochs noted by then count.
        finish: returns the result of a stack.
        build_model: the function from a seed to its model.

    Raises:
        KeyboardInterrupt: if it came before the first epoch was noted.
    """
    results, interrupted = [], False
    with quiet(RETRACED):
        try:
            for stack, members, data in untrained:
                try:
                    train(stack, members)
                except KeyboardInterrupt:
                    interrupted = True
                if members.epochs_done:
                    results.append(finish(stack, members, data))
                if interrupted:
                    break
        except KeyboardInterrupt:  # between two stacks
            interrupted = True
    if not results:
        raise KeyboardInterrupt
    result = joined(results, build_model, interrupted)
    if broken := int(result.final["failure"].notna().sum()):
        text = f"{broken} of {len(result.final)} members broke: the column `failure` of `final` says how."
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    return result
