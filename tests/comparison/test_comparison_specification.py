"""Specifications: which runs they ask for, and one sentence for each mistake before any kernel starts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from light_notebook import PARAMETERS, written

from vaelib.comparison import read_specification
from vaelib.comparison.runs import LocalFile


def test_the_product_of_what_varies_the_last_name_fastest(tmp_path: Path) -> None:
    text = "parameters:\n  rate: 1\nvary:\n  seeds: [3, 5]\n  data: [digits, wine]\ntimeout: 60\n"
    runs = read_specification(written(tmp_path, text))
    assert [(run.parameters["seeds"], run.parameters["data"]) for run in runs] == [
        (3, "digits"),
        (3, "wine"),
        (5, "digits"),
        (5, "wine"),
    ]
    assert runs[0].parameters == {
        "data": "digits",
        "schedules": ["linear"],
        "seeds": 3,
        "rate": 1.0,
        "seconds": 0.0,
        "hidden": [6, 5],
        "bound": None,
        "fail": "",
    }
    assert list(runs[0].parameters) == ["data", "schedules", "seeds", "rate", "seconds", "hidden", "bound", "fail"]
    assert {run.timeout for run in runs} == {60}
    assert len({run.id for run in runs}) == 4
    assert all(len(run.id) == 12 for run in runs)


def test_explicit_combinations_and_lists_as_values(tmp_path: Path) -> None:
    text = "vary:\n  - {seeds: 3}\n  - {seeds: 3, schedules: [linear, cosine]}\n"
    runs = read_specification(written(tmp_path, text))
    assert [run.parameters["schedules"] for run in runs] == [["linear"], ["linear", "cosine"]]


def test_without_anything_that_varies_there_is_one_run(tmp_path: Path) -> None:
    (run,) = read_specification(written(tmp_path, ""))
    assert run.parameters["seeds"] == 2
    assert run.timeout is None


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), ("1.5e+2", 150.0), ("-2E5", -2e5), ("3", 3.0)])
def test_numbers_as_people_write_them(tmp_path: Path, text: str, value: float) -> None:
    (run,) = read_specification(written(tmp_path, f"parameters:\n  rate: {text}\n"))
    assert run.parameters["rate"] == value


def test_files_count_from_the_specification_and_defaults_from_the_notebook(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "mine.csv").write_text("1,2\n")
    (tmp_path / "notes" / "other.csv").write_text("3,4\n")
    (tmp_path / "digits").write_text("a file that is called like a data set")
    parameters = PARAMETERS.replace('fail: str = ""', 'fail: str = "other.csv"')
    written(tmp_path / "notes", "", parameters=parameters)
    path = tmp_path / "mine.yml"
    path.write_text("notebook: notes/light.ipynb\nvary:\n  data: [mine.csv, digits]\n")
    mine, digits = read_specification(path)
    assert mine.parameters["data"] == "mine.csv"
    assert isinstance(mine.parameters["data"], LocalFile)
    assert sorted(mine.files) == ["mine.csv", "other.csv"]
    assert mine.parameters["fail"].path == tmp_path / "notes" / "other.csv"
    assert sorted(digits.files) == ["other.csv"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paramters: {seeds: 3}", r"`paramters` must be one of the keys 'notebook', .* Did you mean 'parameters'\?"),
        ("parameters: {seed: 3}", r"`parameters.seed` must be one of the keys .* Did you mean 'seeds'\?"),
        ("vary: {seed: [3]}", r"`vary.seed` must be one of the keys .* Did you mean 'seeds'\?"),
        ("vary: [{seed: 3}]", r"`vary\[0\].seed` must be one of the keys .* Did you mean 'seeds'\?"),
        ("parameters: {seeds: many}", r"`parameters.seeds` must be of type int, as light.ipynb declares it. .*'many'."),
        ("parameters: {seeds: yes}", r"`parameters.seeds` must be of type int, .* Received: parameters.seeds=True."),
        ("parameters: {rate: .nan}", r"`parameters.rate` must be of type float"),
        ("parameters: {data: 2024-01-01}", r"`parameters.data` must be of type str"),
        ("vary: {seeds: [3, 4.5]}", r"`vary.seeds\[1\]` must be of type int"),
        ("vary: [{seeds: 3}, {seeds: x}]", r"`vary\[1\].seeds` must be of type int"),
        ("vary: {schedules: [linear]}", r"`vary.schedules\[0\]` must be of type list\[str\]"),
        ("vary: {seeds: 3}", r"`vary.seeds` must be a list of values. Received: vary.seeds=3."),
        ("vary: {seeds: []}", "`vary.seeds` must be a list of values"),
        ("vary: []", "`vary` must be a mapping of names to lists of values, or a list of mappings"),
        ("vary: seeds", "`vary` must be a mapping of names to lists of values, or a list of mappings"),
        ("vary: [3]", r"`vary\[0\]` must be a mapping"),
        ("parameters: [3]", "`parameters` must be a mapping"),
        ("parameters: {seeds: 3}\nvary: {seeds: [3]}", "`vary.seeds` must not stand in `parameters` too"),
        ("vary: {seeds: [3, 3]}", "`vary` must hold no set of parameters twice"),
        ("vary: {rate: [1, 1.0]}", "`vary` must hold no set of parameters twice"),
        ("vary: [{seeds: 2}, {rate: 0.001}]", r"`vary\[1\]` must hold no set of parameters twice"),
        ("parameters: {output: here}", "`parameters.output` must be left out: each run writes to a folder of its"),
        ("vary: {output: [here]}", "`vary.output` must be left out"),
        ("vary: [{output: here}]", r"`vary\[0\].output` must be left out"),
        ("parameters: {data: missing.csv}", "`parameters.data` must be the path of an existing file. .*'missing.csv'."),
        ("vary: {data: [missing.NPZ]}", "`vary.data` must be the path of an existing file"),
        ("timeout: 0", "`timeout` must be an integer >= 1"),
        ("timeout: soon", "`timeout` must be an integer >= 1"),
        ("timeout: true", "`timeout` must be an integer >= 1"),
        ("notebook: other.ipynb", "the key 'notebook' twice"),
        ("parameters: {seeds: 3, seeds: 4}", "the key 'seeds' twice"),
        ("parameters: {seeds: 3", r"must be a YAML file that holds one mapping. .* not YAML at line 3"),
        ("parameters: &a [*a]", "`parameters` must be a mapping"),
        ("parameters: {schedules: &a [*a]}", r"`parameters.schedules` must be of type list\[str\]"),
        ("parameters: 3", "`parameters` must be a mapping"),
        ("parameters: !!python/object:os.system {}", "not YAML"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_specification(written(tmp_path, f"{text}\n"))
    assert str(caught.value).startswith("Argument `")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "which cannot be read: No such file or directory"),
        (b"\xff", "which is not text in UTF-8"),
        (b"", "which is empty"),
        (b"- 1", "which holds a list"),
        (b"{}", "Argument `notebook` must be the path of a notebook. Received: notebook=None."),
        (b"notebook: 3", "Argument `notebook` must be the path of a notebook. Received: notebook=3."),
        (b"notebook: none.ipynb", "Argument `notebook` must be a Jupyter notebook. .* No such file or directory"),
    ],
)
def test_files_that_are_no_specification(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "comparison.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_specification(path)


def test_an_output_parameter_takes_a_path(tmp_path: Path) -> None:
    wrong = PARAMETERS.replace('output: str = ""', "output: int = 3")
    with pytest.raises(ValueError, match="`the notebook's output` must be of type int"):
        read_specification(written(tmp_path, "", parameters=wrong))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.csv").write_text("1,2\n")
    path = written(tmp_path, "parameters: {data: mine.csv}\n")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ValueError, match="`parameters.data` must be a readable file.*mine.csv'. Permission denied."):
        read_specification(path)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yml")), ids=lambda path: path.stem)
def test_the_projects_own_batches(path: Path) -> None:
    vary = yaml.safe_load(path.read_text())["vary"]
    runs = read_specification(path)
    assert len(runs) == (len(vary) if isinstance(vary, list) else math.prod(map(len, vary.values()))) > 1
    assert json.dumps([run.parameters for run in runs])
    assert all(run.parameters["resplit"] for run in runs)
