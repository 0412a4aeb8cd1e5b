"""Each rule on arrays whose answer is known: linear VAEs at their optimum, and small changes to them."""

import math
from pathlib import Path

import numpy as np
import pytest
from linear_arrays import VARIANCES, gaussian_data, optimum

from vaelib import CyclicalBetaScheduler, LinearBetaScheduler, diagnose_arrays, linear_vae_optimum
from vaelib.diagnosis._rules import RULES

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
DATA = gaussian_data()
BEST = linear_vae_optimum(DATA, 6, 1.0, "learned").sigma2  # 0.05: what the last four directions leave


SUPPORTED = 0.5 * np.log(VARIANCES[:6] / 0.05).sum()  # nats


def mean_scaled(level, **known):
    """`training` of a squared error averaged over 10 numbers, KL over 6 units, whose β σ² is `level`."""
    known = {"likelihood": "mse", "reconstruction_scale": "mean", "kl_scale": "mean", **known}
    return {"kl_weight": level * 2 * 6 / 10, **known}


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_optimum_near_beta_1_is_healthy(beta):
    diagnosis = diagnose_arrays(**optimum(DATA, beta * BEST), training={"kl_weight": beta})
    assert diagnosis.verdict == "healthy"
    assert diagnosis.findings == ()
    assert set(diagnosis.not_assessed) == {"unfinished schedule", "overfitting"}


def test_numbers_are_those_of_the_closed_form():
    numbers = diagnose_arrays(**optimum(DATA, 0.05)).numbers
    assert pytest.approx(0.05) == BEST
    assert numbers["examples"] == 400
    assert numbers["active_units"] == numbers["latent_dim"] == numbers["supported_units"] == 6
    assert numbers["rate"] == pytest.approx(0.5 * np.log(VARIANCES[:6] / 0.05).sum(), rel=1e-6)
    assert numbers["second_moment"] == pytest.approx(1.0, rel=1e-9)
    assert numbers["data_variance"] == pytest.approx(VARIANCES.mean(), rel=1e-9)
    assert numbers["squared_error"] == pytest.approx(0.05, rel=0.05)  # one draw of z for each example
    assert "effective_beta" not in numbers


def test_a_level_above_the_largest_variance_is_collapsed():
    diagnosis = diagnose_arrays(**optimum(DATA, 9.5))
    assert diagnosis.names == ("collapsed",)
    assert diagnosis.numbers["active_units"] == 0
    # against the error of the mean, 16.95 / 10: λ = 9, 4 and 2 lie above it
    assert diagnosis.numbers["supported_units"] == 3
    expected = 0.5 * np.log(np.array([9.0, 4.0, 2.0]) / 1.695).sum()
    assert diagnosis.numbers["supported_rate"] == pytest.approx(expected)
    assert f"uses 3 of them and {expected:.3g} nats" in diagnosis.findings[0].evidence
    assert "Lower the KL weight" in diagnosis.findings[0].remedy


def test_a_level_above_most_variances_is_partly_collapsed():
    diagnosis = diagnose_arrays(**optimum(DATA, 6.0), training=None)  # 1 of 6: β = 6 / 1.395
    assert diagnosis.names == ("partly collapsed",)
    assert "1 of 6 units are active" in diagnosis.findings[0].evidence
    known = diagnose_arrays(**optimum(DATA, 3.8), training={"kl_weight": 3.29})  # 2 of 6
    assert known.names == ("partly collapsed",)
    assert diagnose_arrays(**optimum(DATA, 3.8)).names == ()


def test_white_data_supports_no_unit_and_is_healthy():
    x = np.random.default_rng(0).normal(size=(4000, 3))
    nothing = np.zeros((4000, 2))
    diagnosis = diagnose_arrays(x, x * 0.0 + 3.0, nothing, nothing)
    # the largest sample eigenvalue is a few per cent above the mean: a unit of next to no nats
    assert 0 < diagnosis.numbers["supported_rate"] < 0.05
    assert diagnosis.verdict == "healthy"


@pytest.mark.parametrize("level", [0.05, 0.3, 1.5, 3.8])
def test_apparent_beta_is_the_beta_of_the_optimum(level):
    """The linear optimum with βσ² = τ leaves an error of Σ min(λ_i, τ) / D, so τ over its error is its β."""
    diagnosis = diagnose_arrays(**optimum(DATA, level))
    error = np.append(np.minimum(VARIANCES[:6], level), VARIANCES[6:]).mean()
    assert diagnosis.numbers["apparent_beta"] == pytest.approx(level / error, rel=0.05)  # one draw of z each
    assert diagnosis.names == ()
    known = diagnose_arrays(**optimum(DATA, level), training={"kl_weight": level / error})
    assert known.names == (("partly collapsed",) if level / error > 2.5 else ())


