"""What codes are worth to a downstream task: the accuracy of a classifier on them, linear or by the nearest code."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error

Codes = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def linear_probe_accuracy(
    codes_train: npt.ArrayLike, y_train: npt.ArrayLike, codes_test: npt.ArrayLike, y_test: npt.ArrayLike
) -> float:
    """Returns the share of test examples whose class a logistic regression on the codes finds.

    The codes are brought to mean 0 and variance 1 by the training codes; a unit that is constant there says nothing.
    The regression has the L2 penalty of scikit-learn's default, C = 1. Codes without information reach about
    `chance_accuracy(y_train, y_test)`.

    Args:
        codes_train: codes to fit on, shape (n, latent_dim), posterior means say.
        y_train: their classes, integers of shape (n,), two different ones or more.
        codes_test: codes to judge by, shape (m, latent_dim).
        y_test: their classes, each among those of `y_train`.

    Returns:
        the accuracy, between 0 and 1.

    Raises:
        ValueError: if codes are not finite matrices of one width, labels are no integers or not one for each code,
            there is one class only, or a class of `y_test` is missing from `y_train`.

    >>> linear_probe_accuracy([[-1.0], [1.0]], [0, 1], [[-3.0], [2.0], [-0.5], [0.5]], [0, 1, 0, 0])
    0.75
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = _both_codes(codes_train, codes_test)
    labels, answers = _both_labels(y_train, y_test, len(train), len(test))
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000)).fit(train, labels)
    return float(np.mean(probe.predict(test) == answers))


def nearest_label_accuracy(
    codes_train: npt.ArrayLike, y_train: npt.ArrayLike, codes_test: npt.ArrayLike, y_test: npt.ArrayLike
) -> float:
    """Returns the share of test examples whose nearest training code (Euclidean) belongs to the same class.

    Unlike a linear probe it also finds classes that lie in several places. Codes without information reach about the
    sum of the squared shares of the classes.

    Arguments, result and errors are those of `linear_probe_accuracy`.

    >>> nearest_label_accuracy([[-3.0], [0.0], [3.0]], [1, 0, 1], [[-2.0], [0.5], [2.0], [1.0]], [1, 0, 1, 1])
    0.75
    """
    from sklearn.neighbors import KNeighborsClassifier

    train, test = _both_codes(codes_train, codes_test)
    labels, answers = _both_labels(y_train, y_test, len(train), len(test))
    return float(KNeighborsClassifier(n_neighbors=1).fit(train, labels).score(test, answers))


def chance_accuracy(y_train: npt.ArrayLike, y_test: npt.ArrayLike) -> float:
    """Returns the accuracy of always naming the commonest class of `y_train`, the first of equally common ones.

    Args:
        y_train: classes, integers of shape (n,), two different ones or more.
        y_test: classes to judge by, each among those of `y_train`.

    Raises:
        ValueError: if labels are no integers, there is one class only, or `y_test` has a class that `y_train` lacks.

    >>> chance_accuracy([0, 1, 1], [0, 0, 0, 1])
    0.25
    """
    labels, answers = _both_labels(y_train, y_test)
    classes, counts = np.unique(labels, return_counts=True)
    return float(np.mean(answers == classes[np.argmax(counts)]))


def class_labels(name: str, y: npt.ArrayLike, n: int | None = None, at_least: int = 1) -> Labels:
    """Returns class labels as integers, one for each of n examples, or raises if they are none.

    >>> class_labels("y", [True, False]).tolist()
    [1, 0]
    """
    labels = finite_array(name, y, ndim=1, axes="(n,)")
    if labels.dtype.kind not in "bui":
        remedy = "Values of a continuous target are no classes."
        raise argument_error(name, "hold integers, the classes", Described(f"an array of dtype {labels.dtype}"), remedy)
    if n is not None and len(labels) != n:
        must, received = f"hold one label for each of the {n} examples", f"an array of shape {labels.shape}"
        raise argument_error(name, must, Described(received))
    if labels.dtype == np.uint64 and labels.max() > np.iinfo(np.int64).max:
        raise argument_error(name, "hold integers below 2**63", Described(f"labels up to {labels.max()}"))
    classes = np.unique(labels)
    if len(classes) < at_least:
        raise argument_error(name, "hold two classes or more", Described(f"{len(labels)} labels, all {classes[0]}"))
    return labels.astype(np.int64)


def _both_codes(codes_train: npt.ArrayLike, codes_test: npt.ArrayLike) -> tuple[Codes, Codes]:
    train = finite_array("codes_train", codes_train, ndim=2, axes="(n, latent_dim)").astype(np.float64)
    test = finite_array("codes_test", codes_test, ndim=2, axes="(n, latent_dim)").astype(np.float64)
    if test.shape[1] != train.shape[1]:
        received = Described(f"an array of shape {test.shape}")
        raise argument_error("codes_test", f"have {train.shape[1]} columns, as codes_train has", received)
    return train, test


def _both_labels(
    y_train: npt.ArrayLike, y_test: npt.ArrayLike, n: int | None = None, m: int | None = None
) -> tuple[Labels, Labels]:
    labels, answers = class_labels("y_train", y_train, n, at_least=2), class_labels("y_test", y_test, m)
    unknown = np.setdiff1d(answers, labels)
    if len(unknown):
        received = Described(f"labels with {unknown.tolist()}, which y_train lacks")
        raise argument_error("y_test", "hold only classes of y_train", received)
    return labels, answers
