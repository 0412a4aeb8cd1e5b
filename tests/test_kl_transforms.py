"""Free bits, capacity and the loss-only clip: values and gradients by hand, in the objective and in whole models."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import compiled, evaluation_noise, examples, fit, numpy_forward, plain_vae, small_dataset, step_noise

from vaelib import (
    BetaSchedule,
    CapacityBetaScheduler,
    Objective,
    StepLog,
    ValidationMonitor,
    encode,
    example_terms,
    gaussian_kl,
    load_vae,
    negative_elbo,
    train_vae,
)
from vaelib.kl import Latents
from vaelib.objective import Terms

X = examples(20)
KL = np.array([[0.1, 2.0, 0.0], [0.3, 0.0, 0.4]], "float32")  # means over the batch 0.2, 1.0, 0.2; in all 1.4


def losses(objective, kl=KL, beta=0.5, kl_in_loss=None, **options):
    reconstruction = np.array([3.0, 5.0], "float32")
    latents = Latents(None, None, kl, kl if kl_in_loss is None else kl_in_loss)
    terms = Terms(np.zeros((2, 4, 3), "float32"), reconstruction, reconstruction, (latents,))
    found = objective.losses(terms, beta, **options)
    return [float(value) for value in found[:3]]


def gradient_of_kl(objective, kl=KL, **options):
    """dL/dKL of each example and unit, at β = 1."""
    variable = tf.Variable(kl)
    reconstruction = np.array([3.0, 5.0], "float32")
    with tf.GradientTape() as tape:
        latents = Latents(None, None, variable.value(), variable.value())
        terms = Terms(np.zeros((2, 4, 3), "float32"), reconstruction, reconstruction, (latents,))
        loss = objective.losses(terms, 1.0, **options).total_loss
    return tape.gradient(loss, variable).numpy()


# --- free bits ---


@pytest.mark.parametrize(
    ("free_bits", "kl_term"),
    [
        (0.0, 1.4),
        (0.2, 1.4),  # at λ itself
        (0.5, 0.5 + 1.0 + 0.5),  # the mean over the batch counts: a maximum for each example would give 2.55
        (5.0, 15.0),
    ],
)
def test_free_bits_by_hand(free_bits, kl_term):
    total, reconstruction, kl = losses(Objective("mse", free_bits=free_bits))
    assert total == pytest.approx(4.0 + 0.5 * kl_term, rel=1e-6)
    assert (reconstruction, kl) == (4.0, pytest.approx(1.4, rel=1e-6))  # what is logged is the KL itself


def test_free_bits_gradient_is_that_of_the_units_above():
    np.testing.assert_allclose(gradient_of_kl(Objective("mse", free_bits=0.5)), [[0, 0.5, 0], [0, 0.5, 0]])
    np.testing.assert_allclose(gradient_of_kl(Objective("mse", free_bits=0.1)), np.full((2, 3), 0.5))
    np.testing.assert_allclose(gradient_of_kl(Objective("mse")), np.full((2, 3), 0.5))


def test_free_bits_are_nats_before_the_scale_factor():
    total, _, kl = losses(Objective("mse", kl_scale="mean", free_bits=0.5), beta=6.0)
    assert total == pytest.approx(4.0 + 6.0 * 2.0 / 3, rel=1e-6)
    assert kl == pytest.approx(1.4 / 3, rel=1e-6)


# --- capacity ---


@pytest.mark.parametrize(
    ("capacity", "kl_term", "sign"), [(0.0, 1.4, 1), (1.0, 0.4, 1), (2.0, 0.6, -1), (25.0, 23.6, -1)]
)
def test_capacity_by_hand(capacity, kl_term, sign):
    objective = Objective("mse", capacity=capacity)
    total, reconstruction, kl = losses(objective, beta=10.0)
    assert total == pytest.approx(4.0 + 10.0 * kl_term, rel=1e-6)
    assert (reconstruction, kl) == (4.0, pytest.approx(1.4, rel=1e-6))
    np.testing.assert_allclose(gradient_of_kl(objective), np.full((2, 3), 0.5 * sign))


def test_the_absolute_value_is_that_of_the_mean_over_the_batch():
    """The examples' KLs are 2.1 and 0.7: at C = 1.4 the loss is 0, where the mean of |KL − C| would be 0.7."""
    total, *_ = losses(Objective("mse", capacity=1.4), beta=10.0)
    assert total == pytest.approx(4.0, abs=1e-5)


