"""The folder of a batch: a folder for each finished run, the failures apart, and a manifest of both."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import shutil
import socket
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vaelib._checks import argument_error
from vaelib._files import atomic_path, refuse_folders, writable_folder
from vaelib.comparison.runs import Run

MANIFEST, TABLE, RECORD, LOCK, FAILED = "manifest.json", "manifest.csv", "run.json", ".lock", "failed"
HALF = ".half-"  # how the name of a folder begins that is still being written
COLUMNS = ("id", "status", "notebook", "seconds", "started", "ended", "host", "worker", "tries")


class RunsFolder:
    """The results of batches in one folder.

    `ID/` holds a finished run, whole, from the moment it exists; `failed/ID/` one that failed, until it is done. Each
    holds `run.json` (what it was, where it ran and how it ended), the executed notebook and what that wrote.
    `manifest.json` and `manifest.csv` list them all.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.records = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        folders = (self.path / FAILED, self.path)  # in this order: a run that is done is no failure any more
        files = [file for folder in folders for file in folder.glob(f"*/{RECORD}")]
        return {file.parent.name: _record(file) for file in files if not file.parent.name.startswith(".")}

    def state(self, run: Run) -> str:
        """Returns "done", "failed" or "missing".

        Raises:
            ValueError: if there is a folder of the run without its record.
        """
        if run.id not in self.records and (self.path / run.id).exists():
            raise _damaged(self.path / run.id / RECORD)
        return str(self.records.get(run.id, {}).get("status", "missing"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other commands away from the folder; what one of them left half-written is removed.

        The lock is the operating system's and ends with the process, however it ends.

        Raises:
            ValueError: if another command is at work there, or the folder cannot be written to.
        """
        writable_folder("--output", self.path, (), overwrite=True)
        refuse_folders("--output", self.path, (MANIFEST, TABLE, LOCK))
        with (self.path / LOCK).open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another command"
                must = "be a folder that no other command writes to"
                raise argument_error("--output", must, str(self.path), f"At work there: {holder}.") from None
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            for half in [
                *self.path.glob(f"{HALF}*"),
                *self.path.glob(f".*-{MANIFEST}"),
                *self.path.glob(f".*-{TABLE}"),
            ]:
                shutil.rmtree(half) if half.is_dir() else half.unlink()
            self.records = self._read()  # as it is now that nobody else writes
            yield

    def store(self, run: Run, outcome: Mapping[str, Any], files: bytes) -> dict[str, Any]:
        """Writes what came of a run, all of it or nothing, and the manifest.

        Args:
            run: what was run.
            outcome: what came of it, as JSON can hold it, with "status" and "error".
            files: a zip archive of its files; empty for none.
        """
        record: dict[str, Any] = {"id": run.id, "notebook": run.notebook.name, "parameters": {**run.parameters}}
        record |= {"files": run.files, "code": run.code, "library": run.library, **outcome}
        failed = record["status"] != "done"
        target = self.path / FAILED / run.id if failed else self.path / run.id
        half = self.path / f"{HALF}{run.id}"
        try:
            half.mkdir()
            if files:
                with zipfile.ZipFile(io.BytesIO(files)) as archive:
                    archive.extractall(half)
            (half / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
            target.parent.mkdir(exist_ok=True)
            if failed:
                shutil.rmtree(target, ignore_errors=True)
            half.rename(target)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
        if not failed:
            shutil.rmtree(self.path / FAILED / run.id, ignore_errors=True)
        self.records[run.id] = record
        self.write_manifest()
        return record

    def write_manifest(self) -> None:
        """Writes `manifest.json`, and as a table `manifest.csv`: all runs in the order in which they began."""
        records = sorted(self.records.values(), key=lambda record: (record["started"], record["id"]))
        with atomic_path(self.path / MANIFEST) as temporary:
            temporary.write_text(json.dumps({"runs": records}, indent=1, ensure_ascii=False) + "\n", "utf-8")
        names = list(dict.fromkeys(name for record in records for name in record["parameters"]))
        columns = [*COLUMNS, "error", *(f"parameters.{name}" for name in names)]
        with atomic_path(self.path / TABLE) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            table.writeheader()
            for record in records:
                values = {f"parameters.{name}": shown(value) for name, value in record["parameters"].items()}
                table.writerow({**{name: record.get(name) for name in COLUMNS}, "error": error_text(record), **values})


def shown(value: Any) -> str:
    """Returns a parameter's value as text: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def error_text(record: Mapping[str, Any]) -> str:
    """Returns what went wrong in a run, in one line, or "".

    >>> error_text({"error": {"cell": 3, "line": "fit()", "name": "ValueError", "message": "no data"}})
    'cell 3 (fit()): ValueError: no data'
    """
    error = record.get("error")
    if not error:
        return ""
    place = "" if error["cell"] is None else f"cell {error['cell']} ({error['line']}): "
    return f"{place}{error['name']}: {error['message']}"


def _record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text("utf-8"))
        return {
            **record,
            **{name: record[name] for name in ("id", "status", "started")},
            "parameters": {**record["parameters"]},
        }
    except (OSError, ValueError, TypeError, KeyError):
        raise _damaged(file) from None


def _damaged(file: Path) -> ValueError:
    must = "hold only what batches wrote"
    return argument_error("the folder of the runs", must, str(file), "This record cannot be read: remove its folder.")
