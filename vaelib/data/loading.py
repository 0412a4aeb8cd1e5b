"""Loading a dataset by its name, or the user's own from a `.npz` or `.npy` file."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from vaelib._arrays import Array
from vaelib._checks import Described, argument_error
from vaelib.data.checks import as_examples
from vaelib.data.dataset import PARTS, Dataset, labels_problem, split_examples, split_rows

_ARGUMENT = "name_or_path"
_FEWEST = 10


def load_dataset(name_or_path: str | os.PathLike[str], split_seed: int = 0) -> Dataset:
    """Loads a dataset, divided into training, validation and test parts.

    `"digits"` are the 1797 handwritten digits of scikit-learn, shape (8, 8, 1), scaled from 0–16 to [0, 1],
    in parts of 1297, 250 and 250 in which each digit has its share.

    A path is the user's own data, taken as they are, in float32:

    - `.npy`: one array of examples, shape (n, ...).
    - `.npz` with `x` and optionally `y`: examples and labels.
    - `.npz` with `x_train` and `x_test`, optionally `x_val`, and `y_...` for the same parts.

    Validation and test take one seventh of the examples each where they are not given (a missing `x_val` one
    seventh of `x_train`), rounded, and at least one. Integer labels keep their proportions where the classes
    are large enough.

    Args:
        name_or_path: `"digits"`, or the path of an existing file.
        split_seed: the seed of the division, between 0 and 2**32 - 1; the same seed gives the same parts.

    Raises:
        ValueError: if the name is unknown, the file is missing or unreadable, or its arrays are not usable:
            fewer than ten examples, not numeric, NaN or infinite values, fewer than two axes, labels of
            another length.

    >>> load_dataset("digits")
    Dataset('digits', examples of shape (8, 8, 1), 1297 train, 250 validation, 250 test, labels, split_seed=0)
    """
    if isinstance(name_or_path, str) and name_or_path in _NAMED:
        return _NAMED[name_or_path](split_seed)
    names = ", ".join(map(repr, _NAMED))
    must = f"be one of {names} or the path of an existing .npz or .npy file"
    try:
        path = Path(name_or_path)
    except TypeError:
        raise argument_error(_ARGUMENT, must, name_or_path) from None
    if not path.is_file():
        raise argument_error(_ARGUMENT, must, str(path))
    return _own_data(path, _read(path), split_seed)


def _digits(split_seed: int) -> Dataset:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = (x / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    return Dataset("digits", **split_examples(images, y.astype(np.int64), 250, 250, split_seed))


_NAMED: dict[str, Callable[[int], Dataset]] = {"digits": _digits}


def _read(path: Path) -> dict[str, Array]:
    """Returns the arrays of a file that this project knows, by name."""
    wanted = ["x", "y", *(f"{kind}_{part}" for kind in "xy" for part in PARTS)]
    try:
        # NumPy leaves a file open that it opened itself and could not read.
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"x": loaded}
            names = list(loaded)
            arrays = {name: np.asarray(loaded[name]) for name in wanted if name in names}
    except (OSError, EOFError, ValueError, RuntimeError, BadZipFile, zlib.error) as error:
        if "Object arrays" in str(error):
            raise _bad(path, "hold arrays of numbers", "which holds Python objects") from None
        reason = "which is not such a file or is damaged"
        if isinstance(error, OSError) and error.strerror:
            reason = f"which gives: {error.strerror}"
        raise _bad(path, "be a readable .npz or .npy file", reason) from None
    if "x" in arrays and not any(name.startswith(("x_", "y_")) for name in arrays):
        return arrays
    parts = {name[2:] for name in arrays if name.startswith("x_")}
    labels = {name[2:] for name in arrays if name.startswith("y_")}
    if {"x", "y"} & set(arrays) or not {"train", "test"} <= parts or (labels and labels != parts):
        must = "hold `x` (and `y`), or `x_train` and `x_test` (and `x_val`) with labels for all parts or none"
        raise _bad(path, must, f"which holds {', '.join(names) or 'nothing'}")
    return arrays


def _own_data(path: Path, arrays: dict[str, Array], split_seed: int) -> Dataset:
    shape = None
    for name in [name for name in arrays if name.startswith("x")]:
        arrays[name], problem = as_examples(arrays[name], shape)
        if problem is not None:
            raise _bad(path, problem[0], f"whose `{name}` is {problem[1]}")
        shape = arrays[name].shape[1:]
    for name in [name for name in arrays if name.startswith("y")]:
        problem = labels_problem(arrays[name], len(arrays["x" + name[1:]]))
        if problem is not None:
            raise _bad(path, problem[0], f"whose `{name}` is {problem[1]}")
    total = sum(len(array) for name, array in arrays.items() if name.startswith("x"))
    if total < _FEWEST:
        raise _bad(path, f"hold {_FEWEST} examples or more", f"which holds {total}")
    if "x" in arrays:
        size = _seventh(total)
        return Dataset(path.name, **split_examples(arrays["x"], arrays.get("y"), size, size, split_seed))
    parts: dict[str, Any] = dict(arrays)
    if "x_val" in parts:
        return Dataset(path.name, **parts)
    if len(arrays["x_train"]) < 2:
        raise _bad(path, "hold two training examples or more if it has no `x_val`", "which holds 1")
    return Dataset(path.name, **_with_validation(arrays, split_seed))


def _with_validation(arrays: dict[str, Array], split_seed: int) -> dict[str, Any]:
    n, n_test = len(arrays["x_train"]), len(arrays["x_test"])
    train, val = split_rows(np.arange(n), arrays.get("y_train"), _seventh(n), split_seed)
    divided: dict[str, Any] = dict(arrays)
    for kind in ("x", "y") if "y_train" in arrays else ("x",):
        divided[f"{kind}_train"] = arrays[f"{kind}_train"][train]
        divided[f"{kind}_val"] = arrays[f"{kind}_train"][val]
    order = np.concatenate([train, val, n + np.arange(n_test)])
    return divided | {"split_seed": split_seed, "order": order}


def _seventh(n: int) -> int:
    return max(1, round(n / 7))


def _bad(path: Path, must: str, received: str) -> ValueError:
    return argument_error(_ARGUMENT, must, Described(f"{path}, {received}"))
