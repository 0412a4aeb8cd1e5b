"""The chapters in full size: what the stored tables must hold, and a few of their rows trained again."""

from __future__ import annotations

import json
import math
from typing import Any

import batches
import keras
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from evidence import EVIDENCE, ROOT
from vaelib import paired_differences

SPECIFICATION = yaml.safe_load((ROOT / "configs/comparison.yml").read_text())
TABLE = pd.read_csv(EVIDENCE / "schedules.csv")
TRAININGS = pd.read_csv(EVIDENCE / "trainings.csv")
AGAIN = sorted(np.random.default_rng(5).choice(len(TABLE), size=2, replace=False).tolist())
SETTING = list(SPECIFICATION["vary"])


def trained_again(row: dict[str, Any]) -> pd.DataFrame:
    """Runs the chapter as far as its grid, for one row's schedule and seed."""
    notebook = nbformat.read(ROOT / "configs" / SPECIFICATION["notebook"], as_version=4)
    parameters, *cells = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    own = {"schedules": [row["schedule"], "linear"], **{name: row[name] for name in SETTING}}
    namespace: dict[str, Any] = {}
    exec(parameters, namespace)
    namespace |= SPECIFICATION["parameters"] | own
    exec(cells.pop(0), namespace)  # checks the parameters
    namespace["seeds"] = [row["seed"]]
    while "grid" not in namespace:
        exec(cells.pop(0), namespace)
    plt.close("all")
    table: pd.DataFrame = namespace["grid"].final
    return table


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


@pytest.mark.parametrize("number", AGAIN)
def test_trained_again_a_member_comes_out_the_same(number: int) -> None:
    """To rounding, which a hundred epochs amplify: within a fifth of the smallest effect that matters."""
    row = TABLE.iloc[number].to_dict()
    again = trained_again(row).set_index("schedule").loc[row["schedule"]]
    keras.backend.clear_session()
    assert again["negative_elbo"] == pytest.approx(row["negative_elbo"], abs=0.1)
    assert again["active_units"] == pytest.approx(row["active_units"], abs=1)


def test_runs_are_told_apart_by_what_varies(tmp_path: Any) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pd.DataFrame({"seed": [0, 1], "loss": [1 / 3, 2.0]}).to_csv(tmp_path / name / "final.csv", index=False)
    runs = pd.DataFrame({"id": ["one", "two"], "data": ["digits", "wine"]})
    found = batches.table(runs, tmp_path, "final.csv")
    assert json.loads(found.to_json(orient="values")) == [
        *(["digits", 0, 0.333333], ["digits", 1, 2.0]),
        *(["wine", 0, 0.333333], ["wine", 1, 2.0]),
    ]
