"""Whether a ranking of schedules survives another setting: twice the epochs, another learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import pandas as pd
from scipy import stats

from vaelib._checks import Described, argument_error, boolean, finite_float
from vaelib.statistics._tables import by_seed


@dataclass(frozen=True, eq=False)
class RankAgreement:
    """How far two settings, a and b, rank the same schedules alike.

    Attributes:
        tau: Kendall's τ of the means, from −1 (reversed) to 1 (the same order); NaN where all means of a setting are
            equal.
        pairs: the number of pairs of schedules.
        flips: those of them whose order is reversed, each with the one first that is better in a.
        schedules: one row for each schedule: `mean_a` and `mean_b`, over the seeds on which no schedule failed,
            `rank_a` and `rank_b`, 1 being the best and ties sharing their mean rank.
        seeds: how many such seeds a and b have.
    """

    tau: float
    pairs: int
    flips: tuple[tuple[str, str], ...]
    schedules: pd.DataFrame
    seeds: tuple[int, int]


def rank_agreement(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    measure: str = "negative_elbo",
    *,
    smallest_effect: float = 0.0,
    lower_is_better: bool = True,
) -> RankAgreement:
    """Compares the rankings of the same schedules in two settings, by their means over seeds.

    Means carry no interval: a flip of two schedules that `paired_differences` cannot tell apart is chance. Give the
    smallest effect that matters, so that only differences above it count as an order.

    Args:
        table_a: one setting's results, as in `paired_differences`.
        table_b: the other's, of the same schedules; the seeds may be others.
        measure: a column of numbers in both.
        smallest_effect: >= 0, default 0; two schedules flip if their means differ by more than it in both settings,
            in opposite directions.
        lower_is_better: False for measures like `active_units`.

    Raises:
        ValueError: if a table is no such table, the schedules differ, or no seed of a table is without a failure.

    Source: Kendall 1938, "A new measure of rank correlation"; ties (τ-b): Kendall 1945, "The treatment
    of ties in ranking problems".

    >>> table = pd.DataFrame({"schedule": ["a", "b", "c"], "seed": 0, "kl": [1.0, 2.0, 3.0]})
    >>> longer = table.assign(kl=[1.0, 2.5, 2.0])
    >>> agreement = rank_agreement(table, longer, "kl")
    >>> round(agreement.tau, 3), agreement.flips, agreement.pairs
    (0.333, (('b', 'c'),), 3)
    >>> rank_agreement(table, longer, "kl", smallest_effect=0.5).flips
    ()
    """
    wide_a, wide_b = by_seed("table_a", table_a, measure), by_seed("table_b", table_b, measure)
    names = list(wide_a.columns)
    if set(names) != set(wide_b.columns):
        must = f"hold the schedules of `table_a`, {', '.join(map(repr, names))}"
        raise argument_error("table_b", must, Described(f"one with {', '.join(map(repr, wide_b.columns))}"))
    smallest = finite_float("smallest_effect", smallest_effect, minimum=0.0)
    ascending = boolean("lower_is_better", lower_is_better)
    whole = {"table_a": wide_a.dropna(), "table_b": wide_b[names].dropna()}
    for name, wide in whole.items():
        if wide.empty:
            received = Described("one where each seed lacks a schedule")
            remedy = "Leave out the schedules that failed."
            raise argument_error(name, "have a seed on which every schedule has a finite measure", received, remedy)
    a, b = (wide.mean() for wide in whole.values())
    sign = 1 if ascending else -1
    flips = []
    for first, second in combinations(names, 2):
        gap_a, gap_b = sign * (a[first] - a[second]), sign * (b[first] - b[second])
        if min(abs(gap_a), abs(gap_b)) > smallest and (gap_a < 0) != (gap_b < 0):
            flips.append((first, second) if gap_a < 0 else (second, first))
    ranks = {"rank_a": a.rank(ascending=ascending), "rank_b": b.rank(ascending=ascending)}
    return RankAgreement(
        tau=float(stats.kendalltau(a, b).statistic),
        pairs=len(names) * (len(names) - 1) // 2,
        flips=tuple(flips),
        schedules=pd.DataFrame({"mean_a": a, "mean_b": b} | ranks).rename_axis("schedule").reset_index(),
        seeds=(len(whole["table_a"]), len(whole["table_b"])),
    )
