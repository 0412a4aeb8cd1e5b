"""The parameters of a notebook: names, types and defaults in its cell tagged `parameters`, read without running it."""

from __future__ import annotations

import ast
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaelib._checks import Described, argument_error
from vaelib._json import joined, known_entries

TAG, INJECTED = "parameters", "injected-parameters"  # papermill's tags: the notebook's own cell, and the one it adds
_SEQUENCES = ("list", "List", "tuple", "Tuple")
_SCALARS: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "bool": bool}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook.

    Args:
        name: its name.
        type: its type as the notebook writes it, such as "list[str]".
        default: its value where none is given; a tuple is a list here, as everywhere in a batch.
        notebook: the notebook's file name, for messages.
    """

    name: str
    type: str
    default: Any
    notebook: str = "the notebook"

    def checked(self, where: str, value: Any) -> Any:
        """Returns `value` as this parameter takes it: an int becomes a float where a float is meant, a tuple a list.

        Args:
            where: what the error calls the value, such as "vary.latent_dim[0]".
            value: a number, string, truth value, None, or a list of them.

        Raises:
            ValueError: if it is not of the parameter's type; True and False are no numbers, numbers are finite.

        >>> Parameter("beta", "float | None", None).checked("parameters.beta", 4)
        4.0
        >>> Parameter("epochs", "int", 5).checked("parameters.epochs", True)
        Traceback (most recent call last):
        ValueError: Argument `parameters.epochs` must be of type int, as the notebook declares it. Received:
        parameters.epochs=True.
        """
        try:
            return _fitted(value, ast.parse(self.type, mode="eval").body)
        except (TypeError, RecursionError):
            raise argument_error(where, f"be of type {self.type}, as {self.notebook} declares it", value) from None


def read_notebook(path: str | os.PathLike[str], name: str = "notebook") -> dict[str, Any]:
    """Returns a notebook as the JSON object that its file holds.

    Raises:
        ValueError: if the file cannot be read or is no notebook of format 4; the error calls it `name`.
    """

    def refused(what: str) -> ValueError:
        return argument_error(name, "be a Jupyter notebook", Described(f"{str(path)!r}, {what}"))

    try:
        notebook = json.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None)
        raise refused(f"which cannot be read: {reason}" if reason else "which is not JSON in UTF-8") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) and "source" in cell for cell in cells):
        raise refused("which has no list of cells")
    return notebook


def tags(cell: Mapping[str, Any]) -> list[str]:
    """Returns the tags of a cell."""
    return list(cell.get("metadata", {}).get("tags", []))


def source(cell: Mapping[str, Any]) -> str:
    """Returns the text of a cell, which a file may hold as a list of lines."""
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def declared_parameters(notebook: Mapping[str, Any], path: str | os.PathLike[str]) -> dict[str, Parameter]:
    """Returns the parameters of a notebook by name, in its order.

    Each stands on a line of its own, `name: type = default`, the default a literal of that type. Types are int,
    float, str, bool, None, lists and tuples of them, Optional and `|`. Imports, comments and a docstring may stand
    beside them; nothing of the cell is run.

    Args:
        notebook: as `read_notebook` returns it.
        path: its file, for messages.

    Raises:
        ValueError: if there is no such cell or more than one, or something else stands in it.
    """
    name = Path(path).name

    def refused(must: str, what: str) -> ValueError:
        return argument_error("notebook", must, Described(f"{str(path)!r}, {what}"))

    cells = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code" and TAG in tags(cell)]
    if len(cells) != 1:
        raise refused(f"have one code cell with the tag {TAG!r}", f"which has {len(cells) or 'none'}")
    must = "declare its parameters as `name: type = default` with literal defaults"
    try:
        statements = ast.parse(source(cells[0])).body
    except SyntaxError as error:
        raise refused(must, f"whose line {error.lineno} of that cell is not Python") from None
    found: dict[str, Parameter] = {}
    for node in statements:
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_docstring(node):
            continue
        line = ast.unparse(node).splitlines()[0]
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
            raise refused(must, f"which says `{line}`")
        parameter = node.target.id
        if parameter in found:
            raise refused("declare each parameter once", f"which declares {parameter!r} twice")
        if not _known(node.annotation):
            types = "int, float, str, bool, None, lists and tuples of them, Optional and |"
            raise refused(f"declare parameters of the types {types}", f"which says `{line}`")
        try:
            default = _fitted(ast.literal_eval(node.value), node.annotation)
        except (ValueError, TypeError, SyntaxError, RecursionError):
            raise refused("give each parameter a literal of its type as default", f"which says `{line}`") from None
        found[parameter] = Parameter(parameter, ast.unparse(node.annotation), default, name)
    return found


def checked_parameters(path: str, given: Any, declared: Mapping[str, Parameter]) -> dict[str, Any]:
    """Returns given values as the notebook takes them; names and types are checked, `path` is their place in errors."""
    entries = known_entries(path, given, declared)
    return {name: declared[name].checked(joined(path, name), value) for name, value in entries.items()}


# ---------------------------------------------------------------- types, as syntax trees


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _name(node: ast.expr) -> str:
    """`Optional` and `typing.Optional` are the same."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _parts(node: ast.Subscript) -> list[ast.expr]:
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _is_rest(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _known(node: ast.expr) -> bool:
    """Says whether a type is one of those that a parameter can have."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _known(node.left) and _known(node.right)
    if not isinstance(node, ast.Subscript):
        return (isinstance(node, ast.Constant) and node.value is None) or _name(node) in (*_SCALARS, *_SEQUENCES)
    parts, outer = _parts(node), _name(node.value)
    if outer in ("tuple", "Tuple") and len(parts) == 2 and _is_rest(parts[1]):
        parts = parts[:1]
    counts = {"Optional": len(parts) == 1, "list": len(parts) == 1, "List": len(parts) == 1}
    return outer in ("Union", "Optional", *_SEQUENCES) and counts.get(outer, True) and all(map(_known, parts))


def _fitted(value: Any, kind: ast.expr) -> Any:
    """Returns a value of a type, or raises TypeError."""
    if isinstance(kind, ast.BinOp):
        return _first_fit(value, [kind.left, kind.right])
    if isinstance(kind, ast.Subscript):
        parts, outer = _parts(kind), _name(kind.value)
        if outer in ("Union", "Optional"):
            return _first_fit(value, [*parts, *([ast.Constant(None)] if outer == "Optional" else [])])
        items = _sequence(value)
        if outer in ("list", "List") or _is_rest(parts[-1]):
            parts = parts[:1] * len(items)
        if len(items) != len(parts):
            raise TypeError
        return [_fitted(item, part) for item, part in zip(items, parts, strict=True)]
    if isinstance(kind, ast.Constant):
        if value is None:
            return None
        raise TypeError
    name = _name(kind)
    if name in _SEQUENCES:
        return [_plain(item) for item in _sequence(value)]
    if not isinstance(value, _SCALARS[name]) or (isinstance(value, bool) and name != "bool"):
        raise TypeError
    try:
        return _finite(float(value)) if name == "float" else value
    except OverflowError:  # an integer beyond every float
        raise TypeError from None


def _first_fit(value: Any, kinds: list[ast.expr]) -> Any:
    for kind in kinds:
        try:
            return _fitted(value, kind)
        except TypeError:
            continue
    raise TypeError


def _sequence(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return list(value)


def _plain(value: Any) -> Any:
    """An item of a list without the type of its items: any literal that a parameter can have."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is not None and not isinstance(value, bool | int | float | str):
        raise TypeError
    return _finite(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError
    return value
