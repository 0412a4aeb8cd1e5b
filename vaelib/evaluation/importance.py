"""The importance-weighted bound of a model: closer to −log p(x) than the negative ELBO."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from vaelib._checks import positive_int
from vaelib.evaluation.terms import batches, sigma2_of
from vaelib.likelihood import gaussian_nll
from vaelib.metrics.likelihood import importance_weighted_bound_arrays
from vaelib.models.hierarchical_vae import HierarchicalVAE
from vaelib.models.vae import VAE, require_vae
from vaelib.randomness import normal_rows, stream


def importance_weighted_bound(
    model: VAE, x: np.ndarray, sigma2: float | None = None, samples: int = 50, seed: int = 0
) -> float:
    r"""Returns the importance-weighted upper bound of −log p(x), in nats per example.

    .. math:: -\mathbb{E}_x \log \tfrac{1}{k} \sum_{i=1}^k \frac{p(x \mid z_i) \, p(z_i)}{q(z_i \mid x)},
        \qquad z_i \sim q(z \mid x)

    Its sign is that of the negative ELBO, which it equals in expectation with one sample; it falls towards −log p(x)
    as samples are added. In a hierarchical model z holds both groups of units, p(z) is the joint prior; with a
    condition c it is the bound of −log p(x|c).

    Args:
        model: a VAE of vaelib, of any kind.
        x: (n, …) data, test data for a result; with a condition the pair of x and conditions.
        sigma2: decoder variance of a Gaussian likelihood, from `fit_sigma2` on the training set.
        samples: k, draws of z for each example, >= 1.
        seed: integer >= 0 of the draws; an example's do not depend on those around it.

    Raises:
        ValueError: if `model` is no VAE of vaelib, `x` is no data of it, σ² is missing under a Gaussian likelihood or
            given under another, or a number is out of range.

    Source: Burda et al. (2015), arXiv 1509.00519.
    """
    data = require_vae("model", model).check("x", x)
    sigma2 = sigma2_of(model, sigma2)
    seeds = [
        np.uint64(stream(positive_int("seed", seed, minimum=0), f"importance/{draw}"))
        for draw in range(positive_int("samples", samples))
    ]
    log_weights = _compile_log_weights(model, 0.0 if sigma2 is None else math.log(sigma2))
    rows = []
    for start, batch in batches(data):
        columns = [log_weights(batch, np.int64(start), draw) for draw in seeds]  # each (batch,)
        rows.append(np.stack(columns, axis=1))
    return importance_weighted_bound_arrays(np.concatenate(rows))


def _compile_log_weights(model: VAE, log_sigma2: float) -> Any:
    """Returns the compiled function (x, position of its first example, seed) -> log p(x|z) p(z) / q(z|x), (batch,)."""

    def log_weights(data: Any, position: Any, seed: Any) -> Any:
        x, condition = model.inputs.split(data)
        noise = normal_rows(tf.shape(x)[0], model.latent_dim, seed, first=position)
        groups, z = _draw(model, x, condition, noise)
        output = ops.cast(model.decode(z, condition), "float32")
        distortion = model.objective.distortion(x, output)
        has_sigma2 = model.objective.has_sigma2
        nll = gaussian_nll(distortion, model.n_pixels, log_sigma2) if has_sigma2 else distortion
        parts = zip(groups, tf.split(z, model.group_dims, 1), tf.split(noise, model.group_dims, 1), strict=True)
        return sum((_log_ratio(*group, *part) for group, *part in parts), start=-nll)

    signature = [model.inputs.spec, tf.TensorSpec((), "int64"), tf.TensorSpec((), "uint64")]
    return tf.function(log_weights, input_signature=signature).get_concrete_function()


def _draw(model: VAE, x: Any, condition: Any, noise: Any) -> tuple[list[tuple[Any, ...]], Any]:
    """Returns each group's log-variance, prior mean and prior log-variance, and z (batch, latent_dim)."""
    if isinstance(model, HierarchicalVAE):
        (_, z_log_var), (_, local_log_var, *prior), z = model.latents(x, condition, noise, training=False)
        groups = [(z_log_var, 0.0, 0.0), (local_log_var, *prior)]
    else:
        _, z_log_var, z = model.encoder(x, condition, noise, training=False)
        groups = [(z_log_var, 0.0, 0.0)]
    return tf.nest.map_structure(lambda value: ops.cast(value, "float32"), (groups, z))


def _log_ratio(z_log_var: Any, prior_mean: Any, prior_log_var: Any, z: Any, noise: Any) -> Any:
    """Returns log p(z) − log q(z|x) of one group, (batch,); noise is (z − z_mean) / exp(z_log_var / 2)."""
    log_q = z_log_var + noise**2
    log_p = prior_log_var + (z - prior_mean) ** 2 * ops.exp(-prior_log_var)
    return 0.5 * ops.sum(log_q - log_p, axis=-1)
