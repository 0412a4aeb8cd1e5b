"""How a training went, in one number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error


def unsteadiness(losses: npt.ArrayLike) -> float:
    """Returns how much a loss moves from epoch to epoch in the last half of a training, as a share of its mean.

    With losses l₀ … l₍ₙ₋₁₎, one an epoch, and h = ⌊n / 2⌋:

        mean over e > h of abs(lₑ − l₍ₑ₋₁₎), divided by abs(mean over e ≥ h of lₑ)

    A smooth descent counts as movement too; compare trainings of the same length that have come to rest. The loss is
    under the scheduled β if the history's `total_loss` is given: then β's own movement is part of it.

    Args:
        losses: one loss an epoch, shape (epochs,), three epochs or more.

    Raises:
        ValueError: if there are fewer than three losses, one is not finite, or their mean is 0.

    >>> unsteadiness([90.0, 40.0, 10.0, 12.0, 10.0, 8.0])
    0.2
    """
    values = finite_array("losses", losses, ndim=1, axes="(epochs,)").astype(np.float64)
    if len(values) < 3:
        raise argument_error("losses", "hold three epochs or more", Described(f"{len(values)} losses"))
    half = values[len(values) // 2 :]
    if half.mean() == 0:
        raise argument_error("losses", "have a mean other than 0 in their last half", Described("a mean of 0"))
    return float(np.abs(np.diff(half)).mean() / abs(half.mean()))
