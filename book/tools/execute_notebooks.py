"""Re-executes notebooks in place: fresh kernel each, all or nothing, small diffs.

Usage: python book/tools/execute_notebooks.py [--timed] notebooks/*.ipynb
Two are executed at once; one that fails stays as it was. With --timed it is one after another, and the sentence on how
long a chapter runs is brought up to date where it is off by more than a quarter.
Stored are outputs and widget state (so that the rendered page's controls work without a kernel); what differs
between machines or runs for no reason (timestamps, versions, random model ids) is left out, and pictures get a
palette.
"""

from __future__ import annotations

import base64
import math
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from vaelib.widgets.frames import with_palette

TIMEOUT = 300  # seconds for one cell
PNG = "image/png"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
# what native code writes to file descriptor 2 (TensorFlow's start-up notices) is no output of a cell
KERNEL_ARGUMENTS = ["--IPKernelApp.capture_fd_output=False"]
RUNTIME = re.compile(r"(?<=\*\*It runs in\*\* about )\S+(?= seconds on two cores)")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def smaller(png: str) -> str:
    """Returns a stored picture with a palette if that makes it smaller."""
    stored = base64.b64decode(png)
    return base64.b64encode(min(stored, with_palette(stored), key=len)).decode("ascii")


def normalised(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Returns the notebook without volatile metadata, its widget ids numbered in order of creation."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if PNG in output.get("data", {}):
                output["data"][PNG] = smaller(output["data"][PNG])
    states: dict[str, Any] = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for model in states.values():
        if model["model_name"].endswith(("LayoutModel", "StyleModel")):  # null means unset here
            model["state"] = {key: value for key, value in model["state"].items() if value is not None}
    notebook.metadata["kernelspec"] = KERNEL
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    text = nbformat.writes(notebook)
    for number, model_id in enumerate(states):
        text = text.replace(model_id, f"{number:032x}")
    return nbformat.reads(text, as_version=4)


def timed(text: str, seconds: float) -> str:
    """Returns a cell's text with the measured running time in its sentence, in steps of five seconds."""

    def measured(match: re.Match[str]) -> str:
        written = match.group()
        near = written.isdecimal() and abs(seconds / int(written) - 1) <= 0.25
        return written if near else str(5 * math.ceil(seconds / 5))

    return RUNTIME.sub(measured, text)


def execute(path: Path, timing: bool = False) -> float:
    """Executes the notebook at `path`, writes it back, with its time if asked, and returns the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    start = time.perf_counter()
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=TIMEOUT,
        record_timing=False,
        store_widget_state=True,
        coalesce_streams=True,
        extra_arguments=KERNEL_ARGUMENTS,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute(stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    notebook = normalised(notebook)
    for cell in notebook.cells:
        if timing and cell.cell_type == "markdown":
            cell.source = timed(cell.source, seconds)
    nbformat.validate(notebook)
    half = path.with_name(f".{path.name}.part")
    try:
        nbformat.write(notebook, half)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return seconds


def main(arguments: list[str]) -> int:
    """Executes the named notebooks; returns how many failed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    timing = "--timed" in arguments

    def attempt(path: Path) -> bool:
        try:
            print(f"{path}: {execute(path, timing):.0f} s", flush=True)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            print(f"{path}: failed, left as it was\n{error}", flush=True)
            return False
        return True

    with ThreadPoolExecutor(max_workers=1 if timing else 2) as executor:
        return [*executor.map(attempt, [Path(name) for name in arguments if name != "--timed"])].count(False)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
