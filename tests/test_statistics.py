"""Paired statistics against hand-computed numbers, SciPy, enumeration and simulation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from vaelib import paired_differences, rank_agreement, seeds_needed, win_matrix
from vaelib.statistics import VERDICTS
from vaelib.statistics._intervals import holm, mean_and_sd, sign_flip_interval, t_interval, wilson

BETTER, WORSE, SAME, UNKNOWN = VERDICTS
SIX = np.array([1.3, -0.4, 2.2, 0.9, 0.3, 1.7])


def results(values: dict[str, npt.ArrayLike], measure: str = "negative_elbo") -> pd.DataFrame:
    """A table from each schedule's values over seeds 0, 1, …"""
    tables = [
        pd.DataFrame({"schedule": name, "seed": np.arange(len(own)), measure: own})
        for name, own in ((name, np.asarray(own, np.float64)) for name, own in values.items())
    ]
    return pd.concat(tables, ignore_index=True)


def against_zero(differences: npt.ArrayLike, smallest_effect: float = 1.0, **options: Any) -> pd.Series:
    """The row of a schedule whose differences from the baseline are given."""
    table = results({"constant": np.zeros(len(np.asarray(differences))), "other": differences})
    return paired_differences(table, smallest_effect=smallest_effect, **options).iloc[0]


# ---------------------------------------------------------------- paired differences


def test_numbers_by_hand() -> None:
    """Differences −3, −3, −1.5, −2.5: mean −2.5, sd √0.5, t at 3 degrees of freedom 3.18245."""
    table = results({"constant": [30.0, 32.0, 31.0, 33.0], "linear": [27.0, 29.0, 29.5, 30.5]})
    frame = paired_differences(table, smallest_effect=1.0)
    reach = 3.182446 * math.sqrt(0.5) / 2
    t = 2.5 / math.sqrt(0.125)
    p = 1 - 2 / math.pi * (math.atan(t / math.sqrt(3)) + t * math.sqrt(3) / (3 + t**2))
    expected = {
        "schedule": "linear",
        "baseline": "constant",
        "measure": "negative_elbo",
        "pairs": 4,
        "dropped": 0,
        "baseline_mean": 31.5,
        "schedule_mean": 29.0,
        "difference": -2.5,
        "sd": math.sqrt(0.5),
        "low": -2.5 - reach,
        "high": -2.5 + reach,
        "p": p,
        "p_holm": p,
        "win_rate": 1.0,
        "win_low": 4 / (4 + 1.959964**2),
        "win_high": 1.0,
        "smallest_effect": 1.0,
        "verdict": BETTER,
    }
    assert list(frame.columns) == list(expected)
    assert len(frame) == 1
    for name, value in expected.items():
        assert frame[name].item() == (value if isinstance(value, str) else pytest.approx(value, abs=1e-5)), name


