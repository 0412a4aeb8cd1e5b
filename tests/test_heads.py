"""The heads of q(z|x): bounds, L2, batch-normalised means, constant log-variances; each against closed forms."""

import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from small_models import SHAPE, compiled, examples, plain_vae, run_layers, small_vae, step_noise

from vaelib import (
    BetaVAE,
    Encoder,
    GaussianHeads,
    Objective,
    bounded_log_var,
    build_vae,
    dense_decoder,
    dense_encoder,
    encode,
    load_vae,
)

X = examples(10)
FEATURES = np.random.default_rng(3).normal(size=(64, 5)).astype("float32")
WIDE = np.array([-50.0, -9.0, -2.0, 0.5, 2.9, 3.1, 40.0], "float32")
BOUNDS = (-3.0, 3.5)


def built(latent_dim=2, width=5, **options):
    heads = GaussianHeads(latent_dim, **options)
    heads.build((None, width))
    return heads


def affine(head, features):
    return features.astype("float64") @ head.kernel.numpy().astype("float64") + head.bias.numpy()


def soft(value, lower, upper):
    middle, half = (lower + upper) / 2, (upper - lower) / 2
    return middle + half * np.tanh((value - middle) / half)


# --- bounds ---


def test_hard_bounds_cut_and_have_no_gradient_outside():
    value = tf.Variable(WIDE)
    with tf.GradientTape() as tape:
        bounded = bounded_log_var(value.value(), BOUNDS)
    np.testing.assert_array_equal(bounded, np.array([-3, -3, -2, 0.5, 2.9, 3.1, 3.5], "float32"))
    np.testing.assert_array_equal(tape.gradient(bounded, value), [0, 0, 1, 1, 1, 1, 0])


def test_soft_bounds_bend_and_keep_a_gradient_inside():
    value = tf.Variable(WIDE)
    with tf.GradientTape() as tape:
        bounded = bounded_log_var(value.value(), BOUNDS, "soft")
    np.testing.assert_allclose(bounded, soft(WIDE.astype("float64"), *BOUNDS), rtol=1e-6)
    slope = 1 - np.tanh((WIDE - 0.25) / 3.25) ** 2
    gradient = tape.gradient(bounded, value).numpy()
    np.testing.assert_allclose(gradient, slope, atol=1e-6)
    assert (gradient[1:6] > 0).all()
    assert gradient[3] == pytest.approx(1, abs=0.01)  # in the middle it is the identity
    assert gradient[0] == 0  # far out float32 has nothing left
    assert (bounded >= -3).numpy().all()
    assert (bounded <= 3.5).numpy().all()


@pytest.mark.parametrize("form", ["hard", "soft"])
def test_sampler_and_kl_see_the_same_bounded_value(form):
    """A head far outside the bounds: what the encoder returns, samples from and pays for is the bounded value."""
    model = plain_vae(Objective("mse"), log_var_bounds=BOUNDS, log_var_form=form)
    model.encoder.z_log_var.bias.assign([40.0, -50.0])
    noise = np.random.default_rng(0).normal(size=(10, 2)).astype("float32")
    hidden = run_layers(model.encoder.body, X.astype("float64").reshape(10, -1), training=False)
    mean, raw = affine(model.encoder.z_mean, hidden), affine(model.encoder.z_log_var, hidden)
    assert (raw[:, 0] > 30).all()
    assert (raw[:, 1] < -30).all()
    expected = np.clip(raw, *BOUNDS) if form == "hard" else soft(raw, *BOUNDS)
    _, z_log_var, z = model.encoder(X, noise=noise)
    np.testing.assert_allclose(z_log_var, expected, rtol=1e-5)
    np.testing.assert_allclose(z, mean + np.exp(expected / 2) * noise, rtol=1e-4, atol=1e-5)
    terms = model.terms(X, noise)
    kl = 0.5 * (np.exp(expected) + mean**2 - 1 - expected)
    for found in (terms.latents[0].kl, terms.latents[0].kl_in_loss):
        np.testing.assert_allclose(found, kl, rtol=1e-4)
    np.testing.assert_allclose(
        terms.output, run_layers(model.decoder, np.asarray(z), False).reshape(X.shape), atol=2e-5
    )
    np.testing.assert_allclose(encode(model, X)[1], expected, rtol=1e-5)


# --- L2 ---


