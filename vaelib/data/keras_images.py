"""MNIST and Fashion-MNIST, from the folder in which Keras keeps its downloads."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from vaelib._arrays import Array
from vaelib._checks import Described, argument_error, one_of
from vaelib.data._numpy_files import numpy_source
from vaelib.data._source import Source
from vaelib.data.dataset import PARTS, Dataset

# name -> folder below Keras' own, files in it
FILES = {
    "mnist": ("datasets", ("mnist.npz",)),
    "fashion_mnist": (
        "datasets/fashion-mnist",
        (
            "train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
        ),
    ),
}


def load_keras_images(name: str, split_seed: int = 0, n: int | None = None) -> Dataset:
    """Loads grey images of shape (28, 28, 1), scaled from 0–255 to [0, 1], with labels 0 to 9.

    The published test part is the test part; validation takes one sixth of the published training part, drawn from
    `split_seed`: 50,000, 10,000 and 10,000 images. The files are read where Keras keeps them (the folder `KERAS_HOME`,
    or `~/.keras`); if they are not there, Keras downloads them: 11 MB and 31 MB. A file is never unpickled.

    Args:
        name: `"mnist"` or `"fashion_mnist"`.
        split_seed: the seed of the validation part, between 0 and 2**32 - 1.
        n: how many images to draw from both parts together, >= 10; None takes all 70,000.

    Raises:
        ValueError: if an argument is out of range, a file is damaged, or there is neither file nor network.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the IEEE, 1998;
    Xiao et al., "Fashion-MNIST", arXiv 1708.07747.
    """
    one_of("name", name, FILES)
    folder = keras_folder(name)
    files = [folder / file for file in FILES[name][1]]
    if all(file.is_file() for file in files):
        source = _checked(_archive(files[0]) if name == "mnist" else _idx_files(folder, files), name)
    else:
        source = Source(name, _downloaded(name, folder), repr(name))
    dataset = replace(source, held_out=1 / 6).divided(split_seed, n)
    scaled = {f"x_{part}": getattr(dataset, f"x_{part}")[..., None] / np.float32(255) for part in PARTS}
    return replace(dataset, **scaled)


def keras_folder(name: str) -> Path:
    """Returns the folder in which Keras keeps the files of `name`."""
    home = os.environ.get("KERAS_HOME") or Path("~", ".keras")
    return Path(home).expanduser() / FILES[name][0]


def _archive(path: Path) -> Source:
    source = numpy_source(path)
    wanted = {"x_train", "y_train", "x_test", "y_test"}
    if set(source.arrays) != wanted:
        raise source.error(f"hold {', '.join(sorted(wanted))}", f"which holds {', '.join(source.arrays)}")
    return source


def _idx_files(folder: Path, files: list[Path]) -> Source:
    names = ("x_train", "y_train", "x_test", "y_test")
    arrays = {name: _idx_array(path, 3 if name[0] == "x" else 1) for name, path in zip(names, files, strict=True)}
    return Source("", arrays, str(folder))


def _idx_array(path: Path, ndim: int) -> Array:
    """Returns the bytes of a gzipped file in the IDX format: two zeros, type 8, the axes, their lengths, the data."""
    try:
        with gzip.open(path) as stream:
            content = stream.read()
    except (OSError, EOFError, zlib.error) as error:
        given = getattr(error, "strerror", None)
        raise _damaged(path, f"which gives: {given}" if given else "which is no such file or is damaged") from None
    start = 4 + 4 * ndim
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)]
    if content[:4] != bytes([0, 0, 8, ndim]) or len(content) != start + math.prod(shape):
        raise _damaged(path, "which is no such file or is damaged")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _damaged(path: Path, reason: str) -> ValueError:
    must = "be a readable file of bytes in the IDX format, gzipped"
    return argument_error("name_or_path", must, Described(f"{path}, {reason}"), "Delete it to download it again.")


def _checked(source: Source, name: str) -> Source:
    """Returns the source under the data set's name if it holds images as the published files do."""
    for part in ("x_train", "x_test"):
        x, y = source.arrays[part], source.arrays[f"y{part[1:]}"]
        if x.dtype != np.uint8 or x.shape[1:] != (28, 28):
            must = "hold images of shape (28, 28), of bytes"
            raise source.error(must, f"whose `{part}` is an array of shape {x.shape} of dtype {x.dtype}")
        if y.dtype.kind not in "ui" or y[...].min(initial=0) < 0 or y[...].max(initial=0) > 9:
            raise source.error("hold labels from 0 to 9", f"whose `y{part[1:]}` holds others")
    return replace(source, name=name)


def _downloaded(name: str, folder: Path) -> dict[str, Array]:
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # without a network Keras raises no narrower one
        must = "have its files in Keras' cache where there is no network to download them"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = f"The download failed ({reason}). Put {', '.join(FILES[name][1])} into {folder}."
        raise argument_error("name_or_path", must, name, remedy) from None
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