def test_a_model_not_yet_trained_is_not_called_partly_collapsed():
    """Its error is that of the mean, whatever it encodes."""
    arrays = optimum(DATA, 1.5)
    arrays["x_reconstructed"] = np.zeros_like(DATA)
    assert diagnose_arrays(**arrays).verdict == "healthy"


def test_small_codes_with_less_noise_still_are_no_collapse():
    """As an L2 penalty may leave them: no unit is active by Burda's threshold, yet the means tell examples apart."""
    arrays = optimum(DATA, 0.05)
    arrays["z_mean"], arrays["z_log_var"] = arrays["z_mean"] * 0.08, arrays["z_log_var"] + 2 * math.log(0.08)
    diagnosis = diagnose_arrays(**arrays)
    assert diagnosis.numbers["active_units"] == 0
    assert "collapsed" not in diagnosis.names


def test_codes_that_cost_nats_and_tell_nothing_are_a_collapse():
    x = DATA
    same = np.zeros((400, 6))
    assert diagnose_arrays(x, x * 0, same, same - 5).names == ("collapsed",)


def test_reconstructions_without_an_error_cannot_be_judged():
    diagnosis = diagnose_arrays(**{**optimum(DATA, 3.8), "x_reconstructed": DATA})
    assert {"collapsed", "partly collapsed"} <= set(diagnosis.not_assessed)


@pytest.mark.parametrize(("training", "found"), [
    (None, None),  # the likelihood could be a Bernoulli
    ({"likelihood": "gaussian"}, True),
    ({"likelihood": "mse"}, True),
    ({"likelihood": "bernoulli"}, None),
    ({"likelihood": "bernoulli", "kl_weight": 1.0}, None),
    ({"likelihood": "bernoulli", "kl_weight": 4.0}, True),
    ({"likelihood": "continuous_bernoulli", "kl_weight": 4.0}, True),
])  # fmt: skip
def test_a_partial_collapse_of_pixels_needs_the_likelihood(training, found):
    arrays = optimum(DATA, 6.0)
    low, high = DATA.min(), DATA.max()
    pixels = {name: (arrays[name] - low) / (high - low) for name in ("x", "x_reconstructed")}
    diagnosis = diagnose_arrays(**{**arrays, **pixels}, training=training)
    assert ("partly collapsed" in diagnosis.names) == bool(found)
    assert ("partly collapsed" in diagnosis.not_assessed) == (found is None)


def test_codes_far_from_the_prior_explode():
    arrays = optimum(DATA, 0.05)
    arrays["z_mean"] = 3 * arrays["z_mean"]
    diagnosis = diagnose_arrays(**arrays)
    assert diagnosis.names == ("exploding KL",)
    assert diagnosis.numbers["second_moment"] > 4


@pytest.mark.parametrize(("fall", "training", "names"), [
    (4.0, None, ()),
    (6.0, None, ("exploding KL",)),
    (1.0, {"kl_weight": 0.01}, ()),
    (2.0, {"kl_weight": 0.01}, ("exploding KL",)),
    (2.0, {"kl_weight": 0.2}, ()),
])  # fmt: skip
def test_nats_beyond_what_the_data_supports_explode(fall, training, names):
    """Each unit's log-variance falls by 2 · fall, so its KL rises by `fall` less what the variance had cost."""
    arrays = optimum(DATA, 0.05)
    arrays["z_log_var"] = arrays["z_log_var"] - 2 * fall
    assert diagnose_arrays(**arrays, training=training).names == names


def test_an_explosion_at_the_end_of_the_history_is_seen_in_the_weights_of_a_better_epoch():
    history = {"kl_loss": [20.0, 90.0], "val_kl_loss": [20.0, 100.0]}
    diagnosis = diagnose_arrays(**optimum(DATA, 0.05), history=history)
    assert diagnosis.names == ("exploding KL",)
    assert "100 at the end of training" in diagnosis.findings[0].evidence
    halved = {"kl_weight": 1.0, "kl_scale": "mean"}  # 100 a unit
    assert "600 at" in diagnose_arrays(**optimum(DATA, 0.05), history=history, training=halved).findings[-1].evidence