def test_intervals_share_the_error_and_p_values_are_holms() -> None:
    """With three schedules beside the baseline each interval is at 1 − 0.06 / 3 = 0.98."""
    rng = np.random.default_rng(1)
    seeds = rng.normal(size=12)
    shifts = {"b": 0.0, "c": 0.2, "a": 0.6, "d": 0.4}
    values = {name: seeds + shift + 0.3 * rng.normal(size=12) for name, shift in shifts.items()}
    frame = paired_differences(results(values), baseline="b", smallest_effect=0.1, confidence=0.94)
    frame = frame.set_index("schedule")
    assert list(frame.index) == ["c", "a", "d"]  # as in the table
    for name in "cad":
        found = stats.ttest_rel(values[name], values["b"])
        low, high = found.confidence_interval(0.98)
        assert frame.loc[name, ["p", "low", "high"]].tolist() == pytest.approx([found.pvalue, low, high], rel=1e-9)
    p = frame["p"].sort_values()
    steps = [3 * p.iloc[0], max(3 * p.iloc[0], 2 * p.iloc[1]), max(3 * p.iloc[0], 2 * p.iloc[1], p.iloc[2])]
    assert frame.loc[p.index, "p_holm"].tolist() == pytest.approx(np.minimum(steps, 1.0).tolist())


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-3.0, -1.5, BETTER),
        (-3.0, -1.0 - 1e-9, BETTER),
        (-3.0, -1.0 + 1e-9, UNKNOWN),  # may be no more than the smallest effect
        (-3.0, -0.2, UNKNOWN),  # leaves out 0, and may not matter
        (-0.9, -0.2, SAME),  # leaves out 0, and does not matter
        (-1.0 + 1e-9, 1.0 - 1e-9, SAME),
        (-1.0 - 1e-9, 0.5, UNKNOWN),
        (-0.5, 1.0 + 1e-9, UNKNOWN),
        (-0.1, 0.2, SAME),
        (-0.5, 1.5, UNKNOWN),
        (-2.0, 2.0, UNKNOWN),
        (0.2, 3.0, UNKNOWN),
        (1.0 - 1e-9, 3.0, UNKNOWN),
        (1.0 + 1e-9, 3.0, WORSE),
        (1.5, 3.0, WORSE),
    ],
)
@pytest.mark.parametrize("lower_is_better", [True, False])
def test_every_branch_of_the_verdict(low: float, high: float, verdict: str, lower_is_better: bool) -> None:
    """Of two differences the interval at 1/2, where t at one degree of freedom is 1, reaches from one to the other."""
    row = against_zero([low, high], 1.0, confidence=0.5, lower_is_better=lower_is_better)
    assert [row.low, row.high] == pytest.approx([low, high], abs=1e-12)
    if not lower_is_better:
        verdict = {BETTER: WORSE, WORSE: BETTER}.get(verdict, verdict)
    assert row.verdict == verdict


def test_equal_differences_have_an_interval_without_width() -> None:
    row = against_zero([-0.1] * 7, 0.05)
    assert (row.low, row.high, row.difference, row.sd, row.p, row.verdict) == (-0.1, -0.1, -0.1, 0.0, 0.0, BETTER)
    assert against_zero([-0.1] * 7, 0.1).verdict == SAME  # −0.1 itself is no more than the smallest effect
    row = against_zero([0.0] * 7, 0.0)
    assert (row.low, row.high, row.p, row.win_rate, row.verdict) == (0.0, 0.0, 1.0, 0.5, SAME)
    row = against_zero([-0.1] * 7, 0.05, method="sign-flip")
    assert (row.low, row.high, row.p, row.verdict) == (-0.1, -0.1, 2 / 2**7, BETTER)


def test_without_a_smallest_effect_any_difference_is_one() -> None:
    assert against_zero([-0.1, -0.11], 0.0).verdict == BETTER
    assert against_zero([0.1, 0.11], 0.0).verdict == WORSE
    assert against_zero([-0.1, 0.11], 0.0).verdict == UNKNOWN


def test_members_said_to_have_failed_are_dropped_whatever_their_figures() -> None:
    table = results({"constant": [1.0, 2.0, 3.0], "other": [1.0, 2.0, 9.0]})
    table["failure"] = [None] * 5 + ["the loss was no longer finite at step 9, in the KL term"]
    frame = paired_differences(table, smallest_effect=1.0).iloc[0]
    assert (frame["pairs"], frame["dropped"], frame["difference"], frame["verdict"]) == (2, 1, 0.0, SAME)


