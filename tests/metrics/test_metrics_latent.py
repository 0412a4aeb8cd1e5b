import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from vaelib.kl import gaussian_kl
from vaelib.metrics import active_units, kl_per_unit, mutual_information, rate, unit_variances
from vaelib.metrics.latent import ESTIMATORS


def test_variances_divide_by_n() -> None:
    z_mean = np.array([[0.0, 1.0, 5.0], [0.4, 1.0, 7.0]], dtype=np.float32)
    variances = unit_variances(z_mean)
    assert variances.dtype == np.float64
    np.testing.assert_allclose(variances, [0.04, 0.0, 1.0], rtol=1e-6)


def test_a_unit_at_the_threshold_is_not_active() -> None:
    z_mean = np.array([[-0.5, -0.1, 3.0], [0.5, 0.1, 3.0]])  # variances 0.25, 0.01, 0
    assert active_units(z_mean, threshold=0.25) == 0
    assert active_units(z_mean, threshold=0.2499) == 1
    assert active_units(z_mean, threshold=0.0) == 2
    assert active_units(z_mean * 1.001) == 2


def test_means_far_from_zero_do_not_count_as_active() -> None:
    assert active_units(np.full((10, 4), 100.0)) == 0


@pytest.mark.parametrize(
    "z_mean", [np.zeros(3), np.zeros((1, 3)), np.zeros((0, 3)), np.zeros((2, 2, 2)), [[0.0], [np.nan]]]
)
def test_bad_means_are_refused(z_mean: Any) -> None:
    for measure in (active_units, unit_variances):
        with pytest.raises(ValueError, match="Argument `z_mean` must"):
            measure(z_mean)


def test_bad_thresholds_are_refused() -> None:
    with pytest.raises(ValueError, match="Argument `threshold` must be a finite number >= 0"):
        active_units(np.zeros((2, 2)), threshold=-1)


# ---------------------------------------------------------------- KL


def test_kl_by_hand() -> None:
    z_mean = [[1.0, 0.0, 0.0], [3.0, 0.0, 0.0]]
    z_log_var = [[0.0, 0.0, math.log(4)], [0.0, 0.0, math.log(0.25)]]
    # ½ (1 + 9) / 2; 0; ½ ((4 − 1 − log 4) + (¼ − 1 + log 4)) / 2
    expected = [2.5, 0.0, 0.5625]
    np.testing.assert_allclose(kl_per_unit(z_mean, z_log_var), expected, rtol=1e-12)
    assert rate(z_mean, z_log_var) == pytest.approx(3.0625, rel=1e-12)


def test_kl_is_that_of_the_models() -> None:
    rng = np.random.default_rng(0)
    z_mean, z_log_var = rng.normal(size=(2, 50, 6))
    np.testing.assert_allclose(kl_per_unit(z_mean, z_log_var), gaussian_kl(z_mean, z_log_var).mean(0), rtol=1e-12)


def test_tiny_kl_keeps_its_digits_and_a_broken_variance_is_infinite() -> None:
    assert kl_per_unit([[0.0]], [[1e-6]])[0] == pytest.approx(0.25e-12, rel=1e-3)
    assert kl_per_unit([[0.0, 1.0]], [[800.0, 0.0]]).tolist() == [math.inf, 0.5]
    assert kl_per_unit([[0.0]], [[-800.0]]).tolist() == [399.5]


# ---------------------------------------------------------------- mutual information


