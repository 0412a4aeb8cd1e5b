from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from vaelib.theory import collapse_weight, covariance_spectrum, effective_beta, units_kept


@pytest.fixture(scope="module")
def digits() -> Any:
    return load_digits().images / 16


@pytest.mark.parametrize(
    ("reconstruction", "kl", "expected"),
    [("mean", "mean", 78.4), ("mean", "sum", 784), ("sum", "mean", 0.1), ("sum", "sum", 1)],
)
def test_effective_beta_by_reduction(reconstruction: Any, kl: Any, expected: Any) -> None:
    for likelihood in ("gaussian", "bernoulli", "continuous_bernoulli"):
        beta = effective_beta(
            1.0, n_pixels=784, n_latents=10, reconstruction=reconstruction, kl=kl, likelihood=likelihood
        )
        assert beta == pytest.approx(expected)


def test_effective_beta_under_another_variance() -> None:
    assert effective_beta(1.0, n_pixels=784, n_latents=10, sigma2=1.0) == pytest.approx(39.2)
    assert effective_beta(0.0, n_pixels=784, n_latents=10) == 0.0


def test_effective_beta_restores_the_negative_elbo() -> None:
    # R/Dr + w K/Lr is proportional to R/(2 sigma2) + beta K.
    rng = np.random.default_rng(0)
    d, latents, w, sigma2 = 50, 7, 0.3, 0.2
    beta = effective_beta(w, n_pixels=d, n_latents=latents, sigma2=sigma2)
    for r, k in rng.random((5, 2)):
        loss = r / d + w * k / latents
        assert r / (2 * sigma2) + beta * k == pytest.approx(loss * d / (2 * sigma2))


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"kl_weight": -1}, "kl_weight"),
        ({"kl_weight": np.nan}, "kl_weight"),
        ({"n_pixels": 0}, "n_pixels"),
        ({"n_latents": 0}, "n_latents"),
        ({"reconstruction": "max"}, "reconstruction"),
        ({"kl": None}, "kl"),
        ({"likelihood": "poisson"}, "likelihood"),
        ({"sigma2": 0}, "sigma2"),
        ({"likelihood": "bernoulli", "sigma2": 1.0}, "sigma2"),
    ],
)
def test_effective_beta_refuses(changed: Any, name: Any) -> None:
    arguments = {"kl_weight": 1.0, "n_pixels": 784, "n_latents": 10} | changed
    with pytest.raises(ValueError, match=f"Argument `{name}` must"):
        effective_beta(arguments.pop("kl_weight"), **arguments)


@pytest.mark.parametrize("shape", [(200, 6), (5, 40), (30, 4, 3, 1), (7, 7)])
def test_spectrum_equals_the_covariance_eigenvalues(shape: Any) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    flat = x.reshape(len(x), -1)
    expected = np.linalg.eigvalsh(np.cov(flat.astype(np.float64), rowvar=False, ddof=0))[::-1]
    spectrum = covariance_spectrum(x)
    assert spectrum.shape == (flat.shape[1],)
    assert spectrum.dtype == np.float64
    np.testing.assert_allclose(spectrum, np.maximum(expected, 0), atol=1e-12)
    assert np.all(np.diff(spectrum) <= 0)
    assert np.all(spectrum >= 0)


def test_spectrum_leaves_its_argument_alone() -> None:
    x = np.arange(12.0).reshape(4, 3)
    covariance_spectrum(x)
    np.testing.assert_array_equal(x, np.arange(12.0).reshape(4, 3))


@pytest.mark.parametrize(
    "x", [np.zeros(5), np.zeros((1, 5)), np.full((3, 2), np.nan), np.zeros((0, 2)), [["a"], ["b"]]]
)
def test_spectrum_refuses(x: Any) -> None:
    with pytest.raises(ValueError, match="Argument `x` must"):
        covariance_spectrum(x)


def test_digits_collapse_at_the_predicted_weight(digits: Any) -> None:
    assert covariance_spectrum(digits)[0] == pytest.approx(0.70, abs=0.005)
    assert collapse_weight(digits, n_latents=16) == pytest.approx(0.349, abs=5e-4)


def test_collapse_weight_by_reduction(digits: Any) -> None:
    both = collapse_weight(digits, n_latents=16)
    assert collapse_weight(digits, n_latents=16, reconstruction="sum") == pytest.approx(both * 64)
    assert collapse_weight(digits, n_latents=16, kl="sum") == pytest.approx(both / 16)


def test_collapse_weight_is_where_no_unit_is_kept(digits: Any) -> None:
    spectrum = covariance_spectrum(digits)
    for w, kept in (
        (collapse_weight(digits, n_latents=16), 0),
        (0.999 * collapse_weight(digits, n_latents=16), 1),
    ):
        assert units_kept(spectrum, beta_sigma2=w * 64 / (2 * 16), n_latents=16) == kept


@pytest.mark.parametrize(
    ("beta", "kept"), [(0.01, 32), (0.02, 30), (0.05, 18), (0.1, 12), (0.2, 7), (0.5, 3), (0.7, 0), (0.0, 32)]
)
def test_units_kept_on_digits(digits: Any, beta: Any, kept: Any) -> None:
    assert units_kept(covariance_spectrum(digits), beta_sigma2=beta, n_latents=32) == kept


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (([[1.0]], 0.1, 2), "eigenvalues"),
        (([np.nan], 0.1, 2), "eigenvalues"),
        (([1.0], -0.1, 2), "beta_sigma2"),
        (([1.0], 0.1, 0), "n_latents"),
    ],
)
def test_units_kept_refuses(arguments: Any, name: Any) -> None:
    with pytest.raises(ValueError, match=f"Argument `{name}` must"):
        units_kept(*arguments)