def test_remedy_of_an_explosion_names_the_weight_at_which_beta_is_1():
    arrays = optimum(DATA, 0.05)
    arrays["z_mean"] = 3 * arrays["z_mean"]
    diagnosis = diagnose_arrays(**arrays, training=mean_scaled(0.0005))
    # β = 1 at σ² = 0.05 is β σ² = 0.05: a weight of 0.05 · 2 · 6 / 10
    assert diagnosis.findings[0].remedy.startswith("Raise the KL weight from 0.0006 to 0.06,")
    without = diagnose_arrays(**arrays).findings[0].remedy
    assert (
        without
        == "Raise the KL weight until β is about 1, and bound the encoder's log-variance: log_var_bounds=(-10, 10)."
    )


def test_a_weight_that_must_fall_is_never_told_to_rise():
    """A model that leaves a smaller error than any linear one can, at a fixed variance that is too large for it."""
    arrays = optimum(DATA, 3.8)
    arrays["x_reconstructed"] = DATA + 0.1 * (arrays["x_reconstructed"] - DATA)
    diagnosis = diagnose_arrays(**arrays, training={"kl_weight": 1.0, "sigma2": 0.05})
    error = diagnosis.numbers["squared_error"]
    assert diagnosis.names == ("mis-scaled loss", "partly collapsed")
    assert error < BEST
    assert f"from 1 to {error / 0.05:.2g}," in diagnosis.findings[1].remedy


def test_scales_that_multiply_the_weight_are_the_cause_of_a_collapse():
    training = {"kl_weight": 0.475, "likelihood": "mse", "reconstruction_scale": 0.025}  # β σ² = 0.475 · ½ / 0.025
    diagnosis = diagnose_arrays(**optimum(DATA, 9.5), training=training)
    assert diagnosis.names == ("mis-scaled loss", "collapsed")
    assert diagnosis.numbers["effective_beta"] == pytest.approx(9.5 / 1.695)  # the error is that of the mean
    # β = 1 at σ² = 0.05, which six linear units reach, is a weight of 0.05 · 2 · 0.025
    assert "from 0.475 to 0.0025," in diagnosis.findings[-1].remedy
    assert "set the KL weight to 0.0025," in diagnosis.findings[0].remedy


@pytest.mark.parametrize(("training", "found"), [
    ({"kl_weight": 1.0, "likelihood": "mse"}, True),  # σ² = ½ where the error is 0.05: β = 10
    ({"kl_weight": 0.1, "likelihood": "mse"}, False),  # β = 1
    ({"kl_weight": 1.0, "sigma2": 0.5}, True),
    ({"kl_weight": 1.0, "sigma2": 0.05}, False),
    ({"kl_weight": 1.0, "sigma2": 0.005}, True),  # β = 0.1
    ({"kl_weight": 10.0, "sigma2": 0.005}, False),  # β = 1 by design
    ({"kl_weight": 10.0}, False),  # a high weight, as stated
    ({"kl_weight": 0.001, "likelihood": "mse"}, False),  # low by the weight, in spite of the scales
    ({"kl_weight": 0.0, "sigma2": 0.005}, False),
    ({"kl_weight": 1.0, "reconstruction_scale": "mean"}, True),  # β = 10
    ({"kl_weight": 0.1, "reconstruction_scale": "mean"}, False),
    ({"kl_weight": 1.0, "kl_scale": "mean"}, True),  # β = 1/6
    ({"kl_weight": 1.0, "reconstruction_scale": 0.1}, True),
    ({"kl_weight": 1.0, "likelihood": "bernoulli", "reconstruction_scale": "mean"}, True),
    ({"kl_weight": 1.0, "likelihood": "bernoulli"}, False),
    ({"kl_scale": "mean"}, None),
    (None, None),
])  # fmt: skip
def test_a_loss_is_mis_scaled_where_its_scales_move_beta_away_from_1(training, found):
    diagnosis = diagnose_arrays(**optimum(DATA, 0.05), training=training)
    assert ("mis-scaled loss" in diagnosis.names) == bool(found)
    assert ("mis-scaled loss" in diagnosis.not_assessed) == (found is None)


