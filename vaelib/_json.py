"""JSON read strictly, one object and each key once, and errors that name an entry by its full path."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vaelib._checks import Described, argument_error, nearest


def read_object(path: str | os.PathLike[str], name: str = "path") -> dict[str, Any]:
    """Returns the JSON object that a file holds.

    Raises:
        ValueError: if there is no such file, it cannot be read, is empty, is not JSON in UTF-8 (with line and column),
            holds anything but an object, or repeats a key (with the key's full path). The error calls it `name`.
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise argument_error(name, "be the path of a JSON file", path)

    def refused(what: str) -> ValueError:
        received = Described(f"{str(path)!r}, {what}")
        return argument_error(name, "be a file that holds one JSON object", received)

    try:
        text = Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise refused("which is not text in UTF-8") from None
    except (OSError, TypeError, ValueError) as error:  # bytes for a path, and a NUL in it, included
        raise refused(f"which cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not text.strip():
        raise refused("which is empty")
    try:
        value = json.loads(text, object_pairs_hook=_Object)
        twice = _repeated(value)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise refused(f"which is not JSON at {place}: {error.msg}") from None
    except RecursionError:
        raise refused("which is nested too deeply") from None
    if not isinstance(value, dict):
        kinds = {list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
        raise refused(f"which holds {kinds.get(type(value), 'a number')}")
    if twice is not None:
        raise refused(f"which holds the key {twice!r} twice")
    return value


class _Object(dict[str, Any]):
    """A JSON object that remembers the first key that was given twice."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        super().__init__()
        self.twice: str | None = None
        for key, value in pairs:
            if key in self and self.twice is None:
                self.twice = key
            self[key] = value


def _repeated(value: Any, path: str = "") -> str | None:
    """Returns the full path of the first key given twice, or None."""
    if isinstance(value, list):
        return next(filter(None, (_repeated(item, f"{path}[{i}]") for i, item in enumerate(value))), None)
    if not isinstance(value, _Object):
        return None
    if value.twice is not None:
        return joined(path, value.twice)
    return next(filter(None, (_repeated(item, joined(path, key)) for key, item in value.items())), None)


def known_entries(path: str, value: Any, choices: Iterable[str]) -> dict[str, Any]:
    """Returns a mapping as a dict, or raises if it is none or has a key that is not among `choices`.

    >>> known_entries("training", {"batchsize": 8}, ("batch_size", "seed"))
    Traceback (most recent call last):
    ValueError: Argument `training.batchsize` must be one of the keys 'batch_size', 'seed'. Received:
    training.batchsize=8. Did you mean 'batch_size'?
    """
    choices = tuple(choices)
    if not isinstance(value, Mapping):
        raise argument_error(path, "be a mapping", value)
    for key in value:
        if key not in choices:
            only = (
                f"be one of the keys {', '.join(map(repr, choices))}" if choices else "be left out: there are no keys"
            )
            raise argument_error(joined(path, key), only, value[key], nearest(key, choices))
    return dict(value)


def json_copy(path: str, value: Any) -> Any:
    """Returns `value` as JSON gives it back, independent of the original; NumPy's numbers become Python's."""

    def item(value: Any) -> Any:
        if hasattr(value, "get_config"):
            return value.get_config()
        if hasattr(value, "item"):
            return value.item()
        raise TypeError

    try:
        return json.loads(json.dumps(value, default=item))
    except (TypeError, ValueError, RecursionError):  # ValueError: it contains itself, or is a whole array
        must = "hold only what JSON can: numbers, strings, true, false, null, lists and objects"
        raise argument_error(path, must, value) from None


def joined(path: str, key: Any) -> str:
    """Returns the path of an entry, on one line: `training.num_epochs`."""
    name = key if isinstance(key, str) and key.isidentifier() else repr(key)
    return f"{path}.{name}" if path else name
