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
        ValueError: if `path` is a file, cannot be created or written to, or already holds one of `files`
            and `overwrite` is False.
    """
    if path == "":
        raise argument_error(name, "be a folder that can be written to", path, "Its name is empty; '.' is this folder.")
    try:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, TypeError, ValueError) as error:  # no path at all, and a NUL in it, included
        reason = f"{getattr(error, 'strerror', None) or error}."
        raise argument_error(name, "be a folder that can be written to", str(path), reason) from None
    existing = [file for file in files if (folder / file).exists()]
    if existing and not overwrite:
        raise argument_error(
            name,
            "not hold earlier results",
            str(path),
            f"It holds {', '.join(existing)}: choose another folder or pass overwrite=True.",
        )
    return folder


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