@pytest.mark.parametrize(("level", "training", "share"), [
    (0.05, {"log_var_bounds": (-10.0, 10.0)}, 0.0),
    (0.05, {"log_var_bounds": (-4.4, 2.0)}, 2 / 6),  # ln(0.05 / 4) = −4.38: the first unit outside, …
    (0.05, {"kl_clip": (-3.0, 3.0)}, 4 / 6),
    (0.05, {"log_var_bounds": (-5.5, 5.5), "log_var_form": "soft"}, 1 / 6),  # 1 − (5.19 / 5.5)² = 0.11
])  # fmt: skip
def test_share_without_gradient(level, training, share):
    arrays = optimum(DATA, level)
    diagnosis = diagnose_arrays(**arrays, training=training)
    log_var = np.log(level / VARIANCES[:6])
    lower, upper = training.get("log_var_bounds") or training["kl_clip"]
    if training.get("log_var_form") == "soft":
        outside = 1 - ((log_var - (lower + upper) / 2) / ((upper - lower) / 2)) ** 2 < 0.1
    else:
        outside = (log_var <= lower) | (log_var >= upper)
    kl = 0.5 * np.log(VARIANCES[:6] / level)
    expected = outside[kl >= 0.1 * kl.max()].mean()
    assert ("dead log-variance gradient" in diagnosis.names) == (expected >= 0.25)
    if expected >= 0.25:
        assert f"{expected:.0%} of the informative units' log-variances" in diagnosis.findings[0].evidence


def test_log_variances_at_one_extreme_value_show_a_bound_that_nobody_told():
    arrays = optimum(DATA, 0.05)
    arrays["z_log_var"] = np.maximum(arrays["z_log_var"] + np.random.default_rng(2).normal(size=(400, 6)) / 10, -3.0)
    diagnosis = diagnose_arrays(**arrays)
    assert diagnosis.names == ("dead log-variance gradient",)
    assert "are exactly -3" in diagnosis.findings[0].evidence


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_few_random_codes_tie_with_nothing(n):
    x = np.random.default_rng(n).normal(size=(n, 5))
    z = np.random.default_rng(n + 1).normal(size=(2, n, 1))
    assert "dead log-variance gradient" not in diagnose_arrays(x, x / 2, z[0], z[1]).names


def test_one_fixed_posterior_variance_is_no_bound():
    arrays = optimum(DATA, 0.05)
    arrays["z_log_var"] = np.full_like(arrays["z_log_var"], -4.0)
    assert "dead log-variance gradient" not in diagnose_arrays(**arrays).names


def test_the_narrower_of_clip_and_bounds_counts():
    training = {"kl_clip": (-30.0, 20.0), "log_var_bounds": (-3.0, 3.0)}
    diagnosis = diagnose_arrays(**optimum(DATA, 0.05), training=training)
    assert "behind the bounds (-3, 3)" in diagnosis.findings[0].evidence
    assert diagnose_arrays(**optimum(DATA, 0.05), training={"kl_clip": (-30.0, 20.0)}).names == ()


def test_units_that_are_constant_at_one_bound_show_it_too():
    arrays = optimum(DATA, 0.05)
    arrays["z_log_var"] = np.maximum(arrays["z_log_var"], -3.0)  # four units at -3 for every example
    assert diagnose_arrays(**arrays).names == ("dead log-variance gradient",)


def test_the_constant_log_variance_of_a_linear_models_unit_is_no_bound():
    assert diagnose_arrays(**optimum(DATA, 1.0, units=1)).names == ()


LINEAR, CYCLES = LinearBetaScheduler(warmup_epochs=10), CyclicalBetaScheduler(cycle_length=4)


@pytest.mark.parametrize(("beta", "schedule", "found"), [
    (np.linspace(0, 1, 20), None, True),  # still rising
    ([*np.linspace(0, 1, 10), *np.ones(10)], None, False),
    ([*np.linspace(4, 1, 10), *np.ones(10)], None, False),  # fell to its end
    ([*np.linspace(0, 1, 19), math.nan], None, True),
    ([0.0] * 20, None, False),
    (np.ones(20), None, False),
    ([1.0], None, False),
    (LINEAR(0) + np.arange(5) / 10, LINEAR, True),
    (np.minimum(np.arange(20) / 10, 1), LINEAR, False),
    ([CYCLES(epoch) for epoch in range(20)], CYCLES, True),
    ([CYCLES(epoch) for epoch in range(18)], CYCLES, False),  # at its top
])  # fmt: skip
def test_schedules_that_do_not_end(beta, schedule, found):
    diagnosis = diagnose_arrays(**optimum(DATA, 0.05), history={"beta": beta}, training={"schedule": schedule})
    assert ("unfinished schedule" in diagnosis.names) == found
    assert "unfinished schedule" not in diagnosis.not_assessed


