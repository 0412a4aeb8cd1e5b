"""The linear VAE: its expected terms against sampling, its training against the exact optimum."""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import SHAPE, compiled, examples, small_dataset

from vaelib import (
    BetaVAE,
    Encoder,
    LinearVAE,
    Objective,
    ValidationMonitor,
    build_vae,
    covariance_spectrum,
    dense_decoder,
    dense_encoder,
    encode,
    example_terms,
    fit_sigma2,
    load_vae,
    negative_elbo,
    train_vae,
)

X = examples(10)
SPECTRUM = np.array([4.0, 2.0, 1.0, 0.12, 0.05, 0.01])


def linear(objective=None, latent_dim=2, shape=SHAPE, **options):
    return build_vae(shape, latent_dim, "linear", objective, **options)


def parts(model):
    """V (pixels, latent), c, log-variances, W (latent, pixels), d, as float64."""
    heads, output = model.encoder.heads, model.decoder.get_layer("decoder_output")
    weights = (*heads.z_mean.weights, heads.log_var, *output.weights)
    return [weight.numpy().astype("float64") for weight in weights]


def flat(x):
    return x.reshape(len(x), -1).astype("float64")


def data(n=240):
    """Examples of shape (3, 2) around a mean, with exactly these covariance eigenvalues and random directions."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(n, 6))
    white, _ = np.linalg.qr(raw - raw.mean(0))
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    x = math.sqrt(n) * white @ np.diag(np.sqrt(SPECTRUM)) @ rotation + rng.normal(size=6)
    return x.reshape(n, 3, 2).astype("float32")


# --- terms ---


def test_it_is_linear_both_ways():
    model = linear()
    assert type(model) is LinearVAE
    v, c, log_var, w, d = parts(model)
    assert (v.shape, w.shape, log_var.tolist()) == ((12, 2), (2, 12), [0, 0])
    z_mean, z_log_var = encode(model, X)
    np.testing.assert_allclose(z_mean, flat(X) @ v + c, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(z_log_var, np.zeros((10, 2)))
    np.testing.assert_allclose(model(X), ((flat(X) @ v + c) @ w + d).reshape(10, *SHAPE), rtol=1e-4, atol=1e-5)
    assert model.count_params() == 12 * 2 + 2 + 2 + 2 * 12 + 12 + 1  # and β


def test_distortion_by_hand():
    """Two pixels, one unit: x = (3, 1), z ~ N(2, 4), W = (1, ½), d = (0, 1): (3 − 2)² + (1 − 2)² + 4 · 1.25 = 7."""
    model = linear(Objective("mse"), 1, (2,))
    model.encoder.heads.z_mean.set_weights([np.zeros((2, 1)), np.array([2.0])])
    model.encoder.heads.log_var.assign([math.log(4)])
    model.decoder.get_layer("decoder_output").set_weights([np.array([[1.0, 0.5]]), np.array([0.0, 1.0])])
    terms = model.terms(np.array([[3.0, 1.0]], "float32"))
    np.testing.assert_allclose(terms.distortion, [7.0], rtol=1e-6)
    np.testing.assert_allclose(terms.reconstruction, [7.0], rtol=1e-6)
    np.testing.assert_allclose(terms.output, [[2.0, 2.0]], rtol=1e-6)
    np.testing.assert_allclose(terms.latents[0].kl, [[0.5 * (4 + 4 - 1 - math.log(4))]], rtol=1e-6)


@pytest.mark.parametrize("objective", [Objective("mse"), Objective(sigma2=0.3)], ids=["mse", "gaussian"])
def test_terms_are_the_expectation_of_a_sampling_models(objective):
    model = linear(objective)
    model.encoder.heads.log_var.assign([-0.5, 0.8])
    sampling = BetaVAE(model.encoder, model.decoder, objective)
    expected = model.terms(X)
    draws = 20_000
    noise = np.random.default_rng(0).normal(size=(10 * draws, 2)).astype("float32")
    terms = sampling.terms(np.repeat(X, draws, axis=0), noise)
    for name in ("distortion", "reconstruction"):
        samples = np.asarray(getattr(terms, name), "float64").reshape(10, draws)
        error = 5 * samples.std(1) / math.sqrt(draws)
        assert (np.abs(samples.mean(1) - np.asarray(getattr(expected, name))) < error).all(), name
        assert (error < 0.1 * samples.std(1)).all()
    np.testing.assert_allclose(expected.latents[0].kl, terms.latents[0].kl[::draws], rtol=1e-5)


def test_the_step_has_no_noise():
    """The same step at other iterations, whose noise would be other: the same weights, bit for bit."""

    def after(start):
        model = compiled(linear(Objective("mse")), keras.optimizers.SGD(0.01), run_eagerly=True)
        model.optimizer.iterations.assign(start)
        model.train_step(X)
        return model.get_weights()

    for one, other in zip(after(0), after(100), strict=True):
        np.testing.assert_array_equal(one, other)


def test_bounds_and_penalty_act():
    model = linear(Objective("mse"), log_var_bounds=(-1.0, 1.0), head_l2=0.5)
    model.encoder.heads.log_var.assign([-7.0, 0.25])
    v, c, _, w, d = parts(model)
    variance = (np.exp([-1, 0.25]) * (w**2).sum(1)).sum()
    error = ((flat(X) - (flat(X) @ v + c) @ w - d) ** 2).sum(1)
    np.testing.assert_allclose(model.terms(X).distortion, error + variance, rtol=1e-4)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(0.5 * (v**2).sum(), rel=1e-5)


def test_reported_numbers_are_expectations_too():
    model = linear(Objective())
    model.encoder.heads.log_var.assign([-0.5, 0.8])
    v, c, log_var, w, d = parts(model)
    mean = flat(X) @ v + c
    distortion = ((flat(X) - mean @ w - d) ** 2).sum(1) + (np.exp(log_var) * (w**2).sum(1)).sum()
    np.testing.assert_allclose(example_terms(model, X).distortion, distortion, rtol=1e-4)
    sigma2 = fit_sigma2(model, X)
    assert sigma2 == pytest.approx(distortion.mean() / 12, rel=1e-5)
    kl = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).sum(1).mean()
    nll = 0.5 * 12 * (math.log(2 * math.pi * sigma2) + 1)
    np.testing.assert_allclose(negative_elbo(model, X, sigma2)[:3], [nll + kl, nll, kl], rtol=1e-4)


# --- the optimum ---


STEPS = 2500


@functools.cache
def compiled_model(options, latent_dim):
    model = linear(Objective(**dict(options)), latent_dim, (3, 2))
    rate = keras.optimizers.schedules.CosineDecay(0.02, STEPS)
    compiled(model, keras.optimizers.Adam(rate), steps_per_execution=500)
    model.optimizer.build(model.trainable_variables)
    return model, model.get_weights()


def train_to_the_end(objective, beta, latent_dim=4, capacity=None):
    """Full batches of Adam, whose rate falls to nothing: with no noise in the gradient it arrives exactly."""
    x = data()
    model, weights = compiled_model(tuple(objective.get_config().items()), latent_dim)
    model.set_weights(weights)
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    model.beta.assign(beta)
    if capacity is not None:
        model.capacity.assign(capacity)
    model.fit(tf.data.Dataset.from_tensors(x).repeat(STEPS), verbose=0, shuffle=False)
    return model, x


def check_optimum(model, x, beta, sigma2, active):
    """Weight norms, posterior variances, variances of the means and KL of each unit; the largest first."""
    threshold = beta * sigma2
    eigenvalues = SPECTRUM[:active]
    v, c, log_var, w, d = parts(model)
    order = np.argsort(log_var)
    norms, mean = (w**2).sum(1)[order], (flat(x) @ v + c)[:, order]
    np.testing.assert_allclose(norms[:active], eigenvalues - threshold, rtol=0.01)
    np.testing.assert_allclose(np.exp(log_var[order][:active]), threshold / eigenvalues, rtol=0.01)
    np.testing.assert_allclose(mean.var(0)[:active], 1 - threshold / eigenvalues, rtol=0.01)
    np.testing.assert_allclose(mean.mean(0), 0, atol=0.01)
    kl = example_terms(model, x).kl.mean(0)[order]
    np.testing.assert_allclose(kl[:active], 0.5 * np.log(eigenvalues / threshold), rtol=0.01)
    # the rest is at the prior, and its weights are nothing
    np.testing.assert_allclose(kl[active:], 0, atol=1e-3)
    np.testing.assert_allclose(norms[active:], 0, atol=2e-3)
    np.testing.assert_allclose(np.exp(log_var[order][active:]), 1, atol=0.03)
    # columns of W are principal axes: orthogonal, and eigenvectors of the covariance
    covariance = np.cov(flat(x).T, ddof=0)
    for column, eigenvalue in zip(w[order][:active], eigenvalues, strict=True):
        np.testing.assert_allclose(covariance @ column, eigenvalue * column, atol=0.02 * eigenvalue**1.5)
    np.testing.assert_allclose(d, flat(x).mean(0), atol=0.01)


def test_the_data_have_the_spectrum():
    np.testing.assert_allclose(covariance_spectrum(data()), SPECTRUM, rtol=1e-4)


@pytest.mark.parametrize(("beta", "active"), [(1.0, 3), (0.6, 3), (2.8, 2)])
def test_training_arrives_at_the_exact_optimum(beta, active):
    sigma2 = 0.5
    model, x = train_to_the_end(Objective(sigma2=sigma2), beta)
    check_optimum(model, x, beta, sigma2, active)
    threshold = beta * sigma2
    kl = 0.5 * np.log(SPECTRUM[:active] / threshold).sum()
    error = SPECTRUM[active:].sum() + active * threshold  # what is left of the squared error
    expected = 0.5 * (6 * math.log(2 * math.pi * sigma2) + error / sigma2) + beta * kl
    found = model.evaluate(x, batch_size=len(x), verbose=0, return_dict=True)
    assert found["total_loss"] == pytest.approx(expected, rel=1e-4)
    assert found["kl_loss"] == pytest.approx(kl, rel=5e-3)


@pytest.mark.parametrize(("sigma2", "beta"), [("optimal", 1.5), ("learned", 1.0)])
def test_a_fitted_variance_arrives_where_the_theory_has_it(sigma2, beta):
    """σ² = Σ_{i>k} λ_i / (D − kβ); with three units at β = 1 the probabilistic PCA's."""
    model, x = train_to_the_end(Objective(sigma2=sigma2), beta, latent_dim=3)
    expected = SPECTRUM[3:].sum() / (6 - 3 * beta)
    assert expected * beta < SPECTRUM[2]
    assert fit_sigma2(model, x) == pytest.approx(expected, rel=0.01)
    if sigma2 == "learned":
        assert math.exp(float(model.log_sigma2)) == pytest.approx(expected, rel=0.01)
    check_optimum(model, x, beta, expected, active=3)


