"""Numbers of a trained model: codes, per-example terms, and the negative ELBO at β = 1."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from vaelib._checks import argument_error
from vaelib._loss_arguments import MIN_SIGMA2, fixed_sigma2
from vaelib.likelihood import gaussian_nll
from vaelib.metrics.likelihood import Elbo
from vaelib.models.vae import VAE, require_vae

BATCH = 1024


class ExampleTerms(NamedTuple):
    """A model's terms for n examples, as arrays: `distortion` (n,), `z_mean`, `z_log_var`, `kl` (n, latent_dim).

    `distortion` is the squared error summed over pixels for Gaussian likelihoods and the negative
    log-likelihood in nats for the others, under one draw of z for each example. `kl` is in nats; `kl_in_loss` is what
    the model's loss takes in its place. In a hierarchical model the global units come first, then the local ones.
    """

    distortion: np.ndarray
    z_mean: np.ndarray
    z_log_var: np.ndarray
    kl: np.ndarray
    kl_in_loss: np.ndarray


def example_terms(model: VAE, x: np.ndarray) -> ExampleTerms:
    """Returns the model's terms for each example of `x`; the draws of z are the same at every call.

    Args:
        model: a VAE of vaelib.
        x: (n, …) data of the model's shape.

    Raises:
        ValueError: if `model` is no VAE of vaelib, or `x` is no data of it.
    """
    parts = []
    for start, batch in batches(require_vae("model", model).check("x", x)):
        terms = model.evaluation_terms(batch, np.int64(start))
        latents = [np.concatenate(groups, axis=-1) for groups in zip(*terms.latents, strict=True)]
        parts.append([np.asarray(terms.distortion), *latents])
    return ExampleTerms(*(np.concatenate(batches) for batches in zip(*parts, strict=True)))


def batches(x: Any) -> Iterator[tuple[int, Any]]:
    """Cuts checked data into batches; yields each after the position of its first example."""
    for start in range(0, len(keras.tree.flatten(x)[0]), BATCH):
        yield start, keras.tree.map_structure(lambda values, i=start: values[i : i + BATCH], x)


class RepeatedLosses:
    """A model's losses of the same data again and again: one compiled call for each 1024 examples.

    Args:
        model: a VAE of vaelib.
        x: data that `model.check` has returned.
    """

    def __init__(self, model: VAE, x: Any) -> None:
        self.model = model
        self.names = (*model.loss_names, "negative_elbo", *model.scheduled)
        self._none = tf.zeros(1 + 2 * model.latent_dim, "float64")
        self._batches = []
        for start, batch in batches(x):
            size = len(keras.tree.flatten(batch)[0])
            tensors = keras.tree.map_structure(tf.constant, batch), model.evaluation_noise(size, start)
            self._batches.append((*tensors, tf.constant(start + size, "float64")))

    def __call__(self, sigma2: float | None) -> dict[str, float]:
        """Returns the losses of all examples, their `negative_elbo`, and the scheduled numbers, by name.

        `sigma2` is that of the negative ELBO at β = 1, and of an objective whose own is "optimal"; None where the
        likelihood has none.
        """
        sums, log_sigma2 = self._none, tf.constant(0.0 if sigma2 is None else math.log(sigma2))
        for batch, noise, n in self._batches:
            sums, losses = self.model.evaluation_losses(batch, noise, sums, n, log_sigma2)
        return dict(zip(self.names, losses.numpy().tolist(), strict=True))


def encode(model: VAE, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns `z_mean, z_log_var` of each example, both (n, latent_dim)."""
    terms = example_terms(model, x)
    return terms.z_mean, terms.z_log_var


def fit_sigma2(model: VAE, x: np.ndarray) -> float:
    """Returns the decoder variance at which `x` is most likely: the mean squared error, expected over q(z|x).

    The expectation is taken over one draw of z for each example; the result is never below exp(−12). Fit it on
    training data.

    Raises:
        ValueError: if the model's likelihood is no Gaussian.
    """
    if not require_vae("model", model).objective.has_sigma2:
        raise argument_error("model", "have a Gaussian likelihood", model.objective)
    return sigma2_from(example_terms(model, x), model.n_pixels)


def negative_elbo(model: VAE, x: np.ndarray, sigma2: float | None = None) -> Elbo:
    """Returns the negative ELBO at β = 1 of `x` and its parts, mean over examples, in nats per example.

    −log p(x|z) + KL(q(z|x) ‖ p(z)), summed over pixels and latent units, whatever β, scale factors and σ² the
    model was trained with: so models trained in different ways can be compared.

    Args:
        model: a VAE of vaelib.
        x: (n, …) data, test data for a result.
        sigma2: decoder variance of a Gaussian likelihood, from `fit_sigma2` on the training set.

    Raises:
        ValueError: if `sigma2` is missing or below exp(−12) under a Gaussian likelihood, or given under another.
    """
    sigma2 = sigma2_of(require_vae("model", model), sigma2)
    return elbo_from(example_terms(model, x), model.n_pixels, sigma2)


def sigma2_from(terms: ExampleTerms, n_pixels: int) -> float:
    """Returns what `fit_sigma2` does, from a Gaussian model's terms."""
    error = float(terms.distortion.mean(dtype="float64")) / n_pixels
    return MIN_SIGMA2 if error < MIN_SIGMA2 else error


def elbo_from(terms: ExampleTerms, n_pixels: int, sigma2: float | None) -> Elbo:
    """Returns what `negative_elbo` does, from a model's terms and a checked σ²."""
    distortion = terms.distortion.mean(dtype="float64")
    if sigma2 is not None:
        distortion = gaussian_nll(distortion, n_pixels, math.log(sigma2))
    reconstruction, kl = float(distortion), float(terms.kl.sum(axis=1, dtype="float64").mean())
    return Elbo(reconstruction + kl, reconstruction, kl, sigma2)


def sigma2_of(model: VAE, sigma2: float | None) -> float | None:
    """Returns σ² as a float, None where the likelihood has none, or raises if it is missing or should be."""
    if model.objective.has_sigma2:
        return fixed_sigma2(sigma2, remedy="Use fit_sigma2(model, dataset.x_train).")
    if sigma2 is not None:
        raise argument_error("sigma2", f"be left out: {model.objective.likelihood} has no σ²", sigma2)
    return None
