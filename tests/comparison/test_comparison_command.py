"""`vaelib compare`: what it lists and says without running anything, and batches on real Dask workers."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import ROOT
from light_notebook import BODY, command, compared, finished, written

from vaelib.cli import _parser, main
from vaelib.comparison import Outcome, RunsFolder, Task, batch, read_specification
from vaelib.comparison import command as command_module
from vaelib.comparison.batch import ClusterLost

TWO_BY_TWO = "vary:\n  seeds: [1, 11]\n  data: [digits, wine]\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[str], list[str]]:
    code = main(["compare", *map(str, arguments)], "vaelib")
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


# ---------------------------------------------------------------- without workers


def test_dry_run_lists_runs_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, TWO_BY_TWO)
    ids = [run.id for run in read_specification(path)]
    code, out, err = run(capsys, path, "--output", tmp_path / "runs", "--dry-run")
    rest = "rate=0.001 seconds=0.0 hidden=[6, 5] bound=null fail="
    assert (code, err) == (0, [])
    assert out == [
        f'{name}  missing  data={data} schedules=["linear"] seeds={seeds} {rest}'
        for name, (seeds, data) in zip(ids, [(1, "digits"), (1, "wine"), (11, "digits"), (11, "wine")], strict=True)
    ]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("seeds=1", [0, 1]),
        ("data=wine", [1, 3]),
        ("wine", [1, 3]),
        ("s=11", None),
        ('schedules=["linear"]', [0, 1, 2, 3]),
    ],
)
def test_only_selects_by_value_or_by_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pattern: str, chosen: list[int] | None
) -> None:
    path = written(tmp_path, TWO_BY_TWO)
    ids = [run.id for run in read_specification(path)]
    code, out, err = run(capsys, path, "--output", tmp_path / "runs", "--dry-run", "--only", pattern)
    if chosen is None:
        assert (code, out) == (2, [])
        assert err[0].startswith(
            "error: Argument `--only` must name one of the parameters 'data', 'schedules', 'seeds'"
        )
    else:
        assert [line.split()[0] for line in out] == [ids[i] for i in chosen]
    code, out, err = run(capsys, path, "--output", tmp_path / "runs", "--dry-run", "--only", ids[2])
    assert [line.split()[0] for line in out] == [ids[2]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "nothing"], "Argument `--only` must select at least one run. Received: --only='nothing'."),
        (["--only", ""], "Argument `--only` must select at least one run. Received: --only=''."),
        (["--only", "seed=3"], "Did you mean 'seeds'?"),
        (["--workers", "0"], "Argument `--workers` must be an integer >= 1. Received: --workers=0."),
        (["--workers", "two"], "Argument `--workers` must be an integer >= 1. Received: --workers='two'."),
        (["--worker", "2"], "Did you mean '--workers'?"),
        (["--scheduler", "tcp://a:1", "--workers", "2"], "Argument `--workers` must be left out with --scheduler."),
        (["--scheduler", "here"], "Argument `--scheduler` must be the address of a running Dask scheduler, such as"),
        (["--output", ""], "Argument `--output` must not be empty."),
    ],
)  # fmt: skip
def test_options_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    path = written(tmp_path, TWO_BY_TWO)
    code, out, err = run(capsys, path, "--output", tmp_path / "runs", *options)
    assert (code, out, len(err)) == (2, [], 1)
    assert message in err[0]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("part", "argv"), [(0, ["compare", "mine.yml"]), (1, ["report", "runs"])])
def test_the_book_lists_every_option(part: int, argv: list[str]) -> None:
    page = (ROOT / "book" / "api" / "comparison.md").read_text(encoding="utf-8").split("## The report")[part]
    listed = [name for row in re.findall(r"^\| `--.*", page, re.MULTILINE) for name in re.findall(r"`(--[a-z-]+)", row)]
    options = vars(_parser("vaelib").parse_args(argv))
    names = (f"--{name.replace('_', '-')}" for name in options if name not in ("command", "specification", "runs"))
    assert sorted(listed) == sorted(names)


def test_a_folder_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, written(tmp_path, ""))
    assert (code, err) == (2, ["error: Argument `--output` must be the folder for the runs. Received: --output=None."])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vary: {seeds: [1, many]}", "Argument `vary.seeds[1]` must be of type int, as light.ipynb declares it."),
        ("parameters: {seed: 1}", "Did you mean 'seeds'?"),
        ("parameters: {data: none.csv}", "Argument `parameters.data` must be the path of an existing file."),
    ],
)
def test_a_users_mistake_starts_no_kernel_and_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    code, out, err = run(capsys, written(tmp_path, text + "\n"), "--output", tmp_path / "runs")
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("error: ")
    assert message in err[0]
    assert not (tmp_path / "runs").exists()


def test_two_commands_on_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "")
    with RunsFolder(tmp_path / "runs").locked():
        code, out, err = run(capsys, path, "--output", tmp_path / "runs")
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("error: Argument `--output` must be a folder that no other command writes to.")


# ---------------------------------------------------------------- the loop around what workers return


def pretended(monkeypatch: pytest.MonkeyPatch, each: Callable[[str, int], Outcome]) -> None:
    """Lets `each` take the place of the workers: it is given a run's id and how many came before."""

    @contextmanager
    def nobody(*_: Any) -> Iterator[None]:
        yield

    def outcomes(_: Any, tasks: Mapping[str, Callable[[], Task]]) -> Iterator[tuple[str, Outcome, int]]:
        for i, name in enumerate(tasks):
            tasks[name]()
            yield name, each(name, i), 1

    monkeypatch.setattr(command_module, "connected", nobody)
    monkeypatch.setattr(command_module, "outcomes", outcomes)
    monkeypatch.setattr(command_module, "available_cores", lambda: 2)