def test_mse_is_the_gaussian_at_one_half():
    model, x = train_to_the_end(Objective("mse"), 1.0)
    check_optimum(model, x, 1.0, 0.5, active=3)


def test_free_bits_raise_a_unit_to_lambda():
    """One unit, whose optimum without free bits is at 1.04 nats."""
    model, x = train_to_the_end(Objective(sigma2=0.5, free_bits=1.5), 1.0, latent_dim=1)
    assert example_terms(model, x).kl.mean() == pytest.approx(1.5, rel=0.01)


@pytest.mark.parametrize("capacity", [0.5, 1.5])
def test_capacity_is_met_from_either_side(capacity):
    model, x = train_to_the_end(Objective(sigma2=0.5, capacity=0.0), 5.0, latent_dim=1, capacity=capacity)
    assert example_terms(model, x).kl.mean() == pytest.approx(capacity, rel=0.01)


# --- around it ---


def test_it_trains_with_train_vae_and_comes_back(tmp_path):
    model = linear(Objective(), head_l2=1e-4)
    result = train_vae(model, small_dataset(), 3, batch_size=25, output=tmp_path / "out")
    assert np.isfinite(result.history.to_numpy()).all()
    twin = load_vae(result.files["vae.keras"])
    assert type(twin) is LinearVAE
    np.testing.assert_array_equal(twin(X), model(X))
    assert negative_elbo(twin, X, 0.1) == negative_elbo(model, X, 0.1)


