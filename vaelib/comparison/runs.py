"""One run: a notebook with one set of parameters, named by the hash of what determines its result."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaelib._checks import argument_error
from vaelib.comparison.code import code_of, hash_of

OUTPUT = "output"  # the parameter with the folder that a notebook writes to
INPUTS = "inputs"  # the folder, beside that of the run, with the files that came along
DATA = (".csv", ".npy", ".npz")  # a value that ends so is meant as a file


class LocalFile(str):
    """The path of a file as it was given, which also knows where the file is and what it holds."""

    path: Path
    sha256: str

    @property
    def place(self) -> str:
        """Where the run finds it, seen from the folder in which the notebook runs."""
        return f"../{INPUTS}/{self.sha256[:12]}/{self.path.name}"


@dataclass(frozen=True)
class Task:
    """Everything that a worker needs for a run, wherever it is."""

    notebook: str
    parameters: Mapping[str, Any]
    files: Mapping[str, bytes]
    library: str | None
    timeout: int | None


class InputChanged(Exception):
    """The notebook or a data file is no longer what it was when the batch was planned."""


@dataclass(frozen=True)
class Run:
    """A notebook with one set of parameters.

    Its name is a hash of what determines the result: the notebook's code without outputs, prose and the values in its
    parameters cell; the parameters; the names and contents of the files among them; and, where the notebook imports
    it, vaelib's code without comments and docstrings. Versions of other packages are recorded, but name no run.

    Args:
        notebook: its file.
        parameters: all of the notebook's but `output`; a path of a file is a `LocalFile`.
        code: hash of the notebook's code.
        library: hash of vaelib's code, or None.
        writes: whether the notebook has a parameter `output`.
        timeout: whole seconds that a cell may take, or None.
    """

    notebook: Path
    parameters: Mapping[str, Any]
    code: str
    library: str | None = None
    writes: bool = False
    timeout: int | None = None

    @functools.cached_property
    def id(self) -> str:
        """The name of the run and of its folder."""
        parameters = _each(self.parameters, lambda file: {"file": file.path.name, "sha256": file.sha256})
        return hash_of(json.dumps([self.code, self.library, parameters], sort_keys=True).encode())[:12]

    @property
    def files(self) -> dict[str, str]:
        """The files that the run reads, and the hashes of their contents."""
        found: dict[str, str] = {}
        _each(self.parameters, lambda file: found.update({str(file): file.sha256}))
        return found

    def task(self) -> Task:
        """Returns the run as it travels; reads the notebook and the files anew.

        Raises:
            InputChanged: if the notebook or a file is no longer what it was when the run was planned.
        """
        try:
            return self._task()
        except ValueError as error:
            raise InputChanged(str(error)) from None

    def _task(self) -> Task:
        text, contents = _bytes("notebook", self.notebook), dict[str, bytes]()

        def packed(file: LocalFile) -> str:
            contents[file.place] = _bytes("parameters", file.path)
            if hash_of(contents[file.place]) != file.sha256:
                raise argument_error("parameters", "name files that stay as they are during a batch", str(file))
            return file.place

        parameters = _each(self.parameters, packed)
        if code_of(json.loads(text)) != self.code:
            raise argument_error("notebook", "stay as it is during a batch", str(self.notebook))
        output = {OUTPUT: "."} if self.writes else {}
        return Task(text.decode(), {**parameters, **output}, contents, self.library, self.timeout)


def local_files(where: str, values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Returns values in which the path of each existing file is a `LocalFile`; relative paths count from `folder`.

    Only a text with an ending or a slash can be a path: a file called `linear` does not change what "linear" means.

    Raises:
        ValueError: if such a file cannot be read, or a text ends as a data file does and there is none.
    """

    def found(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [found(name, item) for item in value]
        if not isinstance(value, str) or not (Path(value).suffix or os.sep in value) or "\0" in value:
            return value
        path = folder / Path(value).expanduser()
        if not path.is_file():
            if path.suffix.lower() in DATA:
                raise argument_error(f"{where}.{name}", "be the path of an existing file", value)
            return value
        file = LocalFile(value)
        file.path, file.sha256 = path.absolute(), hash_of(_bytes(f"{where}.{name}", path))
        return file

    return {name: found(name, value) for name, value in values.items()}


def _each(values: Any, change: Any) -> Any:
    """Returns plain values with each `LocalFile` among them changed."""
    if isinstance(values, Mapping):
        return {name: _each(value, change) for name, value in values.items()}
    if isinstance(values, list):
        return [_each(value, change) for value in values]
    return change(values) if isinstance(values, LocalFile) else values


def _bytes(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise argument_error(name, "be a readable file", str(path), f"{error.strerror}.") from None
