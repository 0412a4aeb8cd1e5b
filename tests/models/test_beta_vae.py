import math
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from small_models import (
    N_PIXELS,
    SHAPE,
    compiled,
    examples,
    fit,
    numpy_forward,
    plain_vae,
    same,
    small_dataset,
    small_vae,
    step_noise,
    weights,
)

from vaelib import (
    BetaVAE,
    Encoder,
    KLAnnealing,
    Objective,
    StepLog,
    build_vae,
    dense_decoder,
    dense_encoder,
    load_vae,
    negative_elbo,
    train_vae,
)

X = examples(10)


def numpy_losses(model, x, noise, beta, training=True):
    """total, reconstruction and KL loss of a model with squared error, both terms averaged, by the formulas."""
    z_mean, z_log_var, output = numpy_forward(model, x, noise, training)
    reconstruction = np.mean((x - output) ** 2)
    kl = np.mean(-0.5 * np.sum(1 + z_log_var - z_mean**2 - np.exp(z_log_var), axis=1)) / model.latent_dim
    return reconstruction + beta * kl, reconstruction, kl


MEAN = {"likelihood": "mse", "reconstruction_scale": "mean", "kl_scale": "mean"}


# --- terms and call ---


def test_terms_by_the_formulas():
    model = plain_vae(Objective(sigma2=0.1))
    noise = np.random.default_rng(1).normal(size=(10, 2)).astype("float32")
    terms = model.terms(X, noise)
    z_mean, z_log_var, output = numpy_forward(model, X, noise)
    (latents,) = terms.latents
    shapes = [
        tuple(v.shape) for v in (terms.output, terms.reconstruction, latents.z_mean, latents.z_log_var, latents.kl)
    ]
    assert shapes == [(10, 4, 3), (10,), (10, 2), (10, 2), (10, 2)]
    np.testing.assert_allclose(latents.z_mean, z_mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(latents.z_log_var, z_log_var, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(terms.output, output, rtol=1e-4, atol=1e-6)
    kl = -0.5 * (1 + z_log_var - z_mean**2 - np.exp(z_log_var))
    np.testing.assert_allclose(latents.kl, kl, rtol=1e-3, atol=1e-6)
    nll = -stats.norm.logpdf(X, output, math.sqrt(0.1)).sum(axis=(1, 2))
    np.testing.assert_allclose(terms.reconstruction, nll, rtol=1e-4)


def test_terms_without_noise_draw_it():
    model = plain_vae()
    one, two = model.terms(X), model.terms(X)
    np.testing.assert_array_equal(one.latents[0].kl, two.latents[0].kl)
    assert not np.allclose(one.output, two.output)


def test_call_decodes_the_mean_and_repeats_itself():
    model = small_vae(dropout=0.5)
    _, _, output = numpy_forward(model, X, np.zeros((10, 2)))
    np.testing.assert_allclose(model(X), output, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model(X), model(X))
    np.testing.assert_allclose(model.predict(X, verbose=0), output, rtol=1e-4, atol=1e-6)


def test_call_with_noise_decodes_the_sample():
    model = small_vae()
    noise = np.random.default_rng(1).normal(size=(10, 2)).astype("float32")
    np.testing.assert_allclose(model(X, noise=noise), numpy_forward(model, X, noise)[2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli"])
def test_call_returns_means_not_logits(likelihood):
    model = plain_vae(Objective(likelihood))
    logits = numpy_forward(model, X, np.zeros((10, 2)))[2]
    output = model(X).numpy()
    if likelihood == "bernoulli":
        np.testing.assert_allclose(output, special.expit(logits), rtol=1e-4)
    assert output.min() > 0
    assert output.max() < 1


def test_generate_decodes_the_prior():
    model = plain_vae()
    images = model.generate(4000, seed=3)
    assert images.shape == (4000, *SHAPE)
    z = np.random.default_rng(0).normal(size=(4000, 2)).astype("float32")
    own = model.decoder(z).numpy()  # other draws of the same prior: equal in distribution
    np.testing.assert_allclose(np.mean(images, axis=0), own.mean(0), atol=6 * own.std() / math.sqrt(4000))
    np.testing.assert_allclose(np.std(images, axis=0), own.std(0), rtol=0.15)
    np.testing.assert_array_equal(model.generate(5, seed=3), model.generate(5, seed=3))
    assert not np.allclose(model.generate(5, seed=3), model.generate(5, seed=4))
    assert np.min(plain_vae(Objective("bernoulli")).generate(5)) > 0


# --- the training step ---


def test_loss_of_a_step_is_the_formula():
    """With batch normalisation in training mode; the noise is TensorFlow's for the model's stream and the step."""
    model = compiled(small_vae(Objective(**MEAN), dropout=0.0, beta=0.7), run_eagerly=True)
    for step in range(2):
        expected = numpy_losses(model, X, step_noise(model, 10, step), 0.7)
        model.reset_metrics()
        found = model.train_step(X)
        assert list(found) == ["total_loss", "reconstruction_loss", "kl_loss"]
        np.testing.assert_allclose([float(value) for value in found.values()], expected, rtol=2e-4)


def test_step_of_adam_is_the_papers():
    """Kingma & Ba's formulas on the gradient of a loss written in plain TensorFlow; σ² is learned."""
    rate, beta = 0.01, 0.3
    model = compiled(plain_vae(Objective(sigma2="learned"), beta=beta), keras.optimizers.Adam(rate), run_eagerly=True)
    variables = [tf.Variable(weight.numpy()) for weight in model.trainable_weights]
    names = [weight.path.split("/", 1)[-1] for weight in model.trainable_weights]
    assert len(names) == 15  # 7 kernels, 7 biases, log σ²
    by_layer = {}
    for weight, variable in zip(model.trainable_weights, variables, strict=True):
        by_layer.setdefault(weight.path.split("/")[-2], []).append(variable)

    def dense(name, h):
        kernel, bias = by_layer[name]
        return h @ kernel + bias

    def loss(noise):
        h = tf.nn.relu(dense("encoder_1", tf.nn.relu(dense("encoder_0", X.reshape(10, -1)))))
        mean, log_var = dense("z_mean", h), dense("z_log_var", h)
        z = mean + tf.exp(log_var / 2) * noise
        h = tf.nn.relu(dense("decoder_1", tf.nn.relu(dense("decoder_0", z))))
        error = tf.reduce_sum((X.reshape(10, -1) - dense("decoder_output", h)) ** 2, axis=1)
        (log_sigma2,) = next(v for v in by_layer.values() if len(v) == 1)
        nll = 0.5 * (N_PIXELS * (math.log(2 * math.pi) + log_sigma2) + error / tf.exp(log_sigma2))
        kl = tf.reduce_sum(0.5 * (tf.exp(log_var) + mean**2 - 1 - log_var), axis=1)
        return tf.reduce_mean(nll) + beta * tf.reduce_mean(kl)

    m, v = [0.0] * len(variables), [0.0] * len(variables)
    for step in range(2):
        noise = step_noise(model, 10, step)
        with tf.GradientTape() as tape:
            value = loss(noise)
        gradients = [g.numpy() for g in tape.gradient(value, variables)]
        for i, (variable, g) in enumerate(zip(variables, gradients, strict=True)):
            m[i], v[i] = 0.9 * m[i] + 0.1 * g, 0.999 * v[i] + 0.001 * g**2
            length = rate * math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))  # section 2, last lines
            variable.assign_sub(length * m[i] / (np.sqrt(v[i]) + 1e-7))
        model.reset_metrics()
        assert float(model.train_step(X)["total_loss"]) == pytest.approx(float(value), rel=1e-5)
    for name, weight, variable in zip(names, model.trainable_weights, variables, strict=True):
        np.testing.assert_allclose(weight.numpy(), variable.numpy(), atol=2e-5, err_msg=name)


def test_regularisers_reach_the_gradient_but_not_the_reported_loss():
    def linear(penalty):
        initial = keras.initializers.GlorotUniform(seed=1)
        options = {"kernel_initializer": initial, "kernel_regularizer": keras.regularizers.L2(penalty)}
        layers = [keras.Input((2,)), keras.layers.Dense(N_PIXELS, **options), keras.layers.Reshape(SHAPE)]
        return BetaVAE(dense_encoder(SHAPE, 2), keras.Sequential(layers))

    plain, punished = (compiled(linear(p), keras.optimizers.SGD(0.01), run_eagerly=True) for p in (0.0, 10.0))
    kernel = plain.decoder.get_weights()[0]
    assert float(plain.train_step(X)["total_loss"]) == float(punished.train_step(X)["total_loss"])
    difference = plain.decoder.get_weights()[0] - punished.decoder.get_weights()[0]
    np.testing.assert_allclose(difference, 0.01 * 2 * 10 * kernel, rtol=1e-3, atol=1e-6)  # SGD on 10·w²


@pytest.fixture(scope="module")
def trained():
    """A compiled model with everything in it after two epochs of ragged batches; its log, history and traces."""
    model = compiled(small_vae(Objective(sigma2="learned"), dropout=0.2), steps_per_execution=2)
    traces, step, log = [], model.train_step, StepLog()
    model.train_step = lambda x: (traces.append(1), step(x))[1]
    history = fit(model, examples(50), 16, 2, callbacks=[log])
    return model, log.frame(), history, traces


def test_trackers_are_exactly_the_three(trained):
    model, _, history, _ = trained
    assert [metric.name for metric in model.metrics] == ["total_loss", "reconstruction_loss", "kl_loss"]
    assert sorted(history.history) == ["kl_loss", "reconstruction_loss", "total_loss"]


def test_ragged_last_batch_counts_by_its_size(trained):
    _, log, history, _ = trained
    assert log.examples.tolist() == [16, 16, 16, 2] * 2
    assert log.index.tolist() == list(range(8))
    assert log.epoch.tolist() == [0] * 4 + [1] * 4
    for name, values in history.history.items():
        weighted = [np.average(part[name], weights=part.examples) for _, part in log.groupby("epoch")]
        np.testing.assert_allclose(values, weighted, rtol=1e-5)
        assert not np.allclose(values, [part[name].mean() for _, part in log.groupby("epoch")], rtol=1e-5)


def test_beta_is_assigned_without_a_new_trace(trained):
    model, _, _, traces = trained
    before = len(traces)
    for beta in (0.0, 2.5):
        model.beta.assign(beta)
        log = StepLog()
        history = fit(model, examples(50), 16, 1, callbacks=[log]).history
        assert (log.frame().beta == beta).all()
        total = history["reconstruction_loss"][0] + beta * history["kl_loss"][0]
        assert history["total_loss"][0] == pytest.approx(total, rel=1e-5)
    assert len(traces) == before > 0


def test_saved_models_come_back_equal(trained, tmp_path):
    model = trained[0]
    model.save(tmp_path / "vae.keras")
    model.save_weights(tmp_path / "vae.weights.h5")
    loaded = load_vae(tmp_path / "vae.keras")
    fresh = small_vae(Objective(sigma2="learned"), dropout=0.2, seed=5)
    assert not same(weights(fresh), weights(model))
    fresh.load_weights(tmp_path / "vae.weights.h5")
    moving = model.encoder.body.get_layer("encoder_0_batch_norm").moving_mean.numpy()
    assert np.abs(moving).max() > 0  # training reached the statistics
    assert float(model.log_sigma2.numpy()) != 0
    for twin in (loaded, fresh):
        assert same(weights(twin), weights(model))
        np.testing.assert_array_equal(twin(X), model(X))
        assert twin.get_kl_weight() == model.get_kl_weight()
    assert loaded.objective == model.objective
    assert (loaded.seed, loaded.name, loaded.latent_dim) == (model.seed, model.name, 2)
    assert negative_elbo(loaded, X, 0.1) == negative_elbo(model, X, 0.1)


def test_saved_model_loads_in_a_fresh_process(trained, tmp_path):
    model = trained[0]
    model.save(tmp_path / "vae.keras")
    np.save(tmp_path / "x.npy", X)
    code = (
        "import sys, numpy as np; from vaelib import load_vae; folder = sys.argv[1]; "
        "np.save(folder + '/out.npy', load_vae(folder + '/vae.keras')(np.load(folder + '/x.npy')))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, cwd=Path.cwd())
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), model(X))


# --- evaluation ---


def test_evaluation_is_independent_of_the_batch_size():
    """With a fixed σ² the three losses are means over examples, and equal those that `negative_elbo` reports."""
    model = compiled(small_vae(Objective(sigma2=0.05)))
    x = examples(45)
    results = [model.evaluate(x, batch_size=size, verbose=0, return_dict=True) for size in (45, 16, 7)]
    elbo = negative_elbo(model, x, 0.05)
    for result in results:
        assert result["total_loss"] == pytest.approx(elbo.negative_elbo, rel=1e-5)
        assert result["reconstruction_loss"] == pytest.approx(elbo.reconstruction, rel=1e-5)
        assert result["kl_loss"] == pytest.approx(elbo.kl, rel=1e-5)
    assert model.evaluate(x, batch_size=16, verbose=0, return_dict=True) == results[1]


def test_evaluation_inside_fit_is_not_zero_and_trains_nothing():
    model = compiled(plain_vae(Objective(sigma2=0.05)), keras.optimizers.SGD(0.0), run_eagerly=True)
    history = model.fit(examples(20), validation_data=(examples(20, 7),), epochs=2, verbose=0).history
    assert history["val_total_loss"][0] == history["val_total_loss"][1]
    alone = model.evaluate(examples(20, 7), verbose=0, return_dict=True)
    assert alone["total_loss"] == pytest.approx(history["val_total_loss"][0], rel=1e-6)
    assert history["val_kl_loss"][0] > 0


@pytest.mark.parametrize("dtype", [bool, "int64", "uint8", "float64"])
def test_data_of_any_real_type_train(dtype):
    model = compiled(plain_vae(Objective("bernoulli")), keras.optimizers.SGD(0.0), run_eagerly=True)
    binary = (examples(8) > 0.3).astype(dtype)
    losses = fit(model, binary, 8, 1).history
    model = compiled(plain_vae(Objective("bernoulli")), keras.optimizers.SGD(0.0), run_eagerly=True)
    assert fit(model, binary.astype("float32"), 8, 1).history == losses


# --- β, its meaning, and arguments ---


def test_weight_and_its_meaning():
    model = build_vae((28, 28), 10, objective=Objective(**MEAN), beta=1.0)
    assert (model.get_kl_weight(), model.effective_beta) == (1.0, pytest.approx(78.4))
    assert model.implied_sigma2 == pytest.approx(39.2)
    model.beta.assign(0.5)
    assert (model.get_kl_weight(), model.effective_beta) == (0.5, pytest.approx(39.2))
    assert (model.latent_dim, model.example_shape) == (10, (28, 28))


def test_parts_that_do_not_fit_are_refused():
    encoder = dense_encoder(SHAPE, 2)
    for decoder in (dense_decoder(SHAPE, 3), dense_decoder((4, 4), 2)):
        with pytest.raises(ValueError, match=r"Argument `decoder` must map \(None, 2\) to \(None, 4, 3\).*Received"):
            BetaVAE(encoder, decoder)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"latent_dim": 0}, "latent_dim"),
        ({"architecture": "transformer"}, "architecture"),
        ({"objective": "mse"}, "objective"),
        ({"beta": -1.0}, "beta"),
        ({"beta": np.nan}, "beta"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"dropout": 1}, "dropout"),
    ],
)
def test_refuses(arguments, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must .*Received: {name}="):
        build_vae(**{"input_shape": SHAPE, "latent_dim": 2, **arguments})


@pytest.mark.parametrize(("arguments", "name"), [((0,), "n"), ((2.5,), "n"), ((2, -1), "seed")])
def test_generate_refuses(arguments, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must be an integer >= ."):
        plain_vae().generate(*arguments)


@pytest.mark.parametrize("call", ["fit", "evaluate"])
def test_targets_and_weights_are_refused_and_break_nothing(call):
    model = compiled(plain_vae())
    pairs, act = tf.data.Dataset.from_tensor_slices((X, X)).batch(4), getattr(model, call)
    for name, arguments in (("y", {"y": X}), ("sample_weight", {"sample_weight": np.ones(len(X))})):
        with pytest.raises(ValueError, match=rf"^Argument `{name}` must be left out: .* Received: {name}=an array of"):
            act(X, **arguments)
    with pytest.raises(ValueError, match=r"^Argument `x` must be examples alone.*Received: x=2 arrays a batch"):
        act(pairs)
    if call == "fit":
        with pytest.raises(ValueError, match="^Argument `class_weight` must be left out"):
            act(X, class_weight={0: 1.0})
        for data in ((X, X), pairs):
            with pytest.raises(ValueError, match="^Argument `validation_data` must be examples alone"):
                act(X, validation_data=data)
    act(X, verbose=0)


@pytest.mark.parametrize("wrap", [np.asarray, tf.constant, np.ndarray.tolist, lambda x: x.astype("float64")])
def test_arrays_of_any_kind_are_checked(wrap):
    model = compiled(plain_vae(), run_eagerly=True)
    expected = model.evaluate(X, verbose=0)
    assert model.evaluate(wrap(X), verbose=0) == expected
    model.fit(wrap(X), validation_data=X, verbose=0)
    model.fit(X, validation_data=(X, None), verbose=0)
    broken = X.copy()
    broken[1] = np.nan
    for act in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="^Argument `x` must hold only finite numbers"):
            act(wrap(broken))
        with pytest.raises(ValueError, match=r"^Argument `x` must hold examples of shape \(4, 3\). Received: x=None"):
            act()
    with pytest.raises(ValueError, match="^Argument `validation_data` must hold only finite numbers"):
        model.fit(wrap(X), validation_data=broken)


def test_single_batches():
    model = compiled(plain_vae(), run_eagerly=True)
    expected = model.evaluate(X, batch_size=len(X), verbose=0, return_dict=True)
    model.reset_metrics()
    assert model.test_on_batch(X, return_dict=True) == expected
    model.train_on_batch(X)
    assert int(model.optimizer.iterations) == 1


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16", "mixed_float16"])
def test_losses_are_float32_at_least_under_any_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = plain_vae(Objective())
    finally:
        keras.config.set_dtype_policy("float32")
    losses = model.objective.losses(model.terms(X, np.ones((10, 2), "float32")), model.beta)
    assert {loss.dtype for loss in losses[:3]} == {tf.float64 if policy == "float64" else tf.float32}
    if policy != "float64":  # whose initial weights are others
        exact = plain_vae().objective.losses(plain_vae().terms(X, np.ones((10, 2), "float32")), 1.0)
        np.testing.assert_allclose(losses[:3], exact[:3], rtol=0.05)
    result = train_vae(model, small_dataset(), 2, scheduler=KLAnnealing(0, 1, 1), batch_size=25)
    np.testing.assert_allclose(result.steps.beta, [0, 0.5, 1, 1])
    assert math.isfinite(result.test.negative_elbo)


@pytest.mark.parametrize("kind", [BetaVAE, Encoder])
def test_a_configuration_serves_twice(kind):
    model = plain_vae()
    config = (model if kind is BetaVAE else model.encoder).get_config()
    keys = set(config)
    for _ in range(2):
        assert isinstance(kind.from_config(config), kind)
    assert set(config) == keys


def test_parts_that_are_none_are_refused():
    model = plain_vae()
    for arguments, name in (
        ((model.decoder, model.encoder), "encoder"),
        ((model.encoder, None), "decoder"),
        ((model.encoder, keras.Sequential([keras.layers.Dense(12)])), "decoder"),
    ):
        with pytest.raises(ValueError, match=rf"^Argument `{name}` must be a .*Received: {name}="):
            BetaVAE(*arguments)


def test_rubbish_is_not_loaded(tmp_path):
    rubbish, other = tmp_path / "rubbish.keras", tmp_path / "other.keras"
    rubbish.write_bytes(b"PK\x03\x04 not a model")
    plain_vae().save(tmp_path / "whole.keras")
    whole = (tmp_path / "whole.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "scratched.keras").write_bytes(whole[:300] + b"?" * 50 + whole[350:])
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(other)
    plain_vae().save_weights(tmp_path / "vae.weights.h5")
    reasons = {
        rubbish: "It is damaged or of another kind.",
        tmp_path / "half.keras": "It is damaged or of another kind.",
        tmp_path / "scratched.keras": "Keras says: Bad CRC-32",
        tmp_path / "vae.weights.h5": "It is damaged or of another kind.",
        tmp_path / "missing.keras": "There is no such file.",
        tmp_path: "It is a folder.",
        other: "It holds a Sequential.",
    }
    for path, reason in reasons.items():
        message = f"Argument `path` must be a .keras file that vaelib saved. Received: path='{path}'. {reason}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            load_vae(path)
    for path in (3, None, b"vae.keras"):
        message = f"Argument `path` must be the path of a .keras file that vaelib saved. Received: path={path!r}."
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            load_vae(path)


def test_code_in_a_file_is_not_run(tmp_path):
    """A Lambda layer carries code: Keras' safe mode, which `load_vae` uses, must refuse it."""
    layer = keras.layers.Lambda(lambda x: x + 1)
    keras.Sequential([keras.Input((2,)), layer]).save(tmp_path / "code.keras")
    with pytest.raises(ValueError, match="Argument `path` must be a .keras file that vaelib saved"):
        load_vae(tmp_path / "code.keras")


NO_EXAMPLES = {
    "text": ("a", "'a'"),
    "nothing": (None, "None"),
    "a number": (3, "3"),
    "other shape": (np.zeros((5, 4, 4)), "an array of shape (5, 4, 4)"),
    "flat": (np.zeros((5, 12)), "an array of shape (5, 12)"),
    "one example": (np.zeros(SHAPE), "an array of shape (4, 3)"),
    "NaN": (np.full((5, *SHAPE), np.nan), "an array of shape (5, 4, 3) with 60 values that are NaN"),
    "tensor": (tf.zeros((5, 4, 4)), "a tensor of shape (5, 4, 4)"),
    "symbolic": (keras.KerasTensor((None, 4, 4)), "a tensor of shape (None, 4, 4)"),
    "strings": (tf.constant(["a"]), "a tensor of strings"),
}


@pytest.mark.parametrize(("x", "received"), NO_EXAMPLES.values(), ids=NO_EXAMPLES)
def test_calls_refuse_what_is_no_example(x, received):
    model = plain_vae()
    for act in (model, model.encoder):
        with pytest.raises(ValueError, match=rf"^Argument `x` must .*\. Received: x={re.escape(received)}"):
            act(x)


def test_calls_take_arrays_lists_and_tensors():
    model, x = plain_vae(), examples(5)
    expected = np.asarray(model(x))
    for same_examples in (x.astype("float64"), x.tolist(), tf.constant(x), (x,), (x, None)):
        np.testing.assert_allclose(model(same_examples), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="^Argument `x` must be examples alone.*Received: x=2 arrays a batch"):
        model((x, x))


@pytest.mark.parametrize(
    ("z", "received"),
    [
        ("a", "'a'"),
        (None, "None"),
        (np.zeros((5, 3)), "an array of shape (5, 3)"),
        (np.zeros(2), "an array of shape (2,)"),
        (np.array([[0.0, np.nan]]), "an array of shape (1, 2) with 1 value that is NaN"),
        (tf.zeros((5, 3)), "a tensor of shape (5, 3)"),
    ],
)
def test_what_is_no_code_is_not_decoded(z, received):
    with pytest.raises(ValueError, match=rf"^Argument `z` must .*\. Received: z={re.escape(received)}"):
        plain_vae().decode(z)


def test_codes_as_lists_are_decoded():
    model = plain_vae()
    np.testing.assert_array_equal(model.decode([[0, 1]]), model.decode(np.array([[0.0, 1.0]], "float32")))
    with pytest.raises(ValueError, match="^Argument `condition` must be left out: this model has none"):
        model.decode([[0, 1]], [[1]])
    with pytest.raises(ValueError, match="^Argument `condition` must be left out: this encoder has none"):
        model.encoder(examples(1), [[1]])