def test_failed_members_are_dropped_and_counted() -> None:
    nan, inf = math.nan, math.inf
    values = {
        "constant": [1.0, 2.0, 3.0, nan, 5.0],
        "few": [2.0, inf, 4.5, 1.0, 1e31],  # pairs on seeds 0 and 2
        "one": [nan, nan, nan, 1.0, 7.0],  # a pair on seed 4
        "none": [nan, nan, nan, 1.0, -inf],
    }
    table = results(values).drop(index=8)  # seed 3 of "few" has no row at all
    frame = paired_differences(table, smallest_effect=100.0).set_index("schedule")
    assert frame["pairs"].tolist() == [2, 1, 0]
    assert frame["dropped"].tolist() == [3, 4, 5]
    assert frame["verdict"].tolist() == [SAME, UNKNOWN, UNKNOWN]
    assert frame.loc["few", ["baseline_mean", "schedule_mean", "difference"]].tolist() == [2.0, 3.25, 1.25]
    assert frame.loc["one", ["baseline_mean", "schedule_mean", "difference"]].tolist() == [5.0, 7.0, 2.0]
    assert frame.loc["one", ["sd", "low", "high", "p", "p_holm"]].isna().all()
    assert frame.loc["one", "win_rate"] == 0.0
    assert frame.loc["none", "baseline_mean":"win_high"].isna().all()
    # what could not be tested still counts among the three
    assert frame.loc["few", "p_holm"] == pytest.approx(min(1, 3 * frame.loc["few", "p"]))
    assert frame.loc["few", "low"] == pytest.approx(t_interval(np.array([1.0, 1.5]), 0.05 / 3).low)


def test_win_rates_count_a_tie_as_half() -> None:
    row = against_zero([-1.0, -1.0, 0.0, 2.0])
    assert row.win_rate == 0.625
    assert (row.win_low, row.win_high) == pytest.approx(wilson(2.5, 4, 0.05))
    assert against_zero([-1.0, -1.0, 0.0, 2.0], lower_is_better=False).win_rate == 0.375


@pytest.mark.parametrize(("wins", "n"), [(0, 1), (3, 10), (10, 10), (7, 40)])
def test_wilson_is_scipys(wins: int, n: int) -> None:
    expected = stats.binomtest(wins, n).proportion_ci(0.9, method="wilson")
    assert wilson(wins, n, 0.1) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_tables_as_they_come_back_from_csv_and_from_nullable_columns() -> None:
    table = results({"1": [5, 3, 4], "0.5": [2, 2, 2]}, "active_units").astype({"active_units": "Int64"})
    table.loc[0, "active_units"] = pd.NA
    table["schedule"] = table["schedule"].astype(float)  # β as a name
    frame = paired_differences(table, "active_units", "1.0", smallest_effect=1, lower_is_better=False)
    assert frame[["schedule", "pairs", "dropped", "difference"]].values.tolist() == [["0.5", 2, 1, -1.5]]


def test_the_table_stays_as_it_is() -> None:
    table = results({"constant": [1.0, 2.0], "linear": [2.0, 2.5]})
    before = table.copy()
    paired_differences(table, smallest_effect=1.0)
    win_matrix(table)
    rank_agreement(table, table)
    pd.testing.assert_frame_equal(table, before)


SMALL = st.integers(-20, 20).map(lambda n: n / 4)  # sums of quarters are exact


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (3, 6), elements=SMALL), st.sampled_from(["t", "sign-flip"]))
def test_swapping_the_baseline_negates(values: npt.NDArray[np.float64], method: str) -> None:
    table = results(dict(zip(["constant", "linear"], values[:2], strict=True)))
    there = paired_differences(table, smallest_effect=1.0, method=method).iloc[0]
    back = paired_differences(table, baseline="linear", smallest_effect=1.0, method=method).iloc[0]
    assert [there.difference, there.low, there.high] == pytest.approx([-back.difference, -back.high, -back.low])
    assert (there.p, there.sd) == pytest.approx((back.p, back.sd))
    assert [there.win_rate, there.win_low] == pytest.approx([1 - back.win_rate, 1 - back.win_high])
    # the same up to rounding at the ends of the smallest effect
    if min(abs(abs(end) - 1) for end in (there.low, there.high)) > 1e-9:
        assert there.verdict == {BETTER: WORSE, WORSE: BETTER}.get(back.verdict, back.verdict)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (3, 6), elements=SMALL), arrays(np.float64, 6, elements=SMALL))
