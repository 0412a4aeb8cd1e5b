"""Runs the chapters' batches in full size and stores what their notebooks wrote as evidence.

A batch that was stopped goes on where it was: its finished runs stay in `_build/runs`.

Usage: python book/tools/batches.py NAME ...
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from evidence import ROOT, store
from vaelib.comparison.folder import RunsFolder

OWN_DATA = ("sklearn.datasets.load_digits", "sklearn.datasets.load_breast_cancer")
# the evidence's name: the specification of its batch, the table that each run writes, what loads its data
BATCHES: dict[str, tuple[str, str, Sequence[str]]] = {
    "schedules": ("configs/comparison.yml", "final.csv", OWN_DATA),
    "trainings": ("configs/comparison.yml", "differences.csv", OWN_DATA),
}


def run(specification: Path, folder: Path) -> pd.DataFrame:
    """Runs what is missing of a batch and returns the folder and the varied parameters of each run."""
    command = [sys.executable, "-m", "vaelib", "compare", str(specification), "--output", str(folder)]
    subprocess.run(command, check=True)
    listed = subprocess.run([*command, "--dry-run"], check=True, capture_output=True, text=True).stdout
    records = RunsFolder(folder).records
    vary = yaml.safe_load(specification.read_text())["vary"]
    rows = [{"id": name, **records[name]["parameters"]} for name in (line.split()[0] for line in listed.splitlines())]
    return pd.DataFrame(rows)[["id", *vary]]


def table(runs: pd.DataFrame, folder: Path, file: str) -> pd.DataFrame:
    """Returns the tables of all runs as one, each row with its run's varied parameters; six digits are kept."""
    parts = []
    for entry in runs.to_dict("records"):
        name: Any = entry.pop("id")
        part = pd.read_csv(folder / str(name) / file)
        parts.append(pd.DataFrame(entry, index=part.index).join(part))
    whole = pd.concat(parts, ignore_index=True)
    numbers = whole.select_dtypes("float").columns
    return whole.assign(**{name: [float(f"{value:.6g}") for value in whole[name]] for name in numbers})


def main(names: Sequence[str]) -> int:
    """Runs the batches of these tables, each once, and stores them."""
    for name in names:
        path, file, data = BATCHES[name]
        specification = ROOT / path
        folder = ROOT / "_build" / "runs" / specification.stem
        runs = run(specification, folder)
        notebook = specification.parent / yaml.safe_load(specification.read_text())["notebook"]
        store(name, table(runs, folder, file), notebook, {}, data, files=[specification])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(BATCHES)))
