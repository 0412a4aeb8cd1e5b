"""The page on clusters: each command runs as it stands there, with real schedulers and workers on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from conftest import ROOT
from light_notebook import finished, written
from pages import bash, blocks, changed, project

SCHEDULER, WORKER, COMPARE, STUBBORN, CERTIFICATE, *TLS = blocks("cluster", "bash")
(TLS_FILE,) = blocks("cluster", "yaml")


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a specification whose runs read a table of one's own."""
    (tmp_path / "mine.csv").write_text("1,2\n")
    specified(tmp_path, "vary: {seeds: [1, 2]}\n")
    return project(tmp_path)


def specified(folder: Path, vary: str) -> None:
    written(folder, f"parameters: {{data: mine.csv}}\n{vary}").rename(folder / "mine.yml")


def here(code: str, port: int) -> str:
    """A command of the page on a free port."""
    return changed(code, {"8786": str(port)} | ({"8787": "0"} if "8787" in code else {}))


@contextmanager
def started(folder: Path, *commands: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Starts a scheduler, then its workers, and ends them in the other order."""
    processes: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:
        for i, command in enumerate(commands):
            log = stack.enter_context((folder / f"log-{i}").open("wb"))
            arguments = ["bash", "-c", f"exec env {command}"]
            processes.insert(0, subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=log))
        try:
            yield processes[::-1]
        finally:
            for process in processes:
                ended(process)


def ended(process: subprocess.Popen[bytes]) -> None:
    """Ends a process, by force if it is slow to."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tries(folder: Path) -> dict[str, tuple[str, int]]:
    runs = json.loads((folder / "runs" / "manifest.json").read_text())["runs"]
    return {record["parameters"]["fail"]: (record["status"], record["tries"]) for record in runs}


def test_a_batch(folder: Path, port: int) -> None:
    with started(folder, here(SCHEDULER, port), here(WORKER, port)):
        result = bash(folder, here(COMPARE, port))
    assert (result.returncode, result.stderr) == (0, "")
    assert len(re.findall(r"(?m)  done in [\d.]+ s on tcp://127\.0\.0\.1:\d+$", result.stdout)) == 2
    results = [json.loads(files["result.json"]) for files in finished(folder / "runs").values()]
    assert [result["contents"] for result in results] == ["1,2\n"] * 2
    assert {int(result["threads"]) for result in results} == {max(1, len(os.sched_getaffinity(0)) // 2)}


def test_with_certificates_only_their_holders_get_in(folder: Path, port: int) -> None:
    bash(folder, CERTIFICATE).check_returncode()
    (folder / "tls.yml").write_text(TLS_FILE)
    scheduler, worker, compare = (here(code, port) for code in TLS)
    with started(folder, scheduler, worker):
        result = bash(folder, compare)
        assert (result.returncode, result.stderr) == (0, "")
        assert len(finished(folder / "runs")) == 2
        strangers = [
            (compare.replace("DASK_CONFIG=tls.yml ", ""), "TLS configuration"),
            (compare.replace("tls://", "tcp://"), "encryption required"),
            (f"{CERTIFICATE}\n{compare}", "TLS certificate does not match"),
        ]
        for command, reason in strangers:
            result = bash(folder, command.replace("--output runs", "--output others"))
            assert result.returncode == 2
            error = result.stderr.splitlines()[-1]
            assert error.startswith("error: Argument `--scheduler` must be the address of a running Dask scheduler")
            assert reason in error


@pytest.mark.parametrize(("command", "times"), [(STUBBORN, 2), (SCHEDULER, 4)])
def test_a_run_that_kills_its_workers(folder: Path, port: int, command: str, times: int) -> None:
    specified(folder, 'vary: {fail: ["", worker, kernel]}\n')
    with started(folder, here(command, port), here(WORKER, port)):
        result = bash(folder, here(COMPARE, port))
    assert (result.returncode, result.stderr) == (1, "")
    assert tries(folder) == {"": ("done", 1), "worker": ("failed", times), "kernel": ("failed", 2)}


def test_a_killed_command_and_a_killed_scheduler(folder: Path, port: int) -> None:
    """What is finished stays; the same command goes on, with a new scheduler too."""
    specified(folder, "vary: {seeds: [1, 2], seconds: [0, 2]}\n")
    compare = here(COMPARE, port).strip()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(folder, here(SCHEDULER, port), here(WORKER, port)) as (scheduler, worker):
        with subprocess.Popen(["bash", "-c", f"exec {compare}"], cwd=folder, **pipes) as first:
            until(lambda: finished(folder / "runs"))
            first.kill()
        before = finished(folder / "runs")
        assert 0 < len(before) < 4
        with subprocess.Popen(["bash", "-c", f"exec {compare}"], cwd=folder, text=True, **pipes) as second:
            until(lambda: len(finished(folder / "runs")) > len(before))
            scheduler.send_signal(signal.SIGKILL)
            _, err = second.communicate(timeout=60)
        assert second.returncode == 1
        assert err.startswith("error: The scheduler went away: ")
        assert f"--scheduler tcp://127.0.0.1:{port}` runs the others" in err
        worker.wait(60)  # by itself
    with started(folder, here(SCHEDULER, port), here(WORKER, port)):
        result = bash(folder, compare)
    assert (result.returncode, result.stderr) == (0, "")
    after = finished(folder / "runs")
    assert len(after) == 4
    assert {name: after[name] for name in before} == before


def test_the_page_quotes_the_command() -> None:
    (quoted,) = blocks("cluster", "text")
    source = (ROOT / "vaelib" / "comparison" / "batch.py").read_text(encoding="utf-8")
    for part in ("be one whose workers have the vaelib of this command", "none, or an old one",
                 "install the same on every machine, then start its workers again."):  # fmt: skip
        assert part in " ".join(quoted.split())
        assert part in source
