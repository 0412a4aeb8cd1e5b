from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vaelib.data import load_dataset


@pytest.mark.parametrize("name", ["mnist5", "missing.npz", "missing.npy", 3, None, ["digits"]])
def test_unknown_names_and_missing_files(name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    every = "'digits', 'sprites', 'iris', 'wine', 'breast_cancer', 'diabetes', 'mnist', 'fashion_mnist'"
    message = rf"`name_or_path` must be one of {every} or the path of an existing \.npz, \.npy or \.csv file\. Received"
    with pytest.raises(ValueError, match=message):
        load_dataset(name)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="existing"):
        load_dataset(tmp_path)


def test_a_near_miss_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"Received: name_or_path='fashion-mnist'\. Did you mean 'fashion_mnist'\?$"):
        load_dataset("fashion-mnist")


@pytest.mark.parametrize("path", ["a\0b", b"digits", 0.5, True, np.nan])
def test_what_is_no_path(path: Any) -> None:
    with pytest.raises(ValueError, match=r"^Argument `name_or_path` must be one of .*Received: name_or_path="):
        load_dataset(path)


@pytest.mark.parametrize("name", ["digits", "sprites", "iris", "diabetes"])
def test_every_name_draws_n_and_takes_a_seed(name: str) -> None:
    dataset = load_dataset(name, 3, n=100)
    assert dataset.name == name
    assert len(dataset.order) == len(dataset.x_train) + len(dataset.x_val) + len(dataset.x_test) == 100
    assert dataset.split_seed == 3
    other = load_dataset(name, n=100).resplit(3)
    np.testing.assert_allclose(other.x_test, dataset.x_test, atol=1e-6)


@pytest.mark.parametrize("n", [0, 9, -1, 10.0, np.nan, "20", True, [20]])
@pytest.mark.parametrize("name", ["digits", "sprites", "wine"])
def test_a_number_of_examples_that_is_none(name: str, n: Any) -> None:
    with pytest.raises(ValueError, match=r"^Argument `n` must be an integer >= 10\. Received: n="):
        load_dataset(name, n=n)


@pytest.mark.parametrize(("name", "total"), [("digits", 1797), ("breast_cancer", 569)])
def test_more_examples_than_there_are(name: str, total: int) -> None:
    with pytest.raises(
        ValueError,
        match=rf"^Argument `n` must be at most {total}, all examples of '{name}'\. Received: n={total + 1}\.",
    ):
        load_dataset(name, n=total + 1)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", None, True, 2**32])
@pytest.mark.parametrize("name", ["digits", "sprites", "iris"])
def test_seeds_that_are_none(name: str, seed: Any) -> None:
    with pytest.raises(ValueError, match="^Argument `split_seed` must be"):
        load_dataset(name, seed)


def test_a_label_without_columns(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((20, 2)))
    for name in ("iris", tmp_path / "a.npy"):
        with pytest.raises(ValueError, match=r"^Argument `label` must be None unless the data are a \.csv file\. Rec"):
            load_dataset(name, label="y")
    for label in (0, 1.5, True, ["y"]):
        with pytest.raises(ValueError, match=r"^Argument `label` must be the name of a column\. Received: label="):
            load_dataset(tmp_path / "a.csv", label=label)  # type: ignore[arg-type]
