from typing import Any

import numpy as np
import pytest

from vaelib._arrays import finite_array, problem_of
from vaelib._checks import Described, argument_error, finite_float, one_of, positive_int, renamed


def test_error_names_argument_value_and_remedy() -> None:
    error = argument_error("epochs", "be an integer >= 1", 0, remedy="Train at least once.")
    expected = "Argument `epochs` must be an integer >= 1. Received: epochs=0. Train at least once."
    assert str(error) == expected


def test_descriptions_are_printed_without_quotes_and_strings_with() -> None:
    assert str(argument_error("x", "be short", Described("an array"))).endswith("Received: x=an array.")
    assert str(argument_error("x", "be short", "long")).endswith("Received: x='long'.")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.zeros((3, 4)), "an array of shape (3, 4)"),
        (np.float64(2.5), "np.float64(2.5)"),
        ([0] * 99, "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...]"),
        ([np.zeros((2, 2))], "[array([[0., 0.],        [0., 0.]])]"),
        ("a" * 200, repr("a" * 200)),
    ],
)
def test_what_was_received_is_one_short_line(value: Any, shown: str) -> None:
    assert str(argument_error("x", "be short", value)).endswith(f"Received: x={shown}.")
    assert len(str(argument_error("x", "be short", [value] * 10**4))) < 4000


def test_positive_int_refuses_what_no_index_holds() -> None:
    with pytest.raises(ValueError, match=r"Argument `n` must be an integer below 2\*\*63\. Received: n=1000.*000\."):
        positive_int("n", 10**400)


def test_positive_int_accepts_numpy_integers_and_returns_int() -> None:
    assert type(positive_int("n", np.int64(3))) is int
    assert positive_int("n", 0, minimum=0) == 0


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "2", None, np.nan])
def test_positive_int_refuses(value: Any) -> None:
    with pytest.raises(ValueError, match=r"Argument `n` must be an integer >= 1\. Received: n="):
        positive_int("n", value)


def test_finite_float_accepts_the_bounds() -> None:
    assert finite_float("b", 0, minimum=0, maximum=1) == 0.0
    assert finite_float("b", np.float32(1), minimum=0, maximum=1) == 1.0
    assert finite_float("b", 1, minimum=0, maximum=1, exclusive=True) == 1.0
    assert finite_float("b", -5) == -5.0


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, np.inf, "0.5", b"1", True, np.True_, None, [1, 2], 10**400])
def test_finite_float_refuses(value: Any) -> None:
    with pytest.raises(ValueError, match="Argument `b` must be a finite number >= 0 and <= 1"):
        finite_float("b", value, minimum=0, maximum=1)


def test_finite_float_words_its_bounds() -> None:
    with pytest.raises(ValueError, match="must be a finite number > 0. Received: b=0"):
        finite_float("b", 0, minimum=0, exclusive=True)
    with pytest.raises(ValueError, match="must be a finite number <= 1. Received: b=2"):
        finite_float("b", 2, maximum=1)


def test_one_of_lists_the_choices() -> None:
    assert one_of("kind", "mean", ("mean", "sum")) == "mean"
    for value in ("max", None):
        with pytest.raises(ValueError, match="must be one of 'mean', 'sum'"):
            one_of("kind", value, ("mean", "sum"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1.0], [1.0, 2.0]], "hold rows of equal length. Received: x=a ragged sequence"),
        (["a"], "hold real numbers. Received: x=an array of dtype <U1"),
        ([1j], "hold real numbers. Received: x=an array of dtype complex128"),
        (np.array([None]), "hold real numbers. Received: x=an array of dtype object"),
        (np.zeros((0, 3)), r"not be empty. Received: x=an array of shape \(0, 3\)"),
        (
            [0.0, np.inf],
            r"finite numbers. Received: x=an array of shape \(2,\) with 1 value that is NaN .*, at \[1\]",
        ),
        ([[0, np.nan], [np.inf, 0]], r"with 2 values that are NaN or infinite, the first at \[0, 1\]"),
        ([[1.0]], r"have the shape \(D,\). Received: x=an array of shape \(1, 1\)"),
    ],
)
def test_finite_array_refuses(value: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=message):
        finite_array("x", value, ndim=1, axes="(D,)")


def test_finite_array_accepts_any_real_type() -> None:
    for dtype in (bool, np.uint8, np.int64, np.float16, np.float32):
        assert finite_array("x", np.ones(3, dtype)).dtype == dtype
    assert problem_of(np.ones((2, 2))) is None


def test_renamed_changes_the_name_in_both_places_and_nothing_else() -> None:
    error = argument_error("beta", "be below `beta` max", "beta=3", "Received: beta=3 is too much.")
    expected = (
        "Argument `training.beta` must be below `beta` max. Received: training.beta='beta=3'. "
        "Received: beta=3 is too much."
    )
    assert str(renamed(error, lambda name: f"training.{name}")) == expected


def test_renamed_leaves_other_errors_alone() -> None:
    error = ValueError("no wording of the house")
    assert renamed(error, lambda name: "never") is error
