"""The prediction of collapse: spectra by hand, the linear optimum, a search with quadrature for the Bernoullis."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_digits

from vaelib import Objective, collapse_weight, linear_vae_optimum, predict_collapse
from vaelib._loss_arguments import MIN_SIGMA2
from vaelib.collapse_prediction import _continuous_bernoulli_variance

X = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # variances 2 and ½
# three binary pixels, means ½, ½, ¾; the first two agree in three examples of four
BITS = np.array([[1, 1, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]])
GREY = np.random.default_rng(3).beta(0.6, 0.9, size=(40, 1)) * [0.9, 0.8, 0.3] + [0.0, 0.2, 0.5]


@pytest.fixture(scope="module")
def digits():
    return load_digits().images / 16


@pytest.mark.parametrize(("weight", "kept"), [(0.0, 2), (0.99, 2), (1.0, 1), (3.99, 1), (4.0, 0), (9.0, 0)])
def test_fixed_variance_by_hand(weight, kept):
    """λ / σ² = 4 and 1."""
    found = predict_collapse(X, Objective(sigma2=0.5), weight, latent_dim=3)
    assert (found.units_kept, found.collapses) == (kept, kept == 0)
    assert (found.kl_weight, found.effective_beta, found.sigma2) == (weight, weight, 0.5)
    assert found.collapse_weight == pytest.approx(4)
    np.testing.assert_allclose(found.spectrum, [4, 1])
    assert predict_collapse(X, Objective("mse"), weight, latent_dim=1).units_kept == min(kept, 1)


@pytest.mark.parametrize(("weight", "kept", "sigma2"), [(0.5, 1, 0.5 / 1.5), (1.59, 1, 0.5 / 0.41), (1.6, 0, 1.25)])
@pytest.mark.parametrize("name", ["optimal", "learned"])
def test_fitted_variance_by_hand(weight, kept, sigma2, name):
    """One unit leaves ½ / (2 − β); collapse from β = 2 · 2 / 2.5 on."""
    found = predict_collapse(X, Objective(sigma2=name), weight, latent_dim=1)
    assert (found.units_kept, found.collapses) == (kept, kept == 0)
    assert found.sigma2 == pytest.approx(sigma2)
    assert found.collapse_weight == pytest.approx(1.6)
    np.testing.assert_allclose(found.spectrum, [2 / sigma2, 0.5 / sigma2])


def test_a_fitted_variance_stops_at_its_floor():
    found = predict_collapse(X, Objective(), 0.5, latent_dim=2)  # two units of two: unbounded below
    assert (found.units_kept, found.sigma2) == (2, MIN_SIGMA2)
    tiny = predict_collapse(1e-4 * X, Objective(), 1e-4, latent_dim=2)  # all variance lies below the floor
    assert tiny.collapse_weight == pytest.approx(2e-8 / MIN_SIGMA2)
    assert tiny.units_kept == 2
    assert predict_collapse(1e-4 * X, Objective(), 0.003, latent_dim=2).units_kept == 1
    assert predict_collapse(1e-4 * X, Objective(), 0.004, latent_dim=2).collapses


@pytest.mark.parametrize("reconstruction", ["mean", "sum", 0.3])
@pytest.mark.parametrize("kl", ["mean", "sum", 2.0])
def test_scales_act_on_the_weight_alone(reconstruction, kl, digits):
    found = predict_collapse(digits, Objective("mse", None, reconstruction, kl), 0.1, latent_dim=16)
    s_r, s_k = {"mean": 1 / 64}.get(reconstruction, reconstruction), {"mean": 1 / 16}.get(kl, kl)
    s_r, s_k = (1.0 if scale == "sum" else scale for scale in (s_r, s_k))
    summed = predict_collapse(digits, Objective("mse"), 0.1 * s_k / s_r, latent_dim=16)
    assert found.collapse_weight == pytest.approx(summed.collapse_weight * s_r / s_k)
    assert found.effective_beta == pytest.approx(summed.kl_weight)
    assert found.units_kept == summed.units_kept
    np.testing.assert_allclose(found.spectrum, summed.spectrum)
    if isinstance(reconstruction, str) and isinstance(kl, str):
        theory = collapse_weight(digits, n_latents=16, reconstruction=reconstruction, kl=kl)
        assert found.collapse_weight == pytest.approx(theory)


def test_digits(digits):
    objective = Objective("mse", reconstruction_scale="mean", kl_scale="mean")
    assert predict_collapse(digits, objective, 1.0, latent_dim=16).collapse_weight == pytest.approx(0.349, abs=5e-4)


@pytest.mark.parametrize("sigma2", [0.05, 1.0, "learned"])
@pytest.mark.parametrize("beta", [0.02, 0.1, 0.5, 1.0, 3.0, 9.2, 9.3, 20.0])
def test_it_is_the_linear_optimum(digits, sigma2, beta):
    found = predict_collapse(digits, Objective(sigma2=sigma2), beta, latent_dim=32)
    optimum = linear_vae_optimum(digits, 32, beta, sigma2)
    assert found.units_kept == optimum.active_units
    assert found.collapses == (optimum.active_units == 0)
    assert found.sigma2 == pytest.approx(optimum.sigma2)


@pytest.mark.parametrize("objective", [Objective(sigma2=0.7), Objective(), Objective("mse"), Objective("bernoulli")])
def test_the_smallest_weight_that_collapses(objective):
    weight = predict_collapse(BITS, objective, 1.0, latent_dim=2).collapse_weight
    at, below = (predict_collapse(BITS, objective, w, latent_dim=2) for w in (weight, weight * (1 - 1e-6)))
    assert (at.units_kept, at.collapses) == (0, True)
    assert (below.units_kept, below.collapses) == (1, False)


# --- the Bernoulli likelihoods ---


def test_binary_data_have_the_spectrum_of_their_correlations(digits):
    found = predict_collapse(BITS, Objective("bernoulli"), 1.0, latent_dim=3)
    correlations = np.corrcoef(BITS, rowvar=False)
    np.testing.assert_allclose(found.spectrum, np.linalg.eigvalsh(correlations)[::-1])
    bits = (digits > 0.5).astype(np.float32)
    found = predict_collapse(bits, Objective("bernoulli"), 1.0, latent_dim=64)
    assert found.spectrum.shape == (64,)
    # each pixel that varies adds 1 to the trace, constant ones nothing
    assert found.spectrum.sum() == pytest.approx(np.count_nonzero(bits.std(axis=0).ravel()))
    assert found.sigma2 is None


def test_variance_of_the_continuous_bernoulli():
    """Against the moments of its density e^{ax} on [0, 1], by quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    x = (nodes + 1) / 2
    for a in (-40.0, -3.0, -0.2, -0.05, 0.0, 1e-3, 0.099, 0.101, 2.0, 25.0):
        p = weights * np.exp(a * (x - (a > 0)))
        p /= p.sum()
        mean = p @ x
        assert _continuous_bernoulli_variance(np.array([mean])) == pytest.approx(p @ (x - mean) ** 2, rel=1e-9), a
    far = _continuous_bernoulli_variance(np.array([1e-6, 1 - 1e-6]))
    np.testing.assert_allclose(far, 1e-12, rtol=1e-6)  # an exponential distribution's, mean²


