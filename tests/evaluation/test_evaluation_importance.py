"""The importance-weighted bound: exact where the model is linear, the true evidence's limit for every kind of model."""

import math

import numpy as np
import pytest
from scipy import special, stats
from small_models import N_PIXELS, SHAPE, examples, plain_vae, reused

from vaelib import Objective, build_vae, example_terms, fit_sigma2, importance_weighted_bound, negative_elbo
from vaelib.evaluation import BATCH

X = examples(40)
FLAT = X.reshape(40, -1).astype("float64")
LABELS = np.arange(40) % 3
BARE = {"hidden": (6, 5), "batch_norm": False, "dropout": 0.0}
SIGMA2 = 0.3


def linear_gaussian(off=0.0):
    """A linear VAE whose q(z|x) is the exact posterior, or `off` from it; and −log p(x) of X, in closed form."""
    model = reused(linear)
    rng = np.random.default_rng(0)
    directions, _ = np.linalg.qr(rng.normal(size=(N_PIXELS, 3)))
    kernel, bias = np.diag([1.0, 0.6, 0.2]) @ directions.T, rng.normal(size=N_PIXELS) / 5  # (3, pixels)
    precision = np.diag(kernel @ kernel.T) / SIGMA2 + 1.0
    encoder = kernel.T / SIGMA2 / precision
    heads, output = model.encoder.heads, model.decoder.get_layer("decoder_output")
    heads.z_mean.kernel.assign(encoder)
    heads.z_mean.bias.assign(-bias @ encoder + off)
    heads.log_var.assign(-np.log(precision) + off)
    output.kernel.assign(kernel)
    output.bias.assign(bias)
    covariance = kernel.T @ kernel + SIGMA2 * np.eye(N_PIXELS)
    return model, -stats.multivariate_normal.logpdf(FLAT, bias, covariance).mean()


def linear():
    return build_vae(SHAPE, 3, "linear")


def test_exact_posterior_gives_the_exact_likelihood_at_any_k():
    model, exact = linear_gaussian()
    for k in (1, 7):
        assert importance_weighted_bound(model, X, SIGMA2, samples=k) == pytest.approx(exact, abs=1e-4)
    assert negative_elbo(model, X, SIGMA2).negative_elbo == pytest.approx(exact, abs=1e-4)


def test_bound_falls_from_the_negative_elbo_to_the_exact_likelihood():
    model, exact = linear_gaussian(off=0.3)
    elbo = negative_elbo(model, X, SIGMA2).negative_elbo  # the linear VAE's has no sampling noise
    one = [importance_weighted_bound(model, np.tile(X, (25, 1, 1)), SIGMA2, 1, seed) for seed in range(10)]
    error = np.std(one, ddof=1) / math.sqrt(10)
    assert abs(np.mean(one) - elbo) < 4 * error < 0.05
    few, many = (importance_weighted_bound(model, X, SIGMA2, k) for k in (5, 400))
    assert exact - 0.005 < many < exact + 0.01
    assert elbo > few + 0.05 > many + 0.1


# --- every kind of model, against draws from its prior ---


def prior_draws(model, n, condition):
    z = np.random.default_rng(4).normal(size=(n, model.latent_dim)).astype("float32")
    if len(model.group_dims) == 1:
        return z
    z_global, noise = z[:, : model.global_dim], z[:, model.global_dim :]
    mean, log_var = (np.array(part) for part in model.prior(z_global, condition))
    return np.hstack([z_global, mean + np.exp(log_var / 2) * noise])


def evidence(model, x, condition, n=4000):
    """−log p(x) of each example by draws from the prior: log p(x|z) by SciPy, averaged over z."""
    found = []
    for i, example in enumerate(x):
        one_hot = None if condition is None else np.repeat(np.eye(3, dtype="float32")[condition[i : i + 1]], n, axis=0)
        output = np.array(model.decode(prior_draws(model, n, one_hot), one_hot))
        if model.objective.likelihood == "bernoulli":
            log_p = stats.bernoulli.logpmf(example, special.expit(output))
        else:
            log_p = stats.norm.logpdf(example, output, math.sqrt(SIGMA2))
        found.append(math.log(n) - special.logsumexp(log_p.sum(axis=(1, 2))))
    return float(np.mean(found))


