"""The code that determines a result, as a hash: a notebook's and vaelib's own."""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import json
import re
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaelib.comparison.parameters import INJECTED, TAG, source, tags

NO_RESULTS = ("__main__.py", "cli.py", "comparison", "plots", "widgets")  # what of vaelib determines no number


def hash_of(content: bytes) -> str:
    """Returns the hash of anything."""
    return hashlib.sha256(content).hexdigest()


def code_of(notebook: Mapping[str, Any]) -> str:
    """Returns the hash of a notebook's code cells, without the parameters cell and one that papermill added."""
    cells = [
        cell for cell in notebook["cells"] if cell.get("cell_type") == "code" and not {TAG, INJECTED} & {*tags(cell)}
    ]
    return hash_of(json.dumps([source(cell).strip() for cell in cells]).encode())


def library_of(notebook: Mapping[str, Any]) -> str | None:
    """Returns the hash of vaelib's code if the notebook imports it, else None."""
    code = "\n".join(source(cell) for cell in notebook["cells"] if cell.get("cell_type") == "code")
    return library_code() if re.search(r"^\s*(import|from) +vaelib\b", code, re.MULTILINE) else None


@functools.cache
def library_code() -> str:
    """Returns the hash of this vaelib's code: comments, docstrings and the parts that determine no number left out."""
    package = Path(__file__).resolve().parents[1]
    files = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    code = [
        [name, bare_code(files[name].read_text("utf-8"))]
        for name in sorted(files)
        if name.split("/")[0] not in NO_RESULTS
    ]
    return hash_of(json.dumps(code).encode())


def bare_code(text: str) -> str:
    r"""Returns code without comments, docstrings, blank lines and spaces at the ends of lines.

    >>> bare_code("x = 1  # one\n\ndef f():\n    'Says.'\n    return 2")
    'x = 1\ndef f():\n    return 2'
    """
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and type(first.value.value) is str:
                for row in range(first.lineno - 1, first.end_lineno or first.lineno):
                    lines[row] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