def done(name: str, i: int) -> Outcome:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("result.json", name)
    now = "2030-01-01T00:00:00+00:00"
    return Outcome("done", None, now, now, 1.0, "here", files=content.getvalue())


def failed_once(name: str, i: int) -> Outcome:
    if i != 1:
        return done(name, i)
    now = "2030-01-01T00:00:00+00:00"
    error = {"cell": 4, "line": "fit()", "name": "ValueError", "message": "no data"}
    return Outcome("failed", error, now, now, 1.0, "here")


def test_finished_runs_are_skipped_and_failed_ones_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, output = written(tmp_path, TWO_BY_TWO), tmp_path / "runs"
    ids = [run.id for run in read_specification(path)]
    pretended(monkeypatch, failed_once)
    code, out, err = run(capsys, path, "--output", output)
    assert (code, err) == (1, [])
    assert out[0] == f"4 runs of {tmp_path / 'light.ipynb'}: 0 done, 4 to run"
    assert out[2].startswith(f"{ids[1]}  data=wine ")
    assert out[2].endswith("  failed in 1.0 s on here: cell 4 (fit()): ValueError: no data")
    assert out[5] == "3 of 4 runs are done, 1 failed, after 0 s"
    assert out[6] == str(output / "manifest.json")
    _, out, _ = run(capsys, path, "--output", output, "--dry-run")
    assert [line.split()[1] for line in out] == ["done", "failed", "done", "done"]
    before = finished(output)
    pretended(monkeypatch, done)
    code, out, err = run(capsys, path, "--output", output)
    assert (code, err, len(out)) == (0, [], 4)
    assert out[0] == f"4 runs of {tmp_path / 'light.ipynb'}: 3 done, 1 to run"
    assert sorted(finished(output)) == sorted(ids)
    assert {name: files for name, files in finished(output).items() if name != ids[1]} == before
    code, out, err = run(capsys, path, "--output", output)
    assert (code, out[0]) == (0, f"4 runs of {tmp_path / 'light.ipynb'}: 4 done, 0 to run")


