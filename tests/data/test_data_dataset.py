from typing import Any

import numpy as np
import pytest

from vaelib.data import Dataset, check_examples, load_dataset
from vaelib.data._splitting import split_examples


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
        ({"y_train": [[1], [1, 2]], "y_val": [0], "y_test": [0]}, "`y_train` must hold rows of equal length"),
        ({"factors": np.zeros((12, 2))}, "`factors` must hold integers.*an array of dtype float64"),
        ({"factors": np.full((12, 2), np.nan)}, "`factors` must hold integers"),
        ({"factors": [["a"]] * 12}, "`factors` must hold integers"),
        ({"factors": np.zeros((11, 2), int)}, r"`factors` must have the shape \(12, k\).*shape \(11, 2\)"),
        ({"factors": np.zeros(12, int)}, r"`factors` must have the shape \(12, k\)"),
        ({"factors": np.zeros((12, 0), int)}, r"`factors` must have the shape \(12, k\)"),
        ({"factors": 3}, r"`factors` must have the shape \(12, k\)"),
        ({"factors": [[1], [1, 2]]}, "`factors` must hold rows of equal length"),
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


def test_factors_follow_the_order() -> None:
    factors = np.arange(24, dtype=np.uint8).reshape(12, 2)  # as the examples of `small`, which hold 0 to 23
    order = np.array([3, 1, 2, 0, 4, 5, 6, 11, 8, 9, 10, 7])
    x = np.arange(24.0).reshape(12, 2)[order]
    dataset = small(x_train=x[:8], x_val=x[8:10], x_test=x[10:], factors=factors, order=order)
    assert dataset.factors_test.tolist() == [[20, 21], [14, 15]]
    assert dataset.factors.dtype == np.int64
    assert not dataset.factors.flags.writeable
    for each in (dataset, dataset.resplit(1), dataset.resplit(1).resplit(2), dataset.binarized(12).resplit(1)):
        np.testing.assert_array_equal(each.factors, factors)
        for part in ("train", "val", "test"):
            x = getattr(each, f"x_{part}")
            inside = getattr(each, f"factors_{part}")
            np.testing.assert_array_equal(x, inside if "binarized" not in each.name else inside > 12)
    assert repr(dataset).endswith("no labels, factors, split_seed=None)")


def test_no_factors() -> None:
    assert small().factors_train is small().factors_val is small().factors_test is None


def test_standardized_by_hand() -> None:
    train = [[0.0, 1.0, 7.0], [4.0, 3.0, 7.0]]  # means 2, 2, 7; standard deviations 2, 1, 0
    dataset = small(x_train=train, x_val=[[2.0, 2.0, 8.0]], x_test=[[6.0, 0.0, 7.0]]).standardized()
    assert dataset.x_train.tolist() == [[-1, -1, 0], [1, 1, 0]]
    assert dataset.x_val.tolist() == [[0, 0, 1]]
    assert dataset.x_test.tolist() == [[2, -2, 0]]
    assert dataset.x_train.dtype == np.float32
    assert dataset.is_standardized
    assert repr(dataset).endswith("no labels, standardised, split_seed=None)")
    assert not dataset.binarized().is_standardized


def test_standardized_images_and_large_offsets() -> None:
    x = np.random.default_rng(0).normal(size=(60, 4, 4, 1)) + 1000
    dataset = Dataset("d", **split_examples(x, None, 10, 10, seed=0)).standardized()
    assert dataset.input_shape == (4, 4, 1)
    np.testing.assert_allclose(dataset.x_train.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(dataset.x_train.std(0), 1, atol=1e-4)


def test_a_number_that_never_changes_is_not_scaled() -> None:
    x = np.full((12, 2), 0.1, np.float32)
    x[:, 1] = np.arange(12)
    dataset = small(x_train=x[:8], x_val=x[8:10], x_test=x[10:]).standardized()
    assert np.abs(dataset.x_test[:, 0]).max() < 1e-6


def test_resplit_standardises_anew() -> None:
    x = np.random.default_rng(0).normal(5, 3, size=(60, 2))
    raw = Dataset("d", **split_examples(x, None, 10, 10, seed=0))
    once, twice = raw.resplit(4).standardized(), raw.standardized().resplit(4)
    assert twice.is_standardized
    for part in ("x_train", "x_val", "x_test"):
        np.testing.assert_allclose(getattr(twice, part), getattr(once, part), atol=1e-5)
    np.testing.assert_allclose(twice.x_train.mean(0), 0, atol=1e-6)
