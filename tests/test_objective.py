import json
import math
import re

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, special, stats

from vaelib import Objective, effective_beta, gaussian_kl
from vaelib.kl import Latents
from vaelib.objective import Terms

RNG = np.random.default_rng(0)
X = RNG.random((5, 4, 3)).astype("float32")
OUTPUT = RNG.normal(0.5, 0.4, (5, 4, 3)).astype("float32")
D = 12
LOGITS = [-30.0, -8.0, -1.0, -0.1, -0.0999, -0.05, 0.0, 0.05, 0.1, 0.3, 8.0, 30.0]


def nll(objective, x=X, output=OUTPUT, **options):
    return np.array(objective.reconstruction(objective.distortion(x, output), D, **options))


def terms_of(reconstruction, kl, shape=(5, 4, 3)):
    reconstruction, kl = np.float32(reconstruction), np.float32(kl)
    return Terms(np.zeros(shape, "float32"), reconstruction, reconstruction, (Latents(None, None, kl, kl),))


# --- KL ---


@pytest.mark.parametrize(
    ("mean", "log_var", "prior_mean", "prior_log_var"),
    [(0.0, 0.0, 0.0, 0.0), (1.3, -2.0, 0.0, 0.0), (-0.7, 0.5, 0.4, -1.0), (2.0, -1.0, -1.0, 1.5)],
)
def test_kl_is_the_integral_of_its_definition(mean, log_var, prior_mean, prior_log_var):
    q = stats.norm(mean, math.exp(log_var / 2))
    p = stats.norm(prior_mean, math.exp(prior_log_var / 2))
    integral, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), *q.interval(1 - 1e-15))
    kl = gaussian_kl(np.array([[mean]]), np.array([[log_var]]), prior_mean, prior_log_var)
    np.testing.assert_allclose(kl, [[integral]], atol=1e-8)


def test_kl_by_hand_is_per_unit():
    kl = gaussian_kl(np.array([[2.0, 0.0, 0.0]]), np.array([[0.0, np.log(4), 1.0]]))
    assert kl.shape == (1, 3)
    np.testing.assert_allclose(kl, [[2.0, 0.5 * (4 - 1 - np.log(4)), 0.5 * (np.e - 2)]], rtol=1e-12)


def test_kl_of_tensors_is_a_tensor_and_of_arrays_an_array():
    mean, log_var = RNG.normal(size=(2, 6, 3))
    prior_mean, prior_log_var = RNG.normal(size=(2, 6, 3))
    array = gaussian_kl(mean, log_var, prior_mean, prior_log_var)
    tensor = gaussian_kl(*(tf.constant(v) for v in (mean, log_var, prior_mean, prior_log_var)))
    assert isinstance(array, np.ndarray)
    assert tf.is_tensor(tensor)
    np.testing.assert_allclose(tensor, array, rtol=1e-12)
    assert (array >= 0).all()


def test_kl_is_zero_only_at_the_prior_and_exact_far_out():
    assert gaussian_kl(np.array([[0.3]]), np.array([[-1.2]]), 0.3, -1.2) == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(gaussian_kl(np.array([0.0]), np.array([4.0])), [0.5 * (np.exp(4) - 5)])  # no clip
    np.testing.assert_allclose(gaussian_kl(np.array([0.0]), np.array([-60.0])), [29.5])


# --- Gaussian ---


@pytest.mark.parametrize("sigma2", [0.01, 0.5, 1.0, 7.0])
def test_gaussian_with_fixed_variance_is_scipys(sigma2):
    expected = -stats.norm.logpdf(X, OUTPUT, math.sqrt(sigma2)).sum(axis=(1, 2))
    np.testing.assert_allclose(nll(Objective(sigma2=sigma2)), expected, rtol=2e-5)


def test_optimal_variance_is_the_batch_error_and_minimises():
    mse = np.mean((X - OUTPUT) ** 2, dtype="float64")
    at_mse = -stats.norm.logpdf(X, OUTPUT, math.sqrt(mse)).sum(axis=(1, 2))
    optimal = nll(Objective())
    np.testing.assert_allclose(optimal, at_mse, rtol=2e-5)
    for factor in (0.8, 0.98, 1.02, 1.25):
        assert nll(Objective(sigma2=float(mse * factor))).mean() > optimal.mean()


