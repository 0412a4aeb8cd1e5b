"""What several test files share: closed figures, the built book and a server for it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from nbval.plugin import IPyNbFile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
mpl.use("agg")  # not by environment variable: kernels would inherit it and draw nothing

pytest_plugins = ["promises_plugin"]
ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Keeps nbval from measuring coverage in its kernels: that is slow, and chapters are no unit tests."""
    session.config.option.cov_source = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps nbval from comparing stderr: TensorFlow's start-up notices carry the time of day.

    No stored notebook has output on stderr (test_notebooks.py), so nothing else goes unseen.
    """
    for collector in {item.parent for item in items if isinstance(item.parent, IPyNbFile)}:
        collector.skip_compare = (*collector.skip_compare, "stderr")


@pytest.fixture(autouse=True)
def figures_closed_and_style_reset() -> Iterator[None]:
    """Leaves no figure and no style behind."""
    with mpl.rc_context():
        yield
    plt.close("all")


@dataclass(frozen=True)
class Book:
    """One build of the book: where its pages are, how the build ended and what it said."""

    html: Path
    returncode: int
    log: str

    def pages(self) -> list[Path]:
        """Every page with content, sorted."""
        names = sorted(self.html.rglob("*.html"))
        return [page for page in names if "_static" not in page.parts and page.parent != self.html]


def build_book(out: Path) -> None:
    """Builds the book from fresh doctrees into `out`, warnings being errors."""
    if not (ROOT / "_build" / "site" / "assets").exists():
        fetch: list[Path | str] = [
            sys.executable,
            ROOT / "book" / "site" / "fetch_assets.py",
            ROOT / "_build" / "site",
        ]
        subprocess.run(fetch, check=True)
    command: list[Path | str] = [
        Path(sys.executable).parent / "jupyter-book",
        "build",
        ROOT,
        "--path-output",
        out,
    ]
    flags = ["--warningiserror", "--nitpick", "--keep-going"]
    done = subprocess.run([*command, *flags], cwd=ROOT, capture_output=True, text=True, check=False)
    (out / "log.txt").write_text(done.stdout + done.stderr)
    (out / "returncode.txt").write_text(str(done.returncode))


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """The book, built once however many processes run the tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    out = shared / "book"
    with (shared / "book.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / "returncode.txt").exists():
            out.mkdir(exist_ok=True)
            build_book(out)
    code = int((out / "returncode.txt").read_text())
    return Book(out / "_build" / "html", code, (out / "log.txt").read_text())


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line per request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="session")
def book_address(book: Book) -> Iterator[str]:
    """Address of a loopback server of the book's pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(book.html))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
