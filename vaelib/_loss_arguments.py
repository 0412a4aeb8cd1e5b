"""The arguments that describe a loss, checked; for the half of the library without Keras too."""

from __future__ import annotations

import math
from typing import Any

from vaelib._checks import argument_error, finite_float, one_of

LIKELIHOODS = ("gaussian", "mse", "bernoulli", "continuous_bernoulli")
MIN_LOG_SIGMA2 = -12.0  # log σ >= -6 (σ-VAE): keeps the likelihood bounded when an error reaches zero
MIN_SIGMA2 = math.exp(MIN_LOG_SIGMA2)


def checked_sigma2(value: Any) -> str | float:
    """Returns σ² as `Objective` keeps it: "optimal", "learned" or a number, or raises."""
    if value is None:
        return "optimal"
    if isinstance(value, str):
        return one_of("sigma2", value, ("optimal", "learned"))
    return fixed_sigma2(value)


def fixed_sigma2(value: Any, remedy: str = "") -> float:
    """Returns σ² as a float, or raises if it is no number or below the floor, where it would count as exp(−12)."""
    return finite_float("sigma2", value, minimum=MIN_SIGMA2, remedy=f"exp(−12) is the floor of every σ². {remedy}")


def checked_scale(name: str, value: Any) -> str | float:
    """Returns a scale, "sum", "mean" or a number > 0, or raises."""
    if isinstance(value, str):
        return one_of(name, value, ("sum", "mean"))
    return finite_float(name, value, minimum=0, exclusive=True)


def scale_factor(scale: str | float, size: int) -> float:
    """Returns the factor of a sum over `size` terms."""
    return {"sum": 1.0, "mean": 1 / size}[scale] if isinstance(scale, str) else scale


def checked_bounds(name: str, bounds: Any) -> tuple[float, float] | None:
    """Returns (lower, upper) as floats, or raises if they are no pair of finite numbers with lower < upper."""
    if bounds is None:
        return None
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        raise argument_error(name, "be a pair (lower, upper), such as (-20.0, 2.0), or None", bounds)
    must = "be a pair (lower, upper) of finite numbers with lower < upper"
    try:
        lower, upper = (finite_float(name, bound) for bound in bounds)
    except ValueError:
        raise argument_error(name, must, bounds) from None
    if lower >= upper:
        raise argument_error(name, must, bounds)
    return lower, upper
