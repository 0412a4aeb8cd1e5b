"""The handwritten digits that come inside scikit-learn."""

from __future__ import annotations

import numpy as np

from vaelib.data._source import Source
from vaelib.data.dataset import Dataset


def load_digits(split_seed: int = 0, n: int | None = None) -> Dataset:
    """Loads 1797 digits of shape (8, 8, 1), scaled from 0–16 to [0, 1], in parts of 1297, 250 and 250.

    Each digit has its share in each part. With `n`, so many are drawn and the parts keep their proportions.

    Raises:
        ValueError: if `n` is not an integer between 10 and 1797, or `split_seed` not one between 0 and 2**32 - 1.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998, the test set.

    >>> load_digits(n=180)
    Dataset('digits', examples of shape (8, 8, 1), 130 train, 25 validation, 25 test, labels, split_seed=0)
    """
    from sklearn import datasets

    x, y = datasets.load_digits(return_X_y=True)
    images = (x / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    return Source("digits", {"x": images, "y": y.astype(np.int64)}, "'digits'", held_out=250 / 1797).divided(
        split_seed, n
    )
