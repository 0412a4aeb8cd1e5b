"""The arrays of `.npz` and `.npy` files, read a few rows at a time and never unpickled."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError  # what NumPy raises for some damaged headers
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy

from vaelib._arrays import Array
from vaelib.data._source import Readable, Source
from vaelib.data.dataset import PARTS

_BLOCK = 2**22  # bytes read at once


class DamagedError(ValueError):
    """A file's content does not fit what the file says about itself."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, known by its header; rows are read when asked for.

    A compressed archive has no random access: it is read once from its start to its end in small blocks, of which the
    wanted rows are kept.
    """

    source: Source
    opened: Callable[[], Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    in_rows: bool

    def __getitem__(self, rows: Any) -> Array:
        """Returns rows by their rising numbers, or with `...` all of them."""
        with _readable(self.source), self.opened() as stream:
            if rows is ... or not self.in_rows:
                whole = npy.read_array(stream, allow_pickle=False).reshape(self.shape)
                stream.read(1)  # the end, where an archive compares its checksum
                return whole[rows]
            _header(stream)
            return self._pick(stream, rows)

    def _pick(self, stream: IO[bytes], rows: Array) -> Array:
        n, *rest = self.shape
        row_bytes = self.dtype.itemsize * math.prod(rest)
        step = max(1, _BLOCK // row_bytes)
        picked = np.empty((len(rows), *rest), self.dtype)
        filled = 0
        for start in range(0, n, step):
            size = min(step, n - start)
            content = stream.read(size * row_bytes)
            if len(content) < size * row_bytes:
                raise DamagedError
            wanted = rows[filled : filled + np.searchsorted(rows[filled:], start + size)]
            block = np.frombuffer(content, self.dtype).reshape(size, *rest)
            picked[filled : filled + len(wanted)] = block[wanted - start]
            filled += len(wanted)
        stream.read(1)
        return picked


def numpy_source(path: Path) -> Source:
    """Returns the arrays of a `.npz` or `.npy` file that this project knows, by name.

    Raises:
        ValueError: if the file is none of these, is damaged, holds Python objects, or has other arrays.
    """
    nameless = Source(path.name, {}, str(path))
    with _readable(nameless), path.open("rb") as stream:
        is_archive = stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")  # with members, and empty
        infos = ZipFile(stream).infolist() if is_archive else []
        size = path.stat().st_size
    if not is_archive:
        return replace(nameless, arrays={"x": _stored(nameless, lambda: path.open("rb"), size)})
    members = {info.filename.removesuffix(".npy"): info for info in infos if info.filename.endswith(".npy")}

    def member(name: str) -> StoredArray:
        return _stored(nameless, lambda: _member(path, f"{name}.npy"), members[name].file_size)

    if "imgs" in members:
        return replace(nameless, arrays=_published(nameless, list(members), member))
    wanted = ["x", "y", "factors", *(f"{kind}_{part}" for kind in "xy" for part in PARTS)]
    names = [name for name in wanted if name in members]
    parts = {name[2:] for name in names if name.startswith("x_")}
    labels = {name[2:] for name in names if name.startswith("y_")}
    whole = {"x", "y", "factors"} & set(names)
    if (parts | labels and whole) or not ("x" in whole or {"train", "test"} <= parts) or (labels and labels != parts):
        must = (
            "hold `x` (and `y`, `factors`), or `x_train` and `x_test` (and `x_val`) with labels for all parts or none"
        )
        raise nameless.error(must, f"which holds {', '.join(members) or 'no arrays'}")
    return replace(nameless, arrays={name: member(name) for name in names})


def _published(source: Source, names: list[str], member: Callable[[str], StoredArray]) -> dict[str, Readable]:
    """Returns images and factors of the published dSprites archive, or of another that uses its names."""
    if "latents_classes" not in names:
        must = "hold `latents_classes`, the factors, beside `imgs`"
        raise source.error(must, f"which holds {', '.join(names)}")
    images, classes = member("imgs"), member("latents_classes")[...]
    if len(images.shape) == 3:
        images = replace(images, shape=(*images.shape, 1))
    if classes.ndim == 2 and len(classes):
        classes = classes[:, (classes != classes[0]).any(axis=0)]
    return {"x": images, "factors": classes}


def _stored(source: Source, opened: Callable[[], Any], size: int) -> StoredArray:
    """Returns an array that has been read no further than its header."""
    with _readable(source), opened() as stream:
        shape, fortran_order, dtype, start = _header(stream)
    if dtype.hasobject:
        raise source.error("hold arrays of numbers", "which holds Python objects")
    if min(shape, default=0) < 0 or start + dtype.itemsize * math.prod(shape) != size:
        raise _unreadable(source)
    return StoredArray(source, opened, shape, dtype, in_rows=bool(shape) and not fortran_order and 0 not in shape)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Returns shape, order and type as a `.npy` header gives them, and the header's length."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise DamagedError
    length_bytes = 2 if version == (1, 0) else 4
    content = stream.read(length_bytes)
    length = int.from_bytes(content, "little")
    if length > 10_000:
        raise DamagedError
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return *read(io.BytesIO(content + stream.read(length))), npy.MAGIC_LEN + length_bytes + length


@contextmanager
def _member(path: Path, name: str) -> Iterator[IO[bytes]]:
    with path.open("rb") as stream, ZipFile(stream) as archive, archive.open(name) as member:
        yield member


@contextmanager
def _readable(source: Source) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, RuntimeError, BadZipFile, TokenError, zlib.error) as error:
        reason = f"which gives: {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        raise _unreadable(source, reason) from None


def _unreadable(source: Source, reason: str = "") -> ValueError:
    return source.error("be a readable .npz, .npy or .csv file", reason or "which is not such a file or is damaged")