def test_optimal_variance_leaves_the_gradient_of_the_profile_likelihood():
    def profile(output):  # D/2 (1 + log 2π mse), what minimising over σ² leaves
        return 0.5 * D * (1 + np.log(2 * np.pi * np.mean((X - output) ** 2, dtype="float64")))

    output = tf.Variable(OUTPUT)
    with tf.GradientTape() as tape:
        objective = Objective()
        terms = terms_of(0, np.zeros((5, 2)))._replace(
            output=output.value(), reconstruction=objective.reconstruction(objective.distortion(X, output.value()), D)
        )
        loss = objective.losses(terms, 1.0).total_loss
    gradient = tape.gradient(loss, output).numpy()
    assert float(loss) == pytest.approx(profile(OUTPUT), rel=1e-5)
    for index in [(0, 0, 0), (1, 3, 2), (4, 2, 1)]:
        step = np.zeros_like(OUTPUT, "float64")
        step[index] = 1e-4
        assert gradient[index] == pytest.approx((profile(OUTPUT + step) - profile(OUTPUT - step)) / 2e-4, rel=1e-3)


def test_variance_has_a_floor():
    floor = math.exp(-12)
    near = X + np.float32(1e-5)
    expected = -stats.norm.logpdf(X, near, math.sqrt(floor)).sum(axis=(1, 2))
    np.testing.assert_allclose(nll(Objective(), output=near), expected, rtol=1e-4)
    constant = 0.5 * D * (math.log(2 * math.pi) - 12)
    np.testing.assert_allclose(nll(Objective(), output=X), constant, rtol=1e-6)
    np.testing.assert_allclose(nll(Objective(sigma2=floor), output=X), constant, rtol=1e-6)
    with pytest.raises(
        ValueError, match=r"`sigma2` must be .*>= 6.14421e-06. Received: sigma2=6e-06. exp\(−12\) is the"
    ):
        Objective(sigma2=6e-6)
    np.testing.assert_allclose(nll(Objective(sigma2="learned"), output=X, log_sigma2=-40.0), constant, rtol=1e-6)


def test_learned_variance_is_the_models_and_has_a_gradient():
    objective, log_sigma2 = Objective(sigma2="learned"), tf.Variable(-1.0)
    with tf.GradientTape() as tape:
        value = objective.reconstruction(objective.distortion(X, OUTPUT), D, log_sigma2.value())
        loss = tf.reduce_mean(value)
    np.testing.assert_allclose(value, -stats.norm.logpdf(X, OUTPUT, math.exp(-0.5)).sum(axis=(1, 2)), rtol=1e-5)
    error = np.mean(((X - OUTPUT) ** 2).sum(axis=(1, 2)))
    assert float(tape.gradient(loss, log_sigma2)) == pytest.approx(0.5 * (D - error * math.e), rel=1e-4)
    with pytest.raises(ValueError, match="Argument `log_sigma2` must be given when σ² is learned"):
        nll(objective)