def test_a_given_capacity_replaces_the_start_and_a_scale_factor_multiplies_the_distance():
    objective = Objective("mse", kl_scale="mean", capacity=0.0)
    assert losses(objective, beta=6.0, capacity=2.0)[0] == pytest.approx(4.0 + 6.0 * 0.6 / 3, rel=1e-6)
    assert losses(objective, beta=6.0)[0] == pytest.approx(4.0 + 6.0 * 1.4 / 3, rel=1e-6)


# --- the loss-only clip ---


def test_clip_understates_the_kl_of_the_loss_only():
    """log σ² = 4 clipped at 2: the true KL is ½(e⁴ − 5) = 24.8 nats, the loss sees ½(e² − 3) = 2.2; below likewise."""
    objective = Objective("mse", kl_clip=(-20.0, 2.0))
    z_log_var = np.array([[4.0, -24.0, 1.5]], "float32")
    latents = objective.latents(np.zeros((1, 3), "float32"), z_log_var)
    np.testing.assert_allclose(latents.kl, [[24.799, 11.5, 0.5 * (math.exp(1.5) - 2.5)]], rtol=1e-4)
    np.testing.assert_allclose(latents.kl_in_loss, [[2.1945, 9.5, 0.5 * (math.exp(1.5) - 2.5)]], rtol=1e-4)
    np.testing.assert_array_equal(latents.z_log_var, z_log_var)
    both = [np.tile(value, (2, 1)) for value in (latents.kl, latents.kl_in_loss)]
    total, _, kl = losses(objective, kl=both[0], kl_in_loss=both[1], beta=1.0)
    assert kl == pytest.approx(float(np.sum(latents.kl)), rel=1e-6)
    assert total == pytest.approx(4.0 + float(np.sum(latents.kl_in_loss)), rel=1e-6)


def test_clip_takes_the_gradient_of_the_variance_outside_and_never_that_of_the_mean():
    z_mean, z_log_var = tf.Variable([[0.5, -1.0, 3.0]]), tf.Variable([[4.0, -1.0, -24.0]])
    with tf.GradientTape(persistent=True) as tape:
        latents = Objective("mse", kl_clip=(-20.0, 2.0)).latents(z_mean.value(), z_log_var.value())
    np.testing.assert_allclose(tape.gradient(latents.kl_in_loss, z_mean), [[0.5, -1.0, 3.0]], rtol=1e-6)
    slope = [[0, (math.exp(-1) - 1) / 2, 0]]
    np.testing.assert_allclose(tape.gradient(latents.kl_in_loss, z_log_var), slope, rtol=1e-6)
    exact = (np.exp([[4.0, -1.0, -24.0]]) - 1) / 2
    np.testing.assert_allclose(tape.gradient(latents.kl, z_log_var), exact, rtol=1e-5)


def test_clip_leaves_the_sampler_alone():
    clipped, free = (plain_vae(Objective("mse", kl_clip=clip)) for clip in ((-20.0, 2.0), None))
    noise = np.ones((20, 2), "float32")
    for model in (clipped, free):
        model.encoder.z_log_var.bias.assign([4.0, -24.0])
    found, expected = clipped.terms(X, noise), free.terms(X, noise)
    np.testing.assert_array_equal(found.output, expected.output)  # decoded from the same samples
    np.testing.assert_array_equal(found.latents[0].z_log_var, expected.latents[0].z_log_var)
    np.testing.assert_array_equal(found.latents[0].kl, expected.latents[0].kl)
    assert (np.sum(found.latents[0].kl_in_loss, 1) < 0.6 * np.sum(found.latents[0].kl, 1)).all()
    np.testing.assert_array_equal(encode(clipped, X)[1], encode(free, X)[1])
    # what is reported at β = 1 is exact too
    assert negative_elbo(clipped, X, sigma2=0.5) == negative_elbo(free, X, sigma2=0.5)


def test_clip_comes_before_a_transform():
    objective = Objective("mse", kl_clip=(-20.0, 2.0), free_bits=3.0)
    latents = objective.latents(np.zeros((1, 2), "float32"), np.array([[4.0, -24.0]], "float32"))
    assert float(objective.kl_term(latents.kl_in_loss)) == pytest.approx(3.0 + 9.5)


# --- whole models ---


