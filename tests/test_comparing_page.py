"""The page on comparing schedules of one's own data: each block runs as it stands there, with few seeds and epochs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT
from pages import bash, blocks, changed, project, rows
from test_book import Tags

import vaelib
from vaelib.cli import main
from vaelib.comparison import declared_parameters
from vaelib.comparison.parameters import read_notebook
from vaelib.statistics import VERDICTS

PAPERMILL, BATCH, REPORT, JUPYTEXT = blocks("comparing", "bash")
TABLE, LOOK, SEEDS, GRID, OWN = blocks("comparing", "python")
(SPECIFICATION,) = blocks("comparing", "yaml")
(INCLUDING,) = blocks("comparing", "md")
CHAPTER = "notebooks/07-choosing-a-schedule.ipynb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the page's table, specification and notebook."""
    folder = project(tmp_path_factory.mktemp("comparing"))
    bash(folder, f".venv/bin/python - <<'END'\n{TABLE}END").check_returncode()
    (folder / "mine.yml").write_text(SPECIFICATION)
    (folder / "own.py").write_text(
        changed(OWN, {"seeds: int = 10": "seeds: int = 2", "epochs: int = 40": "epochs: int = 2"})
    )
    bash(folder, JUPYTEXT).check_returncode()
    return folder


def test_the_table_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    exec(LOOK, {})
    assert "examples of shape (13,)" in capsys.readouterr().out


def test_one_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ended = bash(folder, changed(PAPERMILL, {"-p output mine": "-p output mine -p seeds 2 -p epochs 3"}))
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert (folder / "mine.ipynb").is_file()
    final = pd.read_csv(folder / "mine" / "final.csv")
    assert final["schedule"].unique().tolist() == ["constant", "linear", "cosine"]
    assert set(final["seed"]) == {0, 1}
    monkeypatch.chdir(folder)
    exec(SEEDS, {})
    for line, name in zip(capsys.readouterr().out.splitlines(), ("linear", "cosine"), strict=True):
        assert re.fullmatch(rf"{name} ({'|'.join(VERDICTS)}) \d+", line)


def test_in_python(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    exec(changed(GRID, {"seeds=10, epochs=40": "seeds=2, epochs=2", "warmup_epochs=12": "warmup_epochs=1"}), {})
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[-2:]] == ["linear", "cosine"]


def test_the_page_names_the_chapters_parameters_and_every_verdict() -> None:
    text = (ROOT / "book" / "comparing.md").read_text(encoding="utf-8")
    table = text[text.index("| Parameter |") :].split("\n\n")[0]
    named = {name for row in re.findall(r"(?m)^\| (`.+?) \|", table) for name in re.findall(r"`(\w+)`", row)}
    assert named <= set(declared_parameters(read_notebook(ROOT / CHAPTER), CHAPTER))
    names = re.search(r"(?m)^\| `schedules` \| some of (.*);", text)
    assert names
    for name in re.findall("`(.+?)`", names[1]):
        assert f'\\"{name}\\": get_beta_scheduler(' in (ROOT / CHAPTER).read_text(encoding="utf-8")
    assert re.findall(r"(?m)^\| (.+?) \| is ", text) == list(VERDICTS)


def test_a_batch_its_report_and_a_book_with_it(folder: Path) -> None:
    assert main(["compare", str(folder / "mine.yml"), "--output", "none", "--dry-run"]) == 0
    (folder / "mine.yml").write_text(changed(SPECIFICATION, {CHAPTER: "own.ipynb"}))
    ended = bash(folder, BATCH)
    assert (ended.returncode, ended.stderr) == (0, "")
    listed = [line for line in ended.stdout.splitlines() if re.search(r"  (missing|done)\b", line)]
    assert [line.split()[1] for line in listed[:2]] == ["missing", "missing"]
    assert re.findall(r"(\d+) runs of own.ipynb: (\d) done, (\d) to run", ended.stdout) == [
        ("1", "0", "1"),
        ("2", "1", "1"),
    ]
    ended = bash(folder, REPORT)
    assert (ended.returncode, ended.stderr) == (0, "")
    listed = re.findall(r"(?m)^- `(report.+?)`", (ROOT / "book" / "comparing.md").read_text(encoding="utf-8"))
    assert sorted(Path(line).name for line in ended.stdout.splitlines()[1:]) == sorted(listed)
    built(folder)


def built(folder: Path) -> None:
    """Builds a book of one page, the one that the page shows, and looks at it."""
    book = folder / "book"
    shutil.copytree(folder / "runs", book / "runs")
    (book / "index.md").write_text(INCLUDING)
    (book / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (book / "_config.yml").write_text("title: A book\nonly_build_toc_files: true\n")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", book, "--warningiserror", "--keep-going"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    page = (book / "_build" / "html" / "index.html").read_text("utf-8")
    article = page[page.index('<article class="bd-article">') : page.index("</article>")]
    headings = [
        re.sub("<.*?>", "", f"{level} {text}") for level, text in re.findall(r"<h(\d)>(.*?)<a class=\"h", article)
    ]
    assert headings == ["1 Which schedule for my data", "2 The evidence"]
    assert re.findall("<h3>(.*?)</h3>", article) == ["All settings", "latent_dim=2", "latent_dim=8", "Where it ran"]
    toc = page[page.index('class="page-toc"') :]
    assert re.findall('href="#(.*?)"', toc[: toc.index("</nav>")]) == ["the-evidence"]
    reader = Tags()
    reader.feed(article)
    images = [attributes for tag, attributes in reader.found if tag == "img"]
    assert len(images) == 2
    assert all(str(each["src"]).startswith("data:image/png") and each["alt"] for each in images)


@pytest.mark.parametrize(("part", "answer"), rows("comparing", "Part"))
def test_a_specification_that_is_refused(
    folder: Path, part: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "wrong.yml"
    path.write_text(f"notebook: {CHAPTER}\n{part}\n")
    assert main(["compare", str(path), "--output", str(folder / "wrong"), "--dry-run"]) == 2
    message = capsys.readouterr().err.removeprefix("error: ").strip()
    begin, _, end = answer.partition("…")
    assert message.startswith(f"{begin.strip()} ")
    assert message.endswith(end)


@pytest.mark.parametrize(("line", "answer"), rows("comparing", "Line"))
def test_a_table_that_is_refused(tmp_path: Path, line: str, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("1,2\n" * 10 + f"{line}\n")
    with pytest.raises(ValueError, match="^Argument") as refused:
        vaelib.load_dataset("mine.csv")
    assert str(refused.value) == answer


def test_both_tables_of_refusals_are_read() -> None:
    assert len(rows("comparing", "Part")) == 6
    assert len(rows("comparing", "Line")) == 3
