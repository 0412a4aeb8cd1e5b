"""The code on a page of the book, run as it stands there, in a folder that looks like the project's."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from conftest import ROOT


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language on a page of the book, in order."""
    text = (ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")
    return [code for _, name, code in re.findall(r"(?ms)^(```+)(\w+)\n(.*?)^\1$", text) if name == language]


def rows(page: str, heading: str) -> list[tuple[str, str]]:
    """The code in the first and the text in the second column of each row below one head of a table."""
    text = (ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")
    body = text[text.index(f"| {heading} |") :].split("\n\n")[0]
    return re.findall(r"(?m)^\| `(.+?)` \| (.*?) \|$", body)


def changed(code: str, changes: Mapping[str, str]) -> str:
    """Code with other values, each of which must occur."""
    for old, new in changes.items():
        assert old in code, old
        code = code.replace(old, new)
    return code


def project(folder: Path) -> Path:
    """Makes a folder in which the commands of the pages find what they name."""
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "notebooks").symlink_to(ROOT / "notebooks")
    return folder


def bash(folder: Path, code: str, timeout: int = 300) -> subprocess.CompletedProcess[str]:
    """Runs a block to its end."""
    command = ["bash", "-e", "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)