def test_given_variance_replaces_the_batch_optimum_but_not_a_fixed_one():
    given = nll(Objective(), log_sigma2=math.log(0.3))
    np.testing.assert_allclose(given, -stats.norm.logpdf(X, OUTPUT, math.sqrt(0.3)).sum(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(nll(Objective(sigma2=2.0), log_sigma2=math.log(0.3)), nll(Objective(sigma2=2.0)))


def test_mse_is_the_gaussian_at_one_half_less_its_constant():
    squared = ((X - OUTPUT) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(nll(Objective("mse")), squared, rtol=1e-5)
    gaussian = -stats.norm.logpdf(X, OUTPUT, math.sqrt(0.5)).sum(axis=(1, 2))
    np.testing.assert_allclose(gaussian - nll(Objective("mse")), D / 2 * math.log(math.pi), rtol=1e-5)


# --- Bernoulli and continuous Bernoulli ---


def test_bernoulli_is_scipys():
    x = (X > 0.5).astype("float32")
    logits = 4 * OUTPUT
    expected = -stats.bernoulli.logpmf(x, special.expit(logits)).sum(axis=(1, 2))
    np.testing.assert_allclose(nll(Objective("bernoulli"), x, logits), expected, rtol=1e-5)
    np.testing.assert_allclose(Objective("bernoulli").mean(logits), special.expit(logits), rtol=1e-5)


def test_bernoulli_of_certain_logits_is_finite():
    x = np.array([[0.0], [1.0], [0.0], [1.0]], "float32")
    logits = np.array([[200.0], [200.0], [-200.0], [-200.0]], "float32")
    np.testing.assert_allclose(Objective("bernoulli").distortion(x, logits), [200.0, 0.0, 0.0, 200.0])


def density(x, logit):
    """exp(−NLL) of pixels x under one logit, from the library."""
    x = np.asarray(x, "float32")[:, None]
    return np.exp(-np.array(Objective("continuous_bernoulli").distortion(x, np.full_like(x, logit)), "float64"))


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_integrates_to_one_and_has_its_mean(logit):
    mass, _ = integrate.fixed_quad(lambda x: density(x, logit), 0, 1, n=60)
    mean, _ = integrate.fixed_quad(lambda x: x * density(x, logit), 0, 1, n=60)
    assert mass == pytest.approx(1, abs=2e-6)
    assert float(Objective("continuous_bernoulli").mean(tf.constant(logit))) == pytest.approx(mean, abs=2e-5)


def test_continuous_bernoulli_has_finite_gradients_everywhere():
    logits = tf.Variable(np.array([*LOGITS, 80.0, -80.0], "float32")[:, None])
    with tf.GradientTape() as tape:
        loss = Objective("continuous_bernoulli").distortion(np.full((14, 1), 0.3, "float32"), logits.value())
    gradient = tape.gradient(loss, logits).numpy().ravel()
    means = [integrate.fixed_quad(lambda x, a=a: x * density(x, a), 0, 1, n=60)[0] for a in LOGITS]
    np.testing.assert_allclose(gradient[:12], np.array(means) - 0.3, atol=5e-5)  # exponential family: mean − x
    assert np.isfinite(gradient).all()
    assert np.isfinite(loss).all()


# --- the loss ---


@pytest.mark.parametrize(
    ("reconstruction_scale", "kl_scale", "s_r", "s_k"),
    [("sum", "sum", 1, 1), ("mean", "mean", 1 / 12, 1 / 2), ("sum", "mean", 1, 1 / 2), (0.25, 3, 0.25, 3.0)],
)
def test_loss_by_hand(reconstruction_scale, kl_scale, s_r, s_k):
    objective = Objective("mse", reconstruction_scale=reconstruction_scale, kl_scale=kl_scale)
    losses = objective.losses(terms_of([1.0, 5.0, 0.0, 2.0, 2.0], [[1, 2], [0, 0], [3, 4], [0, 5], [0, 0]]), 0.5)
    assert float(losses.reconstruction_loss) == pytest.approx(2.0 * s_r)
    assert float(losses.kl_loss) == pytest.approx(3.0 * s_k)
    assert float(losses.total_loss) == pytest.approx(2.0 * s_r + 0.5 * 3.0 * s_k)


def test_effective_beta_of_the_known_cases():
    mean = Objective("mse", reconstruction_scale="mean", kl_scale="mean")
    assert mean.effective_beta(1.0, 28 * 28, 10) == pytest.approx(78.4)
    summed = Objective("mse", reconstruction_scale="mean", kl_scale="sum")
    assert summed.effective_beta(0.00025, 64 * 64 * 3, 128) == pytest.approx(3.072)
    assert Objective().effective_beta(4.0, 784, 10) == 4.0
    assert Objective(reconstruction_scale=0.5, kl_scale=2.0).effective_beta(3.0, 784, 10) == 12.0


@pytest.mark.parametrize("reconstruction", ["mean", "sum"])
@pytest.mark.parametrize("kl", ["mean", "sum"])
def test_effective_beta_agrees_with_the_theory(reconstruction, kl):
    objective = Objective("mse", reconstruction_scale=reconstruction, kl_scale=kl)
    theory = effective_beta(0.3, n_pixels=64, n_latents=5, reconstruction=reconstruction, kl=kl)
    assert objective.effective_beta(0.3, 64, 5) == pytest.approx(theory)


def test_implied_variance_makes_the_loss_a_negative_elbo():
    """With the implied σ², the plain loss and the Gaussian negative ELBO at β = 1 are one up to an affine map."""
    objective = Objective("mse", reconstruction_scale="mean", kl_scale="mean")
    weight = 0.7
    sigma2 = objective.implied_sigma2(weight, D, 2)
    assert sigma2 == pytest.approx(weight * D / (2 * 2))
    kls = RNG.random((3, 5, 2)).astype("float32")
    outputs = RNG.random((3, 5, 4, 3)).astype("float32")
    plain = [
        float(objective.losses(terms_of(nll(objective, output=o), kl), weight).total_loss)
        for o, kl in zip(outputs, kls, strict=True)
    ]
    elbo = [
        -stats.norm.logpdf(X, o, math.sqrt(sigma2)).sum(axis=(1, 2)).mean() + kl.sum(1).mean()
        for o, kl in zip(outputs, kls, strict=True)
    ]
    assert (plain[1] - plain[0]) / (elbo[1] - elbo[0]) == pytest.approx((plain[2] - plain[0]) / (elbo[2] - elbo[0]))


def test_kl_of_sequences_and_of_shapes_that_differ():
    assert gaussian_kl([[1.0, 0.0]], [[0.0, 0.0]]).tolist() == [[0.5, 0.0]]
    for convert in (np.asarray, tf.constant):
        with pytest.raises(ValueError, match=r"`z_log_var` must have the shape of z_mean, \(1, 2\)"):
            gaussian_kl(convert([[1.0, 0.0]]), convert([[0.0]]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a", 0), "`z_mean` must hold real numbers. Received: z_mean='a'."),
        ((None, 0), "`z_mean` must hold real numbers. Received: z_mean=None."),
        (
            ([0.0, np.nan], [0.0, 0.0]),
            "`z_mean` must hold only finite numbers. Received: z_mean=an array of shape (2,)",
        ),
        (([0.0], [np.inf]), "`z_log_var` must hold only finite numbers. Received: z_log_var=an array of shape (1,)"),
        (([[1.0], [1.0, 2.0]], 0), "`z_mean` must hold rows of equal length. Received: z_mean=a ragged sequence."),
        ((tf.constant("a"), 0), "`z_mean` must hold real numbers. Received: z_mean=a tensor of strings."),
        (([1.0], [1.0], np.nan), "`prior_mean` must be a finite number. Received: prior_mean=nan."),
        (([1.0], [1.0], True), "`prior_mean` must be a finite number. Received: prior_mean=True."),
        (([1.0], [1.0], 0.0, "a"), "`prior_log_var` must hold real numbers. Received: prior_log_var='a'."),
        (
            ([1.0], [1.0], [0.0, 0.0]),
            "`prior_mean` must be a number or have the shape of z_mean, (1,). Received: prior_mean=an array of shape",
        ),
    ],
)
def test_what_has_no_kl_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^Argument {re.escape(message)}"):
        gaussian_kl(*arguments)


def test_meanings_of_beta_refuse():
    objective = Objective("mse")
    for arguments, name in (((-1.0, 64, 2), "kl_weight"), ((1.0, 0, 2), "n_pixels"), ((1.0, 64, "2"), "n_latents")):
        for function in (objective.effective_beta, objective.implied_sigma2):
            with pytest.raises(ValueError, match=rf"^Argument `{name}` must be .*Received: {name}="):
                function(*arguments)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "continuous_bernoulli"])
def test_other_likelihoods_imply_no_variance(likelihood):
    with pytest.raises(ValueError, match=f"`likelihood` must be 'mse'.* Received: likelihood='{likelihood}'"):
        Objective(likelihood).implied_sigma2(1.0, 64, 2)


# --- arguments ---


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"likelihood": "laplace"}, "likelihood"),
        ({"likelihood": None}, "likelihood"),
        ({"sigma2": 0}, "sigma2"),
        ({"sigma2": -1.0}, "sigma2"),
        ({"sigma2": np.nan}, "sigma2"),
        ({"sigma2": np.inf}, "sigma2"),
        ({"sigma2": "fixed"}, "sigma2"),
        ({"sigma2": True}, "sigma2"),
        ({"likelihood": "mse", "sigma2": 0.5}, "sigma2"),
        ({"likelihood": "bernoulli", "sigma2": "optimal"}, "sigma2"),
        ({"likelihood": "continuous_bernoulli", "sigma2": "learned"}, "sigma2"),
        ({"reconstruction_scale": "max"}, "reconstruction_scale"),
        ({"reconstruction_scale": 0}, "reconstruction_scale"),
        ({"kl_scale": -1}, "kl_scale"),
        ({"kl_scale": None}, "kl_scale"),
    ],
)
def test_refuses(arguments, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must .*Received: {name}="):
        Objective(**arguments)


@pytest.mark.parametrize(
    "objective",
    [
        Objective(),
        Objective(sigma2="learned", kl_scale="mean"),
        Objective(sigma2=2, reconstruction_scale=0.1),
        Objective("mse", reconstruction_scale="mean", kl_scale="mean"),
        Objective("continuous_bernoulli"),
    ],
)
def test_config_and_repr_round_trip(objective):
    config = objective.get_config()
    assert Objective(**json.loads(json.dumps(config))) == objective
    assert Objective(**config).get_config() == config
    assert eval(repr(objective)) == objective
    assert objective != Objective("bernoulli")
    assert objective != config


def test_support_is_checked():
    grey = np.array([[0.0, 1.0], [0.25, 0.75]], "float32")
    Objective().check("x", grey * 1000)
    Objective("mse").check("x", -grey)
    Objective("continuous_bernoulli").check("x", grey)
    Objective("bernoulli").check("x", np.round(grey))
    with pytest.raises(ValueError, match=r"`x` must hold only 0 and 1 .*Received: x=2 other values, the first 0.25"):
        Objective("bernoulli").check("x", grey)
    with pytest.raises(ValueError, match=r"`data` must lie in \[0, 1\] .*Received: data=values from 0 to 2"):
        Objective("continuous_bernoulli").check("data", 2 * grey)
    with pytest.raises(ValueError, match=r"values from -1 to "):
        Objective("continuous_bernoulli").check("data", -grey)
