"""Drawing rows from a seed: some of a dataset, and its three parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vaelib._arrays import Array
from vaelib._checks import argument_error, positive_int

Rows = npt.NDArray[np.int64]


def split_examples(x: Array, y: Array | None, n_val: int, n_test: int, seed: int) -> dict[str, Any]:
    """Draws the three parts of a dataset from `seed`, as arguments of `Dataset`.

    Args:
        x: all examples, shape (n, ...), n > n_val + n_test.
        y: their labels, length n, or None.
        n_val: examples of the validation part, >= 1.
        n_test: examples of the test part, >= 1.
        seed: an integer between 0 and 2**32 - 1.

    Raises:
        ValueError: if `seed` is out of range.
    """
    rest, test = split_rows(np.arange(len(x)), y, n_test, seed)
    train, val = split_rows(rest, y, n_val, seed)
    rows = {"train": train, "val": val, "test": test}
    parts: dict[str, Any] = {f"x_{part}": x[index] for part, index in rows.items()}
    if y is not None:
        parts |= {f"y_{part}": y[index] for part, index in rows.items()}
    return parts | {"split_seed": seed, "order": np.concatenate([train, val, test])}


def split_rows(rows: Rows, y: Array | None, size: int, seed: int) -> tuple[Rows, Rows]:
    """Divides row numbers in two, the second part of the given size.

    Integer labels keep their proportions where each class has two examples and each part has room for all.
    """
    from sklearn.model_selection import train_test_split

    seed = check_seed(seed)
    classes = None
    if y is not None and y.ndim == 1 and y.dtype.kind in "bui":
        counts = np.unique(y[rows], return_counts=True)[1]
        if counts.min() >= 2 and len(counts) <= min(size, len(rows) - size):
            classes = y[rows]
    first, second = train_test_split(rows, test_size=size, random_state=seed, stratify=classes)
    return first, second


def draw_rows(total: int, y: Array | None, n: int) -> Rows:
    """Draws `n` of `total` row numbers, in rising order; integer labels keep their proportions as in `split_rows`.

    The same rows are drawn each time, whatever the seed of the division, so that the same examples are divided.

    >>> draw_rows(1000, None, 3), draw_rows(3, None, 3)
    (array([298, 859, 993]), array([0, 1, 2]))
    """
    everything = np.arange(total)
    return everything if n == total else np.sort(split_rows(everything, y, n, seed=0)[1])


def check_seed(seed: int) -> int:
    """Returns the seed of a division, or raises if it is no integer between 0 and 2**32 - 1."""
    seed = positive_int("split_seed", seed, minimum=0)
    if seed >= 2**32:
        raise argument_error("split_seed", "be below 2**32", seed)
    return seed
