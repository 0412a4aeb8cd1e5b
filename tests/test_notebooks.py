"""Stored notebooks keep the rules, fail when they have no outputs, and run with other parameters.

nbval itself compares every stored output with a fresh run: `pytest --nbval notebooks`, part of `make test`.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from conftest import ROOT
from execute_notebooks import RUNTIME, timed
from notebook_rules import MAX_BYTES, problems
from readme_picture import PICTURE, tagged_picture

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COLLAPSE = ROOT / "notebooks" / "03-kl-collapse.ipynb"
OTHER_VALUES = {"seeds": 1, "epochs": 8, "latent_dim": 4}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@each_notebook
def test_stored_as_it_should_be(path: Path) -> None:
    assert problems(nbformat.read(path, as_version=4)) == []


@each_notebook
def test_small_enough_to_store(path: Path) -> None:
    assert path.stat().st_size < MAX_BYTES


@each_notebook
def test_a_copy_without_outputs_is_refused(path: Path) -> None:
    stripped = copy.deepcopy(nbformat.read(path, as_version=4))
    for cell in stripped.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    found = problems(stripped)
    assert "stored without outputs; run `make notebooks`" in found
    assert any(line.startswith("code cells were not all executed") for line in found)


@each_notebook
def test_widgets_keep_their_state(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    kind = "application/vnd.jupyter.widget-view+json"
    shown = [
        output["data"][kind]["model_id"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    ]
    states = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    assert set(shown) <= set(states.get("state", {}))


def test_the_readme_shows_the_stored_picture() -> None:
    assert PICTURE.read_bytes() == tagged_picture(), "run `make notebooks`"


def test_some_notebook_has_a_widget() -> None:
    assert any("jupyter.widget-view+json" in path.read_text(encoding="utf-8") for path in NOTEBOOKS)


def test_papermill_runs_the_collapse_with_other_parameters(tmp_path: Path) -> None:
    known = papermill.inspect_notebook(COLLAPSE)
    assert set(OTHER_VALUES) <= set(known), "papermill only warns about a parameter that does not exist"
    out = tmp_path / "out.ipynb"
    ran = papermill.execute_notebook(
        COLLAPSE, out, parameters=OTHER_VALUES, kernel_name="python3", cwd=COLLAPSE.parent, progress_bar=False
    )
    assert nbformat.read(out, as_version=4).metadata.papermill.exception is None
    assert ran.metadata.papermill.parameters == OTHER_VALUES
    assert not [o for cell in ran.cells for o in cell.get("outputs", []) if o.output_type == "error"]


@each_notebook
def test_says_how_long_it_runs(path: Path) -> None:
    """At most a minute, as `make notebooks` measured it."""
    prose = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    (seconds,) = RUNTIME.findall(prose)
    assert 0 < int(seconds) <= 60


@pytest.mark.parametrize(("written", "seconds", "stored"), [
    ("30", 41.0, "45"),
    ("30", 37.0, "30"),
    ("30", 20.0, "20"),
    ("NN", 11.2, "15"),
])  # fmt: skip
def test_the_running_time_is_brought_up_to_date(written: str, seconds: float, stored: str) -> None:
    text = "**It runs in** about {} seconds on two cores."
    assert timed(text.format(written), seconds) == text.format(stored)


def small_notebook(source: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])


def run_tool(*arguments: Path | str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "book" / "tools" / "execute_notebooks.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_failing_notebook_stays_as_it_was(tmp_path: Path) -> None:
    path, other = tmp_path / "broken.ipynb", tmp_path / "whole.ipynb"
    nbformat.write(small_notebook("print(1)\n1 / 0"), path)
    nbformat.write(small_notebook("print(2)"), other)
    before = path.read_bytes()
    done = run_tool(path, other)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout
    assert path.read_bytes() == before
    assert nbformat.read(other, as_version=4).cells[0].outputs[0].text == "2\n"
    assert sorted(tmp_path.iterdir()) == [path, other]


def test_times_are_stored_on_request_only(tmp_path: Path) -> None:
    path = tmp_path / "short.ipynb"
    cells = [nbformat.v4.new_markdown_cell("**It runs in** about 60 seconds on two cores.")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    for arguments, said in (((path,), "about 60"), (("--timed", path), "about 5 ")):
        assert run_tool(*arguments).returncode == 0
        assert said in path.read_text(encoding="utf-8")


def test_executing_twice_stores_the_same(tmp_path: Path) -> None:
    path = tmp_path / "slider.ipynb"
    source = (
        "from ipywidgets import HTML, IntSlider, Stack, VBox, jslink\n"
        "slider, stack = IntSlider(max=1), Stack([HTML('a'), HTML('b')], selected_index=0)\n"
        "link = jslink((slider, 'value'), (stack, 'selected_index'))\n"
        "VBox([slider, stack])"
    )
    nbformat.write(small_notebook(source), path)
    assert run_tool(path).returncode == 0
    first = path.read_bytes()
    state = json.loads(first)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert {"IntSliderModel", "StackModel", "LinkModel"} <= {model["model_name"] for model in state.values()}
    assert run_tool(path).returncode == 0
    assert path.read_bytes() == first