def test_l2_moves_both_heads_and_nothing_else():
    """One step of SGD with and without: kernels differ by rate · 2 · l2 · kernel, all other weights are equal."""
    rate, l2 = 0.01, 10.0
    plain, punished = (compiled(plain_vae(head_l2=v), keras.optimizers.SGD(rate), run_eagerly=True) for v in (0.0, l2))
    before = {weight.path.split("/", 1)[1]: weight.numpy() for weight in plain.trainable_weights}
    assert float(plain.train_step(X)["total_loss"]) == float(punished.train_step(X)["total_loss"])  # it is not logged
    heads = []
    for one, other in zip(plain.trainable_weights, punished.trainable_weights, strict=True):
        difference = one.numpy() - other.numpy()
        name = one.path.split("/", 1)[1]
        if "z_" in name and name.endswith("kernel"):
            heads.append(name)
            np.testing.assert_allclose(difference, rate * 2 * l2 * before[name], rtol=1e-3, atol=1e-6)
        else:
            np.testing.assert_array_equal(difference, 0, err_msg=name)
    assert len(heads) == 2


def test_l2_takes_in_the_local_heads_of_a_hierarchy():
    model = build_vae(SHAPE, 2, local_dim=3, condition_dim=4, head_l2=0.25)
    kernels = [
        weight.numpy() for weight in model.weights if weight.path.endswith(("z_mean/kernel", "z_log_var/kernel"))
    ]
    assert len(kernels) == 6  # of q(z_global), q(z_local) and p(z_local)
    expected = 0.25 * sum(np.sum(kernel.astype("float64") ** 2) for kernel in kernels)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)


# --- BN-VAE ---


