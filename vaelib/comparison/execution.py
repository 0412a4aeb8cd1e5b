"""Running one notebook where the worker is: a folder of its own, a kernel of its own, and back what came of it."""

from __future__ import annotations

import io
import json
import logging
import os
import platform
import re
import socket
import subprocess
import tempfile
import textwrap
import time
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vaelib.comparison.code import library_code
from vaelib.comparison.parameters import INJECTED, source, tags
from vaelib.comparison.runs import Task

NOTEBOOK = "notebook.ipynb"
KERNEL = "python3"
# what native code writes to file descriptor 2 (TensorFlow's start-up notices) is no output of a cell
KERNEL_ARGUMENTS = ["--IPKernelApp.capture_fd_output=False"]
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PACKAGES = ("vaelib", "tensorflow", "keras", "numpy")
ERROR_CELLS = "papermill-error-cell-tag"  # what papermill adds to a notebook that failed


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt at a run.

    Args:
        status: "done", "failed" (by the notebook, which would fail again) or "died" (its kernel or its worker did).
        error: cell (counted from 1), its first line, name and message; None after "done".
        started: date and time in UTC.
        ended: likewise.
        seconds: how long it took.
        host: the machine.
        worker: the worker's address.
        versions: of Python and of the packages that compute.
        files: a zip archive of the run's folder, the executed notebook included; empty if nothing came back.
    """

    status: str
    error: Mapping[str, Any] | None
    started: str
    ended: str
    seconds: float
    host: str = ""
    worker: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    files: bytes = field(default=b"", repr=False)

    def record(self) -> dict[str, Any]:
        """Returns all but the files, as JSON can hold it."""
        values = asdict(self)
        del values["files"]
        return values


def execute(task: Task, threads: int, scratch: str | os.PathLike[str] | None = None, worker: str = "") -> Outcome:
    """Runs a notebook in a temporary folder and returns what it wrote.

    Args:
        task: the notebook and what it needs.
        threads: how many threads TensorFlow and the BLAS may use, >= 1.
        scratch: where the temporary folder is made; None: where the machine keeps such folders.
        worker: the worker's address, for the record.
    """
    started, clock = utc_now(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="run-", dir=scratch, ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary) / "run"
        status, error, files = "failed", None, b""
        try:
            status, error = _run(task, threads, folder)
            files = _zipped(folder)
        except Exception as problem:  # a full disk, no such kernel: whatever it is, the batch goes on
            reason = getattr(problem, "strerror", None) or str(problem)
            status, error = "failed", _error(type(problem).__name__, f"{reason} (on {socket.gethostname()})")
    return Outcome(
        status,
        error,
        started,
        utc_now(),
        round(time.perf_counter() - clock, 3),
        socket.gethostname(),
        worker,
        {"python": platform.python_version(), **_versions()},
        files,
    )


def utc_now() -> str:
    """Returns the date and time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _run(task: Task, threads: int, folder: Path) -> tuple[str, dict[str, Any] | None]:
    """Executes the notebook in `folder`; returns the status and the error, if there is one."""
    if task.library is not None and task.library != library_code():
        message = "The worker's vaelib is another than that of the command: install the same on both."
        return "failed", _error("VersionError", message)
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import PapermillExecutionError, execute_notebook

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # the outcome says it all
    folder.mkdir()
    for place, content in task.files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    original, executed = folder.parent / NOTEBOOK, folder / NOTEBOOK
    original.write_text(task.notebook, "utf-8")
    short = folder.parent if len(str(folder)) < 70 else None  # the path of a socket has at most about 100 characters
    with tempfile.TemporaryDirectory(prefix="vaelib-", dir=short, ignore_cleanup_errors=True) as sockets:
        environment = {**dict.fromkeys(THREADS, str(threads)), "TF_CPP_MIN_LOG_LEVEL": "3"}
        try:
            execute_notebook(
                str(original),
                str(executed),
                dict(task.parameters),
                kernel_name=KERNEL,
                language="python",  # a notebook made from a script may not say so
                progress_bar=False,
                execution_timeout=task.timeout,
                kernel_manager_class=_kernel_manager(folder, f"{sockets}/kernel.json", environment),
                coalesce_streams=True,
                extra_arguments=[*KERNEL_ARGUMENTS],
            )
        except PapermillExecutionError as error:
            return "failed", _error(error.ename, error.evalue, executed)
        except CellTimeoutError:
            message = f"the cell took longer than the {task.timeout} seconds of `timeout`"
            return "failed", _error("TimeoutError", message, executed)
        except DeadKernelError:
            return "died", _error("DeadKernelError", "the kernel died", executed)
        except RuntimeError as error:  # before the first cell: jupyter_client has no class of its own for it
            if not re.match(r"Kernel (died|didn't respond)", str(error)):
                raise
            return "died", _error("DeadKernelError", str(error))
    return "done", None


def _kernel_manager(folder: Path, connection_file: str, environment: Mapping[str, str]) -> type:
    """Returns a kernel manager whose kernels run in `folder` with variables added to their environment.

    The process's own folder stays as it is, so that a worker can run notebooks in several threads; sockets beside the
    connection file take the place of ports, for which kernels that start at once would race.
    """
    from jupyter_client.manager import AsyncKernelManager

    class Manager(AsyncKernelManager):
        transport = "ipc"

        def _connection_file_default(self) -> str:
            return connection_file

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]  # as its parent has it
            env = {**os.environ, **environment}
            await super().start_kernel(**{**options, "cwd": str(folder), "env": env, "stderr": subprocess.DEVNULL})

    return Manager


def _error(name: str, message: str, notebook: Path | None = None) -> dict[str, Any]:
    """Returns an error as records hold it, with the cell of the executed notebook at which it stopped."""
    cell, line = _stopped_at(notebook) if notebook is not None and notebook.is_file() else (None, None)
    return {"cell": cell, "line": line, "name": name, "message": " ".join(message.split())[:500]}


def _stopped_at(path: Path) -> tuple[int | None, str | None]:
    """Returns the number, in the notebook as its author knows it, and the first line of the last cell that began."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    cells = [cell for cell in cells if not {INJECTED, ERROR_CELLS} & {*tags(cell)}]
    begun = [i for i, cell in enumerate(cells) if cell["metadata"].get("papermill", {}).get("start_time")]
    if not begun:
        return None, None
    lines = [line for line in source(cells[begun[-1]]).splitlines() if line.strip() and not line.startswith("#")]
    return begun[-1] + 1, textwrap.shorten((lines or [""])[0], 60, placeholder=" …")


def _zipped(folder: Path) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder))
    return archive.getvalue()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
