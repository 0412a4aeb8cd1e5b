"""A dataset in three parts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vaelib._arrays import Array, finite_array
from vaelib._checks import Described, argument_error, finite_float
from vaelib.data._splitting import Rows, split_examples
from vaelib.data.checks import check_examples, factors_problem, labels_problem

Examples = npt.NDArray[np.float32]
Factors = npt.NDArray[np.int64]
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
        factors: the classes of the factors that the data were generated from, integers of shape (n, k) with n
            the number of all examples, in the order of the undivided data; None where they are unknown.
        split_seed: the seed that drew the parts; None if they were given.
        order: for each example, training part first, then validation, then test, its row in the undivided
            data; by default the rows are counted in that order.
        is_standardized: whether `standardized` made these parts; `resplit` then standardises anew.

    Raises:
        ValueError: if a part is empty, not numeric or not finite, if shapes differ between parts, or if
            labels or factors do not fit the examples.
    """

    name: str
    x_train: Examples
    x_val: Examples
    x_test: Examples
    y_train: Array | None = None
    y_val: Array | None = None
    y_test: Array | None = None
    factors: Factors | None = None
    split_seed: int | None = None
    order: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    is_standardized: bool = False

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
        if self.factors is not None:
            factors = _array("factors", self.factors)
            self._refuse("factors", factors_problem(factors, total))
            self._set("factors", factors.astype(np.int64))

    def _set_labels(self, name: str, n: int) -> None:
        y = _array(name, getattr(self, name))
        self._refuse(name, labels_problem(y, n))
        self._set(name, y.astype(np.int64) if y.dtype.kind in "bui" else y)

    def _refuse(self, name: str, problem: tuple[str, str] | None) -> None:
        if problem is not None:
            raise argument_error(name, problem[0], Described(problem[1]))

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

    @property
    def factors_train(self) -> Factors | None:
        """The factors of the training part, shape (n_train, k), or None."""
        return self._factors_of(0)

    @property
    def factors_val(self) -> Factors | None:
        """The factors of the validation part, or None."""
        return self._factors_of(1)

    @property
    def factors_test(self) -> Factors | None:
        """The factors of the test part, or None."""
        return self._factors_of(2)

    def _factors_of(self, part: int) -> Factors | None:
        if self.factors is None:
            return None
        return self.factors[np.split(self.order, np.cumsum(self._sizes[:2]))[part]]

    def resplit(self, seed: int) -> Self:
        """Returns the same data in parts of the same sizes, drawn anew from `seed`.

        The result depends on the data, the sizes and the seed, not on how the data are split now. Standardised
        data are standardised with the new training part's mean and standard deviation.

        Raises:
            ValueError: if `seed` is not an integer between 0 and 2**32 - 1.
        """
        back = np.argsort(self.order)
        x = np.concatenate([self.x_train, self.x_val, self.x_test])[back]
        y = None
        if self.y_train is not None:
            y = np.concatenate([getattr(self, f"y_{part}") for part in PARTS])[back]
        _, n_val, n_test = self._sizes
        divided = replace(self, **split_examples(x, y, n_val, n_test, seed))
        # Standardising twice is standardising once: an affine map of each number is undone by the next.
        return divided.standardized() if self.is_standardized else divided

    def binarized(self, threshold: float = 0.5) -> Self:
        """Returns the data with each value above `threshold` set to 1 and each other to 0.

        Raises:
            ValueError: if `threshold` is not a finite number.
        """
        limit = finite_float("threshold", threshold)
        parts = {f"x_{part}": (getattr(self, f"x_{part}") > limit).astype(np.float32) for part in PARTS}
        return replace(self, name=f"{self.name}-binarized", is_standardized=False, **parts)

    def standardized(self) -> Self:
        """Returns the data with mean 0 and standard deviation 1 in the training part, for each number of an example.

        Validation and test part are moved and scaled as the training part is. A number that is the same in all
        training examples is moved, not scaled.
        """
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(self.x_train.reshape(len(self.x_train), -1))
        parts: dict[str, Any] = {}
        for part in PARTS:
            x = getattr(self, f"x_{part}")
            parts[f"x_{part}"] = scaler.transform(x.reshape(len(x), -1)).reshape(x.shape)
        return replace(self, is_standardized=True, **parts)

    def __repr__(self) -> str:
        train, val, test = self._sizes
        labels = "no labels" if self.y_train is None else "labels"
        extras = f"{', factors' if self.factors is not None else ''}{', standardised' if self.is_standardized else ''}"
        return (
            f"Dataset({self.name!r}, examples of shape {self.input_shape}, {train} train, {val} validation, "
            f"{test} test, {labels}{extras}, split_seed={self.split_seed})"
        )


def _array(name: str, value: Any) -> Array:
    try:
        return np.asarray(value)
    except ValueError:
        raise argument_error(name, "hold rows of equal length", Described("a ragged sequence")) from None
