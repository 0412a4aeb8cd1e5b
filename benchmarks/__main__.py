"""Prints the table: what was measured, the figure, the target. Nothing here passes or fails."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

from benchmarks import book, conv, disentanglement, epoch, grid, measures, schedules, sprites, start_up


def main() -> None:
    """Measures everything, one thing after another."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for measure in (
            start_up.rows,
            sprites.rows,
            lambda: epoch.rows(folder),
            lambda: schedules.rows(folder),
            conv.rows,
            measures.rows,
            disentanglement.rows,
            grid.rows,
            lambda: book.chapter_rows(Path(folder)),
            lambda: book.build_rows(Path(folder)),
        ):
            for what, figure, target in measure():
                print(f"{what:52s} {figure:>20s}   {target}", flush=True)


if __name__ == "__main__":
    main()
