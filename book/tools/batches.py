"""Runs the chapters' batches in full size and stores what their notebooks wrote as evidence.

A batch that was stopped goes on where it was: its finished runs stay in `_build/runs`.

Usage: python book/tools/batches.py NAME ...
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from evidence import BATCHES, ROOT, store
from vaelib.comparison import read_specification


@functools.cache
def run(batch: str) -> tuple[Path, pd.DataFrame]:
    """Runs what is missing of a batch; returns the folder of its runs and the varied parameters of each, by its id."""
    specification, folder = ROOT / "configs" / f"{batch}.yml", ROOT / "_build" / "runs" / batch
    command = [sys.executable, "-m", "vaelib", "compare", str(specification), "--output", str(folder)]
    subprocess.run(command, check=True)
    return folder, settings(specification)


def settings(specification: Path) -> pd.DataFrame:
    """Returns a row for each run of a batch: its id and the parameters in which the runs differ."""
    runs = pd.DataFrame([{"id": run.id, **run.parameters} for run in read_specification(specification)])
    return runs.loc[:, runs.astype(str).nunique() > 1]


def table(runs: pd.DataFrame, folder: Path, file: str) -> pd.DataFrame:
    """Returns the tables of all runs as one, each row with its run's varied parameters; six digits are kept."""
    parts = []
    for entry in runs.to_dict("records"):
        name: Any = entry.pop("id")
        part = pd.read_csv(folder / str(name) / file)
        parts.append(pd.DataFrame(entry, index=part.index).join(part))
    whole = pd.concat(parts, ignore_index=True)
    for name in runs.columns.drop("id"):  # what changes nothing in this table is no setting of it
        rest = whole.drop(columns=name).drop_duplicates(ignore_index=True)
        if len(rest) * whole[name].nunique() == len(whole) > len(rest):
            whole = rest
    numbers = whole.select_dtypes("float").columns
    return whole.assign(**{name: [float(f"{value:.6g}") for value in whole[name]] for name in numbers})


def main(names: Sequence[str]) -> int:
    """Runs the batches of these tables, each once, and stores them."""
    for name in names:
        batch, file, data = BATCHES[name]
        folder, runs = run(batch)
        specification = ROOT / "configs" / f"{batch}.yml"
        notebook = read_specification(specification)[0].notebook
        sources = [f"sklearn.datasets.load_{each}" for each in data]
        store(name, table(runs, folder, file), notebook, {}, sources, batch=specification)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(BATCHES)))
