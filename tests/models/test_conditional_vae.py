"""The conditional VAE: what encoder and decoder see, every way in for conditions, and that they matter."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import (
    SHAPE,
    compiled,
    evaluation_noise,
    examples,
    run_layers,
    same,
    small_dataset,
    step_noise,
    weights,
)

from vaelib import (
    BetaVAE,
    ConditionalVAE,
    Dataset,
    KLAnnealing,
    Objective,
    ValidationMonitor,
    build_vae,
    conv_decoder,
    conv_encoder,
    dense_decoder,
    dense_encoder,
    encode,
    example_terms,
    fit_sigma2,
    load_vae,
    negative_elbo,
    train_vae,
)

X = examples(20)
LABELS = np.arange(20) % 3
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
VECTORS = np.random.default_rng(5).normal(size=(20, 3)).astype("float32")
NAMES = ("total_loss", "reconstruction_loss", "kl_loss")
BARE = {"batch_norm": False, "dropout": 0.0}


def conditional(objective=None, **options):
    return build_vae(SHAPE, 2, objective=objective, condition_dim=3, hidden=(6, 5), **{**BARE, **options})


def eager(model=None, **options):
    return compiled(model or conditional(Objective("mse"), **options), keras.optimizers.SGD(1e-3), run_eagerly=True)


def affine(layer, h):
    return h @ layer.kernel.numpy().astype("float64") + layer.bias.numpy()


def forward(model, x, condition, noise):
    """z_mean, z_log_var and the decoder's output, in NumPy."""
    features = run_layers(model.encoder.body, x.reshape(len(x), -1).astype("float64"), training=False)
    h = np.maximum(affine(model.encoder.mix, np.concatenate([features, condition], axis=1)), 0)
    z_mean, z_log_var = affine(model.encoder.z_mean, h), affine(model.encoder.z_log_var, h)
    z = z_mean + np.exp(z_log_var / 2) * noise
    return z_mean, z_log_var, run_layers(model.decoder, np.concatenate([z, condition], axis=1), False).reshape(x.shape)


def figures(model, x, condition, noise, beta=1.0):
    """total, reconstruction and KL loss under the plain squared error, in NumPy."""
    z_mean, z_log_var, output = forward(model, x, condition, noise)
    reconstruction = ((x - output) ** 2).sum(axis=(1, 2)).mean()
    kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).sum(1).mean()
    return reconstruction + beta * kl, reconstruction, kl


# --- what is seen ---


