"""The report on a batch: one self-contained page, which opens with the answer, and one table."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from vaelib._files import atomic_path
from vaelib.comparison.folder import RunsFolder, error_text
from vaelib.comparison.results import answer, compare_settings, read_results
from vaelib.plots import plot_differences
from vaelib.statistics import VERDICTS

PAGE, TABLE = "report.html", "report.csv"
_COLUMNS = {
    "schedule": "schedule",
    "pairs": "seeds",
    "schedule_mean": "mean",
    "difference": "difference",
    "interval": "interval",
    "p_holm": "p (Holm)",
    "win_rate": "better in",
    "verdict": "verdict",
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b;
       background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; } .answer { font-size: 1.2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
img { max-width: 100%; height: auto; background: #fff; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616; } th, td { border-color: #444; } }
"""


def write_report(
    runs: str | os.PathLike[str], output: str | os.PathLike[str] | None = None, **compared: Any
) -> tuple[Path, Path, pd.DataFrame]:
    """Writes `report.html` and `report.csv` on the finished runs of a batch; earlier ones of both are replaced.

    Args:
        runs: the folder that `vaelib compare` filled.
        output: the folder for both files, that of the runs by default.
        compared: the arguments of `compare_settings`.

    Returns:
        The paths of the page and of the table, and that table: one row for each setting and schedule.

    Raises:
        ValueError: as `read_results` and `compare_settings` do.
    """
    results = read_results(runs)
    differences = compare_settings(results, **compared)
    folder = Path(runs if output is None else output)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / TABLE) as temporary:
        differences.to_csv(temporary, index=False, lineterminator="\n")
    with atomic_path(folder / PAGE) as temporary:
        temporary.write_text(_page(results, differences, RunsFolder(runs)), "utf-8")
    return folder / PAGE, folder / TABLE, differences


def _page(results: pd.DataFrame, differences: pd.DataFrame, folder: RunsFolder) -> str:
    first = differences.iloc[0]
    measure, baseline = str(first["measure"]), str(first["baseline"])
    seeds = results.groupby("setting")["seed"].nunique()
    told = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    parts = [
        f"<h1>Which schedule? {escape(baseline)} and {differences['schedule'].nunique()} others</h1>",
        f'<p class="answer"><strong>{escape(answer(differences))}</strong></p>',
        f"<p>{differences['setting'].nunique()} settings, {told} seeds each. Differences of {escape(measure)} to "
        f"{escape(baseline)} on test data, within each seed; intervals of one setting hold together with 95 %; a "
        f"difference below {first['smallest_effect']:g} would not matter.</p>",
        "<h2>All settings</h2>",
        _table(_counts(differences)),
    ]
    for setting, rows in differences.groupby("setting", sort=False):
        parts += [f"<h2>{escape(str(setting))}</h2>", _picture(rows, str(setting)), _table(_readable(rows))]
    failed = [record for record in folder.records.values() if record["status"] != "done"]
    if failed:
        items = "".join(f"<li>{escape(record['id'])}: {escape(error_text(record))}</li>" for record in failed)
        parts += [f"<h2>{len(failed)} run{'s' if len(failed) > 1 else ''} failed</h2>", f"<ul>{items}</ul>"]
    parts += ["<h2>Where it ran</h2>", _table(_machines(list(folder.records.values())))]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Which schedule?</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _counts(differences: pd.DataFrame) -> pd.DataFrame:
    counts = pd.crosstab(differences["schedule"], differences["verdict"])
    counts = counts.reindex(index=differences["schedule"].unique(), columns=list(VERDICTS), fill_value=0)
    return counts.rename_axis(columns=None).reset_index()


def _readable(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(
        schedule_mean=rows["schedule_mean"].map("{:.2f}".format),
        difference=rows["difference"].map("{:+.2f}".format),
        interval=[f"{low:+.2f} to {high:+.2f}" for low, high in zip(rows["low"], rows["high"], strict=True)],
        p_holm=rows["p_holm"].map("{:.2g}".format),
        win_rate=rows["win_rate"].map("{:.0%}".format),
    )
    return rows[list(_COLUMNS)].rename(columns=_COLUMNS)


def _machines(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame([{"machine": record.get("host"), "seconds": record.get("seconds")} for record in records])
    whole = table.groupby("machine", dropna=False)["seconds"].agg(["count", "sum"]).reset_index()
    return whole.rename(columns={"count": "runs", "sum": "seconds in all"}).round(0)


def _table(rows: pd.DataFrame) -> str:
    return f'<div class="wide">{rows.to_html(index=False, border=0, na_rep="–")}</div>'


def _picture(rows: pd.DataFrame, setting: str) -> str:
    figure = Figure(figsize=(5.6, 0.4 * len(rows) + 1.1), layout="constrained")
    plot_differences(rows, ax=figure.subplots())
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=180)
    said = "; ".join(f"{row.schedule} {row.difference:+.2f}, {row.verdict}" for row in rows.itertuples())
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(f"Differences, {setting}: {said}.", quote=True)}">'