def test_what_a_seed_adds_to_all_schedules_changes_nothing(
    values: npt.NDArray[np.float64], of_seeds: npt.NDArray[np.float64]
) -> None:
    names = ["constant", "linear", "cosine"]
    plain = paired_differences(results(dict(zip(names, values, strict=True))), smallest_effect=1.0)
    moved = paired_differences(results(dict(zip(names, values + of_seeds, strict=True))), smallest_effect=1.0)
    means = ["baseline_mean", "schedule_mean"]
    pd.testing.assert_frame_equal(plain.drop(columns=means), moved.drop(columns=means), check_exact=True)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (5, 7), elements=SMALL), st.sampled_from(["t", "sign-flip"]), st.floats(0.5, 0.99))
def test_p_values_intervals_and_verdicts_agree(values: npt.NDArray[np.float64], method: str, confidence: float) -> None:
    table = results(dict(zip("abcde", values, strict=True)))
    frame = paired_differences(table, baseline="a", smallest_effect=0.5, method=method, confidence=confidence)
    alpha = 1 - confidence
    assert (frame["p_holm"] >= frame["p"]).all()
    assert frame.sort_values("p")["p_holm"].is_monotonic_increasing
    excludes = (frame["low"] > 0) | (frame["high"] < 0)
    near = (frame["p"] * 4 - alpha).abs() < 1e-9
    assert (excludes == (frame["p"] * 4 <= alpha))[~near].all()
    assert (frame["p_holm"][excludes] <= alpha + 1e-9).all()
    inside = (frame["low"] <= frame["difference"] + 1e-12) & (frame["difference"] <= frame["high"] + 1e-12)
    assert inside.all()


@given(arrays(np.float64, st.integers(1, 8), elements=st.floats(0, 1)))
def test_holm_steps_down(p: npt.NDArray[np.float64]) -> None:
    """Rejected at alpha are the smallest p values, up to the first above alpha / (m − k + 1)."""
    for alpha in (0.01, 0.05, 0.3):
        rejected = set()
        for k, i in enumerate(np.argsort(p, kind="stable")):
            if p[i] * (len(p) - k) > alpha:
                break
            rejected.add(int(i))
        assert set(np.flatnonzero(holm(p) <= alpha).tolist()) == rejected


def test_holm_without_some_p_values() -> None:
    assert holm([math.nan, 0.2, 0.01]) == pytest.approx([math.nan, 0.4, 0.03], nan_ok=True)
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]


# ---------------------------------------------------------------- sign flips


def flipped(differences: npt.NDArray[np.float64], centre: float) -> float:
    """The two-sided p value of a centre: the share of all sign flips whose sum is as far from 0 or farther."""
    moved = differences - centre
    sums = np.array([np.dot(signs, moved) for signs in itertools.product([1, -1], repeat=len(moved))])
    return float(np.mean(np.abs(sums) >= abs(moved.sum()) - 1e-12))


def test_sign_flips_by_enumeration() -> None:
    """The interval holds exactly the centres that enumeration does not refuse."""
    for alpha in (0.04, 0.1, 0.33, 0.6):
        low, high, p = sign_flip_interval(SIX, alpha)
        assert p == flipped(SIX, 0.0)
        kept = [centre for centre in np.linspace(-3, 4, 281) if flipped(SIX, centre) > alpha]
        assert low <= kept[0] < low + 0.025
        assert high - 0.025 < kept[-1] <= high
        assert len(kept) == round((kept[-1] - kept[0]) / 0.025) + 1


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, st.integers(2, 8), elements=SMALL))
def test_sign_flips_are_scipys(differences: npt.NDArray[np.float64]) -> None:
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, axis=0
    ).pvalue
    assert sign_flip_interval(differences, 0.05).p == pytest.approx(expected)


