"""The KL divergence of a Gaussian q(z|x) from its prior, per latent unit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from keras import ops

from vaelib._checks import argument_error, finite_float
from vaelib.layers import numbers


class Latents(NamedTuple):
    """One group of latent units: `z_mean`, `z_log_var` and `kl` in nats, each (batch, latent_dim).

    `kl_in_loss` is what the loss takes in the KL's place: `kl` itself unless the objective clips it.
    """

    z_mean: Any
    z_log_var: Any
    kl: Any
    kl_in_loss: Any


def gaussian_kl(z_mean: Any, z_log_var: Any, prior_mean: Any = 0.0, prior_log_var: Any = 0.0) -> Any:
    """Returns the KL divergence of N(z_mean, exp(z_log_var)) from the prior, per unit, in nats.

    KL = ½ (exp(z_log_var − p) + (z_mean − m)² exp(−p) − 1 − z_log_var + p), with prior mean m and prior log-variance p.

    Args:
        z_mean: (batch, latent_dim).
        z_log_var: (batch, latent_dim), the logarithm of the variance (not of the standard deviation).
        prior_mean: number or (batch, latent_dim); 0 by default.
        prior_log_var: number or (batch, latent_dim); 0 by default, so that the prior is N(0, 1).

    Returns:
        (batch, latent_dim): an array for NumPy arrays and sequences, otherwise a tensor.

    Raises:
        ValueError: if an argument holds no finite numbers (of a tensor they are not read), z_mean and z_log_var differ
            in shape, or a prior's array has another.

    Source: Kingma & Welling (2014), arXiv 1312.6114, appendix B.

    >>> gaussian_kl(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]))
    array([[0.5, 0. ]])
    """
    z_mean, z_log_var = numbers("z_mean", z_mean), numbers("z_log_var", z_log_var)
    if tuple(z_mean.shape) != tuple(z_log_var.shape):
        raise argument_error("z_log_var", f"have the shape of z_mean, {tuple(z_mean.shape)}", z_log_var)
    prior_mean = _of_prior("prior_mean", prior_mean, z_mean)
    prior_log_var = _of_prior("prior_log_var", prior_log_var, z_mean)
    exp = np.exp if isinstance(z_mean, np.ndarray) else ops.exp
    shift = z_log_var - prior_log_var
    precision = float(np.exp(-prior_log_var)) if isinstance(prior_log_var, float) else exp(-prior_log_var)
    return 0.5 * (exp(shift) + (z_mean - prior_mean) ** 2 * precision - 1.0 - shift)


def _of_prior(name: str, value: Any, z: Any) -> Any:
    """Returns a number as a float, and an array or a tensor if it has the shape of z."""
    if isinstance(value, int | float):
        return finite_float(name, value)
    value = numbers(name, value)
    if tuple(value.shape) != () and not tf.TensorShape(value.shape).is_compatible_with(tuple(z.shape)):
        raise argument_error(name, f"be a number or have the shape of z_mean, {tuple(z.shape)}", value)
    return value