def expected_loss(parameters, x, beta, continuous, nodes, weights):
    """β-VAE with one unit and linear logits, z by Gauss-Hermite quadrature."""
    d = x.shape[1]
    w, bias, v = parameters[: 3 * d].reshape(3, d)
    c, log_var = parameters[3 * d :]
    mean = x @ v + c  # (n,)
    z = mean[:, None] + math.exp(log_var / 2) * nodes  # (n, nodes)
    logits = z[..., None] * w + bias
    nll = np.logaddexp(0, logits) - logits * x[:, None]
    if continuous:
        nll -= np.log(logits / np.tanh(logits / 2))
    kl = 0.5 * (math.exp(log_var) + mean**2 - 1 - log_var)
    return (nll.sum(-1) @ weights).mean() + beta * kl.mean()


@pytest.mark.parametrize(("likelihood", "x"), [("bernoulli", BITS), ("continuous_bernoulli", GREY)])
def test_the_collapsed_state_is_left_below_the_threshold_only(likelihood, x):
    """A search from beside the collapsed state comes back to it above the predicted weight, and not below."""
    threshold = predict_collapse(x, Objective(likelihood), 1.0, latent_dim=1).collapse_weight
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    start = np.random.default_rng(0).normal(scale=0.1, size=11)
    sizes = {}
    for factor in (0.9, 1.1):
        rest = (x, factor * threshold, likelihood == "continuous_bernoulli", nodes, weights / weights.sum())
        found = minimize(expected_loss, start, rest, options={"gtol": 1e-6})
        w, v, log_var = found.x[:3], found.x[6:9], found.x[10]
        sizes[factor] = np.linalg.norm(w), (x @ v).std(), abs(log_var)
    assert max(sizes[1.1]) < 1e-3
    assert min(sizes[0.9]) > 0.05


# --- refusals ---


@pytest.mark.parametrize("transform", [{"free_bits": 0.5}, {"capacity": 0.0}, {"kl_clip": (-4.0, 2.0)}])
def test_objectives_that_count_another_kl_are_refused(transform):
    (name,) = transform
    with pytest.raises(ValueError, match=rf"^Argument `objective` must have no {name}: .*Received: objective=Obj"):
        predict_collapse(X, Objective("mse", **transform), 1.0, latent_dim=2)


LIKELIHOODS = [Objective("mse"), Objective("bernoulli"), Objective("continuous_bernoulli")]


@pytest.mark.parametrize("objective", LIKELIHOODS, ids=lambda objective: objective.likelihood)
@pytest.mark.parametrize("x", [np.ones((5, 3)), np.full((4, 2), 0.1)])
def test_constant_data_are_refused(objective, x):
    if objective.likelihood == "bernoulli":
        x = np.round(x)
    with pytest.raises(ValueError, match=rf"^Argument `x` must hold examples that differ.*x={len(x)} equal ones\.$"):
        predict_collapse(x, objective, 1.0, latent_dim=2)


@pytest.mark.parametrize("objective", LIKELIHOODS, ids=lambda objective: objective.likelihood)
@pytest.mark.parametrize("x", [None, 1.0, [1.0, 0.0], [[1.0, 0.0]], [[np.nan], [0.0]], [["a"], ["b"]], np.ones((0, 2))])
def test_data_that_are_none_are_refused(objective, x):
    with pytest.raises(ValueError, match=r"^Argument `x` must [^\n]*\. Received: x="):
        predict_collapse(x, objective, 1.0, latent_dim=2)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        *(({"objective": o}, "objective") for o in (None, "mse", 1.0, Objective)),
        *(({"kl_weight": w}, "kl_weight") for w in (-1, np.nan, np.inf, "1", True, None)),
        *(({"latent_dim": n}, "latent_dim") for n in (0, 1.5, "2", True, None)),
        ({"objective": Objective("bernoulli")}, "x"),
        ({"objective": Objective("continuous_bernoulli")}, "x"),
    ],
)
def test_refuses(changed, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must [^\n]*\. Received: {name}="):
        predict_collapse(**{"x": X, "objective": Objective("mse"), "kl_weight": 1.0, "latent_dim": 2} | changed)
