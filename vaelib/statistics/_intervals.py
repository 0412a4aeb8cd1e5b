"""Intervals and p values of paired differences, from arrays."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from vaelib._arrays import Array

MOST_FLIPPED = 20  # a million sign flips
_ROUNDING = 1e-12  # of the largest difference: sums that should be 0 are not


class Interval(NamedTuple):
    """An interval for a mean difference, and the p value of "there is none"."""

    low: float
    high: float
    p: float


def mean_and_sd(differences: Array) -> tuple[float, float]:
    """Returns mean and standard deviation (n − 1) of differences; equal ones have exactly their value and 0.

    >>> mean_and_sd(np.array([0.1, 0.1, 0.1])), mean_and_sd(np.array([2.0])), mean_and_sd(np.array([]))
    ((0.1, 0.0), (2.0, nan), (nan, nan))
    """
    if len(differences) == 0:
        return math.nan, math.nan
    rest = differences - differences[0]
    sd = float(rest.std(ddof=1)) if len(rest) > 1 else math.nan
    return float(differences[0] + rest.mean()), sd


def t_interval(differences: Array, alpha: float) -> Interval:
    """Returns the interval mean ± t s/√n at 1 − alpha and the two-sided p value, of n >= 2 differences.

    >>> low, high, p = t_interval(np.array([1.0, 2.0, 3.0]), 0.05)  # 2 ± 4.303 / √3
    >>> round(low, 3), round(high, 3), round(p, 3)
    (-0.484, 4.484, 0.074)
    """
    n = len(differences)
    mean, sd = mean_and_sd(differences)
    if sd == 0:
        return Interval(mean, mean, float(mean == 0))
    error = sd / math.sqrt(n)
    reach = float(stats.t.isf(alpha / 2, n - 1)) * error
    return Interval(mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / error, n - 1)))


def sign_flip_interval(differences: Array, alpha: float) -> Interval:
    """Returns the exact interval and two-sided p value of n <= 20 differences that are symmetric about their centre.

    Flipping the signs of the differences in a set A makes their sum no smaller exactly if the mean of A is <= 0. So the
    p value counts the 2ⁿ − 1 means of subsets on the far side of 0, and the interval of all centres that are not
    refused at alpha reaches from the k-th smallest of these means to the k-th largest, k = ⌊alpha 2ⁿ⁻¹⌋. With k = 0 no
    centre can be refused.

    Source: the interval: Hartigan 1969, "Using subsample values as typical values".

    >>> sign_flip_interval(np.array([1.0, 2.0, 4.0]), 0.5)
    Interval(low=1.5, high=3.0, p=0.25)
    >>> sign_flip_interval(np.array([1.0, 2.0, 4.0]), 0.05)
    Interval(low=-inf, high=inf, p=0.25)
    """
    shift = differences[0]  # means of equal differences are then their value exactly
    sums = sizes = np.zeros(1)
    for difference in differences - shift:
        sums = np.concatenate([sums, sums + difference])
        sizes = np.concatenate([sizes, sizes + 1])
    means = shift + sums[1:] / sizes[1:]  # (2**n - 1,)
    total, zero = len(sums), _ROUNDING * np.abs(differences).max()
    tail = 1 + min(int((means <= zero).sum()), int((means >= -zero).sum()))
    p = min(1.0, 2 * tail / total)
    k = math.floor(alpha * total / 2 + _ROUNDING * total)
    if k == 0:
        return Interval(-math.inf, math.inf, p)
    means.partition([k - 1, len(means) - k])
    return Interval(float(means[k - 1]), float(means[-k]), p)


def wilson(wins: float, n: int, alpha: float) -> tuple[float, float]:
    """Returns Wilson's interval at 1 − alpha for the probability of a win, after `wins` in n >= 1; a tie is half a win.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> [round(end, 3) for end in wilson(8, 10, 0.05)]
    [0.49, 0.943]
    """
    z, share = float(stats.norm.isf(alpha / 2)), wins / n
    centre = share + z**2 / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    widened = 1 + z**2 / n
    return max(0.0, (centre - reach) / widened), min(1.0, (centre + reach) / widened)


def holm(p: npt.ArrayLike) -> Array:
    """Returns Holm's adjusted p values of m tests; a test without a p value (NaN) counts among the m.

    The k-th smallest is multiplied by m − k + 1, and made no smaller than those before it.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".

    >>> holm([0.04, 0.01, 0.03]).round(6).tolist()
    [0.06, 0.03, 0.06]
    """
    raw = np.asarray(p, dtype=np.float64)
    order = np.argsort(raw)  # NaN last
    stepped = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
