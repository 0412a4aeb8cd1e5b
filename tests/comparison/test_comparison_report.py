"""What a batch says of the schedules: its tables as one, the answer, the page."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from vaelib.cli import main
from vaelib.comparison import Run, RunsFolder
from vaelib.comparison.report import write_report
from vaelib.comparison.results import answer, compare_settings, read_results
from vaelib.statistics import paired_differences

SEEDS = range(10)


def final(effects: dict[str, float], seed: int = 0) -> pd.DataFrame:
    """A table whose schedules differ from "constant" by known effects, with a spread of 0.1."""
    rng = np.random.default_rng(seed)
    of_seed = rng.normal(20, 3, len(SEEDS))
    parts = [
        pd.DataFrame({"schedule": name, "seed": SEEDS, "negative_elbo": of_seed + effect + 0.1 * rng.normal(size=10)})
        for name, effect in {"constant": 0.0, **effects}.items()
    ]
    return pd.concat(parts, ignore_index=True)


def store(folder: RunsFolder, parameters: dict[str, Any], table: pd.DataFrame | None, **changes: Any) -> Run:
    run = Run(Path("choosing.ipynb"), parameters, "c0de")
    times = {"started": "2030-01-01T00:00:00+00:00", "ended": "2030-01-01T00:01:00+00:00", "seconds": 60.0}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("other.txt", "")
        if table is not None:
            archive.writestr("final.csv", table.to_csv(index=False))
    record = {"status": "done", "error": None, **times, "host": "here", "worker": "w", "tries": 1, **changes}
    folder.store(run, record, content.getvalue())
    return run


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    folder = RunsFolder(tmp_path / "runs")
    with folder.locked():
        store(folder, {"data": "digits", "epochs": 9}, final({"linear": -1.0, "cyclical": 5.0}, seed=1))
        store(folder, {"data": "wine", "epochs": 9}, final({"linear": 0.0, "cyclical": 5.0}, seed=2))
    return folder


def test_the_tables_of_all_runs_as_one(runs: RunsFolder) -> None:
    results = read_results(runs.path)
    assert results["setting"].unique().tolist() == ["data=digits", "data=wine"]
    assert len(results) == 2 * 3 * 10
    assert set(results["id"]) == set(runs.records)


def test_one_run_is_the_setting_all(tmp_path: Path) -> None:
    folder = RunsFolder(tmp_path)
    with folder.locked():
        store(folder, {"data": "digits"}, final({}))
    assert set(read_results(tmp_path)["setting"]) == {"all"}


def test_each_setting_is_compared_by_itself(runs: RunsFolder) -> None:
    results = read_results(runs.path)
    found = compare_settings(results, smallest_effect=0.5)
    wine = results[results["setting"] == "data=wine"]
    expected = paired_differences(wine, smallest_effect=0.5)
    own = found[found["setting"] == "data=wine"].drop(columns="setting").reset_index(drop=True)
    pd.testing.assert_frame_equal(own, expected)
    verdicts = found.set_index(["setting", "schedule"])["verdict"].to_dict()
    assert verdicts == {
        ("data=digits", "linear"): "better",
        ("data=digits", "cyclical"): "worse",
        ("data=wine", "linear"): "no practical difference",
        ("data=wine", "cyclical"): "worse",
    }


@pytest.mark.parametrize(("verdicts", "said"), [
    ({"a": ["better"], "b": ["worse"]}, "Use a: better than constant by more than 0.5 here."),
    ({"a": ["better"] * 2, "b": ["better"] * 2},
     "Use a or b: better than constant by more than 0.5 in all 2 settings."),
    ({"a": ["better", "worse"], "b": ["better", "no practical difference"]},
     "It depends: b is better than constant by more than 0.5 in 1 of 2 settings and worse in 0."),
    ({"a": ["better", "worse", "worse"], "b": ["no practical difference"] * 3},
     "It depends: a is better than constant by more than 0.5 in 1 of 3 settings and worse in 2."),
    ({"a": ["worse"], "b": ["no practical difference"]},
     "Stay with constant: no schedule is better by more than 0.5, here."),
    ({"a": ["cannot tell at this size"], "b": ["cannot tell at this size"], "c": ["worse"]},
     "Nothing was shown to be better than constant by more than 0.5; of a and b more seeds would have to tell."),
])  # fmt: skip
def test_the_answer_follows_from_the_verdicts(verdicts: dict[str, list[str]], said: str) -> None:
    rows = [
        {"setting": str(i), "schedule": name, "verdict": verdict, "baseline": "constant", "smallest_effect": 0.5}
        for name, each in verdicts.items()
        for i, verdict in enumerate(each)
    ]
    assert answer(pd.DataFrame(rows)) == said


def test_the_page_stands_alone_and_opens_with_the_answer(runs: RunsFolder, tmp_path: Path) -> None:
    with runs.locked():
        error = {"cell": 3, "line": "fit()", "name": "ValueError", "message": "no <data>"}
        store(runs, {"data": "bad", "epochs": 9}, None, status="failed", error=error)
    page, table, differences = write_report(runs.path, tmp_path / "out", smallest_effect=0.5)
    text = page.read_text("utf-8")
    body = text[text.index("<body>") :]
    assert body.index(answer(differences)) < body.index("<table")
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert text.count("<img ") == text.count(' alt="Differences, data=') == 2
    assert "no &lt;data&gt;" in text
    assert "<h2>1 run failed</h2>" in text
    pd.testing.assert_frame_equal(pd.read_csv(table), differences, check_dtype=False)


class Outline(HTMLParser):
    """Collects tags, headings and ids, and refuses tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_fragment_is_the_page_without_its_frame(runs: RunsFolder, tmp_path: Path) -> None:
    page, _, differences = write_report(runs.path, tmp_path / "out", smallest_effect=0.5)
    fragment = page.with_name("report-fragment.html").read_text("utf-8")
    outline = Outline()
    outline.feed(fragment)
    assert outline.open == []
    assert not {"html", "head", "body", "title", "meta", "h1", "h2"} & {*outline.tags}
    assert outline.tags[:4] == ["style", "div", "p", "strong"]
    assert outline.tags.count("img") == 2
    style = fragment[fragment.index("<style>") + 7 : fragment.index("</style>")]
    assert all(rule.strip().startswith(".vaelib-report ") for rule in re.findall(r"[^{}]+(?={)", style))
    assert "color:" not in style.replace("background", "")  # those of the page around it
    assert fragment.replace("h3>", "h2>") in page.read_text("utf-8")
    assert answer(differences) in fragment