def test_too_few_pairs_for_sign_flips() -> None:
    """Of five pairs the smallest p value is 2 / 32, of six 2 / 64."""
    row = against_zero(SIX[:5] - 10, 1.0, method="sign-flip")
    assert (row.p, row.low, row.high, row.verdict) == (0.0625, -math.inf, math.inf, UNKNOWN)
    row = against_zero(SIX - 10, 1.0, method="sign-flip")
    assert (row.p, row.low, row.high) == pytest.approx((0.03125, -10.4, -7.8))  # the smallest and the largest alone
    assert row.verdict == BETTER


def test_sums_that_rounding_keeps_from_0() -> None:
    """0.1 + 0.2 − 0.3 is a tie with its mirror image, though it is 5.6e-17."""
    assert sign_flip_interval(np.array([0.1, 0.2, -0.3]), 0.5).p == 1.0


# ---------------------------------------------------------------- simulation

TIMES = 3000


def within_chance(count: int, share: float) -> bool:
    """Whether a count among TIMES is one that a probability of `share` gives in all but one case of 10 000."""
    return stats.binomtest(count, TIMES, share).pvalue > 1e-4


def test_t_intervals_hold_the_true_difference_as_often_as_they_say() -> None:
    draws = np.random.default_rng(2).normal(0.7, 1.0, (TIMES, 5))
    ends = np.array([t_interval(row, 0.1)[:2] for row in draws])
    assert within_chance(int(((ends[:, 0] <= 0.7) & (ends[:, 1] >= 0.7)).sum()), 0.9)


def test_sign_flip_intervals_hold_the_centre_as_often_as_they_say() -> None:
    """Of a skewless law with heavy tails; of seven pairs at 0.1, k is 6, and 1 − 2 · 6 / 128 are to hold it."""
    draws = 0.7 + np.random.default_rng(3).standard_t(2, (TIMES, 7))
    ends = np.array([sign_flip_interval(row, 0.1)[:2] for row in draws])
    assert within_chance(int(((ends[:, 0] <= 0.7) & (ends[:, 1] >= 0.7)).sum()), 1 - 12 / 128)


@pytest.mark.parametrize("true", [(0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, -2.0)], ids=["none differs", "two differ"])
def test_families_err_no_more_often_than_they_say(true: tuple[float, ...]) -> None:
    """Four schedules share a baseline, so their errors go together: at most 0.1 of the families hold one.

    An error is an interval without its true difference, or a rejected true hypothesis of no difference.
    """
    rng = np.random.default_rng(4)
    draws = rng.normal(size=(TIMES, 4, 6)) - rng.normal(size=(TIMES, 1, 6)) + np.array(true)[:, np.newaxis]
    missed = rejected = 0
    for family in draws:
        low, high, p = np.array([t_interval(row, 0.1 / 4) for row in family]).T
        missed += bool(((true < low) | (high < true)).any())
        rejected += bool((holm(p) <= 0.1)[np.array(true) == 0].any())
    highest = stats.binom.isf(1e-4, TIMES, 0.1)
    assert missed <= highest
    assert rejected <= highest
    assert min(missed, rejected) > 0.03 * TIMES  # neither is so careful as to be useless


def test_seeds_needed_are_the_fewest() -> None:
    """Simulated: with them "no practical difference" is found often enough where there is none, with one less not."""
    rng = np.random.default_rng(5)
    needed = seeds_needed(2.0, 1.5, 3, power=0.8)

    def found(n: int) -> int:
        draws = rng.normal(0.0, 2.0, (TIMES, n))
        reach = stats.t.isf(0.05 / 6, n - 1) * draws.std(axis=1, ddof=1) / math.sqrt(n)
        return int((np.abs(draws.mean(axis=1)) + reach <= 1.5).sum())

    assert stats.binomtest(found(needed), TIMES, 0.8, "less").pvalue > 1e-4
    assert stats.binomtest(found(needed - 3), TIMES, 0.8, "less").pvalue < 1e-4


