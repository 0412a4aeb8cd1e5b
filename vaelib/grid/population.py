"""Population-based training of β: members of one seed that copy the better ones and vary their β."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from vaelib._checks import Described, argument_error, boolean, finite_float, positive_int
from vaelib.callbacks import BetaSchedule
from vaelib.data import Dataset
from vaelib.grid.arguments import data_of, hides_bar, models_of, seeds_of
from vaelib.grid.chunks import bytes_of, chunks_of, stacks, trained
from vaelib.grid.mapped import require_stackable
from vaelib.grid.members import Members
from vaelib.grid.result import GridResult
from vaelib.grid.seed_data import SeedData
from vaelib.grid.stack import Stack
from vaelib.models.vae import VAE
from vaelib.schedules import ConstantBetaScheduler

NAME = "population"


@dataclass(frozen=True, eq=False, repr=False)
class PopulationResult(GridResult):
    """What `train_population` returns: a `GridResult` with one row of `final` for each seed, its best `member`.

    `history` has one row for each member, seed and epoch; `final` and `model` name the schedule "population".

    Attributes:
        copies: one row for each time that a member gave up: its `seed`, the `epoch` after which it did, its number
            `member`, that of the one whose weights it took, `source`, and its new `beta`.
        found: the schedule that was found: for each seed and epoch the `beta` under which the weights that were kept
            were trained, and the `member` that they were then.
    """

    copies: pd.DataFrame = field(default_factory=pd.DataFrame)
    found: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __repr__(self) -> str:
        return self._summary(f"{self.history['member'].nunique()} members")


def train_population(
    build_model: Callable[[int], VAE],
    dataset: Dataset,
    population: int = 8,
    seeds: int | Sequence[int] = 10,
    epochs: int = 50,
    batch_size: int = 64,
    *,
    betas: tuple[float, float] = (0.1, 10.0),
    every: int = 5,
    share: float = 0.25,
    factor: float = 1.25,
    learning_rate: float = 1e-3,
    resplit: bool = False,
    verbose: int | str = "auto",
) -> PopulationResult:
    """Trains populations that find a schedule of β by themselves: exploit by copying weights, explore by varying β.

    Each seed has a population of members that begin with the same weights and a β each, drawn log-uniformly. After
    every few epochs the worst members of a seed, by validation negative ELBO at β = 1, take the weights and Adam's
    moments of one of the best, and its β times or divided by a factor. Of each seed the member with the best epoch is
    kept; the β that its weights were trained with, copied ones included, is the schedule that was found. The budget is
    that of as many fixed schedules, so compare the test figures with the best of those, chosen on validation data too.

    Args:
        build_model: returns a model with one KL weight for a seed, as for `train_grid`.
        dataset: training, validation and test data.
        population: members of each seed, >= 4.
        seeds: their number, or the seeds themselves.
        epochs: number of epochs, >= 1.
        batch_size: examples a step.
        betas: the lowest and the highest β, 0 < low < high; also the bounds of all later ones.
        every: epochs between two rounds of copying, >= 1.
        share: of the population that gives up in a round, and of that which is copied, in (0, 0.5].
        factor: by which a copied β is multiplied or divided, > 1.
        learning_rate: Adam's, > 0.
        resplit: whether each seed has its own split of the data.
        verbose: "auto" (a progress bar on a terminal, else nothing), 0 (nothing) or 1 (bar).

    Returns:
        A `PopulationResult`. Stopped from the keyboard, it holds what has been trained so far.

    Raises:
        ValueError: before anything is trained, if an argument or the data is unusable, or the model has several KL
            weights or a layer that cannot be stacked.

    Source: Jaderberg et al. (2017), arXiv 1711.09846.
    """
    population = positive_int("population", population, minimum=4)
    epochs, batch_size, every = (
        positive_int(name, value) for name, value in (("epochs", epochs), ("batch_size", batch_size), ("every", every))
    )
    share = finite_float("share", share, minimum=0, exclusive=True)
    if share > 0.5:
        raise argument_error("share", "be <= 0.5: who is copied does not give up", share)
    factor = finite_float("factor", factor, minimum=1, exclusive=True)
    low, high = _range(betas)
    learning_rate = finite_float("learning_rate", learning_rate, minimum=0, exclusive=True)
    boolean("resplit", resplit)
    hidden = hides_bar(verbose, ("auto", 0, 1))
    numbers = seeds_of(seeds)
    models = models_of(build_model, numbers)
    if list(models[0].scheduled) != ["beta"]:
        received = Described(f"a {type(models[0]).__name__} with {' and '.join(models[0].scheduled)}")
        raise argument_error("build_model", "build a model with one KL weight and no capacity", received)
    data = data_of(models, dataset, batch_size, resplit)
    require_stackable("build_model", models[0])

    names = [str(member) for member in range(population)]
    schedules = {name: BetaSchedule(ConstantBetaScheduler(low)) for name in names}
    exploration = _Exploration(max(1, int(share * population)), factor, low, high)
    copies: list[dict[str, Any]] = []
    own_bytes = bytes_of(dataset, resplit)
    chunks = chunks_of(models[0], len(models), names, batch_size, own_bytes, whole_seeds=True)
    with tqdm(total=epochs * len(chunks), unit="epoch", disable=hidden) as bar:
        whole = trained(
            stacks(chunks, models, schedules, data, epochs, batch_size, learning_rate),
            lambda stack, members: _train(stack, members, epochs, every, exploration, copies, bar),
            _best_of_each_seed,
            build_model,
        )
    history = whole.history.rename(columns={"schedule": "member"})
    history["member"] = history["member"].astype(int)
    table = pd.DataFrame(copies, columns=["seed", "epoch", "member", "source", "beta"])
    table = table.sort_values(["seed", "epoch", "member"], ignore_index=True)
    return PopulationResult(
        history,
        whole.final,
        whole.interrupted,
        _build=build_model,
        _weights=whole._weights,
        _scheduled=whole._scheduled,
        copies=table,
        found=_found(whole.final, history, table),
    )


@dataclass(frozen=True)
class _Exploration:
    """How many members give up in a round, and how β is varied within which bounds."""

    count: int
    factor: float
    low: float
    high: float

    def start(self, population: int, chances: Sequence[np.random.Generator]) -> npt.NDArray[Any]:
        """Returns the first β of each member (R, S), log-uniform."""
        low, high = np.log([self.low, self.high])
        return np.exp([chance.uniform(low, high, population) for chance in chances])

    def next(
        self, value: npt.NDArray[Any], beta: npt.NDArray[Any], chances: Sequence[np.random.Generator]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Returns whom each member (R, S) copies, itself or a better one, and its next β; a low value is good."""
        source = np.tile(np.arange(value.shape[1]), (len(value), 1))
        after = beta.copy()
        for r, chance in enumerate(chances):
            order = np.argsort(np.where(np.isfinite(value[r]), value[r], np.inf), kind="stable")
            best, worst = order[: self.count], order[-self.count :]
            source[r, worst] = chance.choice(best, self.count)
            with np.errstate(over="ignore"):  # a huge factor: to the bounds
                after[r, worst] = beta[r, source[r, worst]] * self.factor ** chance.choice([-1.0, 1.0], self.count)
        return source, np.clip(after, self.low, self.high)


