"""Writing results so that nothing is overwritten unasked and nothing is left half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vaelib._checks import argument_error


def writable_folder(name: str, path: str | os.PathLike[str], files: Iterable[str], overwrite: bool) -> Path:
    """Makes sure, before any work starts, that `files` can be written to the folder `path`.

    The folder is created if it does not exist.

    Raises:
        ValueError: if `path` is no path, is a file, cannot be created or written to, holds a folder in the place of
            one of `files`, or already holds one of them and `overwrite` is False.
    """
    if not isinstance(path, str | os.PathLike):
        raise argument_error(name, "be the path of a folder", path)
    if path == "":
        raise argument_error(name, "be a folder that can be written to", path, "Its name is empty; '.' is this folder.")
    try:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, TypeError, ValueError) as error:  # bytes for a path, and a NUL in it, included
        reason = f"{getattr(error, 'strerror', None) or error}."
        raise argument_error(name, "be a folder that can be written to", str(path), reason) from None
    files = tuple(files)
    refuse_folders(name, folder, files)
    if not overwrite:
        refuse_earlier(name, folder, files, "choose another folder or pass overwrite=True")
    return folder


def refuse_folders(name: str, folder: Path, files: Iterable[str]) -> None:
    """Raises if a folder stands where one of `files` is to be written."""
    for file in files:
        if (folder / file).is_dir():
            raise argument_error(name, f"hold no folder named {file}, which is to be a file", str(folder))


def refuse_earlier(name: str, folder: Path, files: Iterable[str], remedy: str) -> None:
    """Raises if the folder already holds one of `files`; `remedy` says what to do."""
    earlier = [file for file in files if (folder / file).exists()]
    if earlier:
        raise argument_error(name, "not hold earlier results", str(folder), f"It holds {', '.join(earlier)}: {remedy}.")


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path`, renamed to `path` only if the block succeeds.

    The temporary name ends like `path` does, because Keras reads the format from the ending.
    """
    target = Path(path)
    temporary = target.with_name(f".{os.getpid()}-{target.name}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