@pytest.mark.parametrize(("history", "found"), [
    ({"val_negative_elbo": [100.0, 50.0, 50.0 + 0.45 * SUPPORTED]}, False),
    ({"val_negative_elbo": [100.0, 50.0, 50.0 + 0.55 * SUPPORTED]}, True),
    ({"val_negative_elbo": [900.0, 50.0, 50.0 + 0.55 * SUPPORTED]}, True),  # how it began does not matter
    ({"val_negative_elbo": [100.0, 50.0, *[51.0] * 28, 90.0]}, False),  # one bad epoch at the end
    ({"val_negative_elbo": [50.0, 90.0]}, None),
    ({"val_negative_elbo": [math.nan, 100.0, math.nan, 50.0, math.nan, 70.0]}, True),  # validated every second epoch
    ({"val_negative_elbo": [math.nan] * 4}, None),
    ({"val_negative_elbo": [100.0, math.inf, 50.0, 70.0]}, True),
    ({"val_total_loss": [100.0, 50.0, 70.0]}, True),
    ({"val_total_loss": [100.0, 50.0, 70.0], "beta": [0.0, 1.0, 1.0]}, None),
    (None, None),
    ({"val_negative_elbo": [100.0, 50.0, 70.0, math.nan]}, True),  # a training that broke
])  # fmt: skip
def test_validation_that_gets_worse_again(history, found):
    diagnosis = diagnose_arrays(**optimum(DATA, 0.05), history=history)
    assert ("overfitting" in diagnosis.names) == bool(found)
    assert ("overfitting" in diagnosis.not_assessed) == (found is None)


@pytest.mark.parametrize(("restored_epoch", "found"), [(None, True), (3, True), (1, False), (0, None)])
def test_what_came_after_the_restored_epoch_is_not_in_the_model(restored_epoch, found):
    history = {"val_negative_elbo": [math.nan, 50.0, 60.0, 60.0]}
    training = {"restored_epoch": restored_epoch}
    diagnosis = diagnose_arrays(**optimum(DATA, 0.05), history=history, training=training)
    assert ("overfitting" in diagnosis.names) == bool(found)
    assert ("overfitting" in diagnosis.not_assessed) == (found is None)


@pytest.mark.parametrize(("training", "found"), [
    ({"reconstruction_scale": "mean"}, True),  # a nat counts 0.1
    ({}, False),
    ({"reconstruction_scale": "mean", "schedule": LINEAR}, None),
])  # fmt: skip
def test_what_a_nat_counts_in_the_total_loss(training, found):
    history = {"val_total_loss": [0.9, 0.9, 0.9, 0.9 + 0.055 * SUPPORTED]}
    diagnosis = diagnose_arrays(**optimum(DATA, 0.05), history=history, training=training)
    assert ("overfitting" in diagnosis.names) == bool(found)
    assert ("overfitting" in diagnosis.not_assessed) == (found is None)


@pytest.mark.parametrize(("end", "found"), [(50.4, False), (50.6, True)])
def test_where_nothing_is_to_be_encoded_half_a_nat_counts(end, found):
    x = np.random.default_rng(0).normal(size=(20_000, 5))  # one variance in all directions
    nothing = np.zeros((len(x), 1))
    history = {"val_negative_elbo": [60.0, 50.0, end]}
    assert ("overfitting" in diagnose_arrays(x, np.zeros_like(x), nothing, nothing, history=history).names) == found


def test_an_exploding_kl_explains_a_worse_validation_figure():
    arrays = optimum(DATA, 0.05)
    arrays["z_mean"] = 3 * arrays["z_mean"]
    assert diagnose_arrays(**arrays, history={"val_negative_elbo": [100.0, 50.0, 70.0]}).names == ("exploding KL",)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_chapter_of_each_finding_exists(rule):
    assert (NOTEBOOKS / f"{rule.chapter}.ipynb").is_file()


def test_several_findings_come_causes_first():
    arrays = optimum(DATA, 9.5)
    diagnosis = diagnose_arrays(
        **arrays,
        training={"kl_weight": 1.0, "sigma2": 9.5},
        history={"beta": [0.0, 0.5, 1.0], "val_negative_elbo": [9.0, 5.0, 19.0]},
    )
    assert diagnosis.names == ("mis-scaled loss", "unfinished schedule", "collapsed")  # which explains the rise
    assert diagnosis.verdict == "mis-scaled loss"