def channel(n: int, signal: float, units: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian channel: means N(0, signal), noise of variance 1 − signal, so that q(z) is N(0, 1)."""
    means = math.sqrt(signal) * np.random.default_rng(1).standard_normal((n, units))
    return means, np.full((n, units), math.log1p(-signal))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("signal", "units"), [(0.0, 3), (0.5, 1), (0.8, 1), (0.5, 3)])
def test_information_of_a_gaussian_channel(estimator: str, signal: float, units: int) -> None:
    found = mutual_information(*channel(4000, signal, units), estimator=estimator)
    exact = -0.5 * units * math.log1p(-signal)
    assert found.value == pytest.approx(exact, abs=0.05)
    assert (found.ceiling, found.n, found.estimator) == (math.log(4000), 4000, estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("n", [2, 63, 64, 65, 200])
def test_information_is_the_formula(estimator: str, n: int) -> None:
    rng = np.random.default_rng(n)
    means, log_vars = rng.normal(5.0, 1.5, (n, 3)), rng.normal(-0.5, 0.5, (n, 3))
    z = means + np.exp(log_vars / 2) * np.random.default_rng([7, 0x7A]).standard_normal((n, 3))
    log_q = stats.norm.logpdf(z[:, None], means[None], np.exp(log_vars / 2)[None]).sum(axis=2)
    first = np.diag(log_q) if estimator == "sampled" else -stats.norm.entropy(means, np.exp(log_vars / 2)).sum(axis=1)
    expected = (first - special.logsumexp(log_q, axis=1) + math.log(n)).mean()
    assert mutual_information(means, log_vars, seed=7, estimator=estimator).value == pytest.approx(expected, rel=1e-9)


def test_information_of_codes_drawn_from_the_same_seed() -> None:
    """The noise of seed 0 is not what `default_rng(0)` gives, which would correlate it with such codes."""
    values = []
    for seed in range(2):
        means = np.random.default_rng(seed).standard_normal((2000, 1))
        values.append(mutual_information(means, np.zeros((2000, 1)), seed=seed).value)
    assert values == pytest.approx([0.5 * math.log(2)] * 2, abs=0.05)


def test_seeds_repeat_and_differ() -> None:
    arrays = channel(50, 0.5)
    values = [mutual_information(*arrays, seed=seed).value for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_more_information_than_n_can_show_reads_as_the_ceiling() -> None:
    """50 true nats among 64 examples."""
    sampled = mutual_information(*channel(64, 1 - math.exp(-10), units=10))
    assert sampled.value == pytest.approx(math.log(64), abs=1e-6)
    analytic = [
        mutual_information(*channel(64, 1 - math.exp(-10), units=10), seed=seed, estimator="analytic").value
        for seed in range(5)
    ]
    assert max(analytic) > math.log(64)  # this estimator may exceed it


def test_no_information_may_read_below_zero() -> None:
    values = [mutual_information(*channel(20, 0.01), seed=seed).value for seed in range(20)]
    assert -0.05 < min(values) < 0


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.floats(-300, 300), st.floats(0, 1e4), st.integers(0, 99))
def test_sampled_information_never_exceeds_its_ceiling(n: int, log_var: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    means, log_vars = scale * rng.normal(size=(n, 2)), np.clip(log_var + rng.normal(size=(n, 2)), -300, 300)
    assert mutual_information(means, log_vars, seed=seed).value <= math.log(n)


def test_sharp_posteriors_are_counted_exactly() -> None:
    """Pairs of equal means, far from zero under tiny variances: each code is shared by two examples of eight."""
    means = np.repeat(1e4 + 1e-5 * np.arange(4.0), 2)[:, None]
    found = mutual_information(means, np.full((8, 1), -40.0))
    assert found.value == pytest.approx(math.log(4), abs=1e-6)


@pytest.mark.parametrize("log_var", [-14.0, -25.0, -60.0])
def test_sharp_posteriors_are_the_formula(log_var: float) -> None:
    """Means that lie a few standard deviations apart, among others that lie far away: rounding would show."""
    rng = np.random.default_rng(0)
    deviation = math.exp(log_var / 2)
    means = np.repeat(rng.normal(size=(20, 3)), 10, axis=0) + 2 * deviation * rng.normal(size=(200, 3))
    means -= means.mean(axis=0)
    noise = np.random.default_rng([0, 0x7A]).standard_normal((200, 3))
    z = means + deviation * noise
    log_q = stats.norm.logpdf(z[:, None], means[None], deviation).sum(axis=2)
    np.fill_diagonal(log_q, stats.norm.logpdf(noise).sum(axis=1) - 1.5 * log_var)
    expected = (np.diag(log_q) - special.logsumexp(log_q, axis=1) + math.log(200)).mean()
    assert math.log(20) < expected < math.log(200) - 0.1
    found = mutual_information(means, np.full((200, 3), log_var))
    assert found.value == pytest.approx(expected, abs=1e-5)


def test_information_is_the_same_for_renamed_flipped_and_shifted_units() -> None:
    means, log_vars = np.random.default_rng(0).normal(size=(2, 400, 3))
    base = mutual_information(means, log_vars).value
    assert mutual_information(means + 7.0, log_vars).value == pytest.approx(base, rel=1e-9)
    assert mutual_information(3 * means, log_vars + 2 * math.log(3)).value == pytest.approx(base, rel=1e-9)
    assert mutual_information(means[:, ::-1], log_vars[:, ::-1]).value == pytest.approx(base, abs=0.1)


@pytest.mark.parametrize("measure", [kl_per_unit, rate, mutual_information])
@pytest.mark.parametrize(
    ("z_mean", "z_log_var", "message"),
    [
        ([1.0, 2.0], [[0.0], [0.0]], r"`z_mean` must have the shape \(n, latent_dim\)"),
        ([[np.nan], [0.0]], [[0.0], [0.0]], "`z_mean` must hold only finite numbers. Received: .* at .0, 0."),
        ([[0.0], [0.0]], [[0.0], [-np.inf]], "`z_log_var` must hold only finite numbers"),
        ([["a"], ["b"]], [[0.0], [0.0]], "`z_mean` must hold real numbers"),
        (np.zeros((3, 2)), np.zeros((2, 2)), r"`z_log_var` must have the shape of z_mean, \(3, 2\)"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "`z_mean` must not be empty"),
    ],
)
def test_bad_posteriors_are_refused(measure: Any, z_mean: Any, z_log_var: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        measure(z_mean, z_log_var)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"z_mean": [[0.0]], "z_log_var": [[0.0]]}, r"`z_mean` must hold two examples or more\. .*\(1, 1\)"),
        ({"z_log_var": [[301.0], [0.0]]}, "`z_log_var` must lie between -300 and 300. Received: .* from 0 to 301"),
        ({"z_mean": [[1e61], [0.0]]}, r"`z_mean` must hold numbers of at most 1e\+30 in size"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        ({"seed": True}, "`seed` must be an integer >= 0"),
        ({"seed": np.nan}, "`seed` must be an integer >= 0"),
        ({"estimator": "exact"}, "`estimator` must be one of 'sampled', 'analytic'"),
        ({"estimator": None}, "`estimator` must be one of"),
    ],
)
def test_information_refuses(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        mutual_information(**{"z_mean": [[0.0], [1.0]], "z_log_var": [[0.0], [0.0]], **arguments})
