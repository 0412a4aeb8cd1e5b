"""`diagnose` of the library's models: the same as from their arrays, with what they know of their loss."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from small_models import compiled, examples, plain_vae, reused, small_vae

from vaelib import LinearBetaScheduler, Objective, build_vae, diagnose, diagnose_arrays, example_terms

DATA = examples(60)
MEANS = Objective("mse", reconstruction_scale="mean", kl_scale="mean")


@pytest.mark.parametrize("objective", [Objective(), MEANS, Objective(sigma2=0.3), Objective("continuous_bernoulli")])
def test_the_same_as_from_the_models_arrays(objective):
    model = plain_vae(objective, beta=0.7)
    terms = example_terms(model, DATA)
    reconstructed = np.asarray(model(DATA, noise=model.evaluation_noise(60, np.int64(0))))
    known = {key: value for key, value in objective.get_config().items() if key not in ("free_bits", "capacity")}
    if objective.likelihood == "mse":
        known.pop("sigma2")
    expected = diagnose_arrays(DATA, reconstructed, terms.z_mean, terms.z_log_var, training={**known, "kl_weight": 0.7})
    found = diagnose(model, DATA)
    assert found.names == expected.names
    assert found.numbers == pytest.approx(expected.numbers, rel=1e-5)
    assert found.not_assessed == expected.not_assessed


def test_more_examples_than_a_batch_are_all_looked_at():
    model = reused(plain_vae)
    many = np.concatenate([DATA] * 20)
    terms = example_terms(model, many)
    numbers = diagnose(model, many).numbers
    assert numbers["examples"] == 1200
    assert numbers["rate"] == pytest.approx(float(terms.kl.sum(axis=1).mean()), rel=1e-6)
    assert numbers["squared_error"] == pytest.approx(float(terms.distortion.mean()) / 12, rel=1e-5)


@pytest.mark.parametrize("options", [
    {"log_var_bounds": (-0.1, 0.1)},
    {"log_var_bounds": (-0.1, 0.1), "log_var_form": "soft"},
    {"objective": Objective(kl_clip=(-0.1, 0.1))},
])  # fmt: skip
def test_bounds_are_the_models_own(options):
    model = plain_vae(**options)
    model.encoder.z_log_var.bias.assign([-9.0, -9.0])
    assert "dead log-variance gradient" in diagnose(model, DATA).names


def test_the_schedule_and_the_history_are_read():
    model = compiled(reused(plain_vae))
    history = {"beta": [0.0, 0.1, 0.2], "val_negative_elbo": [9.0, 8.0, 7.0]}
    schedule = LinearBetaScheduler(warmup_epochs=30)
    found = diagnose(model, DATA, history, schedule)
    assert "unfinished schedule" in found.names
    assert "train for 30 epochs" in found.findings[found.names.index("unfinished schedule")].evidence


@pytest.mark.parametrize("restored", [True, False])
def test_weights_that_were_restored_have_not_seen_the_later_epochs(restored):
    model = plain_vae()
    model.encoder.z_mean.kernel.assign(3 * model.encoder.z_mean.kernel)  # so that it is not collapsed
    table = {"val_negative_elbo": [70.0, 50.0, 90.0, 90.0], "val_kl_loss": [0.0, 0.1, 0.2, 0.2]}
    result = SimpleNamespace(history=table, best_epoch=1, restored=restored)
    assert ("overfitting" in diagnose(model, DATA, result).names) != restored


def test_a_condition_explains_what_codes_need_not():
    """Two classes far apart: without the condition a unit would be needed to tell them."""
    labels = np.arange(60) % 2
    x = (DATA + 5 * labels[:, None, None]).astype("float32")
    plain = diagnose(build_vae((4, 3), 2, hidden=(4,)), x).numbers
    given = diagnose(build_vae((4, 3), 2, hidden=(4,), condition_dim=2), (x, labels)).numbers
    assert plain["data_variance"] == given["data_variance"]
    assert plain["supported_rate"] > 0.5 * np.log(12) - 0.1  # one direction holds nearly all variance
    assert given["supported_rate"] == 0  # what is left lies far below the error of the mean


def test_a_hierarchical_model_is_judged_by_its_own_prior():
    model = build_vae((4, 3), 2, local_dim=3, hidden=(4,))
    terms = example_terms(model, DATA)
    numbers = diagnose(model, DATA).numbers
    assert numbers["latent_dim"] == 5
    assert numbers["rate"] == pytest.approx(float(terms.kl.sum(axis=1).mean()), rel=1e-6)
    moments = terms.z_mean[:, :2] ** 2 + np.exp(terms.z_log_var[:, :2])
    assert numbers["second_moment"] == pytest.approx(float(moments.mean()), rel=1e-6)
    model.local_kl_weight.assign(0.5)
    assert "mis-scaled loss" in diagnose(model, DATA).not_assessed  # two weights are no one β


def test_with_a_capacity_the_weight_is_no_beta():
    model = plain_vae(Objective("mse", capacity=2.0, reconstruction_scale="mean"))
    assert "mis-scaled loss" in diagnose(model, DATA).not_assessed


@pytest.mark.parametrize(("x", "message"), [
    (np.ones((9, 4, 3)), "`x` must hold examples that differ"),
    (DATA[:1], "`x` must have the shape (n, ...) with n >= 2"),
    (np.full((9, 4, 3), np.nan), "`x` must hold only finite numbers"),
    (np.ones((9, 4, 4)), "`x` must"),
])  # fmt: skip
def test_data_that_is_refused(x, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        diagnose(reused(plain_vae), x)


def test_a_model_that_broke_and_one_that_is_none_are_refused():
    model = small_vae()
    model.encoder.z_mean.bias.assign([np.nan, 0.0])
    with pytest.raises(ValueError, match=r"^Argument `model` must give finite codes and reconstructions\."):
        diagnose(model, DATA)
    with pytest.raises(ValueError, match="^Argument `model` must"):
        diagnose(None, DATA)
