import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vaelib.data import load_dataset

X = np.random.default_rng(0).normal(size=(35, 4)).astype(np.float32)
Y = np.arange(35) % 5


def test_digits() -> None:
    digits = load_dataset("digits")
    assert digits.name == "digits"
    for part, n in (("train", 1297), ("val", 250), ("test", 250)):
        x, y = getattr(digits, f"x_{part}"), getattr(digits, f"y_{part}")
        assert x.shape == (n, 8, 8, 1)
        assert x.dtype == np.float32
        assert y.dtype == np.int64
        assert (x.min(), x.max()) == (0.0, 1.0)
        counts = np.bincount(y, minlength=10)
        assert np.abs(counts - n / 10).max() < 0.04 * n / 10 + 1


def test_digits_are_divided_by_the_seed() -> None:
    first, again, other = load_dataset("digits"), load_dataset("digits", 0), load_dataset("digits", 1)
    np.testing.assert_array_equal(first.x_test, again.x_test)
    assert not np.array_equal(first.x_test, other.x_test)
    together = np.concatenate([first.order, []])
    assert sorted(together) == list(range(1797))


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", X.astype(np.float64))
    dataset = load_dataset(tmp_path / "mine.npy", split_seed=3)
    assert repr(dataset) == (
        "Dataset('mine.npy', examples of shape (4,), 25 train, 5 validation, 5 test, no labels, split_seed=3)"
    )
    everything = np.concatenate([dataset.x_train, dataset.x_val, dataset.x_test])
    np.testing.assert_array_equal(everything, X[dataset.order])


def test_npz_with_labels_is_stratified(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", x=X, y=Y, note="ignored")
    dataset = load_dataset(str(tmp_path / "mine.npz"))
    assert sorted(dataset.y_test) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(dataset.x_val, X[dataset.order[25:30]])
    np.testing.assert_array_equal(dataset.y_val, Y[dataset.order[25:30]])


def test_values_are_taken_as_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "bytes.npy", np.arange(250, dtype=np.uint8).reshape(10, 25))
    dataset = load_dataset(tmp_path / "bytes.npy")
    assert len(dataset.x_val) == len(dataset.x_test) == 1
    assert max(dataset.x_train.max(), dataset.x_val.max(), dataset.x_test.max()) == 249.0


def test_npz_with_three_parts_keeps_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "parts.npz", x_train=X[:20], x_val=X[20:25], x_test=X[25:])
    dataset = load_dataset(tmp_path / "parts.npz")
    np.testing.assert_array_equal(dataset.x_val, X[20:25])
    assert dataset.split_seed is None
    assert len(dataset.resplit(1).x_test) == 10


@pytest.mark.parametrize("labels", [True, False])
def test_npz_without_validation_part_draws_it_from_training(tmp_path: Path, labels: Any) -> None:
    arrays = {"x_train": X[:28], "x_test": X[28:]}
    if labels:
        arrays |= {"y_train": Y[:28], "y_test": Y[28:]}
    np.savez(tmp_path / "parts.npz", **arrays)
    dataset = load_dataset(tmp_path / "parts.npz", split_seed=2)
    assert (len(dataset.x_train), len(dataset.x_val), len(dataset.x_test)) == (24, 4, 7)
    np.testing.assert_array_equal(dataset.x_test, X[28:])
    np.testing.assert_array_equal(dataset.x_val, X[dataset.order[24:28]])
    if labels:
        np.testing.assert_array_equal(dataset.y_val, Y[dataset.order[24:28]])
    assert dataset.split_seed == 2


@pytest.mark.parametrize("name", ["mnist5", "missing.npz", "missing.npy", 3, None, ["digits"]])
def test_unknown_names_and_missing_files(name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"`name_or_path` must be one of 'digits' or the path of an existing \.npz or"):
        load_dataset(name)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="existing"):
        load_dataset(tmp_path)


def refused(path: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load_dataset(path)
    text = str(caught.value)
    assert text.startswith("Argument `name_or_path` must ")
    assert f"Received: name_or_path={path}, wh" in text
    assert text.count("Argument") == 1
    assert "\n" not in text


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PK\x03\x04 not a zip", b"\x93NUMPY", b"\x80\x04N."])
def test_files_of_another_kind(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    refused(path, "be a readable .npz or .npy file.*is not such a file or is damaged")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_truncated_files(tmp_path: Path, share: Any) -> None:
    for save, name in ((np.save, "a.npy"), (lambda file, x: np.savez_compressed(file, x=x), "a.npz")):
        buffer = io.BytesIO()
        save(buffer, X)
        path = tmp_path / name
        path.write_bytes(buffer.getvalue()[: int(share * len(buffer.getvalue()))])
        refused(path, "readable")


def test_a_damaged_member(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=X)
    content = bytearray(path.read_bytes())
    content[300] ^= 255
    path.write_bytes(bytes(content))
    refused(path, "damaged")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npy"
    np.save(path, X)

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, "load", denied)
    refused(path, "which gives: Permission denied")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}] * 20, dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=objects, allow_pickle=True)
    refused(tmp_path / "a.npy", "hold arrays of numbers.*Python objects")
    refused(tmp_path / "a.npz", "hold arrays of numbers.*Python objects")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.full((20, 2), "a")}, "hold real numbers.*whose `x` is an array of dtype <U1"),
        ({"x": np.ones((20, 2)) * 1j}, "hold real numbers"),
        (
            {"x": np.where(np.arange(40) % 8 == 7, np.nan, 0).reshape(20, 2)},
            r"5 values .* the first at \[3, 1\]",
        ),
        ({"x": np.full((20, 2), -np.inf)}, "40 values that are NaN or infinite"),
        ({"x": np.zeros((0, 2))}, "not be empty"),
        ({"x": np.zeros((20, 0))}, "not be empty"),
        ({"x": np.zeros(20)}, r"have the shape \(n, ...\)"),
        ({"x": np.zeros((9, 2))}, "hold 10 examples or more.*which holds 9"),
        (
            {"x": X, "y": Y[:-1]},
            r"one label for each of the 35 examples.*whose `y` is an array of shape \(34,\)",
        ),
        ({"x": X, "y": np.full(35, "a")}, "hold real numbers.*whose `y`"),
        ({"images": X}, "hold `x` .*which holds images"),
        ({}, "which holds nothing"),
        ({"x_train": X}, "which holds x_train"),
        ({"x_train": X, "x_val": X}, "hold `x`"),
        ({"x": X, "x_test": X}, "hold `x`"),
        ({"x": X, "y_test": Y}, "hold `x`"),
        ({"y": Y}, "hold `x`"),
        ({"x_train": X, "x_test": X, "y_test": Y}, "labels for all parts or none"),
        (
            {"x_train": X, "x_test": X[:, :3]},
            r"examples of shape \(4,\).*whose `x_test` is an array of shape \(35, 3\)",
        ),
        ({"x_train": X[:1], "x_test": X}, "two training examples or more"),
        ({"x_train": X[:4], "x_test": X[:5]}, "hold 10 examples or more.*which holds 9"),
    ],
)
def test_unusable_arrays(tmp_path: Path, arrays: Any, message: Any) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    refused(tmp_path / "mine.npz", message)


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as file:
        file.writestr("x", "text")
    refused(tmp_path / "mine.npz", "have the shape")
