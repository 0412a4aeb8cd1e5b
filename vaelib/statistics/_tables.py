"""Checks of the tables of results that are compared: one row for each schedule and seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vaelib._arrays import LARGEST
from vaelib._checks import Described, argument_error, nearest


def measured(name: str, table: Any, measure: Any, keys: Sequence[str]) -> pd.DataFrame:
    """Returns the columns `keys` and, as float64 under the name "value", `measure`; NaN for what has failed.

    Args:
        name: the argument's name, for the error.
        table: what should be a DataFrame with these columns.
        measure: what should be the name of a column of numbers.
        keys: columns that together name each row once, "schedule" among them; schedules are returned as text.

    Raises:
        ValueError: if it is no such table.
    """
    if not isinstance(table, pd.DataFrame):
        raise argument_error(name, "be a pandas DataFrame", Described(f"a {type(table).__name__}"))
    columns = list(table.columns)
    if len(set(columns)) < len(columns):
        raise argument_error(name, "have each column once", Described(f"one with the columns {columns}"))
    if missing := [key for key in keys if key not in columns]:
        must = f"have the columns {', '.join(map(repr, keys))}"
        raise argument_error(name, must, Described(f"one without {', '.join(map(repr, missing))}"))
    numeric = [str(column) for column in columns if column not in keys and table[column].dtype.kind in "iuf"]
    if not isinstance(measure, str) or measure not in numeric:
        must = f"be a column of numbers in `{name}`, one of {', '.join(map(repr, numeric)) or 'none'}"
        raise argument_error("measure", must, measure, nearest(measure, numeric))
    if table.empty:
        raise argument_error(name, "have a row for each schedule and seed", Described("one without rows"))
    rows = table[list(keys)].reset_index(drop=True)
    if unnamed := int(rows.isna().any(axis=1).sum()):
        must = f"name {' and '.join(keys)} in every row"
        raise argument_error(name, must, Described(f"one with {unnamed} rows that do not"))
    rows["schedule"] = rows["schedule"].astype(str)
    if (again := rows.duplicated()).any():
        first = ", ".join(f"{key} {value!s}" for key, value in rows[again].iloc[0].items())
        remedy = "Take the rows of one epoch." if "epoch" in columns and "epoch" not in keys else ""
        raise argument_error(
            name, f"have one row for each {' and '.join(keys)}", Described(f"one with two of {first}"), remedy
        )
    value = table[measure].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    whole = table["failure"].isna().to_numpy() if "failure" in columns else np.ones(len(table), bool)
    rows["value"] = np.where(whole & (np.abs(value) <= LARGEST), value, np.nan)
    return rows


def by_seed(name: str, table: Any, measure: Any) -> pd.DataFrame:
    """Returns the measure as seeds × schedules, the schedules in their order in the table; NaN where there is none.

    Raises:
        ValueError: if it is no table of one row for each schedule and seed, or holds one schedule only.
    """
    rows = measured(name, table, measure, ("schedule", "seed"))
    wide = rows.pivot(index="seed", columns="schedule", values="value")[list(dict.fromkeys(rows["schedule"]))]
    if wide.shape[1] < 2:
        received = Described(f"one with {wide.columns[0]!r} only")
        raise argument_error(name, "hold two schedules or more", received)
    return wide