def full_disk(name: str, i: int) -> Outcome:
    return done(name, i) if i < 2 else Outcome("done", None, "", "", 1.0, files=b"disk full")


def lost(name: str, i: int) -> Outcome:
    if i < 2:
        return done(name, i)
    raise ClusterLost("The scheduler went away")


def interrupted(name: str, i: int) -> Outcome:
    if i < 2:
        return done(name, i)
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("each", "code", "message"),
    [
        (full_disk, 1, "error: Writing to {output} failed: No space left on device"),
        (lost, 1, "error: The scheduler went away"),
        (interrupted, 130, "interrupted"),
    ],
)
def test_what_stops_a_batch_keeps_what_is_finished(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    each: Callable[[str, int], Outcome],
    code: int,
    message: str,
) -> None:
    path, output = written(tmp_path, TWO_BY_TWO), tmp_path / "runs"
    extract = zipfile.ZipFile

    def opened(file: io.BytesIO, *arguments: str) -> zipfile.ZipFile:
        if file.getvalue() == b"disk full":
            raise OSError(28, "No space left on device")
        return extract(file, *arguments)

    pretended(monkeypatch, each)
    monkeypatch.setattr("vaelib.comparison.folder.zipfile.ZipFile", opened)
    got, _, err = run(capsys, path, "--output", output)
    again = f"`vaelib compare {path} --output {output}` runs the others"
    assert (got, err) == (code, [f"{message.format(output=output)}: 2 of 4 runs are done and kept; {again}"])
    assert len(finished(output)) == 2
    assert len(json.loads((output / "manifest.json").read_text())["runs"]) == 2
    pretended(monkeypatch, done)
    assert run(capsys, path, "--output", output)[0] == 0
    assert len(finished(output)) == 4


# ---------------------------------------------------------------- on Dask


def records(output: Path) -> dict[str, dict[str, Any]]:
    runs = json.loads((output / "manifest.json").read_text())["runs"]
    return {record["parameters"]["fail"].partition(" ")[0]: record for record in runs}


def test_one_batch_with_every_end_that_a_run_can_have(tmp_path: Path) -> None:
    """Deaths are tried once more, an error of a cell is not, and each leaves the others alone."""
    output = tmp_path / "runs"
    (tmp_path / "mine.csv").write_text("1,2\n")
    once = [f"{how} {tmp_path / how}" for how in ("worker", "kernel", "raise")]
    cases = ["", *once]
    path = written(tmp_path, f"parameters: {{data: mine.csv}}\nvary: {{fail: {json.dumps(cases)}}}\n")
    ended = compared(path, output, "--workers", "2")
    assert (ended.returncode, ended.stderr) == (1, "")
    found = records(output)
    assert {how: (record["status"], record["tries"]) for how, record in found.items()} == {
        "": ("done", 1),
        "worker": ("done", 2),
        "kernel": ("done", 2),
        "raise": ("failed", 1),
    }
    assert found["raise"]["error"] == {
        "cell": 4,
        "line": 'how, _, once = fail.partition(" ")',
        "name": "ValueError",
        "message": "there is no such schedule",
    }
    result = json.loads((output / found[""]["id"] / "result.json").read_text())
    assert result["contents"] == "1,2\n"
    assert int(result["threads"]) >= 1
    with (output / "manifest.csv").open(newline="") as file:
        assert sorted(row["status"] for row in csv.DictReader(file)) == ["done", "done", "done", "failed"]
    before = finished(output)
    ended = compared(path, output, "--workers", "2")  # what raised once does not raise again
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "4 runs of" in ended.stdout
    assert "3 done, 1 to run" in ended.stdout
    assert {name: files for name, files in finished(output).items() if name in before} == before
    assert not any((output / "failed").iterdir())


