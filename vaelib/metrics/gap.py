"""How much worse a model describes data that it has not seen, from arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from vaelib._checks import Described, argument_error, one_of, renamed
from vaelib.metrics.likelihood import negative_elbo_arrays


def train_test_gap_arrays(
    train: Sequence[npt.ArrayLike], test: Sequence[npt.ArrayLike], *, likelihood: str = "gaussian"
) -> float:
    """Returns the negative ELBO at β = 1 of the test data less that of the training data, in nats per example.

    σ² of the Gaussian is fitted to the training data. A large gap is overfitting.

    Args:
        train: x, x_reconstructed, z_mean and z_log_var of the training data, as for `negative_elbo_arrays`.
        test: the same four of the test data.
        likelihood: "gaussian" (default) or "bernoulli".

    Raises:
        ValueError: if `train` or `test` are no four arrays, or as for `negative_elbo_arrays`.

    >>> ones, code = [[1.0], [1.0]], [[0.0], [0.0]]
    >>> gap = train_test_gap_arrays((ones, [[0.5], [0.5]], code, code), (ones, [[0.25], [0.25]], code, code),
    ...                             likelihood="bernoulli")
    >>> round(gap, 4)  # log 2
    0.6931
    """
    one_of("likelihood", likelihood, ("gaussian", "bernoulli"))
    parts = {"train": train, "test": test}
    for name, arrays in parts.items():
        if not isinstance(arrays, list | tuple) or len(arrays) != 4:
            must = "be the four arrays x, x_reconstructed, z_mean and z_log_var"
            raise argument_error(name, must, Described(type(arrays).__name__))
    elbos, sigma2 = [], None
    for name, arrays in parts.items():
        try:
            elbo = negative_elbo_arrays(*arrays, likelihood=likelihood, sigma2=sigma2)
        except ValueError as error:
            raise renamed(error, f"{name}: {{}}".format) from None
        elbos.append(elbo.negative_elbo)
        sigma2 = elbo.sigma2
    return elbos[1] - elbos[0]