@pytest.mark.parametrize("likelihood", ["gaussian", "mse", "bernoulli"])
@pytest.mark.parametrize("options", [{}, {"condition_dim": 3}, {"local_dim": 3}, {"local_dim": 3, "condition_dim": 3}])
def test_bound_nears_the_evidence(options, likelihood):
    model = build_vae(SHAPE, 2, objective=Objective(likelihood), **BARE, **options)
    heads = [model.encoder.heads]
    if "local_dim" in options:
        heads += [model.local_posterior[-1], model.local_prior[-1]]
    for i, head in enumerate(heads):  # no term near zero or the same in both groups; q wider than the prior
        head.z_mean.bias.assign(np.linspace(-0.4, 0.3 + 0.2 * i, head.latent_dim))
        head.z_log_var.bias.assign(np.linspace(0.3, 0.1 if i < 2 else -0.5, head.latent_dim))
    output = model.decoder.get_layer("decoder_output")
    for kernel in (output.kernel, *(layer.kernel for head in heads for layer in (head.z_mean, head.z_log_var))):
        kernel.assign(kernel / 3)  # for which 1000 draws are enough
    x = (X[:6] > 0.3).astype("float32") if likelihood == "bernoulli" else X[:6]
    condition = LABELS[:6] if "condition_dim" in options else None
    data, sigma2 = x if condition is None else (x, condition), None if likelihood == "bernoulli" else SIGMA2
    bound = importance_weighted_bound(model, data, sigma2, samples=1000)
    assert bound == pytest.approx(evidence(model, x, condition), abs=0.04)
    assert negative_elbo(model, data, sigma2).kl > 0.1  # so that a wrong prior or posterior would show


def test_draws_depend_on_seed_and_position_alone():
    model = plain_vae()
    many = np.concatenate([X, examples(BATCH, 3)])  # crosses the border of an internal batch
    first, rest = (importance_weighted_bound(model, part, 0.1, 2) for part in (many[:BATCH], many))
    assert importance_weighted_bound(model, many[:BATCH], 0.1, 2) == first
    assert importance_weighted_bound(model, many[:BATCH], 0.1, 2, seed=1) != first
    last = importance_weighted_bound(model, many[BATCH:], 0.1, 2)  # other draws: near, not equal
    assert rest == pytest.approx((BATCH * first + 40 * last) / (BATCH + 40), abs=0.05)


def test_bound_does_not_exceed_the_negative_elbo():
    model = plain_vae()
    sigma2 = fit_sigma2(model, X)
    assert importance_weighted_bound(model, X, sigma2) < negative_elbo(model, X, sigma2).negative_elbo
    assert example_terms(model, X).kl.mean() > 1e-3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": None}, "`model` must be a model of vaelib"),
        ({"x": X[:, :2]}, r"`x` must hold examples of shape \(4, 3\)"),
        ({"x": np.full_like(X, np.nan)}, "`x` must hold only finite numbers"),
        ({"sigma2": None}, "`sigma2` must be a finite number >= 6.14421e-06. Received: .*Use fit_sigma2"),
        ({"sigma2": 0.0}, "`sigma2` must be a finite number"),
        ({"samples": 0}, "`samples` must be an integer >= 1"),
        ({"samples": 2.5}, "`samples` must be an integer >= 1"),
        ({"samples": True}, "`samples` must be an integer >= 1"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        ({"seed": np.nan}, "`seed` must be an integer >= 0"),
    ],
)
def test_refuses(changed, message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        importance_weighted_bound(**{"model": reused(plain_vae), "x": X, "sigma2": 0.3, **changed})


def test_binary_data_have_no_sigma2():
    with pytest.raises(ValueError, match="^Argument `sigma2` must be left out: bernoulli has no σ²"):
        importance_weighted_bound(plain_vae(Objective("bernoulli")), np.round(X), 0.3)
