"""The chapters in full size: what the stored tables must hold, and a few of their settings trained again."""

from __future__ import annotations

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import batches
import keras
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from evidence import BATCHES, EVIDENCE, ROOT
from vaelib import paired_differences
from vaelib.comparison import read_specification

SPECIFICATION = yaml.safe_load((ROOT / "configs/comparison.yml").read_text())
TABLE = pd.read_csv(EVIDENCE / "schedules.csv")
TRAININGS = pd.read_csv(EVIDENCE / "trainings.csv")
SETTING = list(SPECIFICATION["vary"])
TODAY = np.random.default_rng(date.today().toordinal())  # other tables and settings every day
OF_MEMBERS = [name for name in sorted(BATCHES) if "seed" in pd.read_csv(EVIDENCE / f"{name}.csv", nrows=0)]
AGAIN = TODAY.choice(OF_MEMBERS)
OF_ALL_SEEDS = ["seed", "spread"]  # what needs all seeds to come out the same


def run_again(name: str, folder: Path, seeds: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs a chapter in full size but for its seeds, in one setting; returns the stored rows and the new ones."""
    batch, file, _ = BATCHES[name]
    run = TODAY.choice(np.array(read_specification(ROOT / "configs" / f"{batch}.yml"), dtype=object))
    stored = pd.read_csv(EVIDENCE / f"{name}.csv")
    setting = [key for key in run.parameters if key in stored and key != "seed"]
    stored = stored[(stored[setting] == [run.parameters[key] for key in setting]).all(axis=1)]
    declared, *cells = [cell for cell in nbformat.read(run.notebook, as_version=4).cells if cell.cell_type == "code"]
    namespace: dict[str, Any] = {"display": lambda *shown: None}
    exec(declared.source, namespace)
    namespace |= run.parameters | {"seeds": seeds, "output": str(folder)}
    for cell in cells:
        if "hide-cell" not in cell.metadata.get("tags", []):
            exec(cell.source, namespace)
            plt.close("all")
        if (folder / file).is_file():
            break
    return stored, pd.read_csv(folder / file)


def test_every_setting_has_every_member() -> None:
    settings = math.prod(map(len, SPECIFICATION["vary"].values()))
    assert TABLE.groupby([*SETTING, "schedule"]).size().eq(SPECIFICATION["parameters"]["seeds"]).all()
    assert len(TABLE) == settings * 8 * SPECIFICATION["parameters"]["seeds"]
    assert not TABLE.duplicated([*SETTING, "schedule", "seed"]).any()
    assert TABLE["failure"].isna().all()


def test_the_stored_verdicts_are_those_of_the_stored_members() -> None:
    above = TRAININGS[TRAININGS["training"] == "as above"]
    for setting, stored in above.groupby(SETTING):
        members = TABLE[(TABLE[SETTING] == list(setting)).all(axis=1)]
        found = paired_differences(members, smallest_effect=0.5)
        assert found["verdict"].tolist() == stored["verdict"].tolist()
        np.testing.assert_allclose(found["difference"], stored["difference"], atol=1e-3)


@pytest.mark.parametrize("name", [AGAIN])
def test_trained_again_rows_come_out_the_same(name: str, tmp_path: Path) -> None:
    """To rounding, which many epochs amplify: typically within a twentieth of the spread between members."""
    stored, again = run_again(name, tmp_path)
    keras.backend.clear_session()
    by = [column for column in ("training", "schedule", "variant", "seed") if column in again]
    both = again.merge(stored, on=by, suffixes=("", "_stored"))
    assert len(both) == len(again) > 0
    measures = again.dropna(axis="columns", how="all").select_dtypes("number").columns
    for measure in measures.drop(OF_ALL_SEEDS, errors="ignore"):
        apart = (both[measure] - both[f"{measure}_stored"]).abs()
        assert apart.median() <= 0.05 * stored[measure].std() + 1e-6 * stored[measure].abs().max(), measure


def test_runs_are_told_apart_by_what_varies(tmp_path: Any) -> None:
    for name, loss in (("one", 1 / 3), ("two", 1.0)):
        (tmp_path / name).mkdir()
        pd.DataFrame({"seed": [0, 1], "loss": [loss, 2.0]}).to_csv(tmp_path / name / "final.csv", index=False)
    runs = pd.DataFrame({"id": ["one", "two"], "data": ["digits", "wine"]})
    found = batches.table(runs, tmp_path, "final.csv")
    assert json.loads(found.to_json(orient="values")) == [
        *(["digits", 0, 0.333333], ["digits", 1, 2.0]),
        *(["wine", 0, 1.0], ["wine", 1, 2.0]),
    ]


def test_what_changes_nothing_in_a_table_is_no_setting_of_it(tmp_path: Any) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pd.DataFrame({"seed": [0, 1], "loss": [0.5, 2.0]}).to_csv(tmp_path / name / "forms.csv", index=False)
    runs = pd.DataFrame({"id": ["one", "two"], "data": ["digits", "wine"]})
    assert batches.table(runs, tmp_path, "forms.csv").to_dict("list") == {"seed": [0, 1], "loss": [0.5, 2.0]}
    alone = batches.table(runs[:1], tmp_path, "forms.csv")
    assert alone.columns.tolist() == ["data", "seed", "loss"]
