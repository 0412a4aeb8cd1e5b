"""What the runs of a batch found: their tables as one, the schedules compared in each, the answer in a sentence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd

from vaelib._checks import Described, argument_error
from vaelib.comparison.folder import RunsFolder, shown
from vaelib.comparison.selection import selected
from vaelib.statistics import paired_differences

FINAL = "final.csv"  # what a notebook writes to `output`: one row for each schedule and seed
_KEYS = ("schedule", "seed")


def read_results(path: str | os.PathLike[str], only: str | None = None) -> pd.DataFrame:
    """Returns the tables of all finished runs of a batch as one, each row with its run's `id` and `setting`.

    The setting is what tells a run from the others: the parameters that are not the same in all of them.

    Args:
        path: the folder of the runs, as `vaelib compare` writes it.
        only: the runs with `name=value`, or with this text in their id or parameters; None: all.

    Raises:
        ValueError: if there is no finished run, `only` selects none, one wrote no `final.csv` with the columns schedule
            and seed, or two runs have the same setting.
    """
    records = {name: record for name, record in RunsFolder(path).records.items() if record["status"] == "done"}
    if not records:
        remedy = "`vaelib compare` makes them."
        raise argument_error("runs", "be a folder with finished runs", str(path), remedy)
    parameters = {name: record["parameters"] for name, record in records.items()}
    settings = _settings({name: parameters[name] for name in selected(parameters, only)})
    if len(set(settings.values())) < len(settings):
        _refuse_outdated(path, settings, {name: str(records[name]["started"]) for name in settings})
    tables = []
    for name in sorted(settings, key=lambda name: settings[name]):
        file = Path(path) / name / FINAL
        try:
            table = pd.read_csv(file)
        except (OSError, ValueError):  # what pandas says of a file that is empty or no table included
            table = pd.DataFrame()
        if not set(_KEYS) <= set(table.columns):
            must = f"hold runs whose notebook writes {FINAL} with the columns schedule and seed to its `output`"
            raise argument_error("runs", must, str(file))
        table.insert(0, "setting", settings[name])
        table.insert(0, "id", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def compare_settings(
    results: pd.DataFrame,
    measure: str = "negative_elbo",
    baseline: str = "constant",
    *,
    smallest_effect: float,
    lower_is_better: bool = True,
) -> pd.DataFrame:
    """Returns the paired differences of every setting: `paired_differences`, each row with its `setting`.

    Args:
        results: what `read_results` returns.
        measure: a column of numbers.
        baseline: the schedule that the others are compared with.
        smallest_effect: the smallest difference that would matter, >= 0.
        lower_is_better: False for measures like `active_units`.

    Raises:
        ValueError: as `paired_differences` does, or if a setting has no number at all for the measure.
    """
    tables = []
    for setting, table in results.groupby("setting", sort=False):
        if measure in table and table[measure].isna().all():
            received = Described(f"{measure!r}, of which the run with {setting} has no number")
            raise argument_error("measure", "be a column that every run has", received)
        found = paired_differences(
            table, measure, baseline, smallest_effect=smallest_effect, lower_is_better=lower_is_better
        )
        found.insert(0, "setting", setting)
        tables.append(found)
    return pd.concat(tables, ignore_index=True)


def answer(differences: pd.DataFrame) -> str:
    """Returns what the verdicts say of "which schedule?", in one sentence.

    Args:
        differences: what `compare_settings` returns.

    >>> import pandas as pd
    >>> rows = [("digits", "linear", "better"), ("wine", "linear", "no practical difference")]
    >>> table = pd.DataFrame(rows, columns=["setting", "schedule", "verdict"])
    >>> answer(table.assign(baseline="constant", smallest_effect=0.5))
    'It depends: linear is better than constant by more than 0.5 in 1 of 2 settings and worse in 0.'
    """
    baseline, effect = differences["baseline"].iloc[0], float(differences["smallest_effect"].iloc[0])
    n = differences["setting"].nunique()
    everywhere = "here" if n == 1 else f"in all {n} settings"
    counts = pd.crosstab(differences["schedule"], differences["verdict"])
    counts = counts.reindex(columns=["better", "worse", "cannot tell at this size"], fill_value=0)
    counts = counts.reindex(differences["schedule"].unique())
    best = [str(name) for name in counts.index[counts["better"] == n]]
    if best:
        return f"Use {_listed(best, 'or')}: better than {baseline} by more than {effect:g} {everywhere}."
    if counts["better"].any():
        sometimes = counts[counts["better"] > 0]
        one = int((sometimes["better"] - sometimes["worse"]).argmax())
        better, worse = sometimes["better"].iloc[one], sometimes["worse"].iloc[one]
        what = f"{sometimes.index[one]} is better than {baseline} by more than {effect:g}"
        return f"It depends: {what} in {better} of {n} settings and worse in {worse}."
    open_ones = [str(name) for name in counts.index[counts["cannot tell at this size"] > 0]]
    if not open_ones:
        return f"Stay with {baseline}: no schedule is better by more than {effect:g}, {everywhere}."
    return (
        f"Nothing was shown to be better than {baseline} by more than {effect:g}; of {_listed(open_ones, 'and')} more "
        "seeds would have to tell."
    )


def _refuse_outdated(path: str | os.PathLike[str], settings: dict[str, str], started: dict[str, str]) -> NoReturn:
    """Names, of runs with the same setting, all but the latest."""
    latest = {settings[name]: name for name in sorted(settings, key=lambda name: (started[name], name))}
    others = sorted(settings.keys() - latest.values())
    must = "hold one run for each setting: these are followed by others that differ in notebook, data or vaelib alone"
    remedy = f"If they are out of date, remove their folders from {path}."
    raise argument_error("runs", must, Described(", ".join(others)), remedy)


def _settings(parameters: dict[str, dict[str, Any]]) -> dict[str, str]:
    """What tells each run from the others, as text; "all" for a single one."""
    names = dict.fromkeys(name for each in parameters.values() for name in each)
    texts = {run: {name: shown(each.get(name)) for name in names} for run, each in parameters.items()}
    varied = [name for name in names if len({each[name] for each in texts.values()}) > 1]
    return {run: ", ".join(f"{name}={each[name]}" for name in varied) or "all" for run, each in texts.items()}


def _listed(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
