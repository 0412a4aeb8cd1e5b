"""The hierarchical conditional VAE: both groups' terms by hand, both weights in the step, the learned prior."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from small_models import SHAPE, compiled, evaluation_noise, examples, run_layers, same, small_dataset, step_noise

from vaelib import (
    BetaSchedule,
    CapacityBetaScheduler,
    ConstantBetaScheduler,
    ControlBetaScheduler,
    CyclicalBetaScheduler,
    Dataset,
    Encoder,
    HierarchicalBetaScheduler,
    HierarchicalVAE,
    KLAnnealing,
    LinearBetaScheduler,
    Objective,
    StepLog,
    ValidationMonitor,
    WarmRestartBetaScheduler,
    build_vae,
    dense_decoder,
    dense_encoder,
    encode,
    example_terms,
    fit_sigma2,
    load_vae,
    negative_elbo,
    train_vae,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*away from its|.*not to its highest value")  # short trainings
X = examples(20)
LABELS = np.arange(20) % 3
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
BARE = {"batch_norm": False, "dropout": 0.0}
STEPS = 3  # of 8 examples, the last of 4


def hierarchy(objective=None, condition_dim=3, **options):
    options = {"hidden": (6, 5), **BARE, **options}
    return build_vae(SHAPE, 2, objective=objective, condition_dim=condition_dim, local_dim=4, **options)


def lively(model):
    """Gives both posteriors and the prior biases, so that no term is near zero or symmetric."""
    for i, heads in enumerate((model.encoder.heads, model.local_posterior[-1], model.local_prior[-1])):
        heads.z_mean.bias.assign(np.linspace(-0.5, 0.9 - 0.3 * i, heads.latent_dim))
        heads.z_log_var.bias.assign(np.linspace(-1.0, 0.4 + 0.3 * i, heads.latent_dim))
    return model


def data_of(model):
    return (X, ONE_HOT) if model.condition_dim else X


def affine(layer, h):
    return h @ layer.kernel.numpy().astype("float64") + layer.bias.numpy()


def gaussian(stack, h):
    for layer in stack[:-1]:
        h = np.maximum(affine(layer, h), 0)
    return affine(stack[-1].z_mean, h), affine(stack[-1].z_log_var, h)


def forward(model, x, condition, noise):
    """Global and local posterior, local prior (mean and log-variance each) and the decoder's output, in NumPy."""
    features = run_layers(model.encoder.body, x.reshape(len(x), -1).astype("float64"), training=False)
    c = np.zeros((len(x), 0)) if condition is None else condition
    h = features if condition is None else np.maximum(affine(model.encoder.mix, np.hstack([features, c])), 0)
    first = affine(model.encoder.z_mean, h), affine(model.encoder.z_log_var, h)
    z_global = first[0] + np.exp(first[1] / 2) * noise[:, :2]
    second = gaussian(model.local_posterior, np.hstack([features, z_global, c]))
    prior = gaussian(model.local_prior, np.hstack([z_global, c]))
    z_local = second[0] + np.exp(second[1] / 2) * noise[:, 2:]
    output = run_layers(model.decoder, np.hstack([z_global, z_local, c]), training=False).reshape(x.shape)
    return first, second, prior, output


def kl_of(q, p=(0.0, 0.0)):
    """The KL divergence of two Gaussians with standard deviations s and r: ln r/s + (s² + (m − n)²) / 2r² − ½."""
    s, r = np.exp(np.asarray(q[1]) / 2), np.exp(np.asarray(p[1]) / 2)
    return np.log(r / s) + (s**2 + (q[0] - p[0]) ** 2) / (2 * r**2) - 0.5


def figures(model, x, condition, noise, weights):
    """The losses under the plain squared error by name, in NumPy."""
    first, second, prior, output = forward(model, x, condition, noise)
    reconstruction = ((x - output) ** 2).sum(axis=(1, 2)).mean()
    of_global, of_local = kl_of(first).sum(1).mean(), kl_of(second, prior).sum(1).mean()
    return {
        "total_loss": reconstruction + weights[0] * of_global + weights[1] * of_local,
        "reconstruction_loss": reconstruction,
        "kl_loss": of_global + of_local,
        "global_kl_loss": of_global,
        "local_kl_loss": of_local,
    }


