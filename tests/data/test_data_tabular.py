from typing import Any

import numpy as np
import pytest

from vaelib.data import load_dataset, load_table


@pytest.mark.parametrize(
    ("name", "sizes", "columns", "classes"),
    [
        ("iris", (108, 21, 21), 4, 3),
        ("wine", (128, 25, 25), 13, 3),
        ("breast_cancer", (407, 81, 81), 30, 2),
        ("diabetes", (316, 63, 63), 10, None),
    ],
)
def test_tables(name: str, sizes: Any, columns: int, classes: Any) -> None:
    table = load_dataset(name)
    assert table.name == name
    assert (len(table.x_train), len(table.x_val), len(table.x_test)) == sizes
    assert table.input_shape == (columns,)
    np.testing.assert_allclose(table.x_train.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(table.x_train.std(0), 1, atol=1e-5)
    assert np.abs(table.x_test.mean(0)).max() > 0.01  # moved as the training part is
    assert table.x_test.dtype == np.float32
    if classes:
        assert table.y_train.dtype == np.int64
        shares = [np.bincount(y, minlength=classes) / len(y) for y in (table.y_train, table.y_test)]
        np.testing.assert_allclose(shares[0], shares[1], atol=0.05)
    else:
        assert table.y_train.dtype == np.float64
        assert table.y_train.max() > 300


def test_rows_keep_their_labels() -> None:
    """The first iris is a setosa: short petals; its standardised petal length is the lowest class's."""
    iris = load_dataset("iris")
    for part in ("train", "val", "test"):
        petal, y = getattr(iris, f"x_{part}")[:, 2], getattr(iris, f"y_{part}")
        assert petal[y == 0].max() < petal[y > 0].min()


def test_resplit_equals_another_seed() -> None:
    direct, detour = load_dataset("wine", 7), load_dataset("wine").resplit(7)
    np.testing.assert_allclose(detour.x_test, direct.x_test, atol=1e-5)
    np.testing.assert_array_equal(detour.y_test, direct.y_test)


def test_unknown_tables() -> None:
    with pytest.raises(ValueError, match="^Argument `name` must be one of 'iris', 'wine', 'breast_cancer', 'diabetes'"):
        load_table("digits")