def test_what_dies_twice_has_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "runs"
    path = written(tmp_path, 'vary: {fail: ["", worker, kernel]}\n')
    code, _, err = run(capsys, path, "--output", output, "--workers", "1")
    assert (code, err) == (1, [])
    found = {how: (record["status"], record["tries"]) for how, record in records(output).items()}
    assert found == {"": ("done", 1), "worker": ("failed", 2), "kernel": ("failed", 2)}
    names = {how: record["error"]["name"] for how, record in records(output).items() if record["error"]}
    assert names == {"worker": "KilledWorker", "kernel": "DeadKernelError"}


# a shell makes what it runs in the background deaf to Ctrl-C, and that is inherited
HEARING = [
    *(sys.executable, "-c"),
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
]


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    output = tmp_path / "runs"
    path = written(tmp_path, "vary: {seeds: [1, 2], seconds: [0, 60]}\n")
    arguments = command(path, output, "--workers", "1")
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*HEARING, *arguments], **pipes, start_new_session=True) as process:
        until(lambda: len(finished(output)) == 1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers too
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.startswith("interrupted: 1 of 4 runs are done and kept; `python -m vaelib compare ")
    assert len(err.splitlines()) == 1
    assert len(finished(output)) == 1


def test_ctrl_c_while_workers_start(tmp_path: Path) -> None:
    path = written(tmp_path, "vary: {seeds: [1, 2]}\n")
    arguments = command(path, tmp_path / "runs", "--workers", "1")
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*HEARING, *arguments], **pipes, start_new_session=True) as process:
        until(lambda: bool(psutil.Process(process.pid).children(recursive=True)))
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, len(err.splitlines())) == (130, 1)
    assert err.startswith("interrupted: 0 of 2 runs are done and kept; ")


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


# ---------------------------------------------------------------- a cluster of one's own


@contextmanager
def cluster(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """A real scheduler and two real workers on loopback, which share no folder with the command."""
    dask = str(Path(sys.executable).with_name("dask"))
    file = tmp_path / "scheduler.json"
    common = ["--no-dashboard", "--host", "127.0.0.1"]
    commands = [[dask, "scheduler", "--port", "0", "--scheduler-file", str(file), *common]]
    workers = ["--scheduler-file", str(file), "--nworkers", "2", "--nthreads", "1"]
    commands.append([dask, "worker", *workers, *common, "--local-directory", str(tmp_path / "worker")])
    (tmp_path / "elsewhere").mkdir()
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path / "elsewhere"}
    processes = []
    try:
        for arguments in commands:
            processes.append(subprocess.Popen(arguments, **quiet))
            until(file.exists)
        yield json.loads(file.read_text())["address"], processes[0], processes[1]
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with cluster(tmp_path) as (address, process, _):
        yield address, process


