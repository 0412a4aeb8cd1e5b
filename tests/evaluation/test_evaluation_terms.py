import math

import keras
import numpy as np
import pytest
from scipy import stats
from small_models import N_PIXELS, evaluation_noise, examples, numpy_forward, plain_vae, small_vae

from vaelib import BetaVAE, Objective, dense_encoder, encode, example_terms, fit_sigma2, negative_elbo
from vaelib.evaluation import BATCH

X = examples(60)


def numpy_terms(model, x):
    z_mean, z_log_var, output = numpy_forward(model, x, evaluation_noise(model, len(x)))
    kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var)
    return ((x - output) ** 2).sum(axis=(1, 2)), z_mean, z_log_var, kl, kl, output


def test_terms_of_examples_are_the_formulas():
    model = small_vae(dropout=0.5)
    terms = example_terms(model, X)
    for found, expected in zip(terms, numpy_terms(model, X), strict=False):
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    again = example_terms(model, X)
    for one, two in zip(terms, again, strict=True):
        np.testing.assert_array_equal(one, two)


def test_evaluation_noise_is_normal_and_fixed():
    identity = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, kernel_initializer="identity")])
    model = BetaVAE(dense_encoder((3,), 3), identity)
    x = np.random.default_rng(0).normal(size=(900, 3)).astype("float32")
    terms = model.evaluation_terms(x, np.int64(0))  # whose output is z
    (latents,) = terms.latents
    noise = (np.array(terms.output) - np.array(latents.z_mean)) / np.exp(np.array(latents.z_log_var) / 2)
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    np.testing.assert_allclose(noise, evaluation_noise(model, 900), atol=1e-4)
    later = model.evaluation_terms(x[500:], np.int64(500))
    np.testing.assert_allclose(later.output, terms.output[500:], rtol=1e-5, atol=1e-6)


def test_examples_do_not_depend_on_those_around_them():
    model = plain_vae()
    many = np.concatenate([X, examples(BATCH, 3)])  # crosses the border of an internal batch
    whole = example_terms(model, many)
    assert len(whole.distortion) == BATCH + 60
    for one, part in zip(example_terms(model, many[: BATCH + 3]), whole, strict=True):
        np.testing.assert_allclose(one, part[: BATCH + 3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(whole.distortion, numpy_terms(model, many)[0], rtol=1e-3)
    z_mean, z_log_var = encode(model, many)
    np.testing.assert_allclose(z_mean, numpy_forward(model, many, np.zeros((len(many), 2)))[0], rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(z_log_var, whole.z_log_var)


def test_sigma2_is_the_mean_squared_error_and_the_most_likely():
    model = plain_vae()
    distortion = numpy_terms(model, X)[0]
    sigma2 = fit_sigma2(model, X)
    assert sigma2 == pytest.approx(distortion.mean() / N_PIXELS, rel=1e-4)
    best = negative_elbo(model, X, sigma2).negative_elbo
    for factor in (0.9, 1.1):
        assert negative_elbo(model, X, factor * sigma2).negative_elbo > best


def test_sigma2_of_a_perfect_reconstruction_has_a_floor():
    model = plain_vae()
    model.decoder.get_layer("decoder_output").kernel.assign(np.zeros((6, N_PIXELS)))
    zeros = np.zeros((5, 4, 3), "float32")
    sigma2 = fit_sigma2(model, zeros)
    assert sigma2 == pytest.approx(math.exp(-12))
    expected = N_PIXELS / 2 * (math.log(2 * math.pi) - 12)
    assert negative_elbo(model, zeros, sigma2).reconstruction == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "objective",
    [
        Objective(),
        Objective(sigma2=3.0),
        Objective(sigma2="learned"),
        Objective("mse", reconstruction_scale="mean", kl_scale="mean"),
    ],
)
def test_negative_elbo_is_at_beta_one_whatever_the_training_was(objective):
    model = plain_vae(objective, beta=7.0)
    _, z_mean, z_log_var, _, _, output = numpy_terms(model, X)
    nll = -stats.norm.logpdf(X, output, math.sqrt(0.2)).sum(axis=(1, 2)).mean()
    variance = np.exp(z_log_var)
    kl = 0.5 * (variance + z_mean**2 - 1 - np.log(variance)).sum(axis=1).mean()
    elbo = negative_elbo(model, X, 0.2)
    assert elbo.reconstruction == pytest.approx(nll, rel=1e-5)
    assert elbo.kl == pytest.approx(kl, rel=1e-4)
    assert elbo.negative_elbo == pytest.approx(nll + kl, rel=1e-5)
    assert elbo.sigma2 == 0.2


def test_negative_elbo_of_binary_data_is_scipys():
    model = plain_vae(Objective("bernoulli"), beta=7.0)
    x = (X > 0.3).astype("float32")
    logits = numpy_forward(model, x, evaluation_noise(model, 60))[2]
    elbo = negative_elbo(model, x)
    nll = -stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-logits))).sum(axis=(1, 2)).mean()
    assert elbo.reconstruction == pytest.approx(nll, rel=1e-5)
    assert elbo.sigma2 is None


def test_refuses():
    gaussian, binary = plain_vae(), plain_vae(Objective("bernoulli"))
    for sigma2 in (None, 0, -1, 6e-6, np.nan, "optimal"):
        with pytest.raises(
            ValueError, match=r"`sigma2` must be a finite number >= 6.14421e-06. Received: .*Use fit_sigma2"
        ):
            negative_elbo(gaussian, X, sigma2)
    with pytest.raises(ValueError, match="`sigma2` must be left out: bernoulli has no σ². Received: sigma2=0.5"):
        negative_elbo(binary, np.round(X), 0.5)
    with pytest.raises(ValueError, match="`model` must have a Gaussian likelihood. Received: model=Objective"):
        fit_sigma2(binary, np.round(X))
    for function in (encode, example_terms, fit_sigma2):
        with pytest.raises(
            ValueError, match=r"`x` must hold examples of shape \(4, 3\). Received: x=an array of shape"
        ):
            function(gaussian, X[:, :2])
    with pytest.raises(ValueError, match="`x` must hold only 0 and 1"):
        encode(binary, X)
