"""Runs: what names them, what leaves their names alone, and what travels with them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from light_notebook import BODY, PARAMETERS, cell, light_notebook, written

from vaelib.comparison import Run, read_specification
from vaelib.comparison.code import code_of, library_code, library_of
from vaelib.comparison.runs import InputChanged


def run_of(folder: Path, specification: str = "parameters: {data: mine.csv}\n", **changes: str) -> Run:
    folder.mkdir(exist_ok=True)
    if not (folder / "mine.csv").exists():
        (folder / "mine.csv").write_text("1,2\n")
    (run,) = read_specification(written(folder, specification, **changes))
    return run


def test_what_determines_the_result_determines_the_name(tmp_path: Path) -> None:
    names = [
        run_of(tmp_path).id,
        run_of(tmp_path, "parameters: {data: mine.csv, seeds: 3}\n").id,
        run_of(tmp_path, body=BODY + "\nx = 1").id,
        run_of(tmp_path, body=BODY + "\nimport vaelib").id,
        run_of(tmp_path, parameters=PARAMETERS.replace("seeds: int = 2", "seeds: int = 4")).id,
        run_of(tmp_path, "").id,
    ]
    (tmp_path / "mine.csv").write_text("1,3\n")
    names.append(run_of(tmp_path).id)
    (tmp_path / "mine.csv").rename(tmp_path / "other.csv")
    names.append(run_of(tmp_path, "parameters: {data: other.csv}\n").id)
    assert len(set(names)) == len(names)


def test_prose_outputs_places_and_written_out_defaults_leave_the_name(tmp_path: Path) -> None:
    name = run_of(tmp_path).id
    assert run_of(tmp_path, "parameters: {data: mine.csv, seeds: 2, rate: 1e-3}\n").id == name
    assert run_of(tmp_path, "parameters: {data: mine.csv}\ntimeout: 9\n").id == name
    assert run_of(tmp_path, f"parameters: {{data: {tmp_path / 'mine.csv'}}}\n").id == name
    assert run_of(tmp_path, parameters=PARAMETERS.replace("# what varies", "# what else varies")).id == name
    assert run_of(tmp_path / "elsewhere").id == name
    executed = light_notebook()
    executed["cells"][0]["source"] = "# Other words"
    executed["cells"][4]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1"}]
    executed["cells"].insert(2, cell("seeds = 9", "injected-parameters"))
    assert code_of(executed) == code_of(light_notebook())


def test_the_name_is_the_hash_of_code_library_and_parameters() -> None:
    run = Run(Path("a.ipynb"), {"seeds": 2, "rate": 0.5}, "c0de", None)
    text = '["c0de", null, {"rate": 0.5, "seeds": 2}]'
    assert run.id == hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("line", "imports"),
    [("import vaelib", True), ("    from vaelib.schedules import x", True), ("import vaelibrary", False), ("x", False)],
)
def test_vaelibs_code_counts_where_it_is_imported(line: str, imports: bool) -> None:
    assert library_of(light_notebook(body=line)) == (library_code() if imports else None)


def test_a_run_travels_with_its_files_and_no_path_of_this_machine(tmp_path: Path) -> None:
    run = run_of(tmp_path, "parameters: {data: mine.csv, schedules: [mine.csv, linear]}\ntimeout: 9\n")
    task = run.task()
    place = f"../inputs/{hashlib.sha256(b'1,2' + bytes([10])).hexdigest()[:12]}/mine.csv"
    assert task.files == {place: b"1,2\n"}
    assert task.parameters["data"] == place
    assert task.parameters["schedules"] == [place, "linear"]
    assert task.parameters["output"] == "."
    assert (task.timeout, task.library) == (9, None)
    assert json.loads(task.notebook) == light_notebook()
    assert str(tmp_path) not in json.dumps([task.notebook, dict(task.parameters), list(task.files)])
    assert type(task.parameters["data"]) is str


def test_a_notebook_without_output_is_given_none(tmp_path: Path) -> None:
    run = run_of(tmp_path, "", parameters=PARAMETERS.replace('output: str = ""  # a folder\n', ""))
    assert "output" not in run.task().parameters


def changed_data(folder: Path) -> None:
    (folder / "mine.csv").write_text("9\n")


def removed_data(folder: Path) -> None:
    (folder / "mine.csv").unlink()


def changed_notebook(folder: Path) -> None:
    written(folder, "", body="x = 1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed_data, "`parameters` must name files that stay as they are during a batch. .*mine.csv"),
        (removed_data, "`parameters` must be a readable file. .*mine.csv'. No such file"),
        (changed_notebook, "`notebook` must stay as it is during a batch. .*light.ipynb"),
    ],
)
def test_what_changes_under_a_batch_is_not_run(tmp_path: Path, change: Any, message: str) -> None:
    run = run_of(tmp_path)
    change(tmp_path)
    with pytest.raises(InputChanged, match=message):
        run.task()
