"""Measures, prints the table as it goes and writes it. Nothing here passes or fails.

With names of modules, `python -m benchmarks members batches`, it measures those and writes nothing.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import (
    batches,
    book,
    conv,
    disentanglement,
    epoch,
    grid,
    measures,
    members,
    schedules,
    sprites,
    start_up,
    table,
)

MEASURED = (start_up, sprites, epoch, schedules, conv, measures, disentanglement, members, grid, batches, book)
TABLE = Path(__file__).with_name("table.md")


def main(names: list[str]) -> None:
    """Measures everything, or what is named, one thing after another."""
    modules = {module.__name__.rpartition(".")[2]: module for module in MEASURED}
    print(table.machine(), flush=True)
    rows = []
    for name in names or modules:
        with tempfile.TemporaryDirectory() as folder:
            for row in modules[name].rows(Path(folder)):
                print(row.line(), flush=True)
                rows.append(row)
    if not names:
        TABLE.write_text(table.markdown(rows), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
