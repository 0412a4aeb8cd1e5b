import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vaelib.metrics import (
    Elbo,
    distortion,
    importance_weighted_bound_arrays,
    negative_elbo_arrays,
    optimal_sigma2,
)

RNG = np.random.default_rng(0)
X = RNG.random((30, 4, 3))
OUTPUT = X + RNG.normal(0, 0.3, X.shape)
BINARY = (X > 0.4).astype("float32")
PROBABILITY = RNG.random(X.shape)
MEAN, LOG_VAR = RNG.normal(size=(2, 30, 5))


def test_sigma2_is_the_mean_squared_error_and_the_most_likely() -> None:
    sigma2 = optimal_sigma2(X, OUTPUT)
    assert sigma2 == pytest.approx(((X - OUTPUT) ** 2).mean(), rel=1e-12)
    best = distortion(X, OUTPUT)
    assert distortion(X, OUTPUT, sigma2=sigma2) == best
    for factor in (0.9, 1.1):
        assert distortion(X, OUTPUT, sigma2=factor * sigma2) > best


def test_distortion_is_scipys() -> None:
    gaussian = -stats.norm.logpdf(X, OUTPUT, math.sqrt(0.2)).sum(axis=(1, 2)).mean()
    assert distortion(X, OUTPUT, sigma2=0.2) == pytest.approx(gaussian, rel=1e-12)
    bernoulli = -stats.bernoulli.logpmf(BINARY, PROBABILITY).sum(axis=(1, 2)).mean()
    assert distortion(BINARY, PROBABILITY, "bernoulli") == pytest.approx(bernoulli, rel=1e-6)
    squared = ((X - OUTPUT) ** 2).sum(axis=(1, 2)).mean()
    assert distortion(X, OUTPUT, "mse") == pytest.approx(squared, rel=1e-12)


def test_constant_data_and_certain_outputs_stay_finite() -> None:
    constant = np.full((5, 4), 0.5)
    assert optimal_sigma2(constant, constant) == math.exp(-12)
    assert distortion(constant, constant) == pytest.approx(2 * (math.log(2 * math.pi) - 12))
    ones = np.ones((2, 3))
    assert distortion(ones, ones, "bernoulli") == 0.0
    assert distortion(ones, 1 - ones, "bernoulli") == pytest.approx(3 * 7 * math.log(10))


def test_negative_elbo_adds_up() -> None:
    kl = (0.5 * (np.exp(LOG_VAR) + MEAN**2 - 1 - LOG_VAR)).sum(axis=1).mean()
    refitted = negative_elbo_arrays(X, OUTPUT, MEAN, LOG_VAR)
    assert refitted.kl == pytest.approx(kl, rel=1e-12)
    assert refitted.sigma2 == optimal_sigma2(X, OUTPUT)
    assert refitted.reconstruction == distortion(X, OUTPUT)
    assert refitted.negative_elbo == refitted.reconstruction + refitted.kl
    assert negative_elbo_arrays(X, OUTPUT, MEAN, LOG_VAR, sigma2=1).reconstruction == distortion(X, OUTPUT, sigma2=1)
    binary = negative_elbo_arrays(BINARY, PROBABILITY, MEAN, LOG_VAR, likelihood="bernoulli")
    assert binary == Elbo(
        binary.reconstruction + binary.kl, distortion(BINARY, PROBABILITY, "bernoulli"), refitted.kl, None
    )


def test_one_example_has_a_negative_elbo() -> None:
    assert negative_elbo_arrays([[0.0, 0.0]], [[1.0, 1.0]], [[0.0]], [[0.0]], sigma2=1).negative_elbo == pytest.approx(
        math.log(2 * math.pi) + 1
    )


# ---------------------------------------------------------------- importance weights


def test_bound_by_hand() -> None:
    weights = np.log([[1.0, 3.0], [0.5, 0.5]])
    assert importance_weighted_bound_arrays(weights) == pytest.approx(-(math.log(2) + math.log(0.5)) / 2, abs=1e-15)
    assert importance_weighted_bound_arrays([[-1e6, -1e6]]) == 1e6  # whose exponentials are 0


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.floats(0, 300), st.integers(0, 99))
def test_bound_lies_between_the_best_draw_and_the_mean(n: int, k: int, scale: float, seed: int) -> None:
    """Jensen: −log mean w <= −mean log w, and −log mean w >= −log max w."""
    weights = scale * np.random.default_rng(seed).normal(size=(n, k))
    bound = importance_weighted_bound_arrays(weights)
    assert -weights.max(axis=1).mean() - 1e-9 <= bound <= -weights.mean() + 1e-9
    shifted = importance_weighted_bound_arrays(weights + 3.0)
    assert shifted == pytest.approx(bound - 3.0, abs=1e-9)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("measure", [optimal_sigma2, distortion])
@pytest.mark.parametrize(
    ("x", "output", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], r"`x` must have the shape \(n, …\)"),
        ([[np.nan]], [[0.0]], "`x` must hold only finite numbers"),
        ([[0.0]], [[np.inf]], "`x_reconstructed` must hold only finite numbers"),
        ([["a"]], [[0.0]], "`x` must hold real numbers"),
        (np.zeros((3, 2)), np.zeros((2, 2)), r"`x_reconstructed` must have the shape of x, \(3, 2\)"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "`x` must not be empty"),
        (None, [[0.0]], "`x` must hold real numbers"),
    ],
)
def test_bad_pairs_are_refused(measure: Any, x: Any, output: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        measure(x, output)


@pytest.mark.parametrize("sigma2", [0, -1, 6e-6, np.nan, "optimal", True])
def test_bad_variances_are_refused(sigma2: Any) -> None:
    for measure in (lambda: distortion(X, OUTPUT, sigma2=sigma2), lambda: negative_elbo(sigma2=sigma2)):
        with pytest.raises(ValueError, match="^Argument `sigma2` must be a finite number >= 6.14421e-06"):
            measure()


def negative_elbo(**changed: Any) -> Elbo:
    arrays = {"x": X, "x_reconstructed": OUTPUT, "z_mean": MEAN, "z_log_var": LOG_VAR}
    return negative_elbo_arrays(**{**arrays, **changed})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"z_mean": MEAN[:7], "z_log_var": LOG_VAR[:7]}, r"`z_mean` must hold a row for each of the 30 examples"),
        ({"z_mean": MEAN[:7]}, "`z_log_var` must have the shape of z_mean"),
        ({"likelihood": "mse"}, "`likelihood` must be one of 'gaussian', 'bernoulli'"),
        ({"likelihood": "bernoulli"}, "`x` must hold only 0 and 1 under likelihood='bernoulli'. Received: x=values"),
        ({"likelihood": "bernoulli", "x": BINARY, "sigma2": 1.0}, "`sigma2` must be left out: bernoulli has no σ²"),
        ({"likelihood": "bernoulli", "x": BINARY, "x_reconstructed": OUTPUT}, "`x_reconstructed` must hold prob"),
    ],
)
def test_negative_elbo_refuses(changed: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        negative_elbo(**changed)


@pytest.mark.parametrize("weights", [[0.0, 1.0], [[0.0, np.nan]], [[-np.inf, 0.0]], np.zeros((0, 3)), "weights"])
def test_bad_weights_are_refused(weights: Any) -> None:
    with pytest.raises(ValueError, match="^Argument `log_weights` must"):
        importance_weighted_bound_arrays(weights)
