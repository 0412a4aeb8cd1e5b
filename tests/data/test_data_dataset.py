from typing import Any

import numpy as np
import pytest

from vaelib.data import Dataset, check_examples, load_dataset
from vaelib.data.dataset import split_examples, split_rows


def small(**changed: Any) -> Dataset:
    x = np.arange(24.0).reshape(12, 2)
    parts = {"x_train": x[:8], "x_val": x[8:10], "x_test": x[10:]}
    return Dataset(**({"name": "small"} | parts | changed))


def rows(dataset: Any) -> list[tuple[float, ...]]:
    return [
        tuple(row) for part in (dataset.x_train, dataset.x_val, dataset.x_test) for row in part.reshape(len(part), -1)
    ]


def test_parts_become_read_only_float32() -> None:
    x = np.arange(24).reshape(12, 2)
    dataset = small(x_train=x, y_train=np.zeros(12, np.uint8), y_val=[0, 1], y_test=[0.5, 1.0])
    assert dataset.x_train.dtype == np.float32
    assert dataset.y_train.dtype == dataset.y_val.dtype == np.int64
    assert dataset.y_test.dtype == np.float64
    for array in (dataset.x_train, dataset.x_val, dataset.x_test, dataset.y_train, dataset.order):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    x[0] = 5  # the caller's own array stays writable


def test_the_callers_float32_array_stays_writable() -> None:
    x = np.zeros((8, 2), np.float32)
    dataset = small(x_train=x)
    assert np.shares_memory(dataset.x_train, x)
    assert x.flags.writeable


def test_shape_pixels_and_repr() -> None:
    dataset = load_dataset("digits")
    assert dataset.input_shape == (8, 8, 1)
    assert dataset.n_pixels == 64
    assert repr(small()) == (
        "Dataset('small', examples of shape (2,), 8 train, 2 validation, 2 test, no labels, split_seed=None)"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_val": np.zeros((2, 3))}, r"`x_val` must hold examples of shape \(2,\)"),
        ({"x_test": np.zeros((0, 2))}, "`x_test` must not be empty"),
        ({"x_train": np.full((4, 2), np.nan)}, "`x_train` must hold only finite numbers"),
        ({"y_train": np.zeros(8)}, "`y_val` must be given when another part has labels"),
        (
            {"y_train": np.zeros(8), "y_val": np.zeros(2), "y_test": np.zeros(3)},
            "`y_test` must hold one label for each",
        ),
        (
            {"y_train": np.zeros(8), "y_val": np.zeros(2), "y_test": 0},
            "`y_test` must hold one label for each",
        ),
        ({"y_train": ["a"] * 8, "y_val": ["a"] * 2, "y_test": ["a"] * 2}, "`y_train` must hold real numbers"),
        ({"order": np.zeros(12, int)}, "`order` must hold each row number below 12 once"),
        ({"order": np.arange(12) + 0.5}, "`order` must hold each row number below 12 once"),
        ({"order": None}, "`order` must hold real numbers"),
        ({"order": 3}, r"`order` must have the shape \(n,\)"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changed: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=message):
        small(**changed)


def test_resplit_keeps_sizes_and_examples() -> None:
    dataset = small()
    again = dataset.resplit(3)
    assert (len(again.x_train), len(again.x_val), len(again.x_test)) == (8, 2, 2)
    assert sorted(rows(again)) == sorted(rows(dataset))
    assert rows(again) != rows(dataset)
    assert again.split_seed == 3
    assert again.y_train is None


def test_resplit_depends_on_the_seed_alone() -> None:
    dataset = load_dataset("digits")
    direct = load_dataset("digits", split_seed=5)
    detour = dataset.resplit(1).resplit(5)
    for part in ("x_train", "x_val", "x_test", "y_train", "y_val", "y_test", "order"):
        np.testing.assert_array_equal(getattr(detour, part), getattr(direct, part))
    assert not np.array_equal(dataset.y_test, direct.y_test)
    with pytest.raises(ValueError, match="`split_seed` must be an integer >= 0"):
        dataset.resplit(-1)
    with pytest.raises(ValueError, match=r"`split_seed` must be below 2\*\*32"):
        dataset.resplit(2**32)


def test_labels_stay_with_their_examples() -> None:
    x = np.arange(70.0).reshape(35, 2)
    dataset = Dataset("d", **split_examples(x, np.arange(35), 5, 5, seed=0)).resplit(4)
    for part in ("train", "val", "test"):
        np.testing.assert_array_equal(getattr(dataset, f"x_{part}")[:, 0], 2 * getattr(dataset, f"y_{part}"))


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


def test_binarized() -> None:
    x = np.array([[0.0, 0.5], [0.51, 1.0]])
    dataset = small(x_train=x).binarized()
    assert dataset.x_train.tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert dataset.x_train.dtype == np.float32
    assert dataset.name == "small-binarized"
    assert small(x_train=x).binarized(0.1).x_train.tolist() == [[0.0, 1.0], [1.0, 1.0]]
    with pytest.raises(ValueError, match="`threshold` must be a finite number"):
        small().binarized(np.nan)


def test_binarized_digits_keep_their_split() -> None:
    dataset = load_dataset("digits", split_seed=2)
    binary = dataset.binarized()
    assert set(np.unique(binary.x_train)) == {0.0, 1.0}
    np.testing.assert_array_equal(binary.y_val, dataset.y_val)
    np.testing.assert_array_equal(binary.resplit(3).x_test, dataset.resplit(3).binarized().x_test)


def test_check_examples_returns_float32_and_copies_only_if_needed() -> None:
    x = np.zeros((3, 8, 8, 1), np.float32)
    assert check_examples("x", x, shape=(8, 8, 1)) is x
    assert check_examples("x", np.ones((2, 2), bool)).tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.zeros(3),
            r"`x` must have the shape \(n, ...\), one example a row. Received: x=an array of shape \(3,\)",
        ),
        (
            np.zeros((3, 4)),
            r"`x` must hold examples of shape \(2, 2\). Received: x=an array of shape \(3, 4\)",
        ),
        (np.zeros((0, 2, 2)), "`x` must not be empty"),
        (
            np.full((1, 2, 2), 1e39),
            r"`x` must hold only finite numbers.*4 values .* the first at \[0, 0, 0\]",
        ),
        ([["a", "b"]], "`x` must hold real numbers"),
        ([[0.0], [0.0, 1.0]], "`x` must hold examples of equal shape"),
    ],
)
def test_check_examples_refuses(x: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=message):
        check_examples("x", x, shape=(2, 2))