def test_a_batch_on_a_running_cluster(
    tmp_path: Path, scheduler: tuple[str, subprocess.Popen[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "runs"
    (tmp_path / "mine.csv").write_text("1,2\n")
    path = written(tmp_path, "parameters: {data: mine.csv}\nvary: {seeds: [1, 2, 3]}\n")
    code, _, err = run(capsys, path, "--output", output, "--scheduler", scheduler[0])
    assert (code, err) == (0, [])
    results = [json.loads(files["result.json"]) for files in finished(output).values()]
    assert sorted(result["seeds"] for result in results) == [1, 2, 3]
    assert {result["contents"] for result in results} == {"1,2\n"}


@pytest.mark.parametrize(("code", "has"), [
    ("raise ModuleNotFoundError(\"No module named 'vaelib'\", name='vaelib')", "none, or an old one"),
    (None, "another"),
])  # fmt: skip
def test_workers_without_this_vaelib(
    tmp_path: Path, code: str | None, has: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is handed to them: one line says which worker, before any run is lost."""
    other = tmp_path / "other" / "vaelib"
    if code is None:
        shutil.copytree(ROOT / "vaelib", other)
        code = (other / "steps.py").read_text() + "\nANOTHER = 1\n"
        (other / "steps.py").write_text(code)
    else:
        other.mkdir(parents=True)
        (other / "__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(other.parent))  # of the worker; this process has its vaelib
    path = written(tmp_path, "vary: {seeds: [1, 2]}\n")
    with cluster(tmp_path) as (address, *_):
        code_of_exit, _, err = run(capsys, path, "--output", tmp_path / "runs", "--scheduler", address)
    assert (code_of_exit, len(err)) == (2, 1)
    must = "error: Argument `--scheduler` must be one whose workers have the vaelib of this command."
    assert re.fullmatch(rf"{must} Received: .*\. tcp://\S+ has {has}: install the same on every machine, .*", err[0])
    assert finished(tmp_path / "runs") == {}


def test_a_scheduler_that_dies(tmp_path: Path, scheduler: tuple[str, subprocess.Popen[bytes]]) -> None:
    output, (address, process) = tmp_path / "runs", scheduler
    path = written(tmp_path, "vary: {seconds: [0, 60, 61]}\n")
    arguments = command(path, output, "--scheduler", address)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as batch_process:
        until(lambda: len(finished(output)) == 1)
        process.kill()
        _, err = batch_process.communicate(timeout=60)
    assert batch_process.returncode == 1
    again = f"python -m vaelib compare {path} --output {output} --scheduler {address}"
    assert err == f"error: The scheduler went away: 1 of 3 runs are done and kept; `{again}` runs the others\n"


def test_a_cluster_whose_workers_leave(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaelib.comparison.batch.ABSENCE", 2)
    output, path = tmp_path / "runs", written(tmp_path, "vary: {seconds: [0, 60, 61]}\n")
    with cluster(tmp_path) as (address, _, workers), ThreadPoolExecutor(1) as pool:

        def leave() -> None:
            until(lambda: len(finished(output)) == 1)
            workers.terminate()

        leaving = pool.submit(leave)
        code, _, err = run(capsys, path, "--output", output, "--scheduler", address)
        leaving.result()
    assert code == 1
    assert err[0].startswith("error: The cluster has no workers any more: 1 of 3 runs are done and kept; ")


def test_input_that_changes_during_a_batch(tmp_path: Path) -> None:
    """What runs ends as it was planned; the rest is left."""
    output, data, begun = tmp_path / "runs", tmp_path / "mine.csv", tmp_path / "begun"
    data.write_text("1,2\n")
    tells = f"with open({str(begun)!r}, 'a') as file:\n    file.write('.')\n{BODY}"
    path = written(tmp_path, "parameters: {data: mine.csv}\nvary: {seconds: [0, 3, 0.1, 0.2]}\n", body=tells)
    arguments = command(path, output, "--workers", "1")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as batch_process:
        until(lambda: begun.is_file() and begun.read_text() == "..")
        data.write_text("3,4\n")
        _, err = batch_process.communicate(timeout=60)
    assert batch_process.returncode == 1
    must = "error: Argument `parameters` must name files that stay as they are during a batch."
    assert err.startswith(must)
    assert "2 of 4 runs are done and kept" in err
    results = [json.loads(files["result.json"]) for files in finished(output).values()]
    assert [result["contents"] for result in results] == ["1,2\n"] * 2


def test_workers_that_do_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("dask.distributed.LocalCluster", refuse)
    code, _, err = run(capsys, written(tmp_path, ""), "--output", tmp_path / "runs")
    assert (code, len(err)) == (1, 1)
    assert err[0].startswith("error: The workers did not start: Nanny failed to start.: 0 of 1 runs are done and kept;")


@pytest.mark.parametrize("address", [
    "127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:1", "nowhere", "tls://127.0.0.1:1"])  # fmt: skip
def test_no_scheduler_at_the_address(
    tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "CONNECT", 1)
    code, _, err = run(capsys, written(tmp_path, ""), "--output", tmp_path / "runs", "--scheduler", address)
    assert (code, len(err)) == (2, 1)
    must = "error: Argument `--scheduler` must be the address of a running Dask scheduler, such as tcp://host:8786."
    assert err[0].startswith(must)