@pytest.mark.parametrize("condition", [ONE_HOT, VECTORS], ids=["one-hot", "vectors"])
def test_terms_by_the_formulas(condition):
    model = conditional(Objective("mse"))
    noise = np.random.default_rng(1).normal(size=(20, 2)).astype("float32")
    z_mean, z_log_var, output = forward(model, X, condition, noise)
    terms = model.terms((X, condition), noise)
    np.testing.assert_allclose(terms.latents[0].z_mean, z_mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(terms.latents[0].z_log_var, z_log_var, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(terms.output, output, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(terms.distortion, ((X - output) ** 2).sum(axis=(1, 2)), rtol=1e-4)
    kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var)
    np.testing.assert_allclose(terms.latents[0].kl, kl, rtol=1e-4, atol=1e-5)  # from N(0, 1), whatever c


def test_encoder_and_decoder_both_see_the_condition():
    model = conditional()
    other = np.roll(ONE_HOT, 1, axis=1)
    z_mean, _, _ = model.encoder(X, ONE_HOT, np.zeros((20, 2), "float32"))
    moved, _, _ = model.encoder(X, other, np.zeros((20, 2), "float32"))
    assert (np.abs(np.asarray(z_mean) - moved).max(axis=1) > 1e-3).all()
    z = np.zeros((20, 2), "float32")
    assert (np.abs(np.asarray(model.decode(z, ONE_HOT)) - model.decode(z, other)).max(axis=(1, 2)) > 1e-3).all()
    np.testing.assert_array_equal(model.decode(z, ONE_HOT), model.decoder(np.concatenate([z, ONE_HOT], 1)))


def test_call_decodes_the_mean_or_a_sample():
    model = conditional()
    noise = np.random.default_rng(1).normal(size=(20, 2)).astype("float32")
    np.testing.assert_allclose(model((X, VECTORS)), forward(model, X, VECTORS, 0.0)[2], rtol=1e-4, atol=1e-5)
    found = model((X, VECTORS), noise=noise)
    np.testing.assert_allclose(found, forward(model, X, VECTORS, noise)[2], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model((X, LABELS)), model((X, ONE_HOT)))


def test_terms_take_labels_too():
    model, noise = conditional(), np.ones((20, 2), "float32")
    for labels in (LABELS, tf.constant(LABELS), LABELS.astype("uint8")):
        np.testing.assert_array_equal(model.terms((X, labels), noise).output, model.terms((X, ONE_HOT), noise).output)


def test_generate_decodes_the_prior_beside_the_condition():
    model = conditional()
    found = np.asarray(model.generate(LABELS, seed=4))
    np.testing.assert_array_equal(found, model.generate(ONE_HOT, seed=4))
    assert not np.allclose(found, model.generate(LABELS, seed=5))
    # decoders for other conditions are given the same draws
    z = np.asarray(model._prior_draws(20, 4))
    expected = run_layers(model.decoder, np.concatenate([z, np.roll(ONE_HOT, 1, 1)], 1).astype("float64"), False)
    np.testing.assert_allclose(
        model.generate((LABELS + 1) % 3, seed=4), expected.reshape(20, *SHAPE), rtol=1e-4, atol=1e-5
    )


def test_parts():
    model = conditional()
    assert type(model) is ConditionalVAE
    assert (model.latent_dim, model.condition_dim, model.decoder.input_shape) == (2, 3, (None, 5))
    assert model.encoder.mix.kernel.shape == (5 + 3, 5)  # as wide as the features
    one_two = build_vae((4, 4, 1), 2, "convolutional", condition_dim=3, filters=(2,), hidden=(5,))
    assert type(one_two) is ConditionalVAE
    assert one_two((np.zeros((3, 4, 4, 1), "float32"), np.eye(3, dtype="float32"))).shape == (3, 4, 4, 1)


# --- every way in ---


@pytest.mark.parametrize(
    "ways",
    [
        lambda model, **o: model.fit(X, LABELS, **o),
        lambda model, **o: model.fit(X, ONE_HOT, **o),
        lambda model, **o: model.fit(x=X, y=LABELS.tolist(), **o),
        lambda model, **o: model.fit((X, LABELS), **o),
        lambda model, **o: model.fit([X, ONE_HOT], **o),
        lambda model, **o: model.fit(X, tf.constant(LABELS), **o),
        lambda model, **o: model.fit(tf.data.Dataset.from_tensor_slices((X, LABELS)).batch(8), **o),
        lambda model, **o: model.fit(tf.data.Dataset.from_tensor_slices((X, ONE_HOT.astype("float64"))).batch(8), **o),
    ],
    ids=["labels", "one-hot", "list", "pair", "list pair", "tensor", "pipeline", "pipeline of vectors"],
)
def test_all_ways_of_fit_are_one(ways):
    model, expected = eager(), eager()
    for start in (0, 8, 16):
        expected.train_on_batch((X[start : start + 8], ONE_HOT[start : start + 8]))
    options = {"shuffle": False, "verbose": 0}
    ways(model, **options, **({} if ways.__code__.co_names.count("data") else {"batch_size": 8}))
    assert same(model.get_weights(), expected.get_weights())


def test_a_step_is_the_formula_and_sees_vectors_as_they_are():
    for condition in (ONE_HOT, VECTORS):
        model = eager(beta=0.7)
        expected = figures(model, X, condition, step_noise(model, 20, 0), 0.7)
        found = model.fit(X, condition, batch_size=20, verbose=0, shuffle=False).history
        np.testing.assert_allclose([found[name][0] for name in NAMES], expected, rtol=1e-4)


def test_evaluation_in_all_ways():
    model = compiled(conditional(Objective("mse"), beta=0.7))
    expected = figures(model, X, ONE_HOT, evaluation_noise(model, 20), 0.7)
    pipeline = tf.data.Dataset.from_tensor_slices((X, LABELS)).batch(8)
    options = {"verbose": 0, "return_dict": True}
    for found in (
        model.evaluate(X, LABELS, batch_size=8, **options),
        model.evaluate((X, ONE_HOT), batch_size=20, **options),
        model.evaluate(pipeline, **options),
    ):
        np.testing.assert_allclose([found[name] for name in NAMES], expected, rtol=1e-4)
    for validation in ((X, LABELS), (X, ONE_HOT), pipeline):
        model.optimizer.learning_rate = 0.0
        history = model.fit(X, LABELS, validation_data=validation, batch_size=8, verbose=0, shuffle=False).history
        np.testing.assert_allclose(history["val_total_loss"], expected[0], rtol=1e-4)


def test_numbers_of_a_model_take_the_pair():
    model = conditional(Objective(sigma2=0.1))
    noise = evaluation_noise(model, 20)
    z_mean, z_log_var, output = forward(model, X, ONE_HOT, noise)
    for data in ((X, LABELS), (X, ONE_HOT), [X, LABELS.tolist()]):
        found = encode(model, data)
        np.testing.assert_allclose(found[0], z_mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[1], z_log_var, rtol=1e-4, atol=1e-5)
    distortion = ((X - output) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(example_terms(model, (X, LABELS)).distortion, distortion, rtol=1e-4)
    assert fit_sigma2(model, (X, LABELS)) == pytest.approx(distortion.mean() / 12, rel=1e-4)
    elbo = negative_elbo(model, (X, LABELS), sigma2=0.3)
    nll = 0.5 * (12 * np.log(2 * np.pi * 0.3) + distortion.mean() / 0.3)
    kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).sum(1).mean()
    np.testing.assert_allclose(elbo[:3], [nll + kl, nll, kl], rtol=1e-4)


def test_validation_monitor_takes_the_pair():
    model = compiled(conditional(Objective("mse"), beta=0.7), keras.optimizers.SGD(0.0), run_eagerly=True)
    monitor = ValidationMonitor((X[:10], LABELS[:10]), verbose=False)
    history = model.fit(X, LABELS, batch_size=8, verbose=0, shuffle=False, callbacks=[monitor]).history
    expected = figures(model, X[:10], ONE_HOT[:10], evaluation_noise(model, 10), 0.7)
    found = [history[f"val_{name}"][0] for name in NAMES]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_saved_models_come_back_equal(tmp_path):
    model = eager(head_l2=0.1, beta=0.3)
    model.fit(X, LABELS, batch_size=8, verbose=0)
    model.save(tmp_path / "vae.keras")
    twin = load_vae(tmp_path / "vae.keras")
    assert type(twin) is ConditionalVAE
    assert (twin.condition_dim, twin.get_kl_weight()) == (3, pytest.approx(0.3))
    np.testing.assert_array_equal(twin((X, LABELS)), model((X, LABELS)))
    np.testing.assert_array_equal(twin.generate([2, 0], seed=1), model.generate([2, 0], seed=1))
    twin.fit(X, LABELS, batch_size=8, verbose=0, shuffle=False)
    model.fit(X, LABELS, batch_size=8, verbose=0, shuffle=False)
    assert same(model.get_weights(), twin.get_weights())  # optimizer and noise go on


# --- the condition matters ---


@pytest.fixture(scope="module")
def trained():
    """Data that are one of three patterns, said by the label, and a code of one dimension; a model of them."""
    rng = np.random.default_rng(0)
    patterns, direction = rng.random((3, 12)), rng.normal(size=12)

    def part(n):
        labels = rng.integers(0, 3, n)
        code = rng.normal(size=(n, 1))
        x = patterns[labels] + 0.1 * code * direction + rng.normal(0, 0.01, (n, 12))
        return x.reshape(n, *SHAPE).astype("float32"), labels, code[:, 0]

    (x_train, y_train, _), (x_val, y_val, _), (x_test, y_test, code) = part(300), part(60), part(100)
    dataset = Dataset("patterns", x_train, x_val, x_test, y_train, y_val, y_test)
    model = build_vae(SHAPE, 1, objective=Objective(sigma2=0.01), condition_dim=3, hidden=(24,), **BARE)
    result = train_vae(model, dataset, 60, batch_size=50, learning_rate=0.02, scheduler=KLAnnealing(0, 1, 10))
    return dataset, patterns.reshape(3, *SHAPE), code, result


def test_generated_examples_belong_to_their_label(trained):
    _, patterns, _, result = trained
    for label in range(3):
        drawn = np.asarray(result.model.generate(np.full(200, label), seed=1)).mean(0)
        distances = [np.linalg.norm(drawn - pattern) for pattern in patterns]
        assert distances[label] < 0.2
        assert all(distance > 1 for i, distance in enumerate(distances) if i != label)


def test_the_code_holds_what_the_label_does_not(trained):
    """Inside each label the code follows the hidden number, up to its sign, which each label may choose."""
    dataset, _, code, result = trained
    z_mean, _ = encode(result.model, (dataset.x_test, dataset.y_test))
    for label in range(3):
        rows = dataset.y_test == label
        assert abs(np.corrcoef(z_mean[rows, 0], code[rows])[0, 1]) > 0.98
        assert abs(z_mean[rows, 0].mean()) < 0.5  # and not the label itself


def test_a_wrong_label_is_worse(trained):
    dataset, _, _, result = trained
    right = negative_elbo(result.model, (dataset.x_test, dataset.y_test), sigma2=0.01).negative_elbo
    wrong = negative_elbo(result.model, (dataset.x_test, (dataset.y_test + 1) % 3), sigma2=0.01).negative_elbo
    assert wrong > right + 10
    assert result.test.negative_elbo < 0  # a density of 12 pixels that are known to 0.01


def test_train_vae_reports_the_labelled_test_data(trained):
    dataset, _, _, result = trained
    sigma2 = fit_sigma2(result.model, (dataset.x_train, dataset.y_train))
    assert result.test == negative_elbo(result.model, (dataset.x_test, dataset.y_test), sigma2)
    assert len(result.history) == 60
    assert result.history.val_negative_elbo.iloc[-1] < result.history.val_negative_elbo.iloc[0]


# --- refusals ---


def refuse(act, name, says=""):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must [^\n]*{says}[^\n]*Received: {name}=") as caught:
        act()
    assert str(caught.value).count("Argument") == 1


BAD_CONDITIONS = {
    "label too high": LABELS + 1,
    "label below 0": LABELS - 1,
    "float labels": LABELS.astype("float32"),
    "too few": LABELS[:19],
    "too narrow": ONE_HOT[:, :2],
    "column of labels": LABELS[:, None],
    "NaN": np.where(ONE_HOT == 1, np.nan, 0),
    "infinite": np.where(ONE_HOT == 1, np.inf, 0),
    "text": np.array(["a"] * 20),
    "objects": np.array([None] * 20),
    "a number": 3,
    "ragged": [[1.0], [1.0, 2.0]],
}


@pytest.mark.parametrize("condition", BAD_CONDITIONS.values(), ids=BAD_CONDITIONS.keys())
def test_conditions_are_checked_before_anything_is_trained(condition):
    model = eager()
    before = copy.deepcopy(model.get_weights())
    refuse(lambda: model.fit(X, condition, verbose=0), r"x\[1\]")
    refuse(lambda: model.fit((X, condition), verbose=0), r"x\[1\]")
    refuse(lambda: model.evaluate(X, condition, verbose=0), r"x\[1\]")
    refuse(lambda: model.fit(X, LABELS, validation_data=(X, condition), verbose=0), r"validation_data\[1\]")
    refuse(lambda: encode(model, (X, condition)), r"x\[1\]")
    assert same(model.get_weights(), before)
    assert int(model.optimizer.iterations) == 0


@pytest.mark.parametrize(
    "condition", [[], np.zeros(0, int), np.zeros((0, 3)), [3], [-1], [0.5], "0", None, 2, [[1.0, 0]], [[np.nan, 0, 0]]]
)
def test_generate_refuses(condition):
    refuse(lambda: conditional().generate(condition), "condition")


def test_generate_refuses_a_seed():
    for seed in (-1, 1.5, None):
        refuse(lambda seed=seed: conditional().generate([0], seed=seed), "seed")


def test_examples_without_conditions_are_refused():
    model = eager()
    for act in (lambda: model.fit(X, verbose=0), lambda: model.evaluate(X, verbose=0), lambda: encode(model, X)):
        refuse(act, "x", r"be the pair \(examples, conditions\)")
    pipeline = tf.data.Dataset.from_tensor_slices(X).batch(8)
    refuse(lambda: model.fit(pipeline, verbose=0, shuffle=False), "x", "be the pair")
    refuse(lambda: model.fit(X, LABELS, validation_data=X, verbose=0), "validation_data", "be the pair")
    refuse(lambda: model.fit(X, LABELS, sample_weight=np.ones(20), verbose=0), "sample_weight", "be left out")
    with pytest.raises(ValueError, match="^Argument `condition` must be given, of shape"):
        model.encoder(X)


@pytest.mark.parametrize("condition", [LABELS.astype("float32"), LABELS[:, None], ONE_HOT[:, :2]])
def test_pipelines_of_other_shapes_are_refused(condition):
    pipeline = tf.data.Dataset.from_tensor_slices((X, condition)).batch(8)
    refuse(lambda: eager().fit(pipeline, verbose=0, shuffle=False), r"x\[1\]", "hold conditions: labels from 0 to 2")


@pytest.mark.parametrize("dtype", ["int64", "uint8", "int32"])
@pytest.mark.parametrize("eagerly", [True, False])
def test_labels_out_of_range_in_a_pipeline_are_refused(dtype, eagerly):
    """Such labels would be vectors of zeros: no condition."""
    model = compiled(conditional(Objective("mse")), keras.optimizers.SGD(1e-3), run_eagerly=eagerly)
    before = weights(model)
    labels = LABELS.astype(dtype)
    labels[3] = 7
    pipeline = tf.data.Dataset.from_tensor_slices((X, labels)).batch(20)
    for act in (lambda: model.fit(pipeline, verbose=0, shuffle=False), lambda: model.evaluate(pipeline, verbose=0)):
        refuse(act, r"x\[1\]", "hold conditions: labels from 0 to 2")
    assert same(weights(model), before)
    if dtype != "uint8":
        pipeline = tf.data.Dataset.from_tensor_slices((X, LABELS.astype(dtype) - 1)).batch(20)
        refuse(lambda: model.evaluate(pipeline, verbose=0), r"x\[1\]", "hold conditions: labels from 0 to 2")


def test_other_errors_of_a_pipeline_are_left_as_they_are():
    pipeline = tf.data.Dataset.from_tensor_slices((X, LABELS)).batch(20)
    broken = pipeline.map(lambda x, y: (tf.debugging.check_numerics(x / 0, "broken"), y))
    with pytest.raises(tf.errors.InvalidArgumentError, match="broken"):
        eager().fit(broken, verbose=0, shuffle=False)


def test_calls_refuse_other_pairs():
    model, z = conditional(), np.zeros((20, 2), "float32")
    for x in (X, "a", None, (X, None), (X, LABELS, X)):
        refuse(lambda x=x: model(x), "x", r"be the pair \(examples, conditions\)")
    refuse(lambda: model((X[:, :3], LABELS)), "x", r"hold examples of shape \(4, 3\)")
    bad = [LABELS + 1, LABELS[:5], ONE_HOT[:5], ONE_HOT[:, :2], "a", tf.constant(LABELS + 1), tf.constant(["a"])]
    for condition in [*bad, tf.constant(ONE_HOT[:5]), keras.KerasTensor((None, 2))]:
        for data in (X, tf.constant(X)):
            refuse(lambda x=data, c=condition: model((x, c)), r"x\[1\]", "hold 20 conditions: labels from 0 to 2")
        refuse(lambda c=condition: model.decode(z, c), "condition", "hold 20 conditions: labels from 0 to 2")
    refuse(lambda: model.decode(z), "condition", "hold 20 conditions: labels from 0 to 2")
    for condition in (LABELS, tf.constant(LABELS), ONE_HOT.tolist(), tf.constant(ONE_HOT)):
        np.testing.assert_array_equal(model.decode(z, condition), model.decode(z, ONE_HOT))
        np.testing.assert_array_equal(model((X, condition)), model((X, ONE_HOT)))
    with pytest.raises(ValueError, match=r"^Argument `condition` must hold examples of shape \(3,\)"):
        model.encoder(X, ONE_HOT[:, :2])


def test_single_batches():
    model = eager()
    expected = model.test_on_batch(X, LABELS, return_dict=True)
    assert model.test_on_batch((X, ONE_HOT), return_dict=True) == expected
    np.testing.assert_allclose(model.predict((X, ONE_HOT), verbose=0), model((X, LABELS)), rtol=1e-5, atol=1e-6)


def test_a_data_set_without_fitting_labels_is_refused():
    model = conditional()
    refuse(lambda: train_vae(model, small_dataset(), 1), "dataset", "have labels")
    x = [examples(n, n) for n in (30, 10, 10)]
    labels = [np.zeros(n, int) for n in (30, 10, 10)]
    for bad in (labels[1] + 3, labels[1] + 0.5):
        dataset = Dataset("bad", *x, labels[0], bad, labels[2])
        refuse(lambda dataset=dataset: train_vae(model, dataset, 1), r"dataset\.y_val")
    vectors = Dataset("vectors", *x, *(np.ones((n, 3)) for n in (30, 10, 10)))
    assert len(train_vae(conditional(), vectors, 1, batch_size=15).history) == 1


def test_labels_of_a_model_without_conditions_are_no_matter():
    x = [examples(n, n) for n in (30, 10, 10)]
    labelled = Dataset("labelled", *x, *(np.zeros(n, int) for n in (30, 10, 10)))
    plain = build_vae(SHAPE, 2, hidden=(6, 5), **BARE)
    assert type(plain) is BetaVAE
    one = train_vae(plain, labelled, 1, batch_size=15).test
    assert one == train_vae(build_vae(SHAPE, 2, hidden=(6, 5), **BARE), Dataset("plain", *x), 1, batch_size=15).test


def test_parts_that_do_not_fit_are_refused():
    with_condition, without = dense_encoder(SHAPE, 2, condition_dim=3), dense_encoder(SHAPE, 2)
    refuse(lambda: ConditionalVAE(without, dense_decoder(SHAPE, 2)), "encoder", "have a condition")
    refuse(lambda: BetaVAE(with_condition, dense_decoder(SHAPE, 5)), "encoder", "have no condition")
    refuse(lambda: ConditionalVAE(with_condition, dense_decoder(SHAPE, 2)), "decoder", r"map \(None, 5\)")
    images = conv_encoder((4, 4, 1), 2, (2,), condition_dim=3), conv_decoder((4, 4, 1), 5, (2,))
    assert ConditionalVAE(*images).latent_dim == 2
    for value in (-1, 1.5, "3", True, None):
        refuse(lambda value=value: build_vae(SHAPE, 2, condition_dim=value), "condition_dim")
