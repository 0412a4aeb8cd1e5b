"""How far samples are from data: a Fréchet distance in the features of a small classifier of the same data."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error, positive_int
from vaelib.metrics.probe import class_labels

HIDDEN, EPOCHS = (64, 32), 50
Matrix = npt.NDArray[np.float64]


class SampleQuality(NamedTuple):
    """The Fréchet distance of samples from test data, that of as many training examples (`floor`), and their number."""

    distance: float
    floor: float
    n: int


class FeatureClassifier:
    """A small classifier with fixed sizes and a fixed seed, whose last hidden layer serves as features.

    A multi-layer perceptron on flattened examples, hidden layers of 64 and 32 ReLU units, trained for 50 epochs. The
    same arrays give the same classifier.

    Args:
        x_train: examples, shape (n, …). Their numbers share one scale: standardise columns of different units.
        y_train: their classes, integers of shape (n,), two different ones or more.

    Raises:
        ValueError: if the examples are not numeric and finite or all the same, or the labels are no classes of them.

    >>> classifier = FeatureClassifier([[0.0], [0.1], [0.9], [1.0]], [0, 0, 1, 1])
    >>> classifier.features([[0.5]]).shape
    (1, 32)
    """

    def __init__(self, x_train: npt.ArrayLike, y_train: npt.ArrayLike) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        x = _examples("x_train", x_train)
        labels = class_labels("y_train", y_train, len(x), at_least=2)
        self._shape = x.shape[1:]
        self._mean, self._scale = x.mean(axis=0), float(x.std())
        if np.ptp(x, axis=0).max() == 0 or self._scale == 0:
            raise argument_error("x_train", "hold examples that differ", Described(f"{len(x)} equal examples"))
        network = MLPClassifier(HIDDEN, random_state=0, max_iter=EPOCHS, n_iter_no_change=EPOCHS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is fixed
            network.fit(self._scaled(x), labels)
        self._layers = list(zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True))

    def features(self, x: npt.ArrayLike) -> Matrix:
        """Returns the last hidden layer's activations, shape (n, 32).

        Args:
            x: examples, shape (n, …), of the shape that the classifier was trained on.

        Raises:
            ValueError: if `x` is not numeric and finite, or of another shape.
        """
        examples = _examples("x", x, self._shape)
        h = self._scaled(examples)
        for kernel, bias in self._layers:
            h = np.maximum(h @ kernel + bias, 0.0)
        return h

    def _scaled(self, x: Matrix) -> Matrix:
        # one scale for all pixels: that of a nearly constant one would blow up small errors there
        return (x - self._mean).reshape(len(x), -1) / self._scale


def frechet_distance(features_a: npt.ArrayLike, features_b: npt.ArrayLike) -> float:
    r"""Returns the squared Fréchet distance of two Gaussians with the features' means and covariances.

    .. math:: d^2 = \lVert \mu_a - \mu_b \rVert^2 +
        \operatorname{tr}\bigl(\Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2}\bigr)

    The covariances divide by n − 1; they may be of incomplete rank, from few examples or constant features.

    Args:
        features_a: shape (n, d), n >= 2.
        features_b: shape (m, d), m >= 2.

    Returns:
        the distance, >= 0, in squared units of the features.

    Raises:
        ValueError: if an argument is not a finite matrix with two rows or more, or the widths differ.

    Source: Dowson & Landau 1982, "The Fréchet distance between multivariate normal distributions".

    >>> frechet_distance([[0.0], [2.0]], [[0.0], [2.0]])
    0.0
    >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
    9.0
    """
    a, b = (
        _two(name, finite_array(name, features, ndim=2, axes="(n, d)").astype(np.float64))
        for name, features in (("features_a", features_a), ("features_b", features_b))
    )
    if a.shape[1] != b.shape[1]:
        received = Described(f"an array of shape {b.shape}")
        raise argument_error("features_b", f"have {a.shape[1]} columns, as features_a has", received)
    shift = a.mean(axis=0) - b.mean(axis=0)
    covariance_a, covariance_b = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (a, b))
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    # (Σa Σb)^½ has the trace of (Σa^½ Σb Σa^½)^½, which is symmetric
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance_b @ root), 0.0)).sum()
    distance = shift @ shift + np.trace(covariance_a) + np.trace(covariance_b) - 2 * cross
    return max(float(distance), 0.0)


def sample_quality_arrays(
    samples: npt.ArrayLike, x_train: npt.ArrayLike, y_train: npt.ArrayLike, x_test: npt.ArrayLike, *, seed: int = 0
) -> SampleQuality:
    """Returns how far samples are from test data, and how far as many training examples are: the floor.

    Both are Fréchet distances in the features of a `FeatureClassifier` of the training data. They are no published FID:
    they see only what separates these classes, depend on the numbers of examples (few make them larger), and reward
    samples that copy the training data. Compare distances of equal n, from the same training and test data, beside
    their floor.

    Args:
        samples: examples from a model, shape (n, …), n >= 2, no more than there are training examples.
        x_train: training examples, shape (m, …).
        y_train: their classes, integers of shape (m,).
        x_test: test examples, two or more.
        seed: integer >= 0, which draws the n training examples of the floor.

    Raises:
        ValueError: if arrays are not numeric and finite, differ in the shape of an example, have too few or too many
            rows, or there are no labels.

    Source: the idea, with the features of an Inception network: Heusel et al. 2017, arXiv 1706.08500.
    """
    if y_train is None:
        remedy = "The distance is taken in the features of a classifier."
        raise argument_error("y_train", "hold the classes of x_train", y_train, remedy)
    rng = np.random.default_rng(positive_int("seed", seed, minimum=0))
    train = _examples("x_train", x_train)
    drawn = _two("samples", _examples("samples", samples, train.shape[1:]))
    test = _two("x_test", _examples("x_test", x_test, train.shape[1:]))
    if len(drawn) > len(train):
        received = Described(f"{len(drawn)} samples")
        raise argument_error("samples", f"be no more than the {len(train)} training examples", received)
    classifier = FeatureClassifier(train, y_train)
    rows = rng.choice(len(train), len(drawn), replace=False)
    reference = classifier.features(test)
    distance = frechet_distance(classifier.features(drawn), reference)
    floor = frechet_distance(classifier.features(train[rows]), reference)
    return SampleQuality(distance, floor, len(drawn))


def _examples(name: str, x: npt.ArrayLike, shape: tuple[int, ...] | None = None) -> Matrix:
    examples = finite_array(name, x)
    received = Described(f"an array of shape {examples.shape}")
    if examples.ndim < 2:
        raise argument_error(name, "have the shape (n, …)", received)
    if shape is not None and examples.shape[1:] != shape:
        raise argument_error(name, f"hold examples of shape {shape}, as x_train does", received)
    return examples.astype(np.float64)


def _two(name: str, matrix: Matrix) -> Matrix:
    if len(matrix) < 2:
        raise argument_error(name, "hold two examples or more", Described(f"an array of shape {matrix.shape}"))
    return matrix
