"""How long each chapter runs in a fresh kernel, how large it is stored, and how long the book builds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / "book" / "tools" / "execute_notebooks.py"


def chapter_rows(folder: Path) -> list[tuple[str, str, str]]:
    """Returns a row a chapter: seconds to run a copy of it, stored size."""
    rows = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        copy = str(shutil.copy(path, folder / path.name))
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, ROOT / "book/tools/execute_notebooks.py", copy], check=True, capture_output=True
        )
        seconds = time.perf_counter() - start
        rows.append((f"chapter {path.stem}, fresh kernel", f"{seconds:.0f} s", "≤ 60 s"))
        rows.append(("  stored", f"{path.stat().st_size / 1e6:.2f} MB", "< 1.5 MB"))
    return rows


def build_rows(folder: Path) -> list[tuple[str, str, str]]:
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
    return [("make book after installation, nothing built yet", f"{time.perf_counter() - start:.0f} s", "≤ 60 s")]
