from typing import Any

import numpy as np
import pytest
from scipy import linalg, stats

from vaelib import load_dataset
from vaelib.metrics import FeatureClassifier, frechet_distance, sample_quality_arrays

RNG = np.random.default_rng(0)
A = RNG.normal(size=(400, 3)) @ RNG.normal(size=(3, 3)) + 1.0
B = RNG.normal(size=(300, 3)) @ RNG.normal(size=(3, 3)) - 1.0


def whitened(n: int, d: int) -> np.ndarray:
    """Examples with mean 0 and covariance 1 exactly, n − 1 in the denominator."""
    x = np.random.default_rng(1).normal(size=(n, d))
    x -= x.mean(axis=0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T


def test_distance_of_two_gaussians() -> None:
    """Commuting covariances: ‖Δμ‖² + Σ (σ_a − σ_b)²."""
    x = whitened(50, 3)
    a, b = x * [1.0, 2.0, 3.0] + [0.0, 0.0, 1.0], x * [2.0, 2.0, 0.5] + [2.0, 0.0, 1.0]
    assert frechet_distance(a, b) == pytest.approx(4 + 1 + 0 + 6.25, rel=1e-9)


def test_distance_is_the_formula() -> None:
    ca, cb = np.cov(A, rowvar=False), np.cov(B, rowvar=False)
    root = linalg.sqrtm(ca @ cb).real
    expected = ((A.mean(0) - B.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * root)
    assert frechet_distance(A, B) == pytest.approx(expected, rel=1e-9)


def test_distance_is_symmetric_and_moves_with_the_features() -> None:
    base = frechet_distance(A, B)
    rotation = stats.special_ortho_group.rvs(3, random_state=0)
    assert frechet_distance(B, A) == pytest.approx(base, rel=1e-9)
    assert frechet_distance(A @ rotation + 5.0, B @ rotation + 5.0) == pytest.approx(base, rel=1e-9)
    assert frechet_distance(3 * A, 3 * B) == pytest.approx(9 * base, rel=1e-9)


def test_few_examples_and_constant_features_have_a_distance() -> None:
    few = RNG.normal(size=(4, 32))
    assert frechet_distance(few, few) == pytest.approx(0.0, abs=1e-5)
    assert frechet_distance(few, few + 1.0) == pytest.approx(32.0, rel=1e-6)
    assert frechet_distance(np.zeros((3, 2)), np.ones((5, 2))) == 2.0
    assert frechet_distance([[0.0], [2.0]], [[1.0], [1.0]]) == pytest.approx(2.0)  # variance 2 against none


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (A[:1], B, r"`features_a` must hold two examples or more. Received: .*\(1, 3\)"),
        (A, B[:1], "`features_b` must hold two examples or more"),
        (A, B[:, :2], "`features_b` must have 3 columns, as features_a has"),
        (A[:, 0], B, r"`features_a` must have the shape \(n, d\)"),
        ([[np.nan], [0.0]], B, "`features_a` must hold only finite numbers"),
        ("features", B, "`features_a` must hold real numbers"),
    ],
)
def test_bad_features_are_refused(a: Any, b: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        frechet_distance(a, b)


# ---------------------------------------------------------------- samples


@pytest.fixture(scope="module")
def digits() -> Any:
    data = load_dataset("digits")
    return data.x_train[:400], data.y_train[:400], data.x_test[:100]


def test_features_tell_the_classes_apart_and_repeat(digits: Any) -> None:
    x, y, test = digits
    one, two = (FeatureClassifier(x, y) for _ in range(2))
    np.testing.assert_array_equal(one.features(test), two.features(test))
    assert one.features(test).shape == (100, 32)
    assert one.features(test).min() == 0.0  # after ReLU
    centres = np.stack([one.features(x[y == digit]).mean(axis=0) for digit in (0, 1)])
    assert np.linalg.norm(centres[0] - centres[1]) > 1.0


def test_worse_samples_are_farther_away(digits: Any) -> None:
    x, _, _ = digits
    noise = np.random.default_rng(3).normal(size=x.shape)
    found = [sample_quality_arrays(x + scale * noise, *digits) for scale in (0.0, 0.1, 0.3)]
    assert found[0].distance == pytest.approx(found[0].floor)  # the training examples themselves, in another order
    assert found[0].floor > 0
    assert found[0].distance < found[1].distance < found[2].distance
    assert {quality.floor for quality in found} == {found[0].floor}
    assert found[0].n == len(x)


def test_fewer_samples_have_a_higher_floor(digits: Any) -> None:
    x, _, _ = digits
    few = [sample_quality_arrays(x[:20], *digits, seed=seed) for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
    assert few[0].n == 20
    assert few[0].floor > sample_quality_arrays(x, *digits).floor


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y_train": None}, "`y_train` must hold the classes of x_train. Received: y_train=None. The distance is"),
        ({"y_train": [0, 0, 0]}, "`y_train` must hold two classes or more"),
        ({"y_train": [0, 1]}, "`y_train` must hold one label for each of the 3 examples"),
        ({"y_train": [0.1, 0.2, 0.3]}, "`y_train` must hold integers, the classes"),
        ({"x_train": np.ones((3, 2))}, "`x_train` must hold examples that differ. Received: x_train=3 equal"),
        ({"x_train": [0.0, 1.0, 2.0]}, r"`x_train` must have the shape \(n, …\)"),
        ({"samples": np.zeros((1, 2))}, "`samples` must hold two examples or more"),
        (
            {"samples": np.zeros((4, 2))},
            "`samples` must be no more than the 3 training examples. Received: .*4 samples",
        ),
        ({"samples": np.zeros((2, 5))}, r"`samples` must hold examples of shape \(2,\), as x_train does"),
        ({"samples": [[np.nan, 0.0]] * 2}, "`samples` must hold only finite numbers"),
        ({"x_test": np.zeros((1, 2))}, "`x_test` must hold two examples or more"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        ({"seed": True}, "`seed` must be an integer >= 0"),
    ],
)
def test_bad_samples_are_refused(changed: Any, message: str) -> None:
    arrays = {"samples": np.zeros((2, 2)), "x_train": np.eye(3, 2), "y_train": [0, 1, 1], "x_test": np.eye(2)}
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        sample_quality_arrays(**{**arrays, **changed})


def test_features_of_another_shape_are_refused() -> None:
    classifier = FeatureClassifier(np.eye(3, 2), [0, 1, 1])
    with pytest.raises(ValueError, match=r"^Argument `x` must hold examples of shape \(2,\), as x_train does"):
        classifier.features(np.zeros((3, 5)))
