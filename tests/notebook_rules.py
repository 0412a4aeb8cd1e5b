"""What a notebook must be to be stored in this repository; `problems` lists what it is not."""

from __future__ import annotations

import re
from typing import Any

import nbformat

MAX_BYTES = 1_500_000
MACHINE_PATH = re.compile(r"(?<![\w/:.])/(?:home|Users|root|work|tmp|private|var)/\w+|[A-Z]:\\\\Users")
INSTALL = re.compile(r"(^|[\s!%])(pip3?|conda|mamba|apt(-get)?|npm)\s+install\b", re.MULTILINE)


def text_of(output: Any) -> str:
    """The text that an output stores, pictures left out."""
    data = output.get("data", {})
    parts = [value for kind, value in data.items() if not kind.startswith("image/")]
    return "".join(map(str, [output.get("text", ""), *parts]))


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """Everything that keeps the notebook from being stored, one line each."""
    found = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    if not any(cell.outputs for cell in code):
        found.append("stored without outputs; run `make notebooks`")
    if len(re.findall(r"^# \S", re.sub(r"```.*?```", "", prose, flags=re.DOTALL), re.MULTILINE)) != 1:
        found.append("needs exactly one H1")
    if not code or "parameters" not in code[0].metadata.get("tags", []):
        found.append("the first code cell needs the tag `parameters`")
    counts = [cell.execution_count for cell in code if cell.source.strip()]
    if counts != list(range(1, len(counts) + 1)):
        found.append(f"code cells were not all executed once, from top to bottom: {counts}")
    for number, cell in enumerate(code):
        name = f"code cell {number}"
        if INSTALL.search(cell.source):
            found.append(f"{name} installs something")
        if cell.source.rstrip().endswith(";"):
            found.append(f"{name} ends in a semicolon, which hides nothing under nbval; write `_ = …`")
        if MACHINE_PATH.search(cell.source):
            found.append(f"{name} names a path of one machine")
        if "execution" in cell.metadata:
            found.append(f"{name} stores time stamps")
        for output in cell.outputs:
            text = text_of(output)
            if "\r" in text:
                found.append(f"{name} has a carriage return in its output")
            if MACHINE_PATH.search(text):
                found.append(f"{name} prints a path of one machine")
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                found.append(f"{name} ended in an error")
            if output.get("name") == "stderr":
                found.append(f"{name} wrote to stderr")
            if any(kind.startswith("image/") for kind in output.get("data", {})):
                alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                if len(alt) < 10:
                    found.append(f"{name} draws a picture without metadata mystnb.image.alt")
    return found
