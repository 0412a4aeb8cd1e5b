from typing import Any

import numpy as np
import pytest

from vaelib.metrics import active_units, unit_variances


def test_variances_divide_by_n() -> None:
    z_mean = np.array([[0.0, 1.0, 5.0], [0.4, 1.0, 7.0]], dtype=np.float32)
    variances = unit_variances(z_mean)
    assert variances.dtype == np.float64
    np.testing.assert_allclose(variances, [0.04, 0.0, 1.0], rtol=1e-6)


def test_a_unit_at_the_threshold_is_not_active() -> None:
    z_mean = np.array([[-0.5, -0.1, 3.0], [0.5, 0.1, 3.0]])  # variances 0.25, 0.01, 0
    assert active_units(z_mean, threshold=0.25) == 0
    assert active_units(z_mean, threshold=0.2499) == 1
    assert active_units(z_mean, threshold=0.0) == 2
    assert active_units(z_mean * 1.001) == 2


def test_means_far_from_zero_do_not_count_as_active() -> None:
    assert active_units(np.full((10, 4), 100.0)) == 0


@pytest.mark.parametrize(
    "z_mean", [np.zeros(3), np.zeros((1, 3)), np.zeros((0, 3)), np.zeros((2, 2, 2)), [[0.0], [np.nan]]]
)
def test_bad_means_are_refused(z_mean: Any) -> None:
    for measure in (active_units, unit_variances):
        with pytest.raises(ValueError, match="Argument `z_mean` must"):
            measure(z_mean)


def test_bad_thresholds_are_refused() -> None:
    with pytest.raises(ValueError, match="Argument `threshold` must be a finite number >= 0"):
        active_units(np.zeros((2, 2)), threshold=-1)
