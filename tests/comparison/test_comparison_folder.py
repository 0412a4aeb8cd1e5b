"""The folder of a batch: whole results or none, failures apart, a manifest of both, one command at a time."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from vaelib.comparison import Run, RunsFolder
from vaelib.comparison import folder as folder_module

RUNS = [Run(Path("light.ipynb"), {"data": "digits", "seeds": seeds, "sizes": [1, 2]}, "c0de") for seeds in (1, 2)]
ERROR = {"cell": 3, "line": "fit()", "name": "ValueError", "message": 'no "data", none'}


def outcome(status: str = "done", **changes: Any) -> dict[str, Any]:
    times = {"started": "2030-01-01T00:00:00+00:00", "ended": "2030-01-01T00:00:02+00:00", "seconds": 2.0}
    error = ERROR if status == "failed" else None
    return {"status": status, "error": error, **times, "host": "here", "worker": "tcp://a:1", "tries": 1, **changes}


def archive(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, text in files.items():
            file.writestr(name.replace("__", "/"), text)
    return content.getvalue()


def names(path: Path) -> list[str]:
    return sorted(str(item.relative_to(path)) for item in path.rglob("*") if item.is_file())


def test_a_finished_run_is_a_folder_with_its_record(tmp_path: Path) -> None:
    folder = RunsFolder(tmp_path / "runs")
    assert folder.state(RUNS[0]) == "missing"
    with folder.locked():
        folder.store(RUNS[0], outcome(), archive(result="1", deep__er="2"))
    name = RUNS[0].id
    assert names(folder.path) == sorted(
        [".lock", "manifest.csv", "manifest.json", f"{name}/deep/er", f"{name}/result", f"{name}/run.json"]
    )
    record = json.loads((folder.path / name / "run.json").read_text())
    parameters = {"data": "digits", "seeds": 1, "sizes": [1, 2]}
    known = {"id": name, "notebook": "light.ipynb", "parameters": parameters, "files": {}, "code": "c0de"}
    assert record == {**known, "library": None, **outcome()}
    again = RunsFolder(folder.path)
    assert [again.state(run) for run in RUNS] == ["done", "missing"]
    assert json.loads((folder.path / "manifest.json").read_text()) == {"runs": [record]}


def test_failures_stand_apart_until_the_run_is_done(tmp_path: Path) -> None:
    folder = RunsFolder(tmp_path)
    with folder.locked():
        folder.store(RUNS[0], outcome("failed"), archive(first=""))
        folder.store(RUNS[0], outcome("failed", tries=2), archive(second=""))
        name = f"failed/{RUNS[0].id}"
        assert names(tmp_path) == sorted(
            [".lock", "manifest.csv", "manifest.json", f"{name}/run.json", f"{name}/second"]
        )
        assert RunsFolder(tmp_path).state(RUNS[0]) == "failed"
        folder.store(RUNS[0], outcome(), b"")
    assert names(tmp_path) == sorted([".lock", "manifest.csv", "manifest.json", f"{RUNS[0].id}/run.json"])
    assert RunsFolder(tmp_path).state(RUNS[0]) == "done"


def test_the_table_has_a_row_a_run_in_the_order_of_their_beginnings(tmp_path: Path) -> None:
    folder = RunsFolder(tmp_path)
    with folder.locked():
        folder.store(RUNS[0], outcome("failed", started="2030-01-02"), b"")
        folder.store(RUNS[1], outcome(), b"")
    with (tmp_path / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = {"started": "2030-01-01T00:00:00+00:00", "ended": "2030-01-01T00:00:02+00:00", "seconds": "2.0"}
    place = {"notebook": "light.ipynb", "host": "here", "worker": "tcp://a:1", "tries": "1"}
    parameters = {"parameters.data": "digits", "parameters.seeds": "2", "parameters.sizes": "[1, 2]"}
    assert rows == [
        {"id": RUNS[1].id, "status": "done", "error": "", **place, **times, **parameters},
        {
            **{"id": RUNS[0].id, "status": "failed", "error": 'cell 3 (fit()): ValueError: no "data", none', **place},
            **{**times, "started": "2030-01-02", **parameters, "parameters.seeds": "1"},
        },
    ]
    assert [record["id"] for record in json.loads((tmp_path / "manifest.json").read_text())["runs"]] == [
        row["id"] for row in rows
    ]


@pytest.mark.parametrize("moment", ["extractall", "write_text", "rename"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    folder = RunsFolder(tmp_path)
    full = OSError(errno.ENOSPC, "No space left on device")

    def refuse(*_: Any, **__: Any) -> None:
        raise full

    with folder.locked():
        folder.store(RUNS[0], outcome(), archive(result="1"))
        before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
        owner = zipfile.ZipFile if moment == "extractall" else Path
        with monkeypatch.context() as patch:
            patch.setattr(owner, moment, refuse)
            with pytest.raises(OSError, match="No space left"):
                folder.store(RUNS[1], outcome(), archive(result="2"))
        assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
        assert RunsFolder(tmp_path).state(RUNS[1]) == "missing"
        folder.store(RUNS[1], outcome(), archive(result="2"))
    assert (tmp_path / RUNS[1].id / "result").read_text() == "2"


def test_what_a_killed_command_left_is_no_result_and_is_removed(tmp_path: Path) -> None:
    half = tmp_path / f"{folder_module.HALF}{RUNS[0].id}"
    half.mkdir()
    (half / "run.json").write_text(json.dumps({"id": RUNS[0].id, "status": "done"}))
    (tmp_path / ".99-manifest.json").write_text("{")
    (tmp_path / "mine.txt").write_text("stays")
    folder = RunsFolder(tmp_path)
    assert folder.state(RUNS[0]) == "missing"
    with folder.locked():
        assert names(tmp_path) == [".lock", "mine.txt"]


def test_two_commands_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with RunsFolder(tmp_path).locked():
        must = "^Argument `--output` must be a folder that no other command writes to. Received: .* At work there: "
        with pytest.raises(ValueError, match=f"{must}process {os.getpid()} on "), RunsFolder(tmp_path).locked():
            pass
    with RunsFolder(tmp_path).locked():
        assert RunsFolder(tmp_path).records == {}


def test_a_killed_command_holds_no_lock(tmp_path: Path) -> None:
    code = "import sys, time; from vaelib.comparison import RunsFolder\n"
    code += "with RunsFolder(sys.argv[1]).locked(): print('locked', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(ValueError, match=f"At work there: process {process.pid} on"), RunsFolder(tmp_path).locked():
            pass
        process.send_signal(signal.SIGKILL)
    with RunsFolder(tmp_path).locked():
        pass


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc" / "run.json").write_text('{"id": "abc"}')
    with pytest.raises(
        ValueError, match="`the folder of the runs` must hold only what batches wrote. .*abc/run.json'. "
    ):
        RunsFolder(tmp_path)


def test_a_folder_without_its_record_is_named(tmp_path: Path) -> None:
    name = RUNS[0].id
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=f"{name}/run.json'. This record cannot be read: remove its folder."):
        RunsFolder(tmp_path).state(RUNS[0])


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`--output` must be a folder that can be written to"):
        RunsFolder(tmp_path / "file").locked().__enter__()
    (tmp_path / "manifest.csv").mkdir()
    with pytest.raises(ValueError, match="`--output` must hold no folder named manifest.csv"):
        RunsFolder(tmp_path).locked().__enter__()
