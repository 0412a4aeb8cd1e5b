import gzip
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from vaelib.data import load_dataset, load_keras_images

RNG = np.random.default_rng(0)
TRAIN, TEST = (RNG.integers(0, 256, size=(n, 28, 28)).astype(np.uint8) for n in (60, 12))
Y_TRAIN, Y_TEST = (np.arange(len(x), dtype=np.uint8) % 10 for x in (TRAIN, TEST))
NAMES = ("mnist", "fashion_mnist")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder as Keras' own, and no network."""

    def no_network(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", no_network)
    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    monkeypatch.setattr(socket, "create_connection", no_network)
    return tmp_path


def idx(array: Any) -> bytes:
    lengths = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


def cache(home: Path, name: str, **changed: Any) -> Path:
    """Writes the files of a data set as Keras keeps them."""
    arrays = {"x_train": TRAIN, "y_train": Y_TRAIN, "x_test": TEST, "y_test": Y_TEST} | changed
    if name == "mnist":
        path = home / "datasets" / "mnist.npz"
        path.parent.mkdir(exist_ok=True)
        np.savez(path, **arrays)
        return path
    folder = home / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True, exist_ok=True)
    for part, stem in (("train", "train"), ("test", "t10k")):
        for kind, ending in (("x", "images-idx3"), ("y", "labels-idx1")):
            content = gzip.compress(idx(arrays[f"{kind}_{part}"]))
            (folder / f"{stem}-{ending}-ubyte.gz").write_bytes(content)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_cached_files(home: Path, name: str) -> None:
    cache(home, name)
    dataset = load_dataset(name, split_seed=2)
    assert repr(dataset) == (
        f"Dataset('{name}', examples of shape (28, 28, 1), 50 train, 10 validation, 12 test, labels, split_seed=2)"
    )
    assert dataset.x_train.dtype == np.float32
    np.testing.assert_array_equal(dataset.x_test[..., 0], TEST / np.float32(255))
    np.testing.assert_array_equal(dataset.y_test, Y_TEST)
    np.testing.assert_array_equal(dataset.x_val[..., 0], TRAIN[dataset.order[50:60]] / np.float32(255))
    assert sorted(dataset.y_val) == list(range(10))
    assert (dataset.x_train.min(), dataset.x_train.max()) == (0.0, 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_some_of_them(home: Path, name: str) -> None:
    cache(home, name)
    dataset = load_dataset(name, n=36)
    assert (len(dataset.x_train), len(dataset.x_val), len(dataset.x_test)) == (25, 5, 6)
    test = {image.tobytes() for image in TEST / np.float32(255)}
    assert {image.tobytes() for image in dataset.x_test} < test
    with pytest.raises(ValueError, match=rf"`n` must be at most 72, all examples of {home}"):
        load_dataset(name, n=73)


@pytest.mark.parametrize("name", NAMES)
def test_keras_downloads_what_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", lambda: ((TRAIN, Y_TRAIN), (TEST, Y_TEST)))
    dataset = load_keras_images(name)
    np.testing.assert_array_equal(dataset.x_test[..., 0], TEST / np.float32(255))
    np.testing.assert_array_equal(dataset.y_test, Y_TEST)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("mnist", "mnist.npz into {home}/datasets"),
        ("fashion_mnist", "train-images-idx3-ubyte.gz, .*t10k-labels-idx1-ubyte.gz into {home}/datasets/fashion-mnist"),
    ],
)
def test_neither_cache_nor_network(home: Path, name: str, files: str) -> None:
    with pytest.raises(ValueError, match="no network to download") as caught:
        load_dataset(name)
    assert caught.value.__cause__ is None
    text = str(caught.value)
    assert text.startswith("Argument `name_or_path` must have its files in Keras' cache where there is no network")
    assert f"Received: name_or_path='{name}'. The download failed (URL fetch failure on https://" in text
    assert "\n" not in text
    assert [path for path in home.rglob("*") if path.is_file()] == []
    caught.match(f"Put {files.format(home=home)}\\.$")


def refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^Argument `name_or_path` must .*{message}") as caught:
        load_dataset(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_test": TEST[:, :27]}, r"hold images of shape \(28, 28\), of bytes.*`x_test` is an array .*\(12, 27, 28\)"),
        ({"y_train": Y_TRAIN + 1}, "hold labels from 0 to 9.*whose `y_train` holds others"),
        ({"y_train": Y_TRAIN[:-1]}, "hold one label for each of the 60 examples.*whose `y_train`"),
        ({"x_train": TRAIN[:0], "y_train": Y_TRAIN[:0]}, "not be empty"),
    ],
)
def test_files_that_hold_something_else(home: Path, name: str, changed: Any, message: str) -> None:
    cache(home, name, **changed)
    refused(name, message)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_test": TEST.astype(np.float32)}, "of bytes.*dtype float32"),
        ({"y_test": Y_TEST / 2}, "labels from 0 to 9"),
        ({"x_test": TEST.astype(object)}, "which holds Python objects"),
        ({"x_val": TEST, "y_val": Y_TEST}, "hold x_test, x_train, y_test, y_train.*which holds .*x_val"),
    ],
)
def test_archives_that_hold_something_else(home: Path, changed: Any, message: str) -> None:
    cache(home, "mnist", **changed)
    refused("mnist", message)


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_truncated_archives(home: Path, share: float) -> None:
    path = cache(home, "mnist")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused("mnist", "mnist.npz, which is not such a file or is damaged")


def idx_cases() -> dict[str, bytes]:
    good = gzip.compress(idx(TEST))
    raw = idx(TEST)
    return {
        "truncated": good[: len(good) // 2],
        "no gzip": b"<html>not found</html>",
        "nothing": b"",
        "checksum": good[:-8] + bytes(4) + good[-4:],
        "short": gzip.compress(raw[:-1]),
        "long": gzip.compress(raw + b"0"),
        "header only": gzip.compress(raw[:10]),
        "labels": gzip.compress(idx(Y_TEST)),
        "other type": gzip.compress(raw[:2] + bytes([13]) + raw[3:]),
    }


@pytest.mark.parametrize("content", idx_cases().values(), ids=idx_cases().keys())
def test_damaged_idx_files(home: Path, content: bytes) -> None:
    path = cache(home, "fashion_mnist") / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(content)
    refused("fashion_mnist", rf"IDX format, gzipped\. Received: name_or_path={path}, which .* damaged\. Delete it to")
    assert path.read_bytes() == content


def test_other_names() -> None:
    with pytest.raises(ValueError, match="^Argument `name` must be one of 'mnist', 'fashion_mnist'. Received: name='k"):
        load_keras_images("kmnist")


def test_one_missing_file_is_named(home: Path) -> None:
    (cache(home, "fashion_mnist") / "t10k-labels-idx1-ubyte.gz").unlink()
    refused("fashion_mnist", "t10k-labels-idx1-ubyte.gz")