def test_seeds_needed_at_the_bounds() -> None:
    assert seeds_needed(0.0, 0.1) == 2
    assert seeds_needed(1e-300, 1e300) == 2
    assert seeds_needed(1.0, 1e-6) == pytest.approx((1.959964 + 1.281552) ** 2 * 1e12, rel=1e-5)
    assert seeds_needed(1.0, 1.0, 7) > seeds_needed(1.0, 1.0, 1) > seeds_needed(1.0, 1.0, 1, power=0.5)


# ---------------------------------------------------------------- win matrix, rankings


def test_win_matrix_by_hand() -> None:
    values = {"c": [1.0, 2.0, 3.0, 4.0], "a": [1.0, 1.0, 4.0, math.nan], "b": [math.nan, 0.0, 0.0, 0.0]}
    wins = win_matrix(results(values))
    assert list(wins.index) == list(wins.columns) == ["c", "a", "b"]
    expected = [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [1.0, 1.0, 0.5]]  # c and a: a tie, a loss, a win
    assert wins.to_numpy().tolist() == expected
    more = win_matrix(results(values), lower_is_better=False)
    assert more.to_numpy().tolist() == np.transpose(expected).tolist()


def test_win_matrix_without_a_common_seed() -> None:
    wins = win_matrix(results({"a": [1.0, math.nan], "b": [math.nan, 1.0]}))
    assert np.isnan(wins.to_numpy()).tolist() == [[False, True], [True, False]]


def test_win_matrix_is_the_win_rate() -> None:
    rng = np.random.default_rng(6)
    table = results({name: rng.integers(0, 4, 9) for name in ("constant", "a", "b")})
    rates = paired_differences(table, smallest_effect=1.0)["win_rate"]
    assert win_matrix(table).loc[["a", "b"], "constant"].tolist() == pytest.approx(rates.tolist())


def test_rank_agreement_by_hand() -> None:
    """Of six pairs, a–b and c–d flip: τ = (4 − 2) / 6."""
    table_a = results({"a": [1.0, 3.0], "b": [2.0, 4.0], "c": [3.0, 5.0], "d": [4.0, 8.0]})
    table_b = results({"d": [9.0], "c": [9.5], "b": [1.0], "a": [1.25]})
    found = rank_agreement(table_a, table_b)
    assert found.tau == pytest.approx(1 / 3)
    assert (found.pairs, found.flips, found.seeds) == (6, (("a", "b"), ("c", "d")), (2, 1))
    assert found.schedules.to_dict("list") == {
        "schedule": ["a", "b", "c", "d"],
        "mean_a": [2.0, 3.0, 4.0, 6.0],
        "mean_b": [1.25, 1.0, 9.5, 9.0],
        "rank_a": [1.0, 2.0, 3.0, 4.0],
        "rank_b": [2.0, 1.0, 4.0, 3.0],
    }
    assert rank_agreement(table_a, table_b, smallest_effect=0.25).flips == (("c", "d"),)  # a and b are no more apart
    up = rank_agreement(table_a, table_b, lower_is_better=False)
    assert up.tau == found.tau
    assert up.flips == (("b", "a"), ("d", "c"))
    assert up.schedules["rank_a"].tolist() == [4.0, 3.0, 2.0, 1.0]


def test_rank_agreement_takes_the_seeds_that_all_schedules_have() -> None:
    table = results({"a": [1.0, 100.0], "b": [2.0, math.nan]})
    found = rank_agreement(table, results({"a": [1.0], "b": [2.0]}))
    assert (found.tau, found.flips, found.seeds) == (1.0, (), (1, 1))


