"""Likelihoods of the data given the decoder's output: errors, negative log-likelihoods in nats, expected values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from vaelib._checks import Described, argument_error
from vaelib._loss_arguments import MIN_LOG_SIGMA2


def gaussian_nll(squared_error: Any, n_pixels: int, log_sigma2: Any) -> Any:
    """Returns −log N(x; output, σ²) in nats from the squared error summed over pixels: ½ (D log 2πσ² + S/σ²).

    σ² below exp(−12) counts as exp(−12).
    """
    log_sigma2 = ops.maximum(log_sigma2, MIN_LOG_SIGMA2)
    return 0.5 * (n_pixels * (math.log(2 * math.pi) + log_sigma2) + squared_error * ops.exp(-log_sigma2))


def distortion(likelihood: str, x: Any, output: Any) -> Any:
    """Returns the error of each example before any σ², (batch,): see `Objective.distortion`."""
    if likelihood in ("gaussian", "mse"):
        return _sum_pixels((x - output) ** 2)
    nll = ops.softplus(output) - output * x
    if likelihood == "continuous_bernoulli":
        nll = nll - _log_normaliser(output)
    return _sum_pixels(nll)


def expected_x(likelihood: str, output: Any) -> Any:
    """Returns the mean of x given the decoder's output: the output itself, or the (continuous) Bernoulli's mean."""
    if likelihood == "bernoulli":
        return ops.sigmoid(output)
    if likelihood == "continuous_bernoulli":
        small = ops.abs(output) < 0.1
        safe = ops.where(small, 1.0, output)
        return ops.where(small, 0.5 + output / 12 - output**3 / 720, 1 / (1 - ops.exp(-safe)) - 1 / safe)
    return output


def check_support(likelihood: str, name: str, x: np.ndarray) -> None:
    """Raises a ValueError if the values of `x` lie outside the likelihood's support."""
    grey = x[(x != 0) & (x != 1)] if likelihood == "bernoulli" else x[:0]
    if grey.size:
        raise argument_error(
            name,
            "hold only 0 and 1 under likelihood='bernoulli'",
            Described(f"{grey.size} other values, the first {grey.flat[0]:g}"),
            "Use dataset.binarized(), or likelihood='continuous_bernoulli' for grey values.",
        )
    if likelihood == "continuous_bernoulli" and (x.min() < 0 or x.max() > 1):
        raise argument_error(
            name,
            "lie in [0, 1] under likelihood='continuous_bernoulli'",
            Described(f"values from {x.min():g} to {x.max():g}"),
            "Rescale the data, or use likelihood='gaussian'.",
        )


def _sum_pixels(values: Any) -> Any:
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


def _log_normaliser(logits: Any) -> Any:
    """Returns log C(λ) of the continuous Bernoulli, λ = sigmoid(a): log(a / tanh(a/2)), by its series around a = 0."""
    small = ops.abs(logits) < 0.1
    safe = ops.where(small, 1.0, logits)
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    return ops.where(small, series, ops.log(safe / ops.tanh(safe / 2)))
