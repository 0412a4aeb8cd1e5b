"""A dataset in three parts, and the drawing of these parts from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vaelib._arrays import Array, finite_array, problem_of
from vaelib._checks import Described, argument_error, finite_float, positive_int
from vaelib.data.checks import check_examples

Examples = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
PARTS = ("train", "val", "test")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples for training, validation and test, with labels if there are any.

    The arrays are read-only, because a dataset is shared by many trainings.

    Args:
        name: what the data are called.
        x_train: examples, shape (n, ...), kept as float32.
        x_val: examples of the same shape, for choosing a model.
        x_test: examples of the same shape, for the final report.
        y_train: one label for each example, or None; either all three parts have labels or none has.
        y_val: labels of the validation part.
        y_test: labels of the test part.
        factors: the factors that the data were generated from; None where they are unknown.
        split_seed: the seed that drew the parts; None if they were given.
        order: for each example, training part first, then validation, then test, its row in the undivided
            data; by default the rows are counted in that order.

    Raises:
        ValueError: if a part is empty, not numeric or not finite, if shapes differ between parts, or if
            labels do not fit the examples.
    """

    name: str
    x_train: Examples
    x_val: Examples
    x_test: Examples
    y_train: Array | None = None
    y_val: Array | None = None
    y_test: Array | None = None
    factors: Array | None = None
    split_seed: int | None = None
    order: Rows = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        shape = None
        labelled = [part for part in PARTS if getattr(self, f"y_{part}") is not None]
        if labelled and len(labelled) < len(PARTS):
            missing = next(part for part in PARTS if part not in labelled)
            raise argument_error(f"y_{missing}", "be given when another part has labels", None)
        for part in PARTS:
            x = check_examples(f"x_{part}", getattr(self, f"x_{part}"), shape)
            shape = x.shape[1:]
            self._set(f"x_{part}", x)
            if labelled:
                self._set_labels(f"y_{part}", len(x))
        total = sum(self._sizes)
        order = np.arange(total) if np.size(self.order) == 0 else finite_array("order", self.order, 1, "(n,)")
        if not np.array_equal(np.sort(order), np.arange(total)):
            raise argument_error("order", f"hold each row number below {total} once", self.order)
        self._set("order", order.astype(np.int64))

    def _set_labels(self, name: str, n: int) -> None:
        y = np.asarray(getattr(self, name))
        problem = labels_problem(y, n)
        if problem is not None:
            raise argument_error(name, problem[0], Described(problem[1]))
        self._set(name, y.astype(np.int64) if y.dtype.kind in "bui" else y)

    def _set(self, name: str, array: Array) -> None:
        view = array.view()
        view.flags.writeable = False
        object.__setattr__(self, name, view)

    @property
    def _sizes(self) -> tuple[int, int, int]:
        return len(self.x_train), len(self.x_val), len(self.x_test)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.x_train.shape[1:]

    @property
    def n_pixels(self) -> int:
        """How many numbers one example holds."""
        return math.prod(self.input_shape)

    def resplit(self, seed: int) -> Self:
        """Returns the same data in parts of the same sizes, drawn anew from `seed`.

        The result depends on the data, the sizes and the seed, not on how the data are split now.

        Raises:
            ValueError: if `seed` is not an integer between 0 and 2**32 - 1.
        """
        back = np.argsort(self.order)
        x = np.concatenate([self.x_train, self.x_val, self.x_test])[back]
        y = None
        if self.y_train is not None:
            y = np.concatenate([getattr(self, f"y_{part}") for part in PARTS])[back]
        _, n_val, n_test = self._sizes
        return replace(self, **split_examples(x, y, n_val, n_test, seed))

    def binarized(self, threshold: float = 0.5) -> Self:
        """Returns the data with each value above `threshold` set to 1 and each other to 0.

        Raises:
            ValueError: if `threshold` is not a finite number.
        """
        limit = finite_float("threshold", threshold)
        parts = {f"x_{part}": (getattr(self, f"x_{part}") > limit).astype(np.float32) for part in PARTS}
        return replace(self, name=f"{self.name}-binarized", **parts)

    def __repr__(self) -> str:
        train, val, test = self._sizes
        labels = "no labels" if self.y_train is None else "labels"
        return (
            f"Dataset({self.name!r}, examples of shape {self.input_shape}, {train} train, {val} validation, "
            f"{test} test, {labels}, split_seed={self.split_seed})"
        )


def labels_problem(y: Array, n: int) -> tuple[str, str] | None:
    """Returns what labels of n examples must be and what they are instead, or None if they fit."""
    if y.ndim == 0 or len(y) != n:
        return f"hold one label for each of the {n} examples", f"an array of shape {y.shape}"
    return problem_of(y)


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

    seed = positive_int("split_seed", seed, minimum=0)
    if seed >= 2**32:
        raise argument_error("split_seed", "be below 2**32", seed)
    classes = None
    if y is not None and y.ndim == 1 and y.dtype.kind in "bui":
        counts = np.unique(y[rows], return_counts=True)[1]
        if counts.min() >= 2 and len(counts) <= min(size, len(rows) - size):
            classes = y[rows]
    first, second = train_test_split(rows, test_size=size, random_state=seed, stratify=classes)
    return first, second
