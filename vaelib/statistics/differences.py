"""Schedules against a baseline, paired by seed: differences, intervals, verdicts; and who wins how often."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from vaelib._arrays import Array
from vaelib._checks import argument_error, boolean, finite_float, one_of, positive_int
from vaelib.statistics._intervals import (
    MOST_FLIPPED,
    Interval,
    holm,
    mean_and_sd,
    sign_flip_interval,
    t_interval,
    wilson,
)
from vaelib.statistics._tables import by_seed

VERDICTS = ("better", "worse", "no practical difference", "cannot tell at this size")
"""What `paired_differences` may say of a schedule."""

_INTERVALS: dict[str, Callable[[Array, float], Interval]] = {"t": t_interval, "sign-flip": sign_flip_interval}
_FINEST = 1e-6


def paired_differences(
    table: pd.DataFrame,
    measure: str = "negative_elbo",
    baseline: str = "constant",
    *,
    smallest_effect: float,
    confidence: float = 0.95,
    method: str = "t",
    lower_is_better: bool = True,
) -> pd.DataFrame:
    """Compares each schedule with a baseline over the seeds that both have, and gives a verdict on each.

    The difference is schedule − baseline. Its interval decides, by where the whole of it lies:

    - beyond the smallest effect on the good side: "better"; on the bad side: "worse";
    - within ± the smallest effect, its ends included: "no practical difference", even where it leaves out 0;
    - else, or with fewer than two pairs: "cannot tell at this size".

    So a schedule is "better" only if it is better by more than the smallest effect, and more seeds never turn one
    true verdict into another. With m schedules beside the baseline, each interval has the level
    1 − (1 − `confidence`) / m (Bonferroni): all m together hold their true differences, and all verdicts are true, with
    a probability of at least `confidence`. Holm's p values test less, whether there is any difference at all, and
    reject more: wherever an interval leaves out 0, `p_holm` <= 1 − `confidence`, but not the other way round.

    Args:
        table: one row for each schedule and seed, with the columns `schedule`, `seed` and the measure, as
            `train_grid(…).final`. A member has failed if its value is missing, infinite or above 1e30 in size, or if
            a column `failure` says so. Give only the schedules that are to be compared: m counts them all.
        measure: a column of numbers.
        baseline: the schedule that the others are compared with.
        smallest_effect: the smallest difference that would matter, >= 0, in units of the measure. Choose it before
            looking at results.
        confidence: in (0, 1), default 0.95.
        method: "t" (default) takes the differences to be normal; "sign-flip" only to be symmetric, and is exact: it
            goes through all 2ⁿ flips of signs, for 20 pairs at most. Its smallest p value is 2 / 2ⁿ: where that is
            above (1 − `confidence`) / m the interval is infinite.
        lower_is_better: False for measures like `active_units`.

    Returns:
        One row for each other schedule, in the table's order, with the columns `schedule`, `baseline`, `measure`;
        `pairs`, and `dropped`, the other seeds of the table, on which one of the two has failed or is missing;
        `baseline_mean`, `schedule_mean`, `difference` and `sd` (of the differences), all over the pairs; `low` and
        `high`, the interval; `p` and `p_holm`; `win_rate`, the share of pairs in which the schedule is better, a
        tie being half, in Wilson's interval `win_low` to `win_high`, of the same level; `smallest_effect`; `verdict`.
        What cannot be computed is NaN. Seeds seldom fail by chance: where `dropped` is not 0, look at them first.

    Raises:
        ValueError: if the table is no such table or has one schedule only, or an argument is out of range.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure"; the verdicts: interval inclusion,
    as in tests of equivalence, Schuirmann 1987, "A comparison of the two one-sided tests procedure and the power
    approach".

    >>> table = pd.DataFrame({"seed": [0, 1, 2] * 2, "schedule": ["constant"] * 3 + ["linear"] * 3})
    >>> table["negative_elbo"] = [30.0, 32.0, 31.0, 27.1, 29.0, 27.9]
    >>> frame = paired_differences(table, smallest_effect=0.5)
    >>> frame[["pairs", "difference", "low", "high", "verdict"]].round(2).values.tolist()
    [[3, -3.0, -3.25, -2.75, 'better']]
    >>> paired_differences(table, smallest_effect=3.0)["verdict"].item()
    'cannot tell at this size'
    >>> paired_differences(table, smallest_effect=4.0)["verdict"].item()
    'no practical difference'
    """
    wide = by_seed("table", table, measure)
    one_of("baseline", baseline, wide.columns)
    smallest = finite_float("smallest_effect", smallest_effect, minimum=0.0)
    level = finite_float("confidence", confidence, minimum=0.0, exclusive=True, below=1.0)
    interval = _INTERVALS[one_of("method", method, _INTERVALS)]
    sign = 1 if boolean("lower_is_better", lower_is_better) else -1
    others = [name for name in wide.columns if name != baseline]
    alpha = (1 - level) / len(others)
    rows = []
    for name in others:
        both = wide[[baseline, name]].dropna().to_numpy()  # (pairs, 2)
        if method == "sign-flip" and len(both) > MOST_FLIPPED:
            raise argument_error("method", f"be 't' for more than {MOST_FLIPPED} pairs", method)
        rows.append(
            {"schedule": name, "baseline": baseline, "measure": measure}
            | {"pairs": len(both), "dropped": len(wide) - len(both)}
            | _compared(both, alpha, interval, sign)
        )
    frame = pd.DataFrame(rows)
    frame["p_holm"] = holm(frame["p"])
    frame["smallest_effect"] = smallest
    ends = sign * frame[["low", "high"]].to_numpy()[:, ::sign]  # as if lower were better
    frame["verdict"] = [_verdict(low, high, smallest) for low, high in ends]
    return frame


def win_matrix(table: pd.DataFrame, measure: str = "negative_elbo", *, lower_is_better: bool = True) -> pd.DataFrame:
    """Returns for every two schedules the share of their common seeds in which the row's is better than the column's.

    A tie counts half to each: a number and its mirror image sum to 1, and the diagonal is 1/2. Without a common seed
    the share is NaN.

    Args:
        table: as in `paired_differences`.
        measure: a column of numbers.
        lower_is_better: False for measures like `active_units`.

    Returns:
        Schedules × schedules, in the table's order.

    Raises:
        ValueError: if the table is no such table or has one schedule only.

    >>> table = pd.DataFrame({"schedule": ["a", "a", "b", "b"], "seed": [0, 1, 0, 1], "kl": [3.0, 3.0, 4.0, 3.0]})
    >>> win_matrix(table, "kl").values.tolist()
    [[0.5, 0.75], [0.25, 0.5]]
    """
    wide = by_seed("table", table, measure)
    sign = 1 if boolean("lower_is_better", lower_is_better) else -1
    values = wide.to_numpy()  # (seeds, schedules)
    outcome = np.sign(sign * (values[:, np.newaxis, :] - values[:, :, np.newaxis]))  # 1 where the row is better
    pairs = np.isfinite(outcome).sum(axis=0)
    wins = np.nansum((1 + outcome) / 2, axis=0)
    shares = np.divide(wins, pairs, out=np.full(wins.shape, np.nan), where=pairs > 0)
    return pd.DataFrame(shares, index=wide.columns, columns=wide.columns.rename("against"))


def seeds_needed(
    sd: float, smallest_effect: float, comparisons: int = 1, *, confidence: float = 0.95, power: float = 0.8
) -> int:
    """Returns how many seeds `paired_differences` needs to tell a schedule from one that matters.

    That is the smallest n with (t₁ + t₂) sd / √n <= smallest effect, where t₁ and t₂ are the quantiles of Student's t
    at n − 1 that the interval's level and `power` leave out on both sides. With about the probability `power` or more,
    a schedule without a true difference then gets "no practical difference", and one whose true difference is
    twice the smallest effect its "better" or "worse". A true difference of exactly the smallest effect stays untold,
    however many the seeds.

    Args:
        sd: standard deviation of the paired differences, >= 0: the column `sd` of a first comparison.
        smallest_effect: > 0, a millionth of `sd` at least.
        comparisons: schedules beside the baseline, >= 1.
        confidence: in (0, 1), default 0.95.
        power: in (0, 1), default 0.8.

    Raises:
        ValueError: if an argument is out of range.

    >>> seeds_needed(sd=1.0, smallest_effect=1.0), seeds_needed(sd=1.0, smallest_effect=0.5, comparisons=7)
    (13, 67)
    """
    spread = finite_float("sd", sd, minimum=0.0)
    effect = finite_float("smallest_effect", smallest_effect, minimum=_FINEST * spread, exclusive=spread == 0)
    level = finite_float("confidence", confidence, minimum=0.0, exclusive=True, below=1.0)
    chance = finite_float("power", power, minimum=0.0, exclusive=True, below=1.0)
    tails = np.array([(1 - level) / positive_int("comparisons", comparisons), 1 - chance]) / 2
    ratio = spread / effect
    n = max(2, math.ceil((stats.norm.isf(tails).sum() * ratio) ** 2))  # Student's t asks for some more
    while stats.t.isf(tails, n - 1).sum() * ratio > math.sqrt(n):
        n += 1
    return n


def _compared(both: Array, alpha: float, interval: Callable[[Array, float], Interval], sign: int) -> dict[str, float]:
    """The numbers of a schedule from the baseline's values and its own, (pairs, 2); sign is 1 where low is good."""
    pairs, differences = len(both), both[:, 1] - both[:, 0]
    means = both.mean(axis=0) if pairs else np.full(2, math.nan)
    difference, sd = mean_and_sd(differences)
    low, high, p = interval(differences, alpha) if pairs > 1 else (math.nan,) * 3
    wins = float(np.sum((1 - np.sign(sign * differences)) / 2))
    win_low, win_high = wilson(wins, pairs, alpha) if pairs else (math.nan,) * 2
    return {
        "baseline_mean": float(means[0]),
        "schedule_mean": float(means[1]),
        "difference": difference,
        "sd": sd,
        "low": low,
        "high": high,
        "p": p,
        "p_holm": math.nan,  # of all schedules together
        "win_rate": wins / pairs if pairs else math.nan,
        "win_low": win_low,
        "win_high": win_high,
    }


def _verdict(low: float, high: float, smallest: float) -> str:
    """The verdict on an interval of differences of which the lower are the better."""
    better, worse, same, unknown = VERDICTS
    if high < -smallest:
        return better
    if low > smallest:
        return worse
    return same if low >= -smallest and high <= smallest else unknown