def test_ties_share_ranks_and_are_no_flips() -> None:
    found = rank_agreement(results({"a": [1.0], "b": [1.0], "c": [2.0]}), results({"a": [2.0], "b": [1.0], "c": [3.0]}))
    assert found.schedules["rank_a"].tolist() == [1.5, 1.5, 3.0]
    assert found.flips == ()
    assert found.tau == pytest.approx(2 / math.sqrt(2 * 3))
    level = results({"a": [1.0], "b": [1.0]})
    assert math.isnan(rank_agreement(level, level).tau)


# ---------------------------------------------------------------- bad input

GOOD = results({"constant": [1.0, 2.0], "linear": [2.0, 2.5]})
TABLES = {
    "no table": ([[1.0]], "be a pandas DataFrame. Received: .*a list"),
    "nothing": (None, "be a pandas DataFrame. Received: .*a NoneType"),
    "no seeds": (GOOD.drop(columns="seed"), "have the columns 'schedule', 'seed'. Received: .*one without 'seed'"),
    "a column twice": (pd.concat([GOOD, GOOD], axis=1), "have each column once"),
    "no rows": (GOOD.iloc[:0], "have a row for each schedule and seed. Received: .*without rows"),
    "a seed without a number": (
        GOOD.assign(seed=[0, 1, math.nan, math.nan]),
        "name schedule and seed in every row. Received: .*one with 2 rows that do not",
    ),
    "rows twice": (
        GOOD.assign(seed=[0, 1, 1, 1]),
        r"have one row for each schedule and seed. Received: .*one with two of schedule linear, seed 1\.$",
    ),
    "a history": (
        GOOD.assign(seed=0, epoch=[0, 1, 0, 1]),
        r"have one row for each schedule and seed. .*one with two of schedule constant, seed 0. Take the rows of one",
    ),
    "one schedule": (GOOD.iloc[:2], "hold two schedules or more. Received: .*one with 'constant' only"),
}


@pytest.mark.parametrize(("table", "message"), TABLES.values(), ids=TABLES.keys())
def test_tables_that_cannot_be_compared(table: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument `table` must {message}"):
        paired_differences(table, smallest_effect=1.0)
    with pytest.raises(ValueError, match=f"^Argument `table` must {message}"):
        win_matrix(table)
    with pytest.raises(ValueError, match=f"^Argument `table_b` must {message}"):
        rank_agreement(GOOD, table)
    with pytest.raises(ValueError, match=f"^Argument `table_a` must {message}"):
        rank_agreement(table, GOOD)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"baseline": "constan"}, "`baseline` must be one of 'constant', 'linear'. Received: baseline='constan'"),
        ({"baseline": None}, "`baseline` must be one of 'constant', 'linear'. Received: baseline=None"),
        ({"measure": "kl"}, "`measure` must be a column of numbers in `table`, one of 'negative_elbo'. .*'kl'"),
        ({"measure": "seed"}, "`measure` must be a column of numbers .*measure='seed'"),
        ({"measure": "failure"}, "`measure` must be a column of numbers .*measure='failure'"),
        ({"measure": "converged"}, "`measure` must be a column of numbers .*measure='converged'"),
        ({"measure": ["negative_elbo"]}, "`measure` must be a column of numbers"),
        ({"measure": "negativ_elbo"}, "`measure` must be .* Did you mean 'negative_elbo'?"),
        ({"smallest_effect": -0.1}, "`smallest_effect` must be a finite number >= 0. Received: smallest_effect=-0.1"),
        ({"smallest_effect": math.nan}, "`smallest_effect` must be a finite number >= 0"),
        ({"smallest_effect": math.inf}, "`smallest_effect` must be a finite number >= 0"),
        ({"smallest_effect": "1"}, "`smallest_effect` must be a finite number >= 0"),
        ({"smallest_effect": True}, "`smallest_effect` must be a finite number >= 0"),
        ({"confidence": 0}, "`confidence` must be a finite number > 0 and < 1. Received: confidence=0"),
        ({"confidence": 1.0}, "`confidence` must be a finite number > 0 and < 1"),
        ({"confidence": 95}, "`confidence` must be a finite number > 0 and < 1"),
        ({"confidence": math.nan}, "`confidence` must be a finite number > 0 and < 1"),
        ({"confidence": None}, "`confidence` must be a finite number > 0 and < 1"),
        ({"method": "wilcoxon"}, "`method` must be one of 't', 'sign-flip'. Received: method='wilcoxon'"),
        ({"method": 3}, "`method` must be one of 't', 'sign-flip'"),
        ({"lower_is_better": 1}, "`lower_is_better` must be True or False. Received: lower_is_better=1"),
    ],
)
def test_arguments_of_paired_differences(arguments: dict[str, Any], message: str) -> None:
    table = GOOD.assign(failure=[None, "NaN", None, None], converged=True)
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        paired_differences(table, **({"smallest_effect": 1.0} | arguments))


