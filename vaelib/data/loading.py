"""Loading a dataset by its name, or the user's own from a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vaelib._checks import argument_error, nearest
from vaelib.data._csv_files import csv_source
from vaelib.data._numpy_files import numpy_source
from vaelib.data.dataset import Dataset
from vaelib.data.digits import load_digits
from vaelib.data.keras_images import FILES, load_keras_images
from vaelib.data.sprites import load_sprites
from vaelib.data.tabular import TABLES, load_table


def load_dataset(
    name_or_path: str | os.PathLike[str], split_seed: int = 0, *, n: int | None = None, label: str | None = None
) -> Dataset:
    """Loads a dataset, divided into training, validation and test parts.

    The names, each described where it is loaded:

    - `"digits"`: 1797 handwritten digits of shape (8, 8, 1), with labels (`load_digits`).
    - `"sprites"`: 10,000 of dSprites' 737,280 images, of shape (64, 64, 1), with factors (`load_sprites`).
    - `"iris"`, `"wine"`, `"breast_cancer"`, `"diabetes"`: tables, standardised, with labels (`load_table`).
    - `"mnist"`, `"fashion_mnist"`: 70,000 images of shape (28, 28, 1), with labels (`load_keras_images`).

    A path is the user's own data, taken as they are, in float32:

    - `.npy`: one array of examples, shape (n, ...).
    - `.npz` with `x` and optionally `y` and `factors`: examples, labels, integer factors of shape (n, k).
    - `.npz` with `x_train` and `x_test`, optionally `x_val`, and `y_...` for the same parts.
    - `.npz` with `imgs` and `latents_classes`, as the published dSprites archive: images and the factors that vary.
    - `.csv`: numbers in UTF-8, separated by commas, one example a line. A first line without any number is the header;
      one of its columns may hold the labels, which are classes if all of them are whole numbers.

    Validation and test take one seventh of the examples each where they are not given (a missing `x_val` one
    seventh of `x_train`), rounded, and at least one. Integer labels keep their proportions where the classes
    are large enough.

    With `n`, so many examples are drawn at random before anything is converted, from the given parts in proportion.
    The draw does not depend on `split_seed`: other seeds divide the same examples. No more than 2 GiB in float32 are
    loaded.

    Args:
        name_or_path: a name, or the path of an existing file.
        split_seed: the seed of the division, between 0 and 2**32 - 1; the same seed gives the same parts.
        n: how many examples to draw, >= 10; None takes all (of the sprites, 10,000).
        label: for a `.csv` file, the column with the labels; None takes the column "label" if there is one.

    Raises:
        ValueError: if the name is unknown, the file is missing or unreadable, or its arrays are not usable:
            fewer than ten examples, not numeric, NaN or infinite values, fewer than two axes, labels of
            another length, more than 2 GiB; if `n` is no integer, below 10 or above the number of examples; if the
            file has no column `label`, or is no `.csv`.

    >>> load_dataset("digits")
    Dataset('digits', examples of shape (8, 8, 1), 1297 train, 250 validation, 250 test, labels, split_seed=0)
    >>> load_dataset("wine", n=100)
    Dataset('wine', examples of shape (13,), 72 train, 14 validation, 14 test, labels, standardised, split_seed=0)
    """
    if label is not None and not isinstance(label, str):
        raise argument_error("label", "be the name of a column", label)
    is_name = isinstance(name_or_path, str) and name_or_path in _NAMED
    path = None if is_name else _existing(name_or_path)
    is_csv = path is not None and path.suffix.lower() == ".csv"
    if label is not None and not is_csv:
        raise argument_error("label", "be None unless the data are a .csv file", label)
    if path is None:
        return _NAMED[str(name_or_path)](split_seed=split_seed, n=n)
    source = csv_source(path, label) if is_csv else numpy_source(path)
    return source.divided(split_seed, n)


_NAMED: dict[str, Callable[..., Dataset]] = {
    "digits": load_digits,
    "sprites": load_sprites,
    **{name: partial(load_table, name) for name in TABLES},
    **{name: partial(load_keras_images, name) for name in FILES},
}


def _existing(path: str | os.PathLike[str]) -> Path:
    names = ", ".join(map(repr, _NAMED))
    must = f"be one of {names} or the path of an existing .npz, .npy or .csv file"
    try:
        found = Path(path)
        if found.is_file():
            return found
    except (TypeError, ValueError):  # no path, and one with a NUL in it
        raise argument_error("name_or_path", must, path) from None
    raise argument_error("name_or_path", must, str(path), nearest(path, _NAMED))
