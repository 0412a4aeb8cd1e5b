"""A script that measures PyTorch, in a process of its own under the interpreter that TORCH_PYTHON names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

MISSING = "not installed: pip install -e .[bench], or TORCH_PYTHON=…"


class TorchSide:
    """The script: it prints its versions and what else is to be known, then answers each line with a number.

    Args:
        script: its name beside this file.
        *arguments: for it.
    """

    def __init__(self, script: str, *arguments: str) -> None:
        command = [os.environ.get("TORCH_PYTHON", sys.executable), str(Path(__file__).with_name(script)), *arguments]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=null)
        self.known = self._read()

    def ask(self, *words: object) -> float:
        """Sends a line and returns the answer."""
        assert self._process.stdin is not None
        print(*words, file=self._process.stdin, flush=True)
        return float(self._read()[0])

    def _read(self) -> list[str]:
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()

    def __enter__(self) -> TorchSide:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()