CASES = {
    "free bits": {"free_bits": 0.4},
    "free bits, mean": {"free_bits": 0.4, "kl_scale": "mean"},
    "capacity below": {"capacity": 0.2},
    "capacity above": {"capacity": 30.0, "kl_scale": "mean"},
    "clip": {"kl_clip": (-0.5, 0.25)},
    "clip and free bits": {"kl_clip": (-0.5, 0.25), "free_bits": 0.4},
    "clip and capacity": {"kl_clip": (-0.5, 0.25), "capacity": 1.0},
}


def spread(model):
    """Gives the units KLs on both sides of the numbers in CASES."""
    model.encoder.z_log_var.bias.assign([0.6, -1.2])
    model.encoder.z_mean.bias.assign([0.1, 1.5])
    return model


def by_numpy(z_mean, z_log_var, *, free_bits=None, capacity=None, kl_clip=None, kl_scale="sum"):
    """The KL term of the loss and the KL that is logged, from arrays, written anew."""

    def per_unit(log_var):
        return (-0.5 * (1 + log_var - z_mean**2 - np.exp(log_var))).mean(0)

    scale = 1.0 if kl_scale == "sum" else 1 / z_mean.shape[1]
    units = per_unit(z_log_var if kl_clip is None else np.minimum(np.maximum(z_log_var, kl_clip[0]), kl_clip[1]))
    term = units.sum()
    if free_bits is not None:
        term = sum(max(unit, free_bits) for unit in units)
    if capacity is not None:
        term = abs(term - capacity)
    return scale * term, scale * per_unit(z_log_var).sum()


@pytest.mark.parametrize("options", CASES.values(), ids=CASES.keys())
def test_the_step_minimises_the_transform_and_logs_the_kl(options):
    model = compiled(spread(plain_vae(Objective("mse", **options), beta=0.7)), run_eagerly=True)
    z_mean, z_log_var, output = numpy_forward(model, X, step_noise(model, 20, 0))
    reconstruction = ((X - output) ** 2).sum(axis=(1, 2)).mean()
    term, kl = by_numpy(z_mean, z_log_var, **options)
    assert abs(term - kl) > 0.01  # else the case shows nothing
    found = model.train_step(X)
    expected = [reconstruction + 0.7 * term, reconstruction, kl]
    np.testing.assert_allclose([float(value) for value in found.values()], expected, rtol=1e-4)


@pytest.mark.parametrize("options", CASES.values(), ids=CASES.keys())
def test_validation_figures_are_those_of_the_whole_set(options):
    """Three batches of training, none of validation: the transform acts on the mean over all validation examples."""
    model = compiled(
        spread(plain_vae(Objective("mse", **options), beta=0.7)), keras.optimizers.SGD(0.0), run_eagerly=True
    )
    val = examples(30, 9)
    history = fit(model, X, 8, 1, callbacks=[ValidationMonitor(val, verbose=False)]).history
    z_mean, z_log_var, output = numpy_forward(model, val, evaluation_noise(model, 30))
    reconstruction = ((val - output) ** 2).sum(axis=(1, 2)).mean()
    term, kl = by_numpy(z_mean, z_log_var, **options)
    assert history["val_reconstruction_loss"][0] == pytest.approx(reconstruction, rel=1e-4)
    assert history["val_kl_loss"][0] == pytest.approx(kl, rel=1e-4)
    assert history["val_total_loss"][0] == pytest.approx(reconstruction + 0.7 * term, rel=1e-4)
    true_kl = np.sum(gaussian_kl(z_mean, z_log_var), 1).mean()
    error = fit_error(model)
    nll = 0.5 * (12 * math.log(2 * math.pi * error) + reconstruction / error)
    assert history["val_negative_elbo"][0] == pytest.approx(nll + true_kl, rel=1e-3)


def fit_error(model):
    """The mean squared error of the three training batches, by NumPy."""
    squares = []
    for step, start in enumerate((0, 8, 16)):
        batch = X[start : start + 8]
        output = numpy_forward(model, batch, step_noise(model, len(batch), step))[2]
        squares.append(((batch - output) ** 2).reshape(len(batch), -1))
    return np.concatenate(squares).mean()


