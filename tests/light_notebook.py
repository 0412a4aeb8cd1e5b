"""A notebook of a few cells without TensorFlow, and batches of it, for the tests of comparisons."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PARAMETERS = """# what varies in the tests
data: str = "digits"  # a name or a path
schedules: list[str] = ["linear"]
seeds: int = 2
rate: float = 1e-3
seconds: float = 0.0
hidden: tuple[int, ...] = (6, 5)
bound: float | None = None
fail: str = ""
output: str = ""  # a folder
"""
SETUP = """import json
import os
import pathlib
import signal
import time"""
# `fail`: nothing, an error, the death of the kernel or of the worker; with a path behind it only the first time
BODY = """how, _, once = fail.partition(" ")
if how and not (once and pathlib.Path(once).exists()):
    if once:
        pathlib.Path(once).touch()
    if how == "raise":
        raise ValueError("there is no such schedule")
    os.kill(os.getppid() if how == "worker" else os.getpid(), signal.SIGKILL)
    time.sleep(60)
time.sleep(seconds)"""
RESULT = """contents = pathlib.Path(data).read_text() if "/" in data else data
result = {"contents": contents, "seeds": seeds, "rate": rate, "hidden": list(hidden), "bound": bound}
result["threads"] = os.environ["OMP_NUM_THREADS"]
pathlib.Path(output, "result.json").write_text(json.dumps(result))"""


def cell(text: str, *tags: str, kind: str = "code") -> dict[str, Any]:
    """One cell as a notebook's file holds it."""
    code = {"outputs": [], "execution_count": None} if kind == "code" else {}
    name = hashlib.sha256(text.encode()).hexdigest()[:8]
    return {"cell_type": kind, "id": name, "metadata": {"tags": list(tags)}, "source": text, **code}


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    """A notebook of these cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": list(cells), "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def light_notebook(parameters: str = PARAMETERS, body: str = BODY, result: str = RESULT) -> dict[str, Any]:
    """The light notebook: a heading, parameters, imports, what fails or takes its time, and the result."""
    heading = cell("# A light notebook", kind="markdown")
    return notebook(heading, cell(parameters, "parameters"), cell(SETUP), cell(body), cell(result))


def written(folder: Path, specification: str, **changes: str) -> Path:
    """Writes the light notebook and a specification beside it; returns the specification's path."""
    (folder / "light.ipynb").write_text(json.dumps(light_notebook(**changes)))
    path = folder / "comparison.yml"
    path.write_text(f"notebook: light.ipynb\n{specification}")
    return path


def command(specification: Path, output: Path, *options: str) -> list[str]:
    """The arguments of the command as a process of its own."""
    return [sys.executable, "-m", "vaelib", "compare", str(specification), "--output", str(output), *options]


def compared(specification: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    arguments = command(specification, output, *options)
    return subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=300, check=False)


def finished(output: Path) -> dict[str, dict[str, bytes]]:
    """What each finished run's folder holds, by name."""
    folders = [path.parent for path in output.glob("*/run.json") if not path.parent.name.startswith(".")]
    return {
        folder.name: {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in folders
    }