def _train(
    stack: Stack,
    members: Members,
    epochs: int,
    every: int,
    exploration: _Exploration,
    copies: list[dict[str, Any]],
    bar: Any,
) -> None:
    """Trains the populations of a stack and notes who copied whom."""
    population = len(members.names)
    chances = [np.random.default_rng([seed, population]) for seed in members.seeds]
    beta = exploration.start(population, chances)
    stack.betas.hold("beta", beta)
    for epoch in range(epochs):
        figures = stack.train_epoch(epoch)
        members.note(figures, stack)
        bar.update()
        if (epoch + 1) % every or epoch + 1 == epochs:
            continue
        source, beta = exploration.next(figures["val_negative_elbo"], beta, chances)
        stack.copy_members(source)
        stack.betas.hold("beta", beta)
        copies += [
            {"seed": members.seeds[r], "epoch": epoch, "member": s, "source": source[r, s], "beta": beta[r, s]}
            for r, s in zip(*np.nonzero(source != np.arange(population)), strict=True)
        ]


def _best_of_each_seed(stack: Stack, members: Members, data: dict[str, SeedData]) -> GridResult:
    """The history of all members, and of each seed the member with the best epoch."""
    whole = members.finish(stack, data["train"], data["test"])
    chosen = {seed: members.names[int(np.argmin(members.best[r]))] for r, seed in enumerate(members.seeds)}
    final = whole.final.set_index(["seed", "schedule"]).loc[list(chosen.items())].reset_index()
    final = final.rename(columns={"schedule": "member"}).astype({"member": int})
    final.insert(0, "schedule", NAME)
    return GridResult(
        whole.history,
        final,
        _weights={(NAME, seed): whole._weights[name, seed] for seed, name in chosen.items()},
        _scheduled={(NAME, seed): whole._scheduled[name, seed] for seed, name in chosen.items()},
    )


def _found(final: pd.DataFrame, history: pd.DataFrame, copies: pd.DataFrame) -> pd.DataFrame:
    """Follows the kept weights of each seed back through the members that they were copied from."""
    beta = history.set_index(["seed", "member", "epoch"])["beta"].sort_index()
    source = copies.set_index(["seed", "epoch", "member"])["source"].to_dict()
    rows = []
    for seed, member, best_epoch in final[["seed", "member", "best_epoch"]].itertuples(index=False):
        last = beta.loc[seed, member].index.max() if pd.isna(best_epoch) else best_epoch
        for epoch in range(last, -1, -1):
            member = source.get((seed, epoch, member), member) if epoch < last else member
            rows.append({"seed": seed, "epoch": epoch, "member": member, "beta": beta[seed, member, epoch]})
    table = pd.DataFrame(rows, columns=["seed", "epoch", "member", "beta"])
    return table.iloc[::-1].sort_values("seed", kind="stable", ignore_index=True)


def _range(betas: Any) -> tuple[float, float]:
    must = "be a pair (low, high) with 0 < low < high"
    if not isinstance(betas, list | tuple) or len(betas) != 2:
        raise argument_error("betas", must, betas)
    low, high = (finite_float(f"betas[{i}]", beta, minimum=0, exclusive=True) for i, beta in enumerate(betas))
    if low >= high:
        raise argument_error("betas", must, betas)
    return low, high
