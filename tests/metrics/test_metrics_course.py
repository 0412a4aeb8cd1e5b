from typing import Any

import numpy as np
import pytest

from vaelib.metrics import unsteadiness


def test_by_hand() -> None:
    assert unsteadiness([9.0, 4.0, 2.0, 6.0]) == 4.0 / 4.0
    assert unsteadiness([100.0, 7.0, 5.0]) == 2.0 / 6.0  # of three epochs the last two are the half
    assert unsteadiness([50.0, -2.0, -4.0, -3.0]) == 1.0 / 3.5
    assert unsteadiness([3.0, 5.0, 5.0, 5.0]) == 0.0


def test_the_first_half_and_the_unit_do_not_matter() -> None:
    losses = np.random.default_rng(0).uniform(1, 2, 40)
    value = unsteadiness(losses)
    assert unsteadiness(100 * losses) == pytest.approx(value)
    losses[:20] = 1e6
    assert unsteadiness(losses) == value


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([1.0, 2.0], "`losses` must hold three epochs or more. Received: losses=2 losses"),
        ([[1.0, 2.0, 3.0]], r"`losses` must have the shape \(epochs,\)"),
        ([1.0, np.nan, 3.0], "`losses` must hold only finite numbers"),
        ([1.0, -1.0, 1.0], "`losses` must have a mean other than 0 in their last half"),
    ],
)
def test_refuses(losses: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        unsteadiness(losses)
