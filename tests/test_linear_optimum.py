"""The exact optimum: hand-computed cases, digits, a search over all weights, the special cases of a learned σ²."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.datasets import load_digits

from vaelib import linear_vae_optimum
from vaelib.linear_optimum import optimal_variance
from vaelib.theory import covariance_spectrum

LOG_2PI = math.log(2 * math.pi)


def data(*eigenvalues, seed=None):
    """Examples with these covariance eigenvalues: two on each axis, around (3, 3, …); rotated where a seed is given."""
    d = len(eigenvalues)
    axes = np.diag(np.sqrt(d * np.array(eigenvalues, dtype=float)))
    x = np.concatenate([axes, -axes])
    if seed is not None:
        x = x @ np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    return x + 3.0


def test_fixed_variance_by_hand():
    """βσ² = 1: the direction of variance 4 is kept, the one at the threshold is not, the third unit has none."""
    optimum = linear_vae_optimum(data(4, 1, 0.5), latent_dim=4, beta=0.5, sigma2=2.0)
    assert (optimum.beta, optimum.sigma2, optimum.case, optimum.active_units) == (0.5, 2.0, "unique", 1)
    np.testing.assert_allclose(optimum.eigenvalues, [4, 1, 0.5])
    np.testing.assert_allclose(optimum.mean, [3, 3, 3])
    np.testing.assert_allclose(optimum.kl_per_unit, [math.log(2), 0, 0, 0])
    np.testing.assert_allclose(optimum.posterior_variance, [0.25, 1, 1, 1])
    np.testing.assert_allclose(optimum.mean_variance, [0.75, 0, 0, 0])
    np.testing.assert_allclose(optimum.weight_norm, [math.sqrt(3), 0, 0, 0])
    reconstruction = 0.5 * (3 * (LOG_2PI + math.log(2)) + (1 + 1 + 0.5) / 2)
    assert optimum.kl == pytest.approx(math.log(2))
    assert optimum.reconstruction == pytest.approx(reconstruction)
    assert optimum.loss == pytest.approx(reconstruction + 0.5 * math.log(2))
    assert optimum.negative_elbo == pytest.approx(reconstruction + math.log(2))
    assert optimum.collapsed_loss == pytest.approx(0.5 * (3 * (LOG_2PI + math.log(2)) + 5.5 / 2))


def test_two_units_by_hand():
    optimum = linear_vae_optimum(data(4, 1), latent_dim=2, sigma2=0.25)
    np.testing.assert_allclose(optimum.kl_per_unit, [0.5 * math.log(16), 0.5 * math.log(4)])
    np.testing.assert_allclose(optimum.posterior_variance, [1 / 16, 1 / 4])
    assert optimum.loss == pytest.approx(0.5 * (2 * (LOG_2PI + math.log(0.25)) + 2) + 1.5 * math.log(4))
    assert optimum.loss == optimum.negative_elbo


def test_probabilistic_pca():
    """At β = 1 with a learned σ² the loss is −log likelihood of the Gaussian N(mean, WWᵀ + σ²I) that fits best."""
    x = data(4, 2, 0.5, 0.1, seed=0)
    optimum = linear_vae_optimum(x, latent_dim=2, sigma2="learned")
    assert optimum.sigma2 == pytest.approx(0.3)
    assert optimum.loss == pytest.approx(0.5 * (4 * (LOG_2PI + 1) + math.log(4 * 2 * 0.3 * 0.3)))


@pytest.mark.parametrize(
    ("beta", "active", "sigma2"),
    [(0.1, 1, 2 / 2.9), (1.0, 1, 1.0), (1.9, 1, 2 / 1.1), (2.0, 0, 2.0), (2.5, 0, 2.0), (40.0, 0, 2.0)],
)
@pytest.mark.parametrize("name", ["learned", "optimal"])
def test_learned_variance_by_hand(beta, active, sigma2, name):
    """Spectrum 4, 1, 1 and one unit: 2 / (3 − β), and collapse from β = λ₁ D / Σλ = 2 on."""
    optimum = linear_vae_optimum(data(4, 1, 1), latent_dim=1, beta=beta, sigma2=name)
    assert (optimum.active_units, optimum.case) == (active, "unique")
    assert optimum.sigma2 == pytest.approx(sigma2)
    assert optimum.collapsed_loss == pytest.approx(1.5 * (LOG_2PI + math.log(2) + 1))
    assert (optimum.loss < optimum.collapsed_loss) == (active == 1)


# --- digits ---


@pytest.mark.parametrize(
    ("beta", "active", "burda", "kl"),
    [
        (0.01, 32, 32, 32.607),
        (0.02, 30, 29, 21.676),
        (0.05, 18, 18, 10.647),
        (0.1, 12, 12, 5.479),
        (0.2, 7, 7, 2.286),
        (0.5, 3, 3, 0.341),
    ],
)
def test_digits(beta, active, burda, kl):
    optimum = linear_vae_optimum(load_digits().images / 16, latent_dim=32, beta=beta)
    assert optimum.active_units == active
    assert np.count_nonzero(optimum.mean_variance > 0.01) == burda
    assert optimum.kl == pytest.approx(kl, abs=5e-4)


def test_digits_have_three_constant_pixels():
    """61 units hold all variance: unbounded below β = 64/61, flat there, one optimum above."""
    x = load_digits().images / 16
    assert np.count_nonzero(covariance_spectrum(x)) == 61
    cases = {beta: linear_vae_optimum(x, 64, beta, "learned") for beta in (1.0, 64 / 61, 1.1)}
    assert [optimum.case for optimum in cases.values()] == ["unbounded", "flat", "unique"]
    assert linear_vae_optimum(x, 60, 1.0, "learned").case == "unique"


# --- a search that knows nothing of principal axes ---


def expected_loss(parameters, x, units, beta, sigma2=None):
    """Expected loss from the definition; the last parameter is ln σ² where it is learned."""
    n, d = x.shape
    v, w = parameters[: 2 * d * units].reshape(2, d, units)
    c, log_var = parameters[2 * d * units :][: 2 * units].reshape(2, units)
    bias = parameters[2 * d * units + 2 * units :][:d]
    log_sigma2 = parameters[-1] if sigma2 is None else math.log(sigma2)
    mean, variance = x @ v + c, np.exp(log_var)
    error = ((x - mean @ w.T - bias) ** 2).sum() / n + (variance * w**2).sum()
    kl = 0.5 * ((mean**2).sum() / n + (variance - 1 - log_var).sum())
    return 0.5 * (d * (LOG_2PI + log_sigma2) + error * math.exp(-log_sigma2)) + beta * kl


@pytest.mark.parametrize(
    ("beta", "sigma2"), [(1.0, 0.4), (0.3, 1.0), (2.5, 1.0), (6.0, 1.0), (1.0, None), (0.6, None), (1.6, None)]
)
def test_no_weights_are_better(beta, sigma2):
    x, units = data(3, 0.8, 0.2, seed=1), 2
    optimum = linear_vae_optimum(x, units, beta, "learned" if sigma2 is None else sigma2)
    rng = np.random.default_rng(0)
    size = 2 * 3 * units + 2 * units + 3 + (sigma2 is None)
    found = [
        minimize(expected_loss, rng.normal(scale=0.5, size=size), (x, units, beta, sigma2), options={"gtol": 1e-4})
        for _ in range(3)
    ]
    best = min(found, key=lambda result: result.fun)
    assert best.fun == pytest.approx(optimum.loss, abs=1e-5)
    log_var = np.sort(best.x[2 * 3 * units + units :][:units])
    np.testing.assert_allclose(np.exp(log_var), optimum.posterior_variance, atol=0.01)
    if sigma2 is None:
        assert math.exp(best.x[-1]) == pytest.approx(optimum.sigma2, rel=0.01)


SPECTRA = st.lists(st.floats(0.01, 10), min_size=2, max_size=6)


@given(SPECTRA, st.integers(1, 7), st.floats(0.05, 3), st.floats(0.001, 20))
def test_no_given_variance_beats_the_learned_one(eigenvalues, units, beta, sigma2):
    x = data(*eigenvalues)
    learned, given_ = linear_vae_optimum(x, units, beta, "learned"), linear_vae_optimum(x, units, beta, sigma2)
    assert learned.loss <= given_.loss + 1e-9 * abs(given_.loss)
    if learned.sigma2 > 0:
        same = linear_vae_optimum(x, units, beta, learned.sigma2)
        assert learned.loss == pytest.approx(same.loss, rel=1e-9, abs=1e-9)
        assert learned.collapsed_loss <= same.collapsed_loss + 1e-9


@given(SPECTRA, st.integers(1, 7), st.floats(0.05, 3))
def test_parts_add_up(eigenvalues, units, beta):
    optimum = linear_vae_optimum(data(*eigenvalues), units, beta, 0.7)
    assert optimum.loss == pytest.approx(optimum.reconstruction + beta * optimum.kl)
    assert optimum.negative_elbo == pytest.approx(optimum.reconstruction + optimum.kl)
    assert optimum.loss <= optimum.collapsed_loss + 1e-12
    assert optimum.kl_per_unit.shape == optimum.weight_norm.shape == (units,)
    np.testing.assert_allclose(optimum.mean_variance + optimum.posterior_variance, 1)
    assert np.count_nonzero(optimum.kl_per_unit) == optimum.active_units


# --- the two cases of a learned σ² without one optimum ---


@pytest.mark.parametrize(
    ("eigenvalues", "units", "beta", "upper"),
    [((4, 1), 2, 1.0, 1.0), ((4, 1), 5, 1.0, 1.0), ((4, 2, 0), 2, 1.5, 4 / 3), ((2, 2, 2), 3, 1.0, 2.0)],
)
def test_flat(eigenvalues, units, beta, upper):
    x = data(*eigenvalues)
    optimum = linear_vae_optimum(x, units, beta, "learned")
    assert optimum.case == "flat"
    assert optimum.sigma2 == pytest.approx(upper)
    for factor in (1.0, 0.5, 1e-6):
        assert linear_vae_optimum(x, units, beta, factor * upper).loss == pytest.approx(optimum.loss, rel=1e-9)
    assert linear_vae_optimum(x, units, beta, 1.1 * upper).loss > optimum.loss + 1e-3


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
@pytest.mark.parametrize("rank", range(1, 9))
def test_flat_whatever_the_rounding(rank, zeros):
    beta = (rank + zeros) / rank
    eigenvalues = 0.3 + 0.7 * np.arange(rank)
    optimum = linear_vae_optimum(data(*eigenvalues, *[0.0] * zeros), rank, beta, "learned")
    assert (optimum.case, optimum.active_units) == ("flat", rank - 1)
    assert optimum.sigma2 == pytest.approx(0.3 / beta)


@pytest.mark.parametrize(
    ("eigenvalues", "units", "beta", "active", "negative_elbo"),
    [
        ((4, 1), 2, 0.5, 2, 0.5 * (2 * LOG_2PI + 2 * 0.5 + math.log(4 / 0.25))),  # as many units as pixels: σ² cancels
        ((4, 1, 0), 2, 1.0, 2, -math.inf),
        ((4, 1, 0), 3, 1.2, 2, -math.inf),
    ],
)
def test_unbounded(eigenvalues, units, beta, active, negative_elbo):
    x = data(*eigenvalues)
    optimum = linear_vae_optimum(x, units, beta, "learned")
    assert (optimum.case, optimum.sigma2, optimum.active_units) == ("unbounded", 0.0, active)
    assert (optimum.loss, optimum.reconstruction, optimum.kl) == (-math.inf, -math.inf, math.inf)
    assert optimum.negative_elbo == pytest.approx(negative_elbo)
    assert math.isfinite(optimum.collapsed_loss)
    np.testing.assert_array_equal(optimum.kl_per_unit, [math.inf] * active + [0.0] * (units - active))
    np.testing.assert_array_equal(optimum.posterior_variance, [0.0] * active + [1.0] * (units - active))
    np.testing.assert_allclose(optimum.weight_norm[:active], np.sqrt(eigenvalues[:active]))
    losses = [linear_vae_optimum(x, units, beta, 10.0**-power).loss for power in (2, 20, 200)]
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < -10


def test_constant_data():
    """Nothing to code for: collapsed under a given σ², unbounded under a learned one."""
    x = np.full((10, 3), 0.1)
    fixed, learned = linear_vae_optimum(x, 2, 1.0, 0.5), linear_vae_optimum(x, 2, 1.0, "learned")
    assert (fixed.active_units, fixed.case, fixed.kl) == (0, "unique", 0)
    assert fixed.loss == fixed.collapsed_loss == pytest.approx(1.5 * (LOG_2PI + math.log(0.5)))
    assert (learned.active_units, learned.case, learned.loss) == (0, "unbounded", -math.inf)
    assert learned.collapsed_loss == -math.inf


def test_examples_may_have_any_shape_and_be_fewer_than_pixels():
    x = np.random.default_rng(0).normal(size=(5, 4, 3, 1)).astype("float32")
    optimum = linear_vae_optimum(x, 6, sigma2="learned")
    assert (optimum.mean.shape, optimum.kl_per_unit.shape) == ((12,), (6,))
    assert (optimum.case, optimum.active_units) == ("unbounded", 4)  # five examples span four directions


def test_without_a_kl_weight_every_unit_is_used():
    assert optimal_variance(np.array([2.0, 0.5, 0.0]), 1, 0.0) == (0.5 / 3, 1, "unique")
    assert optimal_variance(np.array([2.0, 0.5, 0.0]), 3, 0.0) == (0.0, 2, "unbounded")


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        *(
            ({"x": x}, "x")
            for x in (None, [[1.0, 2.0]], [1.0, 2.0], [[np.nan], [0.0]], [["a"], ["b"]], [[1.0], [1, 2]])
        ),
        *(({"latent_dim": n}, "latent_dim") for n in (0, -1, 1.5, "2", True, None)),
        *(({"beta": b}, "beta") for b in (0, -1, np.nan, np.inf, "1", True, None)),
        *(({"sigma2": s}, "sigma2") for s in (0, -1.0, np.nan, np.inf, "fitted", True, None)),
    ],
)
def test_refuses(changed, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must [^\n]*\. Received: {name}="):
        linear_vae_optimum(**{"x": data(4, 1), "latent_dim": 2} | changed)
