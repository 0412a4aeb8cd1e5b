from typing import Any

import numpy as np
import pytest

from vaelib import load_dataset
from vaelib.metrics import chance_accuracy, linear_probe_accuracy, nearest_label_accuracy

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 300)
CODES = np.eye(3)[Y] * 4 + RNG.normal(size=(300, 3))
HALVES = (CODES[:200], Y[:200], CODES[200:], Y[200:])


def test_classes_that_lie_apart_are_found_and_others_are_not() -> None:
    assert linear_probe_accuracy(*HALVES) > 0.9
    noise = RNG.normal(size=CODES.shape)
    chance = chance_accuracy(Y[:200], Y[200:])
    assert linear_probe_accuracy(noise[:200], Y[:200], noise[200:], Y[200:]) == pytest.approx(chance, abs=0.15)


def test_the_nearest_code_finds_classes_that_no_line_tells_apart() -> None:
    assert nearest_label_accuracy(*HALVES) > 0.9
    inner = RNG.uniform(size=400) < 0.5
    angle = RNG.uniform(0, 2 * np.pi, 400)
    rings = np.where(inner, 1.0, 3.0)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    halves = (rings[:300], inner[:300], rings[300:], inner[300:])
    assert nearest_label_accuracy(*halves) == 1.0
    assert linear_probe_accuracy(*halves) < 0.7


def test_the_nearest_code_is_that_of_all_distances() -> None:
    train, y, test, answers = HALVES
    nearest = ((test[:, None] - train) ** 2).sum(axis=2).argmin(axis=1)
    assert nearest_label_accuracy(*HALVES) == np.mean(y[nearest] == answers)


def test_labels_may_have_any_names_and_units_any_scale() -> None:
    base = linear_probe_accuracy(*HALVES)
    scale, shift = np.array([1e-3, 1.0, 1e4]), np.array([0.0, 50.0, -1e5])
    train, y, test, answers = HALVES
    assert linear_probe_accuracy(train * scale + shift, y, test * scale + shift, answers) == base
    assert linear_probe_accuracy(train, 10 * y - 7, test, 10 * answers - 7) == base
    assert linear_probe_accuracy(train, y == 1, test, answers == 1) > 0.9


def test_constant_codes_reach_chance() -> None:
    ones = np.ones((200, 3))
    assert linear_probe_accuracy(ones, Y[:200], ones[:100], Y[200:]) == chance_accuracy(Y[:200], Y[200:])


def test_chance_by_hand() -> None:
    assert chance_accuracy([0, 0, 1], [0, 1, 1, 1]) == 0.25  # class 0 is named always
    assert chance_accuracy([0, 1], [0, 1]) == 0.5


def test_pixels_of_digits_tell_digits_apart() -> None:
    data = load_dataset("digits")
    train, test = (x.reshape(len(x), -1) for x in (data.x_train, data.x_test))
    assert data.y_train is not None
    assert data.y_test is not None
    assert linear_probe_accuracy(train, data.y_train, test, data.y_test) > 0.93
    assert chance_accuracy(data.y_train, data.y_test) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"codes_train": [0.0, 1.0]}, r"`codes_train` must have the shape \(n, latent_dim\)"),
        ({"codes_train": [[0.0], [np.nan]]}, "`codes_train` must hold only finite numbers"),
        ({"codes_test": [[np.inf]]}, "`codes_test` must hold only finite numbers"),
        ({"codes_test": [[0.0, 1.0]]}, "`codes_test` must have 1 columns, as codes_train has"),
        ({"y_train": [0, 1, 1]}, "`y_train` must hold one label for each of the 2 examples"),
        ({"y_train": [[0], [1]]}, r"`y_train` must have the shape \(n,\)"),
        ({"y_train": [0.5, 1.0]}, "`y_train` must hold integers, the classes. Received: .*dtype float64. Values of"),
        ({"y_train": ["a", "b"]}, "`y_train` must hold real numbers"),
        ({"y_train": None}, r"`y_train` must hold real numbers"),
        ({"y_train": [3, 3]}, "`y_train` must hold two classes or more. Received: y_train=2 labels, all 3"),
        ({"y_test": [0, 1]}, "`y_test` must hold one label for each of the 1 examples"),
        ({"y_test": [7]}, r"`y_test` must hold only classes of y_train. Received: y_test=labels with \[7\]"),
    ],
)
def test_refuses(changed: Any, message: str) -> None:
    arguments = {"codes_train": [[0.0], [1.0]], "y_train": [0, 1], "codes_test": [[0.0]], "y_test": [0], **changed}
    for accuracy in (linear_probe_accuracy, nearest_label_accuracy):
        with pytest.raises(ValueError, match=f"^Argument {message}"):
            accuracy(**arguments)


def test_chance_refuses() -> None:
    with pytest.raises(ValueError, match="^Argument `y_train` must hold two classes or more"):
        chance_accuracy([1, 1], [1])
    with pytest.raises(ValueError, match="^Argument `y_test` must hold only classes of y_train"):
        chance_accuracy([0, 1], [2])