@pytest.mark.parametrize("options", [CASES["capacity below"], CASES["clip and free bits"]], ids=["capacity", "clip"])
def test_evaluate_and_files_keep_the_transform(options, tmp_path):
    model = spread(plain_vae(Objective("mse", **options), beta=0.7))
    found = compiled(model, run_eagerly=True).evaluate(X, batch_size=20, verbose=0, return_dict=True)
    z_mean, z_log_var, _ = numpy_forward(model, X, evaluation_noise(model, 20))
    term, kl = by_numpy(z_mean, z_log_var, **options)
    assert found["kl_loss"] == pytest.approx(kl, rel=1e-4)
    assert found["total_loss"] == pytest.approx(found["reconstruction_loss"] + 0.7 * term, rel=1e-4)
    if "capacity" in options:
        model.capacity.assign(3.0)
    model.train_on_batch(X)
    model.save(tmp_path / "vae.keras")
    twin = load_vae(tmp_path / "vae.keras")
    assert twin.objective == model.objective
    assert twin.scheduled.keys() == model.scheduled.keys()
    for name, variable in model.scheduled.items():
        assert float(twin.scheduled[name].numpy()) == float(variable.numpy())  # also where a schedule left it
    assert twin.evaluate(X, batch_size=20, verbose=0) == model.evaluate(X, batch_size=20, verbose=0)


def test_example_terms_hold_both_kls():
    model = spread(plain_vae(Objective("mse", kl_clip=(-0.5, 0.25))))
    terms = example_terms(model, X)
    np.testing.assert_allclose(terms.kl, gaussian_kl(terms.z_mean, terms.z_log_var), rtol=1e-5)
    clipped = gaussian_kl(terms.z_mean, np.clip(terms.z_log_var, -0.5, 0.25))
    np.testing.assert_allclose(terms.kl_in_loss, clipped, rtol=1e-5, atol=1e-6)


# --- the capacity moves ---


def test_capacity_rises_at_every_step_and_gamma_stands_still():
    """Rising by a nat an epoch of 3 steps, over two epochs; the loss of each step has that step's C."""
    model = compiled(spread(plain_vae(Objective("mse", capacity=0.0))), steps_per_execution=3)
    log = StepLog()
    schedule = BetaSchedule(CapacityBetaScheduler(max_capacity=2.0, rise_epochs=2, gamma=5.0))
    history = fit(model, X, 8, 3, callbacks=[log, schedule]).history
    rows = log.frame()
    capacity = np.minimum(np.arange(9) / 3, 2.0)
    np.testing.assert_allclose(rows.capacity, capacity, rtol=1e-6)
    assert (rows.beta == 5).all()
    np.testing.assert_allclose(
        rows.total_loss, rows.reconstruction_loss + 5 * (rows.kl_loss - capacity).abs(), rtol=1e-5
    )
    np.testing.assert_allclose(history["capacity"], capacity[2::3], rtol=1e-6)
    assert history["beta"] == [5.0] * 3


def test_capacity_holds_the_kl():
    """With a large γ the KL goes where C is: from above and from below."""
    schedule = CapacityBetaScheduler(max_capacity=1.5, rise_epochs=10, gamma=30.0)
    model = plain_vae(Objective(sigma2=0.02, capacity=0.0))
    history = train_vae(model, small_dataset(), 80, scheduler=schedule, batch_size=25, learning_rate=0.01).history
    assert history.kl_loss.iloc[0] > 0.01
    assert history.kl_loss.iloc[-10:].mean() == pytest.approx(1.5, abs=0.15)
    low = plain_vae(Objective(sigma2=0.02, capacity=0.5))
    history = train_vae(low, small_dataset(), 60, scheduler=30.0, batch_size=25, learning_rate=0.01).history
    assert history.kl_loss.iloc[-10:].mean() == pytest.approx(0.5, abs=0.1)
    assert history.capacity.eq(0.5).all()  # a schedule of β alone leaves it where the objective starts it


# --- refusals ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name, values in {
            "free_bits": [-0.1, math.nan, math.inf, "1", True, [1.0, 2.0]],
            "capacity": [-0.1, math.nan, math.inf, "1", True],
            "kl_clip": [2.0, "ab", (1.0,), (2.0, -20.0), (0, 0), (math.nan, 1), (-1, math.inf), (False, True)],
        }.items()
        for value in values
    ],
)
def test_refuses(name, value):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must be [^\n]*Received: {name}="):
        Objective(**{name: value})


def test_one_transform_at_a_time():
    with pytest.raises(ValueError, match="`capacity` must be left out with free_bits.*Received: capacity=0.0"):
        Objective(free_bits=0.0, capacity=0.0)


def test_config_and_repr_round_trip():
    for options in ({"free_bits": 0.5}, {"capacity": 0}, {"kl_clip": [-20, 2]}):
        objective = Objective("mse", **options)
        assert Objective(**objective.get_config()) == objective
        assert eval(repr(objective)) == objective
        assert objective != Objective("mse")
