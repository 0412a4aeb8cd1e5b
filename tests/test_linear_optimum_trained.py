"""The proof by training: linear β-VAEs trained on real data arrive at the optimum that is computed for them."""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import compiled

from vaelib import (
    Objective,
    active_units,
    build_vae,
    example_terms,
    fit_sigma2,
    linear_vae_optimum,
    load_dataset,
    predict_collapse,
)

STEPS = 3000


@functools.cache
def data(name):
    """Digits as they are, or less their mean, so that no steps go into finding it; a table, which is standardised."""
    x = load_dataset(name.removeprefix("centred ")).x_train.astype("float32")
    return x - x.mean(axis=0) if name.startswith("centred") else x


@functools.cache
def fresh_model(name, latent_dim, sigma2):
    x = data(name)
    model = build_vae(x.shape[1:], latent_dim, "linear", Objective(sigma2=sigma2))
    # full batches have no noise to average over: a short memory of squared gradients follows the scale sooner
    adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.03, STEPS), beta_2=0.99)
    compiled(model, adam, steps_per_execution=STEPS // 4)
    adam.build(model.trainable_variables)
    return model, [(variable, np.array(variable)) for variable in (*model.variables, *adam.variables)]


def trained(name, latent_dim, beta, sigma2):
    model, first = fresh_model(name, latent_dim, sigma2)
    for variable, value in first:
        variable.assign(value)
    model.beta.assign(beta)
    model.fit(tf.data.Dataset.from_tensors(data(name)).repeat(STEPS), verbose=0, shuffle=False)
    return model


@pytest.mark.parametrize(
    ("name", "latent_dim", "beta", "sigma2", "active"),
    [
        ("centred digits", 16, 0.1, 1.0, 12),
        ("centred digits", 16, 0.5, 1.0, 3),
        ("centred digits", 16, 1.0, 0.02, 16),
        ("centred digits", 16, 1.0, "learned", 16),
        ("centred digits", 16, 3.0, "learned", 11),
        ("digits", 8, 0.2, 1.0, 7),
        ("digits", 8, 3.0, "optimal", 8),
        ("breast_cancer", 12, 0.2, 1.0, 12),
        ("breast_cancer", 12, 2.0, 0.5, 6),
        ("breast_cancer", 12, 1.0, "learned", 12),
        ("breast_cancer", 12, 3.0, "learned", 6),
        ("wine", 8, 1.0, 0.5, 7),
    ],
)
def test_training_arrives_at_the_optimum(name, latent_dim, beta, sigma2, active):
    """Units are matched by size; those within 5 % of the threshold, which train very slowly, are left out."""
    x = data(name)
    optimum = linear_vae_optimum(x, latent_dim, beta, sigma2)
    assert (optimum.case, optimum.active_units) == ("unique", active)
    ratio = optimum.eigenvalues[:latent_dim] / (beta * optimum.sigma2)
    clear = np.abs(ratio - 1) >= 0.05
    assert np.count_nonzero(~clear) <= 2

    model = trained(name, latent_dim, beta, sigma2)
    terms = example_terms(model, x)
    kl = terms.kl.mean(axis=0, dtype="float64")
    order = np.argsort(-kl)
    variance = terms.z_mean.var(axis=0, dtype="float64")[order]
    np.testing.assert_array_equal((variance > 0.01)[clear], (ratio > 1)[clear])
    assert active_units(terms.z_mean[:, order[clear]]) == np.count_nonzero(optimum.mean_variance[clear] > 0.01)

    error = np.abs(kl[order] - optimum.kl_per_unit)
    allowed = np.maximum(0.02 * optimum.kl_per_unit, 0.01)
    fitted = {"learned": lambda: math.exp(float(model.log_sigma2)), "optimal": lambda: fit_sigma2(model, x)}
    found = fitted[sigma2]() if sigma2 in fitted else sigma2
    assert found == pytest.approx(optimum.sigma2, rel=0.01)
    distortion = terms.distortion.mean(dtype="float64")  # the logged losses are float32, too coarse for the distance
    loss = 0.5 * (x[0].size * math.log(2 * math.pi * found) + distortion / found) + beta * kl.sum()
    excess = (loss - optimum.loss) / (optimum.collapsed_loss - optimum.loss)
    assert (error <= allowed)[clear].all()
    assert -1e-4 <= excess <= 0.01  # nothing is better than the optimum, rounding apart


@pytest.mark.parametrize("sigma2", [1.0, "learned"])
def test_training_collapses_at_the_predicted_weight(sigma2):
    """A tenth above it nothing is left; a tenth below one unit stays."""
    x = data("wine")
    weight = predict_collapse(x, Objective(sigma2=sigma2), 1.0, latent_dim=8).collapse_weight
    for factor, kept in ((1.1, 0), (0.9, 1)):
        model = trained("wine", 8, factor * weight, sigma2)
        assert active_units(example_terms(model, x).z_mean) == kept
        assert predict_collapse(x, model.objective, factor * weight, latent_dim=8).units_kept == kept