@pytest.mark.parametrize("gamma", [0.3, 2.0])
def test_batch_normalised_means_have_the_statistics_asked_for(gamma):
    heads = built(bn_gamma=gamma)
    heads.shift.assign([0.5, -1.0])
    z_mean, z_log_var = heads(FEATURES, training=True)
    z_mean = np.asarray(z_mean, "float64")
    raw = affine(heads.z_mean, FEATURES)
    np.testing.assert_allclose(z_mean.mean(0), [0.5, -1.0], atol=1e-6)
    np.testing.assert_allclose(z_mean.std(0), gamma, rtol=1e-5)
    np.testing.assert_allclose(z_mean, gamma * (raw - raw.mean(0)) / raw.std(0) + [0.5, -1.0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(z_log_var, affine(heads.z_log_var, FEATURES), rtol=1e-4, atol=1e-5)  # as it was


def test_the_kl_of_batch_normalised_means_has_its_floor():
    """E[KL] >= n (γ² + b²) / 2, met with equality at z_log_var = 0, whatever the features are."""
    gamma, shift = 0.8, np.array([0.3, 0.0, -0.6])
    heads = built(3, bn_gamma=gamma)
    heads.shift.assign(shift)
    floor = 0.5 * (3 * gamma**2 + (shift**2).sum())

    def expected_kl(features):
        latents = Objective().latents(*heads(features, training=True))
        return float(ops.mean(ops.sum(latents.kl, axis=1)))

    for scale in (1e-3, 0.1, 1.0, 30.0):
        assert expected_kl(scale * FEATURES) > floor * (1 - 1e-4)
    heads.z_log_var.kernel.assign(np.zeros((5, 3)))
    assert expected_kl(FEATURES) == pytest.approx(floor, rel=1e-5)


def test_evaluation_uses_moving_statistics():
    heads = built(bn_gamma=0.5)
    raw = affine(heads.z_mean, FEATURES)
    heads(FEATURES, training=True)
    mean, variance = 0.1 * raw.mean(0), 0.9 + 0.1 * raw.var(0)  # from 0 and 1, momentum 0.9
    np.testing.assert_allclose(heads.mean_norm.moving_mean, mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(heads.mean_norm.moving_variance, variance, rtol=1e-4)
    one = np.asarray(heads(FEATURES[:1])[0])  # a single example has no statistics of its own
    np.testing.assert_allclose(one, 0.5 * (raw[:1] - mean) / np.sqrt(variance + 1e-5), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(heads(FEATURES)[0][:1], one)


def test_a_trained_shift_and_a_constant_gamma():
    names = [weight.name for weight in built(bn_gamma=0.5).trainable_weights]
    assert sorted(names) == ["bias", "bias", "kernel", "kernel", "z_mean_shift"]
    assert [w.name for w in built(bn_gamma=0.5).non_trainable_weights] == ["moving_mean", "moving_variance"]


def test_bn_vae_does_not_collapse_where_a_plain_one_does():
    """At β = 100 the plain model gives its KL up; the other cannot go below latent_dim · γ² / 2.

    It could by shrinking the kernel of the means, if the ε of the normalisation were not small beside their variance.
    """
    x = examples(64)

    def trained_kl(**options):
        model = plain_vae(Objective("mse"), beta=100.0, **options)
        compiled(model, keras.optimizers.Adam(0.005), steps_per_execution=100)
        model.fit(tf.data.Dataset.from_tensors(x).repeat(400), verbose=0, shuffle=False)
        return float(ops.mean(ops.sum(model.terms(x, training=True).latents[0].kl, axis=1)))

    assert trained_kl() < 0.002
    assert trained_kl(bn_gamma=0.5) == pytest.approx(2 * 0.5**2 / 2, rel=0.01)


# --- constant log-variance ---


def test_constant_log_variance_is_one_trained_vector():
    heads = built(constant_log_var=True)
    assert heads.z_log_var is None
    heads.log_var.assign([0.25, -4.0])
    z_mean, z_log_var = heads(FEATURES)
    np.testing.assert_array_equal(z_log_var, np.tile(np.float32([0.25, -4.0]), (64, 1)))
    np.testing.assert_allclose(z_mean, affine(heads.z_mean, FEATURES), rtol=1e-4, atol=1e-5)
    bounded = built(constant_log_var=True, log_var_bounds=(-1, 1))
    bounded.log_var.assign([0.25, -4.0])
    np.testing.assert_array_equal(bounded(FEATURES)[1][0], [0.25, -1.0])


def test_constant_log_variance_gets_the_gradient_of_the_whole_batch():
    heads = built(constant_log_var=True)
    heads.log_var.assign([0.7, -0.2])
    with tf.GradientTape() as tape:
        kl = tf.reduce_mean(Objective().latents(*heads(FEATURES)).kl, axis=0)
    np.testing.assert_allclose(tape.gradient(kl, heads.log_var.value), (np.exp([0.7, -0.2]) - 1) / 2, rtol=1e-5)


# --- initial weights, files, refusals ---


def test_heads_are_glorots_and_differ_from_each_other_and_by_part():
    heads, local = built(200, 300), built(200, 300, part="local_")
    kernels = [head.kernel.numpy() for head in (heads.z_mean, heads.z_log_var, local.z_mean)]
    for kernel in kernels:
        assert np.abs(kernel).max() == pytest.approx(math.sqrt(6 / 500), rel=1e-3)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(kernels[one].ravel(), kernels[other].ravel())[0, 1]) < 0.02
    normal = built(200, 300, initializer="GlorotNormal").z_mean.kernel.numpy()
    assert normal.std() == pytest.approx(math.sqrt(2 / 500), rel=0.02)
    assert np.abs(normal).max() > 1.2 * math.sqrt(6 / 500)


OPTIONS = {
    "hard": {"log_var_bounds": (-20.0, 2.0)},
    "soft": {"log_var_bounds": (-4, 4), "log_var_form": "soft", "head_l2": 0.5, "head_initializer": "HeNormal"},
    "bn": {"bn_gamma": 0.7, "log_var_bounds": (-1.0, 0.0)},
    "linear": {"architecture": "linear", "head_l2": 0.1},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_options_survive_saving(options, tmp_path):
    model = compiled(build_vae(SHAPE, 2, **options), run_eagerly=True)
    model.fit(X, batch_size=10, epochs=2, verbose=0)
    model.save(tmp_path / "vae.keras")
    twin = load_vae(tmp_path / "vae.keras")
    assert twin.encoder.heads.options() == model.encoder.heads.options()
    assert [w.path.split("/", 1)[1] for w in twin.weights] == [w.path.split("/", 1)[1] for w in model.weights]
    for one, other in zip(encode(model, X), encode(twin, X), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [float(v) for v in twin.losses] == [float(v) for v in model.losses]


def test_a_heads_layer_alone_round_trips():
    heads = built(3, seed=4, part="local_", l2=0.1, log_var_bounds=[-2, 2], log_var_form="soft", name="mine")
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(heads))
    assert twin.get_config() == heads.get_config()
    for one, other in zip(heads(FEATURES), twin(FEATURES), strict=True):
        np.testing.assert_array_equal(one, other)  # initial weights are a function of seed and part


BAD = [
    ("l2", "head_l2", [-0.1, math.nan, math.inf, "1", None, True]),
    ("bn_gamma", "bn_gamma", [0, -1.0, math.nan, math.inf, "1", True]),
    ("log_var_form", "log_var_form", ["bent", None, 1, "soft"]),  # "soft" alone: of bounds that are not there
    ("initializer", "head_initializer", ["Glorious", "Zeros", None, 3]),
    (
        "log_var_bounds",
        "log_var_bounds",
        [3, "ab", (1,), (1, 2, 3), (2.0, -2.0), (0, 0), (math.nan, 1), (-math.inf, 2), ("a", "b"), (False, True)],
    ),
]


@pytest.mark.parametrize(
    ("option", "name", "value"), [(option, name, value) for option, name, values in BAD for value in values]
)
def test_refuses(option, name, value):
    for build in (
        lambda: GaussianHeads(2, **{option: value}),
        lambda: dense_encoder(SHAPE, 2, **{option: value}),
        lambda: build_vae(SHAPE, 2, **{name: value}),
    ):
        with pytest.raises(ValueError, match=rf"^Argument `{name}` must [^\n]*Received: {name}=") as caught:
            build()
        assert str(caught.value).count("Argument") == 1


def test_options_without_meaning_together_are_refused():
    cases = [
        ({"head_l2": 0.1, "bn_gamma": 1.0}, "head_l2"),
        ({"bn_gamma": 1.0, "local_dim": 2}, "bn_gamma"),
        ({"bn_gamma": 1.0, "architecture": "linear"}, "bn_gamma"),
        ({"objective": Objective(kl_clip=(-20, 2)), "log_var_bounds": (-20, 2)}, "kl_clip"),
        ({"objective": Objective(kl_clip=(-20, 2)), "log_var_bounds": (-20, 2), "local_dim": 2}, "kl_clip"),
    ]
    for options, name in cases:
        with pytest.raises(ValueError, match=rf"^Argument `{name}` must be .*Received: {name}="):
            build_vae(SHAPE, 2, **options)


def test_an_encoder_with_heads_of_ones_own_trains():
    body = dense_encoder(SHAPE, 2).body
    encoder = Encoder(body, 2, heads={"constant_log_var": True, "l2": 0.1})
    model = compiled(BetaVAE(encoder, dense_decoder(SHAPE, 2)), run_eagerly=True)
    start = encoder.heads.log_var.numpy()
    model.train_step(X)
    assert (encoder.heads.log_var.numpy() != start).all()
    assert model.encoder.z_log_var is None


def test_noise_of_a_bounded_model_is_that_of_an_unbounded_one():
    """Options of the heads change no draw: models that differ in them are pairs."""
    one, other = small_vae(), small_vae(log_var_bounds=(-1, 1))
    np.testing.assert_array_equal(step_noise(one, 4, 3), step_noise(other, 4, 3))
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", ["no", 1, None])
def test_a_constant_log_variance_is_asked_for_by_true_or_false(value):
    with pytest.raises(ValueError, match="^Argument `constant_log_var` must be True or False. Received: constant_log"):
        GaussianHeads(2, constant_log_var=value)


@pytest.mark.parametrize(
    ("bounds", "form", "name"),
    [
        ((2, -2), "hard", "bounds"),
        ((0, float("nan")), "hard", "bounds"),
        (None, "hard", "bounds"),
        ((-1, 1), "sofft", "form"),
    ],
)
def test_bounding_refuses_what_bounds_nothing(bounds, form, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must .*Received: {name}="):
        bounded_log_var(np.zeros(3, "float32"), bounds, form)


@pytest.mark.parametrize(
    ("value", "received"),
    [
        ("a", "'a'"),
        (None, "None"),
        ([0.0, np.nan], r"an array of shape \(2,\) with 1 value that is NaN"),
        (tf.constant("a"), "a tensor of strings"),
    ],
)
def test_what_is_no_log_variance_is_refused(value, received):
    with pytest.raises(
        ValueError, match=rf"^Argument `z_log_var` must hold .*numbers\. Received: z_log_var={received}"
    ):
        bounded_log_var(value, (-1, 1))


@pytest.mark.parametrize("bounds", [(-2, float("nan")), ("a", 2), (3, 1), [True, 2]])
def test_refused_bounds_are_shown_as_they_are(bounds):
    message = (
        f"must be a pair (lower, upper) of finite numbers with lower < upper. Received: log_var_bounds={bounds!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(f'Argument `log_var_bounds` {message}')}$"):
        small_vae(log_var_bounds=bounds)