# --- terms ---


@pytest.mark.parametrize("condition_dim", [0, 3])
def test_terms_by_the_formulas(condition_dim):
    model = lively(hierarchy(Objective("mse"), condition_dim))
    noise = np.random.default_rng(1).normal(size=(20, 6)).astype("float32")
    first, second, prior, output = forward(model, X, ONE_HOT if condition_dim else None, noise)
    terms = model.terms(data_of(model), noise)
    assert len(terms.latents) == 2
    for found, expected in zip(terms.latents, (first, second), strict=True):
        np.testing.assert_allclose(found.z_mean, expected[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.z_log_var, expected[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(terms.latents[0].kl, kl_of(first), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(terms.latents[1].kl, kl_of(second, prior), rtol=1e-3, atol=1e-5)
    assert np.abs(kl_of(second, prior) - kl_of(second)).max() > 0.1  # N(0, 1) would be another prior
    np.testing.assert_allclose(terms.output, output, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(terms.distortion, ((X - output) ** 2).sum(axis=(1, 2)), rtol=1e-4)


def test_local_kl_is_the_mean_log_ratio_of_densities():
    """At one z_global for each example, 50,000 draws of z_local."""
    model, draws, n = lively(hierarchy(Objective("mse"))), 50_000, 3
    of_global = np.random.default_rng(1).normal(size=(n, 2))
    rng = np.random.default_rng(2)
    for i in range(n):
        noise = np.hstack([np.tile(of_global[i], (draws, 1)), rng.normal(size=(draws, 4))]).astype("float32")
        _, second, prior, _ = forward(model, X[i : i + 1], ONE_HOT[i : i + 1], noise[:1])
        z = second[0] + np.exp(second[1] / 2) * noise[:, 2:]
        ratio = stats.norm.logpdf(z, second[0], np.exp(second[1] / 2)) - stats.norm.logpdf(
            z, prior[0], np.exp(prior[1] / 2)
        )
        terms = model.terms((X[i : i + 1], ONE_HOT[i : i + 1]), noise[:1])
        error = 5 * ratio.std(0) / math.sqrt(draws)
        assert (np.abs(ratio.mean(0) - np.asarray(terms.latents[1].kl)[0]) < error).all()
        assert (error < 0.05).all()


def test_both_kls_are_the_mean_log_ratio_of_the_joint_densities():
    """log q(z_g|x) q(z_l|x, z_g) − log p(z_g) p(z_l|z_g), over draws of both: the sum of the two terms."""
    model, draws = lively(hierarchy(Objective("mse"), 0)), 40_000
    noise = np.random.default_rng(1).normal(size=(draws, 6)).astype("float32")
    x = np.repeat(X[:1], draws, axis=0)
    first, second, prior, _ = forward(model, x, None, noise)

    def log_density(z, mean_and_log_var):
        mean, log_var = mean_and_log_var
        return stats.norm.logpdf(z, mean, np.exp(log_var / 2)).sum(1)

    z_global = first[0] + np.exp(first[1] / 2) * noise[:, :2]
    z_local = second[0] + np.exp(second[1] / 2) * noise[:, 2:]
    ratio = log_density(z_global, first) + log_density(z_local, second)
    ratio -= stats.norm.logpdf(z_global).sum(1) + log_density(z_local, prior)
    terms = model.terms(x, noise)
    found = sum(float(np.mean(np.sum(group.kl, axis=1, dtype="float64"))) for group in terms.latents)
    assert abs(ratio.mean() - found) < 5 * ratio.std() / math.sqrt(draws)
    assert found > 0.5


def test_the_local_group_sees_the_sample_of_the_global_one():
    model, noise = hierarchy(), np.zeros((20, 6), "float32")
    moved = noise.copy()
    moved[:, 0] = 1.0
    one, other = model.terms(data_of(model), noise), model.terms(data_of(model), moved)
    np.testing.assert_array_equal(one.latents[0].z_mean, other.latents[0].z_mean)
    assert np.abs(np.asarray(one.latents[1].z_mean) - other.latents[1].z_mean).max() > 0.01
    assert (
        np.abs(np.asarray(model.prior(moved[:, :2], ONE_HOT)[0]) - model.prior(noise[:, :2], ONE_HOT)[0]).max() > 0.01
    )


@pytest.mark.parametrize("condition_dim", [0, 3])
def test_call_decodes_mean_codes_or_samples(condition_dim):
    model = lively(hierarchy(condition_dim=condition_dim))
    condition = ONE_HOT if condition_dim else None
    for noise in (np.zeros((20, 6), "float32"), np.random.default_rng(1).normal(size=(20, 6)).astype("float32")):
        given = {"noise": noise} if noise.any() else {}
        expected = forward(model, X, condition, noise)[3]
        np.testing.assert_allclose(model(data_of(model), **given), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("condition_dim", [0, 3])
def test_generate_draws_from_the_learned_prior(condition_dim):
    model = lively(hierarchy(condition_dim=condition_dim))
    condition = ONE_HOT if condition_dim else np.zeros((20, 0))
    found = np.asarray(model.generate(LABELS if condition_dim else 20, seed=3))
    draws = np.asarray(model._prior_draws(20, 3), "float64")
    assert draws.shape == (20, 6)
    mean, log_var = gaussian(model.local_prior, np.hstack([draws[:, :2], condition]))
    z = np.hstack([draws[:, :2], mean + np.exp(log_var / 2) * draws[:, 2:], condition])
    np.testing.assert_allclose(found, run_layers(model.decoder, z, False).reshape(20, *SHAPE), rtol=1e-3, atol=1e-5)
    assert not np.allclose(found, model.generate(LABELS if condition_dim else 20, seed=4))


def test_sizes_and_names():
    model = hierarchy()
    assert type(model) is HierarchicalVAE
    assert (model.latent_dim, model.group_dims, model.global_dim, model.local_dim) == (6, (2, 4), 2, 4)
    assert model.decoder.input_shape == (None, 2 + 4 + 3)
    assert [layer.name for layer in model.local_posterior] == ["local_0", "local_heads"]
    assert model.local_posterior[0].kernel.shape == (5 + 2 + 3, 5)
    assert model.local_prior[0].kernel.shape == (2 + 3, 5)
    assert model.get_kl_weights() == {"global_kl_weight": 1.0, "local_kl_weight": 1.0}
    assert [name for name in model.loss_names if "kl" in name] == ["kl_loss", "global_kl_loss", "local_kl_loss"]
    images = build_vae((4, 4, 1), 2, "convolutional", local_dim=3, filters=(2,), hidden=(5,))
    assert images(np.zeros((3, 4, 4, 1), "float32")).shape == (3, 4, 4, 1)
    kernels = {w.path: w.numpy().ravel() for w in model.weights if w.name == "kernel"}
    first = [kernel[:4] for kernel in kernels.values()]
    assert len({tuple(values) for values in first}) == len(first)  # no two layers begin alike


# --- the training step ---


@pytest.mark.parametrize("condition_dim", [0, 3])
def test_loss_of_a_step_is_the_formula(condition_dim):
    model = compiled(lively(hierarchy(Objective("mse"), condition_dim)), run_eagerly=True)
    model.global_kl_weight.assign(0.3)
    model.local_kl_weight.assign(2.0)
    for step in range(2):
        condition = ONE_HOT if condition_dim else None
        expected = figures(model, X, condition, step_noise(model, 20, step), (0.3, 2.0))
        model.reset_metrics()
        found = model.train_step(data_of(model))
        assert list(found) == list(expected)
        np.testing.assert_allclose([float(v) for v in found.values()], list(expected.values()), rtol=2e-4)


def test_scale_factors_are_each_groups_own():
    """With kl_scale="mean" the global KL is divided by 2 units, the local one by 4."""
    model = compiled(lively(hierarchy(Objective("mse", None, "mean", "mean"))), run_eagerly=True)
    model.global_kl_weight.assign(0.3)
    model.local_kl_weight.assign(2.0)
    expected = figures(model, X, ONE_HOT, step_noise(model, 20, 0), (0.3 / 2, 2.0 / 4))
    reconstruction = expected["reconstruction_loss"]
    kls = expected["global_kl_loss"] / 2, expected["local_kl_loss"] / 4
    found = {name: float(value) for name, value in model.train_step((X, LABELS)).items()}
    total = expected["total_loss"] - reconstruction + reconstruction / 12
    assert found == pytest.approx(
        {
            "total_loss": total,
            "reconstruction_loss": reconstruction / 12,
            "kl_loss": sum(kls),
            "global_kl_loss": kls[0],
            "local_kl_loss": kls[1],
        },
        rel=2e-4,
    )


def test_every_weight_gets_a_gradient():
    model = lively(hierarchy())
    with tf.GradientTape() as tape:
        terms = model.terms(data_of(model), np.random.default_rng(0).normal(size=(20, 6)).astype("float32"))
        loss = model.objective.losses(terms, [1.0, 1.0]).total_loss
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.abs(gradient).max() > 0, weight.path


def trained(model, scheduler, epochs=4, per="step", **options):
    log = StepLog()
    callbacks = [log, BetaSchedule(scheduler, per=per), *options.pop("callbacks", ())]
    x, condition = (X, LABELS) if model.condition_dim else (X, None)
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, "epochs": epochs, "callbacks": callbacks, **options}
    return log, model.fit(x, condition, **options).history


@pytest.mark.parametrize("steps_per_execution", [1, STEPS])
def test_both_weights_follow_their_schedules_at_every_step(steps_per_execution):
    model = compiled(hierarchy(Objective("mse")), steps_per_execution=steps_per_execution)
    scheduler = HierarchicalBetaScheduler(
        LinearBetaScheduler(max_beta=0.01, warmup_epochs=2), CyclicalBetaScheduler(4, 0.1, 0.5, "triangle")
    )
    log, history = trained(model, scheduler)
    time = np.arange(4 * STEPS) / STEPS
    expected = {
        "global_kl_weight": 0.01 * np.minimum(time / 2, 1),
        "local_kl_weight": 0.1 + 0.4 * (1 - np.abs(2 * (time / 4) - 1)),
    }
    rows = log.frame()
    for name, values in expected.items():
        np.testing.assert_allclose(rows[name], values, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(history[name], values[STEPS - 1 :: STEPS], rtol=1e-5)
    assert "beta" not in history
    assert "beta" not in rows
    weighted = rows.global_kl_weight * rows.global_kl_loss + rows.local_kl_weight * rows.local_kl_loss
    np.testing.assert_allclose(rows.total_loss, rows.reconstruction_loss + weighted, rtol=1e-5)
    np.testing.assert_allclose(rows.kl_loss, rows.global_kl_loss + rows.local_kl_loss, rtol=1e-5)
    for name in ("total_loss", "global_kl_loss", "local_kl_loss"):  # the history holds the examples' mean
        mean = [np.average(part[name], weights=part.examples) for _, part in rows.groupby("epoch")]
        np.testing.assert_allclose(history[name], mean, rtol=1e-5)


def test_both_weights_once_an_epoch():
    model = compiled(hierarchy(Objective("mse"), 0), run_eagerly=True)
    scheduler = HierarchicalBetaScheduler(LinearBetaScheduler(1.0, 4), ConstantBetaScheduler(0.25))
    log, history = trained(model, scheduler, epochs=3, per="epoch")
    np.testing.assert_array_equal(log.frame().global_kl_weight, np.repeat([0, 0.25, 0.5], STEPS))
    np.testing.assert_array_equal(log.frame().local_kl_weight, np.full(9, 0.25))
    assert history["global_kl_weight"] == [0, 0.25, 0.5]
    assert model.get_kl_weights() == {"global_kl_weight": 0.5, "local_kl_weight": 0.25}


def test_one_group_by_feedback_and_the_other_by_table():
    """ControlVAE on the local group reads that group's KL, in nats, whatever the other does."""
    control = ControlBetaScheduler(target_kl=0.1, kp=0.5, ki=0.05, max_beta=5.0)
    model = compiled(lively(hierarchy(Objective("mse", kl_scale="mean"))), steps_per_execution=STEPS)
    log, _ = trained(model, HierarchicalBetaScheduler(LinearBetaScheduler(1.0, 4), control))
    rows = log.frame()
    np.testing.assert_allclose(rows.global_kl_weight, np.arange(12) / 12, rtol=1e-5, atol=1e-7)
    state, expected = control.init(), []
    for kl in rows.local_kl_loss * 4:  # the logged KL is the mean over 4 units
        expected.append(state["beta"])
        state, _ = control.step(state, {"kl_loss": kl})
    np.testing.assert_allclose(rows.local_kl_weight, expected, rtol=1e-4, atol=1e-6)
    assert np.ptp(expected) > 0.1


# --- evaluation, files, figures ---


def test_evaluation_is_the_formula_and_independent_of_the_batch_size():
    model = compiled(lively(hierarchy(Objective("mse"))))
    model.global_kl_weight.assign(0.3)
    model.local_kl_weight.assign(2.0)
    expected = figures(model, X, ONE_HOT, evaluation_noise(model, 20), (0.3, 2.0))
    for size in (20, 7):
        found = model.evaluate(X, LABELS, batch_size=size, verbose=0, return_dict=True)
        assert found == pytest.approx(expected, rel=2e-4)


def test_numbers_put_the_global_units_first():
    model = lively(hierarchy(Objective(sigma2=0.1)))
    first, second, prior, output = forward(model, X, ONE_HOT, evaluation_noise(model, 20))
    terms = example_terms(model, (X, LABELS))
    np.testing.assert_allclose(terms.z_mean, np.hstack([first[0], second[0]]), rtol=1e-3, atol=1e-5)
    kl = np.hstack([kl_of(first), kl_of(second, prior)])
    np.testing.assert_allclose(terms.kl, kl, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(encode(model, (X, LABELS))[1], np.hstack([first[1], second[1]]), rtol=1e-3, atol=1e-5)
    error = ((X - output) ** 2).sum(axis=(1, 2)).mean()
    assert fit_sigma2(model, (X, LABELS)) == pytest.approx(error / 12, rel=1e-4)
    elbo = negative_elbo(model, (X, LABELS), 0.2)
    nll = 0.5 * (12 * math.log(2 * math.pi * 0.2) + error / 0.2)
    np.testing.assert_allclose(elbo[:3], [nll + kl.sum(1).mean(), nll, kl.sum(1).mean()], rtol=1e-4)


TRANSFORMS = {
    "exact": {},
    "free bits": {"free_bits": 0.3},
    "clip": {"kl_clip": (-0.3, 0.2)},
    "mean": {"kl_scale": "mean"},
}


@pytest.mark.parametrize("options", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_validation_figures_and_their_line(options, capsys):
    """Computed anew from arrays; free bits act on each unit of both groups, the clip on both posteriors."""
    model = lively(hierarchy(Objective("mse", **options)))
    compiled(model, keras.optimizers.SGD(0.0), run_eagerly=True)
    weights = {"global_kl_weight": 0.3, "local_kl_weight": 2.0}
    for name, value in weights.items():
        model.scheduled[name].assign(value)
    val, labels = examples(9, 9), np.arange(9) % 3
    monitor = ValidationMonitor((val, labels))
    history = model.fit(X, LABELS, batch_size=8, verbose=0, shuffle=False, callbacks=[monitor]).history
    first, second, prior, output = forward(model, val, np.eye(3)[labels], evaluation_noise(model, 9))
    scale = (1 / 2, 1 / 4) if "kl_scale" in options else (1.0, 1.0)
    exact, in_loss = [], []
    for i, (q, p) in enumerate(((first, (0.0, 0.0)), (second, prior))):
        exact.append(scale[i] * kl_of(q, p).sum(1).mean())
        clipped = (q[0], np.clip(q[1], *options["kl_clip"])) if "kl_clip" in options else q
        units = kl_of(clipped, p).mean(0)
        in_loss.append(scale[i] * np.maximum(units, options.get("free_bits", 0)).sum())
    reconstruction = ((val - output) ** 2).sum(axis=(1, 2)).mean()
    expected = {
        "val_total_loss": reconstruction + 0.3 * in_loss[0] + 2.0 * in_loss[1],
        "val_reconstruction_loss": reconstruction,
        "val_kl_loss": sum(exact),
        "val_global_kl_loss": exact[0],
        "val_local_kl_loss": exact[1],
        **weights,
    }
    assert {name: history[name][0] for name in expected} == pytest.approx(expected, rel=3e-4)
    assert capsys.readouterr().out == (
        f"epoch 1: validation reconstruction loss {history['val_reconstruction_loss'][0]:.6f}, "
        f"global KL loss {history['val_global_kl_loss'][0]:.6f}, local KL loss {history['val_local_kl_loss'][0]:.6f}, "
        f"global KL weight 0.300000, local KL weight 2.000000, total loss {history['val_total_loss'][0]:.6f}\n"
    )


@pytest.mark.parametrize("condition_dim", [0, 3])
def test_saved_models_come_back_equal(condition_dim, tmp_path):
    options = {"log_var_bounds": (-6, 3), "log_var_form": "soft", "head_l2": 1e-3, "beta": 0.5}
    model = compiled(hierarchy(Objective(sigma2="learned", free_bits=0.1), condition_dim, **options), run_eagerly=True)
    trained(model, HierarchicalBetaScheduler(LinearBetaScheduler(1.0, 4), ConstantBetaScheduler(0.25)), 2)
    model.save(tmp_path / "vae.keras")
    twin = load_vae(tmp_path / "vae.keras")
    assert type(twin) is HierarchicalVAE
    assert twin.get_config()["hidden"] == model.get_config()["hidden"]
    assert (
        twin.get_kl_weights()
        == model.get_kl_weights()
        == {"global_kl_weight": pytest.approx(5 / 12), "local_kl_weight": 0.25}
    )
    assert same(twin.get_weights(), model.get_weights())
    np.testing.assert_array_equal(twin(data_of(model)), model(data_of(model)))
    drawn = [2, 0] if condition_dim else 2
    np.testing.assert_array_equal(twin.generate(drawn, seed=1), model.generate(drawn, seed=1))
    for one in (model, twin):
        trained(one, HierarchicalBetaScheduler(ConstantBetaScheduler(1.0), ConstantBetaScheduler(0.5)), 1)
    assert same(twin.get_weights(), model.get_weights())
    model.save_weights(tmp_path / "vae.weights.h5")
    fresh = hierarchy(Objective(sigma2="learned", free_bits=0.1), condition_dim, **options, seed=5)
    fresh.load_weights(tmp_path / "vae.weights.h5")
    np.testing.assert_array_equal(fresh(data_of(model)), model(data_of(model)))


def test_restarts_are_in_the_history_by_child():
    """Global restarts at epochs 2, 4, …; local at 3 and, 1.5 times later, at 7.5 → 8 (half up)."""
    scheduler = HierarchicalBetaScheduler(
        WarmRestartBetaScheduler("linear", {"max_beta": 1.0, "warmup_epochs": 2}, restart_interval=2),
        WarmRestartBetaScheduler("linear", {"max_beta": 1.0, "warmup_epochs": 2}, 3, restart_multiplier=1.5),
    )
    model = compiled(hierarchy(Objective("mse"), 0), run_eagerly=True)
    _, history = trained(model, scheduler, epochs=9, batch_size=20)
    assert history["global_last_restart_epoch"] == [0, 0, 2, 2, 4, 4, 6, 6, 8]
    assert history["global_epochs_since_restart"] == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert history["local_last_restart_epoch"] == [0, 0, 0, 3, 3, 3, 3, 3, 8]
    assert history["local_is_restart_epoch"] == [0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert not [name for name in history if name.startswith(("last_restart", "is_restart"))]


def test_history_of_one_restarting_child_only():
    restarts = WarmRestartBetaScheduler("linear", {"max_beta": 1.0, "warmup_epochs": 2}, restart_interval=2)
    model = compiled(hierarchy(Objective("mse"), 0), run_eagerly=True)
    scheduler = HierarchicalBetaScheduler(ConstantBetaScheduler(1.0), restarts)
    _, history = trained(model, scheduler, epochs=3, batch_size=20)
    assert history["local_last_restart_epoch"] == [0, 0, 2]
    assert not [name for name in history if name.startswith("global_") and "restart" in name]


def test_train_vae_with_all_of_it(tmp_path):
    dataset = small_dataset()
    labels = [np.arange(len(x)) % 3 for x in (dataset.x_train, dataset.x_val, dataset.x_test)]
    labelled = Dataset("labelled", dataset.x_train, dataset.x_val, dataset.x_test, *labels)
    scheduler = HierarchicalBetaScheduler(LinearBetaScheduler(1.0, 1), LinearBetaScheduler(0.5, 2))
    model = hierarchy(batch_norm=True, dropout=0.1)
    result = train_vae(model, labelled, 4, scheduler=scheduler, batch_size=25, output=tmp_path / "out")
    names = ("global_kl_weight", "local_kl_weight", "val_global_kl_loss", "val_local_kl_loss", "local_kl_loss")
    assert set(names) <= set(result.history)
    assert np.isfinite(result.history.to_numpy(float)).all()
    assert result.best_epoch in (2, 3)  # the last of the two reaches its highest weight at epoch 2
    np.testing.assert_allclose(result.steps.local_kl_weight, 0.5 * np.minimum(np.arange(8) / 4, 1))
    sigma2 = fit_sigma2(model, (labelled.x_train, labelled.y_train))
    assert result.test == negative_elbo(model, (labelled.x_test, labelled.y_test), sigma2)
    twin = load_vae(result.files["vae.keras"])
    np.testing.assert_array_equal(twin.generate([0, 1, 2]), model.generate([0, 1, 2]))


def test_the_prior_learns_where_the_local_codes_are():
    """Its biases are at their optimum when E[(m − n) / r²] = 0 and E[(s² + (m − n)²) / r²] = 1 in each unit."""
    model = hierarchy(Objective(sigma2=0.003), 0, hidden=(24,))
    rate = keras.optimizers.schedules.CosineDecay(0.01, 600)
    train_vae(model, small_dataset(200), 150, batch_size=50, learning_rate=rate, restore_best=False)
    x = np.repeat(small_dataset(200).x_train, 20, axis=0)
    _, second, prior, _ = forward(model, x, None, np.random.default_rng(0).normal(size=(4000, 6)))
    precision = np.exp(-prior[1])
    shift = ((second[0] - prior[0]) * np.sqrt(precision)).mean(0)
    ratio = ((np.exp(second[1]) + (second[0] - prior[0]) ** 2) * precision).mean(0)
    np.testing.assert_allclose(shift, 0, atol=0.1)
    np.testing.assert_allclose(ratio, 1, atol=0.1)
    assert kl_of(second, prior).sum(1).mean() < 0.8 * kl_of(second).sum(1).mean()  # N(0, 1) is no such place


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_losses_are_float32_under_any_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = hierarchy(Objective())
    finally:
        keras.config.set_dtype_policy("float32")
    noise = np.ones((20, 6), "float32")
    losses = model.objective.losses(model.terms(data_of(model), noise), [1.0, 1.0])
    assert {loss.dtype for loss in losses[:3]} == {tf.float32}
    exact = hierarchy(Objective())
    np.testing.assert_allclose(
        losses[:3], exact.objective.losses(exact.terms(data_of(model), noise), [1.0, 1.0])[:3], rtol=0.05
    )
    found = compiled(model, run_eagerly=True, auto_scale_loss=False).train_step(data_of(model))
    assert all(math.isfinite(float(value)) for value in found.values())
    assert model.generate([0, 1]).shape == (2, *SHAPE)


# --- refusals ---


def refuse(act, name, says=""):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must [^\n]*{says}[^\n]*Received: {name}=") as caught:
        act()
    assert str(caught.value).count("Argument") == 1


def test_options_for_one_group_are_refused():
    refuse(lambda: hierarchy(Objective(capacity=3.0)), "capacity", "one group")
    refuse(lambda: hierarchy(bn_gamma=1.0), "bn_gamma", "local units")
    refuse(lambda: hierarchy(Objective(kl_clip=(-2, 2)), log_var_bounds=(-2, 2)), "kl_clip", "one place")
    refuse(lambda: build_vae(SHAPE, 2, "linear", local_dim=2), "local_dim", "linear")


def test_one_weight_is_not_two():
    model = hierarchy()
    assert not hasattr(model, "get_kl_weight")
    assert not hasattr(model, "effective_beta")
    assert list(model.get_kl_weights()) == ["global_kl_weight", "local_kl_weight"]


@pytest.mark.parametrize(
    "scheduler", [LinearBetaScheduler(), lambda epoch: 1.0, CapacityBetaScheduler(), ControlBetaScheduler(3.0), 0.5]
)
def test_schedules_of_one_weight_are_refused_before_training(scheduler):
    model = hierarchy(condition_dim=0)
    before = model.get_weights()
    refuse(
        lambda: train_vae(model, small_dataset(), 1, batch_size=25, scheduler=scheduler),
        "scheduler",
        "give global_kl_weight and local",
    )
    assert same(model.get_weights(), before)
    if callable(scheduler):
        compiled(model, run_eagerly=True)
        refuse(lambda: trained(model, scheduler), "scheduler", "give global_kl_weight and local_kl_weight")
        refuse(lambda: model.fit(X, verbose=0, callbacks=[KLAnnealing()]), "scheduler", "give global_kl_weight and loc")
        assert int(model.optimizer.iterations) == 0
    assert same(model.get_weights(), before)


def test_two_weights_are_not_one():
    plain = build_vae(SHAPE, 2, hidden=(6, 5))
    scheduler = HierarchicalBetaScheduler(ConstantBetaScheduler(1.0), ConstantBetaScheduler(1.0))
    refuse(
        lambda: train_vae(plain, small_dataset(), 1, batch_size=25, scheduler=scheduler),
        "scheduler",
        "give beta for this BetaVAE",
    )


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"local_dim": 0}, "local_dim"),
        ({"local_dim": 1.5}, "local_dim"),
        ({"local_dim": True}, "local_dim"),
        ({"hidden": ()}, "hidden"),
        ({"hidden": (3, -1)}, "hidden"),
        ({"hidden": 3}, "hidden"),
        ({"global_kl_weight": -1.0}, "global_kl_weight"),
        ({"global_kl_weight": "1"}, "global_kl_weight"),
        ({"local_kl_weight": math.nan}, "local_kl_weight"),
        ({"local_kl_weight": True}, "local_kl_weight"),
        ({"seed": -1}, "seed"),
        ({"objective": "mse"}, "objective"),
        ({"encoder": None}, "encoder"),
        ({"decoder": None}, "decoder"),
        ({"decoder": dense_decoder(SHAPE, 2)}, "decoder"),
        ({"local_dim": 3}, "decoder"),
    ],
)
def test_refuses(arguments, name):
    parts = {"encoder": dense_encoder(SHAPE, 2), "decoder": dense_decoder(SHAPE, 4), "local_dim": 2}
    assert HierarchicalVAE(**parts).latent_dim == 4
    refuse(lambda: HierarchicalVAE(**{**parts, **arguments}), name)


def test_generate_refuses():
    for value in (0, -1, 1.5, "3", None, True):
        refuse(lambda value=value: hierarchy(condition_dim=0).generate(value), "n")
    for value in ([], [3], 5, [[1.0, 0.0]], None):
        refuse(lambda value=value: hierarchy().generate(value), "n_or_condition")
    refuse(lambda: hierarchy().generate([0], seed=-1), "seed")


def test_any_encoder_with_heads_serves():
    """Heads with a constant log-variance give local ones of the same kind."""
    body = dense_encoder(SHAPE, 2).body
    encoder = Encoder(body, 2, heads={"constant_log_var": True})
    model = HierarchicalVAE(encoder, dense_decoder(SHAPE, 4), 2)
    assert model.local_posterior[-1].z_log_var is None
    found = compiled(model, run_eagerly=True).train_step(X)
    assert all(math.isfinite(float(value)) for value in found.values())
