"""From arrays that lie somewhere to a dataset: check, draw, and only then read, convert and divide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vaelib._arrays import Array
from vaelib._checks import Described, argument_error, positive_int
from vaelib.data._splitting import Rows, check_seed, draw_rows, split_examples, split_rows
from vaelib.data.checks import as_examples, factors_problem, labels_problem, shape_problem
from vaelib.data.dataset import Dataset

FEWEST = 10
MOST_GIB = 2


class Readable(Protocol):
    """An array, or what reads or renders some of an array's rows on demand."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, rows: Any, /) -> Array:
        """Returns rows by their rising numbers, or with `...` all of them."""


@dataclass(frozen=True)
class Source:
    """Arrays by name, not yet read: `x` with `y` and `factors`, or `x_train`, `x_test` and what belongs to them.

    Args:
        name: the name of the dataset.
        arrays: the arrays; `y`, `factors`, `x_val` and `y_...` may be missing.
        described: what errors call the source: its name, or the path of its file.
        held_out: the share of all examples that validation and test take each where the parts are not given.
    """

    name: str
    arrays: Mapping[str, Readable]
    described: str
    held_out: float = 1 / 7

    def error(self, must: str, received: str) -> ValueError:
        """Builds the error that says what this source must be and what it is."""
        return argument_error("name_or_path", must, Described(f"{self.described}, {received}"))

    def divided(self, split_seed: int, n: int | None = None) -> Dataset:
        """Returns the examples, or `n` of them drawn at random, in three parts.

        Raises:
            ValueError: if an array is unusable, if `n` or `split_seed` is out of range, or if the examples take more
                than 2 GiB in float32.
        """
        check_seed(split_seed)
        sizes: dict[str, int] = {}
        shape = None
        for name in [name for name in self.arrays if name.startswith("x")]:
            array = self.arrays[name]
            self._refuse(name, shape_problem(array.shape, array.dtype, shape))
            sizes[name], *shape = array.shape
        total = sum(sizes.values())
        if total < FEWEST:
            raise self.error(f"hold {FEWEST} examples or more", f"which holds {total}")
        drawn = _number(n, total, 4 * math.prod(shape or ()), self.described)
        if "x" in self.arrays:
            return self._without_parts(drawn, split_seed)
        return self._with_parts(sizes, drawn, split_seed)

    def _without_parts(self, n: int, split_seed: int) -> Dataset:
        total = self.arrays["x"].shape[0]
        y = self._labels("y", total)
        factors = None
        if "factors" in self.arrays:
            factors = self.arrays["factors"][...]
            self._refuse("factors", factors_problem(factors, total))
        rows = draw_rows(total, y, n)
        size = _share(self.held_out, n)
        labels = None if y is None else y[rows]
        parts = split_examples(self._examples("x", rows), labels, size, size, split_seed)
        return Dataset(self.name, factors=None if factors is None else factors[rows], **parts)

    def _with_parts(self, sizes: dict[str, int], n: int, split_seed: int) -> Dataset:
        total = sum(sizes.values())
        drawn = {name: _share(size / total, n) for name, size in sizes.items() if name != "x_train"}
        drawn["x_train"] = n - sum(drawn.values())
        fewest = 1 if "x_val" in sizes else 2
        if drawn["x_train"] < fewest:
            must = "hold two training examples or more if it has no `x_val`"
            raise self.error(must, f"which holds {sizes['x_train']} of {total}")
        arrays: dict[str, Any] = {}
        for name, size in sizes.items():
            y = self._labels(f"y{name[1:]}", size)
            rows = draw_rows(size, y, drawn[name])
            arrays[name] = self._examples(name, rows)
            if y is not None:
                arrays[f"y{name[1:]}"] = y[rows]
        if "x_val" not in sizes:
            arrays = _with_validation(arrays, _share(self.held_out, drawn["x_train"]), split_seed)
        return Dataset(self.name, **arrays)

    def _labels(self, name: str, n: int) -> Array | None:
        if name not in self.arrays:
            return None
        y = self.arrays[name][...]
        self._refuse(name, labels_problem(y, n))
        return y

    def _examples(self, name: str, rows: Rows) -> Array:
        stored = self.arrays[name]
        examples = stored[rows]
        if examples.dtype.kind == "f":  # integers are finite and wait, small, until they are divided
            examples, problem = as_examples(examples)
            self._refuse(name, problem, "" if len(rows) == stored.shape[0] else " (the examples drawn)")
        return examples

    def _refuse(self, name: str, problem: tuple[str, str] | None, drawn: str = "") -> None:
        if problem is not None:
            raise self.error(problem[0], f"whose `{name}`{drawn} is {problem[1]}")


def _number(n: int | None, total: int, bytes_each: int, described: str) -> int:
    """Returns how many examples to draw, or raises if `n` or what they take is out of range."""
    if n is not None:
        n = positive_int("n", n, minimum=FEWEST)
        if n > total:
            raise argument_error("n", f"be at most {total}, all examples of {described}", n)
    most = MOST_GIB * 2**30 // bytes_each
    if (n or total) > most:
        takes = f"{total} examples of {described} take {total * bytes_each / 2**30:.1f} GiB in float32"
        must = f"be at most {most}, because no more than {MOST_GIB} GiB are loaded"
        raise argument_error("n", must, n, f"The {takes}: pass n=… to draw some of them.")
    return n or total


def _share(share: float, n: int) -> int:
    return max(1, round(share * n))


def _with_validation(arrays: dict[str, Any], n_val: int, split_seed: int) -> dict[str, Any]:
    n, n_test = len(arrays["x_train"]), len(arrays["x_test"])
    train, val = split_rows(np.arange(n), arrays.get("y_train"), n_val, split_seed)
    divided = dict(arrays)
    for kind in ("x", "y") if "y_train" in arrays else ("x",):
        divided[f"{kind}_train"] = arrays[f"{kind}_train"][train]
        divided[f"{kind}_val"] = arrays[f"{kind}_train"][val]
    order = np.concatenate([train, val, n + np.arange(n_test)])
    return divided | {"split_seed": split_seed, "order": order}
