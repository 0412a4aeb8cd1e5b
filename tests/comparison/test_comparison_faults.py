"""Kill -9 of a worker, of a kernel and of the command at random points: nothing finished is lost, the rest is run.

VAELIB_SOAK=200 repeats each test two hundred times (`make soak`).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from light_notebook import command, compared, finished, written

RUNS, KILLS = 6, 5
ROUNDS = range(int(os.environ.get("VAELIB_SOAK", "1")))
BATCH = f"parameters: {{seconds: 0.3}}\nvary: {{seeds: {[*range(RUNS)]}}}\n"
PARTS = {"notebook.ipynb", "result.json", "run.json"}


def started(path: Path, output: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(command(path, output, "--workers", "2"), stdout=file, stderr=file)


def below(process: subprocess.Popen[bytes]) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """The workers and the kernels of a command."""
    workers, kernels = [], []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                line = " ".join(child.cmdline())
                if "ipykernel_launcher" in line:
                    kernels.append(child)
                elif "spawn_main" in line:
                    workers.append(child)
    return workers, kernels


def gone(processes: set[psutil.Process]) -> bool:
    """Whether all of them end by themselves, within a time that a busy machine needs."""
    return not psutil.wait_procs(list(processes), timeout=60)[1]


def whole(output: Path) -> dict[str, dict[str, bytes]]:
    """The finished runs, each of which must be whole."""
    found = finished(output)
    for name, files in found.items():
        assert files.keys() == PARTS
        record, result = json.loads(files["run.json"]), json.loads(files["result.json"])
        assert (record["id"], record["status"], record["error"]) == (name, "done", None)
        assert result["seeds"] == record["parameters"]["seeds"]
        assert json.loads(files["notebook.ipynb"])["cells"]
    return found


def finish(path: Path, output: Path, before: dict[str, dict[str, bytes]]) -> None:
    """One more call runs what is missing, nothing else, and leaves what was finished as it is."""
    ended = compared(path, output, "--workers", "2")
    assert (ended.returncode, ended.stderr) == (0, "")
    first, *lines = ended.stdout.splitlines()
    assert first.endswith(f": {len(before)} done, {RUNS - len(before)} to run")
    after = whole(output)
    assert len(after) == RUNS
    assert {name: after[name] for name in before} == before
    ran = [line.split()[0] for line in lines[:-2]]
    assert sorted(ran) == sorted(after.keys() - before.keys())
    manifest = json.loads((output / "manifest.json").read_text())["runs"]
    assert {record["id"]: record["status"] for record in manifest} == dict.fromkeys(after, "done")
    left = {path.name for path in output.iterdir()} - after.keys()
    assert left <= {".lock", "manifest.json", "manifest.csv", "failed"}
    assert not list(output.glob("failed/*"))


def kill_some(
    process: subprocess.Popen[bytes], kind: str, most: int, chance: random.Random
) -> tuple[int, set[psutil.Process]]:
    """Kills workers or kernels at random moments after the first kernel began; returns how many, and who was seen."""
    seen: set[psutil.Process] = set()
    kills, due = 0, float("inf")
    while process.poll() is None:
        workers, kernels = below(process)
        seen |= {*workers, *kernels}
        if kernels and due == float("inf"):
            due = time.monotonic() + chance.uniform(0, 3)
        victims = workers if kind == "worker" else kernels
        if kills < most and time.monotonic() > due and victims:
            with suppress(psutil.NoSuchProcess):
                chance.choice(victims).kill()
                kills, due = kills + 1, time.monotonic() + chance.uniform(0, 3)
        time.sleep(0.02)
    return kills, seen


@pytest.mark.parametrize("kind", ["worker", "kernel"])
@pytest.mark.parametrize("seed", ROUNDS)
def test_killed_workers_and_kernels(tmp_path: Path, kind: str, seed: int) -> None:
    """Whoever was hit once is run again by the command itself, whoever was hit twice by the next one."""
    path, log, chance = written(tmp_path, BATCH), tmp_path / "log", random.Random(seed)
    kills = 0
    while kills < KILLS:  # a batch may end before
        output = tmp_path / f"runs-{kills}"
        process = started(path, output, log)
        more, seen = kill_some(process, kind, KILLS - kills, chance)
        kills += more
        before = whole(output)
        assert process.returncode == (0 if len(before) == RUNS else 1), log.read_text()
        records = json.loads((output / "manifest.json").read_text())["runs"]
        assert len(records) == RUNS
        lost = {(record["tries"], record["error"]["name"]) for record in records if record["status"] == "failed"}
        assert lost <= {(2, "KilledWorker" if kind == "worker" else "DeadKernelError")}
        assert gone(seen)
        finish(path, output, before)


@pytest.mark.parametrize("seed", ROUNDS)
def test_killed_commands(tmp_path: Path, seed: int) -> None:
    path, output, log = written(tmp_path, BATCH), tmp_path / "runs", tmp_path / "log"
    chance, seen = random.Random(seed), set()
    before: dict[str, dict[str, bytes]] = {}
    for _ in range(KILLS):
        process = started(path, output, log)
        end = time.monotonic() + chance.uniform(0, 8)
        while time.monotonic() < end and process.poll() is None:
            workers, kernels = below(process)
            seen |= {*workers, *kernels}
            time.sleep(0.05)
        process.kill()
        process.wait()
        now = whole(output) if output.exists() else {}
        assert {name: now[name] for name in before} == before
        before = now
    assert gone(seen)
    finish(path, output, before)