def test_more_pairs_than_sign_flips_can_go_through() -> None:
    with pytest.raises(ValueError, match=r"^Argument `method` must be 't' for more than 20 pairs. .*'sign-flip'"):
        against_zero(np.arange(21.0), method="sign-flip")
    assert against_zero(np.arange(20.0), method="sign-flip").p == 2**-18  # 0 may have either sign


@pytest.mark.parametrize("measure", [None, "kl"])
def test_measures_of_the_others(measure: Any) -> None:
    with pytest.raises(ValueError, match=r"^Argument `measure` must be a column of numbers in `table`"):
        win_matrix(GOOD, measure)
    with pytest.raises(ValueError, match=r"^Argument `measure` must be a column of numbers in `table_b`"):
        rank_agreement(GOOD.assign(kl=1.0), GOOD, "kl")


def test_rankings_that_cannot_be_compared() -> None:
    other = results({"constant": [1.0], "cosine": [2.0]})
    with pytest.raises(ValueError, match=r"^Argument `table_b` must hold the schedules of `table_a`, .*'cosine'"):
        rank_agreement(GOOD, other)
    broken = results({"constant": [1.0, math.nan], "linear": [math.nan, 2.0]})
    with pytest.raises(ValueError, match=r"^Argument `table_b` must have a seed on which every schedule has a finite"):
        rank_agreement(GOOD, broken)
    with pytest.raises(ValueError, match=r"^Argument `smallest_effect` must be a finite number >= 0"):
        rank_agreement(GOOD, GOOD, smallest_effect=-1)
    for function in (
        lambda: rank_agreement(GOOD, GOOD, lower_is_better=0),
        lambda: win_matrix(GOOD, lower_is_better=0),
    ):
        with pytest.raises(ValueError, match=r"^Argument `lower_is_better` must be True or False"):
            function()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"sd": -1.0}, "sd"),
        ({"sd": math.nan}, "sd"),
        ({"sd": True}, "sd"),
        ({"smallest_effect": 0.0}, "smallest_effect"),
        ({"sd": 0.0, "smallest_effect": 0.0}, "smallest_effect"),
        ({"smallest_effect": 1e-7}, "smallest_effect"),
        ({"smallest_effect": math.nan}, "smallest_effect"),
        ({"comparisons": 0}, "comparisons"),
        ({"comparisons": 1.5}, "comparisons"),
        ({"comparisons": True}, "comparisons"),
        ({"confidence": 1.0}, "confidence"),
        ({"confidence": "high"}, "confidence"),
        ({"power": 0.0}, "power"),
        ({"power": math.nan}, "power"),
    ],
)
def test_arguments_of_seeds_needed(arguments: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument `{name}` must .* Received: {name}="):
        seeds_needed(**({"sd": 1.0, "smallest_effect": 0.5} | arguments))


def test_mean_and_sd_of_far_numbers() -> None:
    assert mean_and_sd(np.array([1e15 + 1, 1e15 + 2, 1e15 + 3])) == (1e15 + 2, 1.0)
