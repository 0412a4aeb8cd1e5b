from typing import Any

import numpy as np
import pytest

from vaelib.data._splitting import draw_rows, split_rows


def test_classes_keep_their_share() -> None:
    y = np.repeat([0, 1], [60, 10])
    first, second = split_rows(np.arange(70), y, 14, seed=0)
    assert np.bincount(y[second]).tolist() == [12, 2]
    assert np.bincount(y[first]).tolist() == [48, 8]


@pytest.mark.parametrize(
    "y",
    [
        np.repeat([0, 1], [19, 1]),  # a class with one example
        np.repeat(np.arange(10), 2),  # more classes than the smaller part holds
        np.linspace(0, 1, 20),  # not classes
        np.zeros((20, 2), int),
    ],
)
def test_other_labels_are_split_without_shares(y: Any) -> None:
    first, second = split_rows(np.arange(20), y, 3, seed=0)
    assert sorted([*first, *second]) == list(range(20))
    assert len(second) == 3


def test_drawn_rows_rise_and_do_not_repeat() -> None:
    rows = draw_rows(1000, None, 300)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(rows) == 300
    assert rows.min() >= 0
    assert rows.max() < 1000
    assert 400 < rows.mean() < 600
    np.testing.assert_array_equal(rows, draw_rows(1000, None, 300))


def test_drawn_classes_keep_their_share() -> None:
    y = np.repeat([0, 1, 2], [700, 200, 100])
    assert np.bincount(y[draw_rows(1000, y, 50)]).tolist() == [35, 10, 5]
    assert np.bincount(y[draw_rows(1000, y, 1000)]).tolist() == [700, 200, 100]
