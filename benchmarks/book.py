"""How long each chapter runs in a fresh kernel, how large it is stored, and how long the book builds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.table import Row

ROOT = Path(__file__).resolve().parent.parent


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows."""
    return [*_chapter_rows(folder), _build_row(folder)]


def _chapter_rows(folder: Path) -> list[Row]:
    """Returns a row a chapter: seconds to run a copy of it, stored size."""
    rows = []
    (folder / "notebooks").mkdir()
    (folder / "evidence").symlink_to(ROOT / "evidence")  # which chapters read
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        copy = str(shutil.copy(path, folder / "notebooks" / path.name))
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, ROOT / "book/tools/execute_notebooks.py", copy], check=True, capture_output=True
        )
        seconds = time.perf_counter() - start
        rows.append(Row(f"chapter {path.stem}, fresh kernel", seconds, "s", ".0f", at_most=60))
        rows.append(Row("  stored", path.stat().st_size / 1e6, "MB", ".2f", at_most=1.5))
    return rows


def _build_row(folder: Path) -> Row:
    """Returns the row of a build from fresh doctrees."""
    start = time.perf_counter()
    book = [
        str(Path(sys.executable).parent / "jupyter-book"),
        "build",
        str(ROOT),
        "--path-output",
        str(folder),
        "--quiet",
    ]
    subprocess.run([*book, "--warningiserror", "--nitpick", "--keep-going"], check=True, capture_output=True)
    return Row("make book after installation, nothing built yet", time.perf_counter() - start, "s", ".0f", at_most=60)
