"""`measure_members`: what a function says of each member, beside what the grid says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vaelib import BetaVAE, Dataset, GridResult, active_units, build_vae, encode, measure_members, train_grid

X = np.random.default_rng(0).normal(size=(60, 6)).astype("float32")
DATA = Dataset("noise", X[:40], X[40:50], X[50:])


def build(seed: int) -> BetaVAE:
    return build_vae((6,), 2, hidden=(8,), batch_norm=False, dropout=0.0, seed=seed)


@pytest.fixture(scope="module")
def grid() -> GridResult:
    with pytest.warns(RuntimeWarning, match="2 of 4 members broke"):
        return train_grid(build, DATA, {"low": 0.1, "broken": 1e38}, seeds=2, epochs=2, batch_size=16)


def test_columns_are_added_and_replaced(grid: GridResult) -> None:
    def measure(model: BetaVAE) -> dict[str, Any]:
        return {"seed_of_model": model.seed, "active_units": active_units(encode(model, DATA.x_test)[0])}

    table = measure_members(grid, measure)
    assert list(table.columns) == [name for name in grid.final if name != "active_units"] + [
        "seed_of_model", "active_units"
    ]  # fmt: skip
    low, broken = (table[table["schedule"] == name] for name in ("low", "broken"))
    assert low["seed_of_model"].tolist() == [0, 1]
    assert low["active_units"].tolist() == grid.final["active_units"][:2].tolist()
    assert broken["seed_of_model"].isna().all()
    assert "seed_of_model" not in grid.final


@pytest.mark.parametrize(("arguments", "message"), [
    ((3, dict), "Argument `grid` must be what train_grid returned. Received: grid=3."),
    ((None, 3), "Argument `measure` must be a function from a model to numbers by name. Received: measure=3."),
    ((None, lambda model: 3), "Argument `measure` must return a mapping. Received: measure=3."),
])  # fmt: skip
def test_refused(grid: GridResult, arguments: tuple[Any, Any], message: str) -> None:
    given, measure = arguments
    with pytest.raises(ValueError, match="^Argument ") as error:
        measure_members(given or grid, measure)
    assert str(error.value) == message