def test_generated_examples_have_the_covariance_of_the_decoder():
    model = linear(Objective("mse"))
    _, _, _, w, d = parts(model)
    drawn = flat(np.asarray(model.generate(20_000, seed=1)))
    np.testing.assert_allclose(drawn.mean(0), d, atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), w.T @ w, atol=0.1)


def test_validation_figures_are_expectations():
    model = compiled(linear(Objective("mse"), beta=0.5), keras.optimizers.SGD(0.0), run_eagerly=True)
    val = examples(30, 9)
    history = model.fit(X, verbose=0, callbacks=[ValidationMonitor(val, verbose=False)]).history
    terms = model.terms(val)
    reconstruction, kl = float(np.mean(terms.distortion)), float(np.mean(np.sum(terms.latents[0].kl, 1)))
    assert history["val_total_loss"][0] == pytest.approx(reconstruction + 0.5 * kl, rel=1e-5)


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli"])
def test_other_likelihoods_are_refused(likelihood):
    with pytest.raises(
        ValueError, match=r"^Argument `objective` must have a Gaussian likelihood.*Received: objective=O"
    ):
        linear(Objective(likelihood))


def test_a_decoder_that_is_not_linear_is_refused():
    """Its squared error has no closed form: the terms would be wrong and nobody would see it."""
    encoder = linear().encoder
    z = keras.Input((2,))
    bent = keras.layers.Dense(12, "relu", name="decoder_output")(z)
    unnamed = keras.layers.Dense(12, name="mine")(z)
    normed = keras.layers.BatchNormalization()(keras.layers.Dense(12, name="decoder_output")(z))
    decoders = [
        dense_decoder(SHAPE, 2),
        *(keras.Model(z, keras.layers.Reshape(SHAPE)(x)) for x in (bent, unnamed, normed)),
    ]
    for decoder in decoders:
        with pytest.raises(ValueError, match=r"^Argument `decoder` must be one linear layer named 'decoder_output'"):
            LinearVAE(encoder, decoder)


