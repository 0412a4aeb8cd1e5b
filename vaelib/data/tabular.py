"""The tabular data sets that come inside scikit-learn, standardised."""

from __future__ import annotations

from vaelib._checks import one_of
from vaelib.data._source import Source
from vaelib.data.dataset import Dataset

TABLES = ("iris", "wine", "breast_cancer", "diabetes")


def load_table(name: str, split_seed: int = 0, n: int | None = None) -> Dataset:
    """Loads a table, standardised with the training part's mean and standard deviation.

    - `"iris"`: 150 examples of 4 numbers, 3 classes.
    - `"wine"`: 178 examples of 13 numbers, 3 classes.
    - `"breast_cancer"`: 569 examples of 30 numbers, 2 classes.
    - `"diabetes"`: 442 examples of 10 numbers; the label is a number, the progression after a year.

    Validation and test take one seventh each, in which each class has its share. `resplit` standardises anew.

    Args:
        name: one of the four names.
        split_seed: the seed of the division, between 0 and 2**32 - 1.
        n: how many examples to draw, >= 10; None takes all.

    Raises:
        ValueError: if an argument is out of range.

    Source: scikit-learn's user guide, "Toy datasets".

    >>> load_table("iris")
    Dataset('iris', examples of shape (4,), 108 train, 21 validation, 21 test, labels, standardised, split_seed=0)
    """
    from sklearn import datasets

    one_of("name", name, TABLES)
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return Source(name, {"x": x, "y": y}, repr(name)).divided(split_seed, n).standardized()
