"""One run where a worker is: its folder, its kernel and its threads, and how each kind of end is told."""

from __future__ import annotations

import io
import json
import socket
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from light_notebook import BODY, RESULT, written

from vaelib.comparison import Outcome, execute, read_specification
from vaelib.comparison.runs import Task


def task(folder: Path, specification: str = "", **changes: str) -> Task:
    (run,) = read_specification(written(folder, specification, **changes))
    return run.task()


def content(outcome: Outcome) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(outcome.files)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def kernels() -> list[int]:
    return [child.pid for child in psutil.Process().children() if "ipykernel_launcher" in child.cmdline()]


def test_a_run_returns_the_executed_notebook_and_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("1,2\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    specification = "parameters: {data: mine.csv, seeds: 3, rate: 1, hidden: [4, 4], bound: 2}\n"
    here, before = Path.cwd(), sorted(Path(tempfile.gettempdir()).glob("vaelib-*"))
    outcome = execute(task(tmp_path, specification), 3, scratch, "tcp://here:1")
    assert (outcome.status, outcome.error, outcome.worker) == ("done", None, "tcp://here:1")
    assert outcome.host == socket.gethostname()
    assert 0 < outcome.seconds < 60
    assert outcome.started <= outcome.ended
    assert {"python", "vaelib", "numpy"} < outcome.versions.keys()
    files = content(outcome)
    assert sorted(files) == ["notebook.ipynb", "result.json"]
    expected = {"contents": "1,2\n", "seeds": 3, "rate": 1.0, "hidden": [4, 4], "bound": 2.0, "threads": "3"}
    assert json.loads(files["result.json"]) == expected
    cells = json.loads(files["notebook.ipynb"])["cells"]
    assert [cell.get("execution_count") for cell in cells] == [None, 1, 2, 3, 4, 5]  # papermill's is one of them
    assert Path.cwd() == here
    assert list(scratch.iterdir()) == []
    assert sorted(Path(tempfile.gettempdir()).glob("vaelib-*")) == before
    assert kernels() == []
    assert json.dumps(outcome.record())
    assert "files" not in outcome.record()


@pytest.mark.parametrize(
    ("changes", "specification", "status", "error"),
    [
        (
            {},
            "parameters: {fail: raise}\n",
            "failed",
            {
                "cell": 4,
                "line": 'how, _, once = fail.partition(" ")',
                "name": "ValueError",
                "message": "there is no such schedule",
            },
        ),
        (
            {"result": "# why\n\nfrom vaelib.schedules import get_beta_scheduler\nget_beta_scheduler('lineer')"},
            "",
            "failed",
            {
                "cell": 5,
                "line": "from vaelib.schedules import get_beta_scheduler",
                "name": "ValueError",
                "message": "Argument `type` must be one of ",
            },
        ),
        (
            {"body": "time.sleep(60)"},
            "timeout: 1\n",
            "failed",
            {
                "cell": 4,
                "line": "time.sleep(60)",
                "name": "TimeoutError",
                "message": "the cell took longer than the 1 seconds of `timeout`",
            },
        ),
        (
            {"result": "os.kill(os.getpid(), signal.SIGKILL)"},
            "",
            "died",
            {
                "cell": 5,
                "line": "os.kill(os.getpid(), signal.SIGKILL)",
                "name": "DeadKernelError",
                "message": "the kernel died",
            },
        ),
    ],
    ids=["error", "schedule", "timeout", "death"],
)
def test_how_a_run_ends(
    tmp_path: Path, changes: dict[str, str], specification: str, status: str, error: dict[str, Any]
) -> None:
    outcome = execute(task(tmp_path, specification, **changes), 1)
    assert outcome.status == status
    assert outcome.error is not None
    message = outcome.error["message"]
    assert {**outcome.error, "message": message[: len(error["message"])]} == error
    assert "notebook.ipynb" in content(outcome)
    assert "result.json" not in content(outcome)
    assert kernels() == []


def test_a_kernel_that_does_not_start_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))  # no Python finds its library there
    outcome = execute(task(tmp_path), 1)
    assert outcome.status == "died"
    assert outcome.error is not None
    assert outcome.error["message"].startswith("Kernel died")
    assert kernels() == []


def test_a_worker_with_another_vaelib_says_so(tmp_path: Path) -> None:
    outcome = execute(replace(task(tmp_path), library="0123"), 1)
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error["name"] == "VersionError"
    assert "install the same on both" in outcome.error["message"]


def test_a_full_disk_where_the_worker_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    given = task(tmp_path)
    monkeypatch.setattr(Path, "write_text", refuse)
    outcome = execute(given, 1)
    assert (outcome.status, outcome.files) == ("failed", b"")
    message = f"No space left on device (on {socket.gethostname()})"
    assert outcome.error == {"cell": None, "line": None, "name": "OSError", "message": message}


def test_results_that_cannot_travel_are_a_failure(tmp_path: Path) -> None:
    """A name that is no text cannot; a time before 1980, which zip archives do not know, is changed."""
    outcome = execute(task(tmp_path, result="open(b'\\xff', 'w').close()"), 1)
    assert (outcome.status, outcome.files) == ("failed", b"")
    assert outcome.error is not None
    assert outcome.error["name"] == "UnicodeEncodeError"
    outcome = execute(task(tmp_path, result=RESULT + "\nos.utime('result.json', (0, 0))"), 1)
    assert outcome.status == "done"
    assert "result.json" in content(outcome)


def test_a_notebook_may_write_into_folders_and_print_progress(tmp_path: Path) -> None:
    result = RESULT + "\npathlib.Path(output, 'more').mkdir()\npathlib.Path(output, 'more', 'a.txt').write_text('a')"
    result += "\nfor i in range(3):\n    print(i, end='\\r')"
    outcome = execute(task(tmp_path, body=BODY, result=result), 1)
    assert sorted(content(outcome)) == ["more/a.txt", "notebook.ipynb", "result.json"]
    assert b'"2\\r"' in content(outcome)["notebook.ipynb"]
