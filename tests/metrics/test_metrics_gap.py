"""The train–test gap from arrays."""

import math

import numpy as np
import pytest

from vaelib import negative_elbo_arrays, optimal_sigma2, train_test_gap_arrays

RNG = np.random.default_rng(0)


def four(n, error):
    x = RNG.normal(size=(n, 3))
    return x, x + RNG.normal(0, error, size=x.shape), RNG.normal(size=(n, 2)), RNG.normal(-1, 0.1, size=(n, 2))


TRAIN, TEST = four(50, 0.1), four(40, 0.3)


def test_the_variance_is_that_of_the_training_data():
    sigma2 = optimal_sigma2(*TRAIN[:2])
    elbos = [negative_elbo_arrays(*part, sigma2=sigma2).negative_elbo for part in (TRAIN, TEST)]
    assert train_test_gap_arrays(TRAIN, TEST) == pytest.approx(elbos[1] - elbos[0], rel=1e-12)
    assert train_test_gap_arrays(TRAIN, TRAIN) == 0


def test_by_hand():
    """σ² = ¼ from an error of ½; an error of 1 costs ½ (1 − ¼) / ¼ more in each of two pixels, a mean of 2 costs 2."""
    zero = np.zeros((2, 2))
    code = np.zeros((2, 1))
    gap = train_test_gap_arrays((zero, zero + 0.5, code, code), (zero, zero + 1, code + 2, code))
    assert gap == pytest.approx(2 * 1.5 + 2.0)


def test_bernoulli_has_no_variance():
    x, code = np.ones((2, 1)), np.zeros((2, 1))
    gap = train_test_gap_arrays((x, x / 2, code, code), (x, x / 4, code, code), likelihood="bernoulli")
    assert gap == pytest.approx(math.log(2))


@pytest.mark.parametrize(("train", "test", "message"), [
    (TRAIN[:3], TEST, "`train` must be the four arrays x, x_reconstructed, z_mean and z_log_var"),
    (TRAIN, TEST[0], "`test` must be the four arrays"),
    (TRAIN, None, "`test` must be the four arrays"),
    (TRAIN, (TEST[0] * np.nan, *TEST[1:]), "`test: x` must hold only finite numbers"),
    ((TRAIN[0], TEST[1], *TRAIN[2:]), TEST, "`train: x_reconstructed` must"),
])  # fmt: skip
def test_refused(train, test, message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        train_test_gap_arrays(train, test)


def test_a_squared_error_is_no_likelihood():
    with pytest.raises(ValueError, match="`likelihood` must be one of 'gaussian', 'bernoulli'"):
        train_test_gap_arrays(TRAIN, TEST, likelihood="mse")