def test_any_gaussian_encoder_will_do():
    """The expectation over z needs a linear decoder only; the encoder may be amortised."""
    objective = Objective("mse")
    model = LinearVAE(dense_encoder(SHAPE, 2, dropout=0), linear().decoder, objective)
    draws = 20_000
    noise = np.random.default_rng(0).normal(size=(2 * draws, 2)).astype("float32")
    sampled = BetaVAE(model.encoder, model.decoder, objective).terms(np.repeat(X[:2], draws, axis=0), noise)
    samples = np.asarray(sampled.distortion, "float64").reshape(2, draws)
    error = 5 * samples.std(1) / math.sqrt(draws)
    assert (np.abs(samples.mean(1) - np.asarray(model.terms(X[:2]).distortion)) < error).all()


@pytest.mark.parametrize(
    "options",
    [
        {"hidden": (3,)},
        {"filters": (3,)},
        {"kernel_initializer": "HeNormal"},
        {"bn_gamma": 1.0},
        {"condition_dim": 3},
        {"local_dim": 3},
        {"decoder_dropout": 0.1},
    ],
)
def test_options_of_other_architectures_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must be left out with the linear.*Received: {name}="):
        linear(**options)


def test_refuses():
    for options, name in (({"latent_dim": 0}, "latent_dim"), ({"seed": -1}, "seed"), ({"shape": (0,)}, "input_shape")):
        with pytest.raises(ValueError, match=rf"^Argument `{name}` must be .*Received: {name}="):
            linear(**options)
    with pytest.raises(ValueError, match=r"^Argument `encoder` must have no condition"):
        LinearVAE(Encoder(dense_encoder(SHAPE, 2).body, 2, condition_dim=3), linear(latent_dim=5).decoder)
