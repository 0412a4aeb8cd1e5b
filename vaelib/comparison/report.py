"""The report on a batch: one self-contained page, which opens with the answer, the same for a book, and one table."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vaelib._files import atomic_path, writable_folder
from vaelib.comparison.folder import RunsFolder, error_text
from vaelib.comparison.results import answer, compare_settings, read_results
from vaelib.plots import plot_differences, use_style
from vaelib.statistics import VERDICTS

PAGE, FRAGMENT, TABLE = "report.html", "report-fragment.html", "report.csv"
_COLUMNS = {
    "schedule": "schedule",
    "verdict": "verdict",
    "pairs": "seeds",
    "schedule_mean": "mean",
    "difference": "difference",
    "interval": "interval",
    "p_holm": "p (Holm)",
    "win_rate": "better in",
}
_PAGE_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b;
       background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616; } }
"""
# without colours of its own: a page around it may be light or dark, and so are the figures made
_STYLE = """
.vaelib-report .answer { font-size: 1.2rem; }
.vaelib-report .wide { overflow-x: auto; margin: 1rem 0; }
.vaelib-report table { border-collapse: collapse; font-size: .9rem; width: auto; margin: 0; }
.vaelib-report table :is(th, td) { text-align: right; padding: .25rem .6rem; white-space: nowrap; border: 0;
                                   border-bottom: 1px solid #8886; }
.vaelib-report table :is(th, td):first-child { text-align: left; }
.vaelib-report img { max-width: 100%; height: auto; background: none; }
"""


def write_report(
    runs: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    only: str | None = None,
    **compared: Any,
) -> tuple[Path, Path, pd.DataFrame]:
    """Writes `report.html` and `report.csv` on the finished runs of a batch; earlier ones are replaced.

    Beside the page stands `report-fragment.html`, which has the same to be included in a page of a book or notebook.

    Args:
        runs: the folder that `vaelib compare` filled.
        output: the folder for the files, that of the runs by default.
        only: the runs to report on, as in `read_results`; None: all.
        compared: the arguments of `compare_settings`.

    Returns:
        The paths of the page and of the table, and that table: one row for each setting and schedule.

    Raises:
        ValueError: as `read_results` and `compare_settings` do, or if the folder cannot be written to.
    """
    results = read_results(runs, only)
    differences = compare_settings(results, **compared)
    folder = writable_folder("--output", runs if output is None else output, (PAGE, FRAGMENT, TABLE), overwrite=True)
    with atomic_path(folder / TABLE) as temporary:
        differences.to_csv(temporary, index=False, lineterminator="\n")
    sections = _sections(results, differences, RunsFolder(runs))
    for name, text in {PAGE: _page(differences, sections), FRAGMENT: _fragment(sections, "h3")}.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, "utf-8")
    return folder / PAGE, folder / TABLE, differences


def _page(differences: pd.DataFrame, sections: Sequence[tuple[str, str]]) -> str:
    baseline = escape(str(differences["baseline"].iloc[0]))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Which schedule?</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_PAGE_STYLE}</style></head>\n<body>\n"
        f"<h1>Which schedule? {baseline} and {_number(differences['schedule'].nunique(), 'other')}</h1>\n"
        f"{_fragment(sections, 'h2')}</body></html>\n"
    )


def _fragment(sections: Sequence[tuple[str, str]], heading: str) -> str:
    """Returns the answer and its evidence, with headings of the level that the page around it needs."""
    parts = [f"<{heading}>{escape(name)}</{heading}>\n{text}" if name else text for name, text in sections]
    content = "\n".join(parts)
    return f'<style>{_STYLE}</style>\n<div class="vaelib-report">\n{content}\n</div>\n'


def _sections(results: pd.DataFrame, differences: pd.DataFrame, folder: RunsFolder) -> list[tuple[str, str]]:
    """Returns headings, the first of them empty, and what stands below each."""
    first = differences.iloc[0]
    measure, baseline = str(first["measure"]), str(first["baseline"])
    seeds = results.groupby("setting")["seed"].nunique()
    told = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    settings = differences["setting"].nunique()
    said = (
        f'<p class="answer"><strong>{escape(answer(differences))}</strong></p>\n'
        f"<p>{_number(settings, 'setting')}, {told} seed{'' if told == '1' else 's'} each. "
        f"Differences of {escape(measure)} to {escape(baseline)} on test data, within each seed; intervals of one "
        "setting hold together with 95 %; a "
        f"difference below {first['smallest_effect']:g} would not matter.</p>"
    )
    sections = [("", said), ("All settings", _table(_counts(differences)))]
    for setting, rows in differences.groupby("setting", sort=False):
        sections.append((str(setting), f"{_picture(rows, str(setting))}\n{_table(_readable(rows))}"))
    failed = [record for record in folder.records.values() if record["status"] != "done"]
    if failed:
        items = "".join(f"<li>{escape(record['id'])}: {escape(error_text(record))}</li>" for record in failed)
        sections.append((f"{_number(len(failed), 'run')} failed", f"<ul>{items}</ul>"))
    return [*sections, ("Where it ran", _table(_machines(list(folder.records.values()))))]


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _counts(differences: pd.DataFrame) -> pd.DataFrame:
    counts = pd.crosstab(differences["schedule"], differences["verdict"])
    counts = counts.reindex(index=differences["schedule"].unique(), columns=list(VERDICTS), fill_value=0)
    return counts.rename_axis(columns=None).reset_index()


def _readable(rows: pd.DataFrame) -> pd.DataFrame:
    known = np.isfinite(rows["low"])
    rows = rows.assign(
        pairs=[
            f"{pairs} of {pairs + dropped}" if dropped else f"{pairs}"
            for pairs, dropped in zip(rows["pairs"], rows["dropped"], strict=True)
        ],
        schedule_mean=rows["schedule_mean"].map("{:.2f}".format),
        difference=rows["difference"].map("{:+.2f}".format),
        interval=[f"{low:+.2f} to {high:+.2f}" for low, high in zip(rows["low"], rows["high"], strict=True)],
        p_holm=rows["p_holm"].map("{:.2g}".format),
        win_rate=rows["win_rate"].map("{:.0%}".format),
    )
    rows.loc[~known, ["interval", "p_holm"]] = "–"  # a single pair, say
    return rows[list(_COLUMNS)].rename(columns=_COLUMNS)


def _machines(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame([{"machine": record.get("host"), "seconds": record.get("seconds")} for record in records])
    whole = table.groupby("machine", dropna=False)["seconds"].agg(["count", "sum"]).reset_index()
    return whole.rename(columns={"count": "runs", "sum": "seconds in all"}).round(0)


def _table(rows: pd.DataFrame) -> str:
    return f'<div class="wide">{rows.to_html(index=False, border=0, na_rep="–")}</div>'


def _picture(rows: pd.DataFrame, setting: str) -> str:
    file = io.BytesIO()
    with mpl.rc_context():
        use_style()
        figure = Figure(figsize=(6.2, 0.4 * len(rows) + 1.2), layout="constrained")
        plot_differences(rows, ax=figure.subplots())
        figure.savefig(file, format="png", dpi=180)
    said = "; ".join(f"{row.schedule} {row.difference:+.2f}, {row.verdict}" for row in rows.itertuples())
    data = base64.b64encode(file.getvalue()).decode()
    said = escape(f"Differences, {setting}: {said}.", quote=True)
    # the class tells Sphinx's themes that it can be read on a dark page as it is
    return f'<img class="dark-light" src="data:image/png;base64,{data}" alt="{said}">'