def test_figures_can_be_read_on_any_page(runs: RunsFolder, tmp_path: Path) -> None:
    page, _, _ = write_report(runs.path, tmp_path, smallest_effect=0.5)
    data = re.findall(r'src="data:image/png;base64,([^"]+)"', page.read_text("utf-8"))
    for each in data:
        picture = plt.imread(io.BytesIO(base64.b64decode(each)))
        assert picture[0, 0, 3] == 0  # clear
        seen = picture[picture[..., 3] == 1][:, :3]
        assert seen.mean(axis=1).min() > 0.1  # and no black
    assert len(data) == 2


def test_the_command(runs: RunsFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs.path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("It depends: linear is better than constant by more than 0.5 in 1 of 2 settings")
    assert [Path(line).name for line in out[1:]] == ["report.html", "report-fragment.html", "report.csv"]
    assert main(["report", str(runs.path), "--baseline", "linear", "--smallest-effect", "0.3"]) == 0


@pytest.mark.parametrize(("arguments", "message"), [
    (["--smallest-effect", "-1"], "`--smallest-effect` must be a number >= 0. Received: --smallest-effect='-1'."),
    (["--smallest-effect", "much"], "`--smallest-effect` must be a number >= 0."),
    (["--baseline", "Linear"], "`baseline` must be one of"),
    (["--measure", "loss"], "`measure` must be"),
    (["--only", "data=mnist"], "`--only` must select at least one run."),
    (["--output", __file__], "`--output` must be a folder that can be written to."),
])  # fmt: skip
def test_refused(arguments: list[str], message: str, runs: RunsFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs.path), *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"error: Argument {message}")
    assert not (runs.path / "report.html").exists()


def test_folders_without_comparable_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "Argument `runs` must be a folder with finished runs" in capsys.readouterr().err
    folder = RunsFolder(tmp_path)
    with folder.locked():
        run = store(folder, {"data": "digits"}, None)
    assert main(["report", str(tmp_path)]) == 2
    assert "writes final.csv with the columns schedule and seed" in capsys.readouterr().err
    record = json.loads((tmp_path / run.id / "run.json").read_text())
    (tmp_path / run.id / "final.csv").write_text(final({"linear": 0.0}).to_csv(index=False))
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "run.json").write_text(json.dumps({**record, "id": "older", "started": "2029-12-31"}))
    (tmp_path / "older" / "final.csv").write_text(final({"linear": 0.0}).to_csv(index=False))
    assert main(["report", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "hold one run for each setting" in err
    assert f"Received: runs=older. If they are out of date, remove their folders from {tmp_path}." in err
    assert main(["report", str(tmp_path), "--only", run.id]) == 0
    for content in (b"", b"\xff\xfe\x00", b'"'):
        (tmp_path / run.id / "final.csv").write_bytes(content)
        assert main(["report", str(tmp_path), "--only", run.id]) == 2
        assert "writes final.csv with the columns schedule and seed" in capsys.readouterr().err


def test_a_measure_that_one_run_lacks_is_refused(runs: RunsFolder, capsys: pytest.CaptureFixture[str]) -> None:
    name = next(iter(runs.records))
    path = runs.path / name / "final.csv"
    path.write_text(pd.read_csv(path).drop(columns="negative_elbo").to_csv(index=False))
    assert main(["report", str(runs.path)]) == 2
    assert "Argument `measure` must be a column that every run has." in capsys.readouterr().err


def test_what_a_few_seeds_cannot_tell(tmp_path: Path) -> None:
    """One pair has no interval; pairs that were lost are told."""
    table = final({"linear": 0.0, "cosine": 0.0})
    table["failure"] = None
    table.loc[(table["schedule"] == "linear") & (table["seed"] > 0), "failure"] = "broke"
    folder = RunsFolder(tmp_path)
    with folder.locked():
        store(folder, {"data": "digits"}, table)
    page, _, _ = write_report(tmp_path, smallest_effect=0.5)
    text = page.read_text()
    cells = [re.findall("<td>(.*?)</td>", row) for row in re.findall("(?s)<tr>(.*?)</tr>", text)]
    (linear,) = (row for row in cells if row and row[0] == "linear" and "of 10" in row[2])
    assert linear[2] == "1 of 10"
    assert linear[5:7] == ["–", "–"]
    assert not any("nan" in cell for row in cells for cell in row)
