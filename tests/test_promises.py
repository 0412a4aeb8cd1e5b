"""The promises of the five documents: the table is complete in itself, and a test that did not pass is seen."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from promises_plugin import read_promises

LINES = {  # of each document
    "beta-vae-model.md": 102,
    "enhanced-beta-schedulers.md": 471,
    "reconstruction-error-schedule.md": 36,
    "vae-kl-loss-fix.md": 91,
    "vae-training-improvements.md": 116,
}
ROWS = read_promises(ROOT)
TESTS = sorted({test for row in ROWS for test in row["test"].split()})


def place(row: dict[str, str]) -> tuple[str, int, int]:
    first, _, last = row["lines"].partition("-")
    return row["document"], int(first), int(last or first)


# ---------------------------------------------------------------- the table


def test_every_row_is_filled_in() -> None:
    assert list(ROWS[0]) == ["document", "lines", "promise", "test", "status", "note"]
    for row in ROWS:
        assert None not in row.values(), row
        assert all(text == text.strip() for text in row.values()), row
        assert row["promise"].endswith("."), row
        assert not row["note"] or row["note"].endswith("."), row


def test_every_document_is_covered_and_lines_are_its_own() -> None:
    assert {row["document"] for row in ROWS} == set(LINES)
    for row in ROWS:
        document, first, last = place(row)
        assert 1 <= first <= last <= LINES[document], row


def test_rows_follow_the_documents() -> None:
    assert [place(row) for row in ROWS] == sorted(place(row) for row in ROWS)
    assert len({row["promise"] for row in ROWS}) == len(ROWS)


def test_deviations_are_explained() -> None:
    assert {row["status"] for row in ROWS} == {"kept", "deviating"}
    assert [row for row in ROWS if row["status"] == "deviating" and not row["note"]] == []


def test_every_promise_has_a_test() -> None:
    assert [f"{row['document']} {row['lines']}" for row in ROWS if not row["test"]] == []


def defined(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Qualified names of functions and classes, as node ids write them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name, node
            yield from defined(node, f"{prefix}{node.name}::")


def exists(test: str) -> bool:
    """Whether a file has a test of this name, or an object a doctest; which cases it has, only a run can tell."""
    file, _, name = test.partition("::")
    if not (ROOT / file).is_file():
        return False
    found = dict(defined(ast.parse((ROOT / file).read_text())))
    if file.startswith("tests/"):
        return name.split("::")[-1].startswith("test_") and name.partition("[")[0] in found
    module = ".".join(Path(file).with_suffix("").parts).removesuffix(".__init__")
    node = found.get(name.removeprefix(f"{module}.").replace(".", "::"))
    return isinstance(node, ast.FunctionDef | ast.ClassDef) and ">>>" in (ast.get_docstring(node) or "")


@pytest.mark.parametrize("test", TESTS)
def test_named_tests_exist(test: str) -> None:
    assert exists(test)


@pytest.mark.parametrize(
    ("test", "found"),
    [
        ("tests/test_promises.py::test_named_tests_exist", True),
        ("tests/test_promises.py::test_named_tests_exist[any]", True),
        ("tests/test_promises.py::test_of_another_name", False),
        ("tests/test_promises.py::exists", False),
        ("tests/test_promises.py", False),
        ("tests/test_of_another_file.py::test_named_tests_exist", False),
        ("vaelib/schedules/warmups.py::vaelib.schedules.warmups.LinearBetaScheduler", True),
        ("vaelib/schedules/warmups.py::vaelib.schedules.warmups.AnotherScheduler", False),
        ("vaelib/schedules/base.py::vaelib.schedules.base.BetaScheduler.get_config", False),  # has no example
    ],
)
def test_existence_is_told(test: str, found: bool) -> None:
    assert exists(test) == found


def test_the_page_has_a_section_for_each_document() -> None:
    page = (ROOT / "book" / "promises.md").read_text()
    assert [line.split()[-1] for line in page.splitlines() if line.startswith("```{promises} ")] == list(LINES)


# ---------------------------------------------------------------- a run of the whole suite

SUITE = """
import pytest

def test_fine(): pass
def test_failing(): assert False
def test_broken_afterwards(broken): pass

@pytest.fixture
def broken():
    yield
    raise OSError

@pytest.mark.skip
def test_skipped(): pass

@pytest.mark.xfail
def test_expected_to_fail(): assert False

@pytest.mark.parametrize("case", ["one", "two"])
def test_cases(case): pass

@pytest.mark.parametrize("case", ["one", "two", "three"])
def test_some_cases(case): assert case == "one"
"""
KEEPS = {  # test → what a whole run says of it
    "test_fine": [],
    "test_cases": [],
    "test_some_cases[one]": [],
    "test_missing": ["test_missing did not run"],
    "test_failing": ["test_failing failed"],
    "test_broken_afterwards": ["test_broken_afterwards failed"],
    "test_skipped": ["test_skipped skipped"],
    "test_expected_to_fail": ["test_expected_to_fail skipped"],
    "test_some_cases": ["test_some_cases[two] failed", "test_some_cases[three] failed"],
    "test_cases[three]": ["test_cases[three] did not run"],
    "test_some": ["test_some did not run"],  # the beginning of a name is no name
}
WITH_TWO_WORKERS = ("-p", "xdist", "-n", "2")


def run(folder: Path, promised: list[str], *options: str, suite: str = SUITE) -> tuple[int, list[str]]:
    """The exit code of a small project's run and the promises that it lists as broken."""
    (folder / "book").mkdir()
    (folder / "checks").mkdir()
    rows = "".join(f"a.md,{i},It works.,checks/test_it.py::{name},kept,\n" for i, name in enumerate(promised))
    (folder / "book" / "promises.csv").write_text("document,lines,promise,test,status,note\n" + rows)
    (folder / "checks" / "conftest.py").write_text('pytest_plugins = ["promises_plugin"]\n')
    (folder / "checks" / "test_it.py").write_text(suite)
    plugins = ROOT / "tests"
    (folder / "pytest.ini").write_text(f"[pytest]\ntestpaths = checks\npythonpath = {plugins}\n")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, [line for line in done.stdout.splitlines() if "(a.md " in line]


@pytest.mark.parametrize("options", [(), WITH_TWO_WORKERS], ids=["one process", "two workers"])
def test_a_whole_run_lists_the_promises_that_no_passed_test_keeps(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, broken = run(tmp_path, list(KEEPS), *options)
    expected = [f"checks/test_it.py::{text} (a.md {i})" for i, texts in enumerate(KEEPS.values()) for text in texts]
    assert (code, sorted(broken)) == (1, sorted(expected))


FINE = SUITE[: SUITE.index("def test_failing")]
SKIPPED = FINE + "@pytest.mark.skip\ndef test_skipped(): pass\n"


@pytest.mark.parametrize("options", [(), WITH_TWO_WORKERS], ids=["one process", "two workers"])
@pytest.mark.parametrize(
    ("promised", "suite", "code"),
    [("test_fine", FINE, 0), ("test_missing", FINE, 1), ("test_skipped", SKIPPED, 1), ("test_fine", SKIPPED, 0)],
    ids=["fine", "missing", "skipped", "another one skipped"],
)
def test_a_broken_promise_alone_fails_the_run(
    tmp_path: Path, promised: str, suite: str, code: int, options: tuple[str, ...]
) -> None:
    assert run(tmp_path, [promised], *options, suite=suite)[0] == code


def test_a_test_that_two_promises_name_is_listed_once(tmp_path: Path) -> None:
    _, broken = run(tmp_path, ["test_skipped", "test_fine", "test_skipped"])
    assert broken == ["checks/test_it.py::test_skipped skipped (a.md 0, a.md 2)"]


@pytest.mark.parametrize(
    "options",
    [
        ("checks/test_it.py",),
        ("-k", "fine"),
        ("--deselect", "checks/test_it.py::test_cases"),
        ("--collect-only",),
        ("--lf",),
    ],
)
def test_a_selection_is_not_judged(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, broken = run(tmp_path, ["test_missing"], *options, suite=FINE)
    assert (code, broken) == (0, [])


def test_a_run_that_ends_at_its_first_failure_is_not_judged(tmp_path: Path) -> None:
    assert run(tmp_path, ["test_cases"], "-x") == (1, [])


def test_this_suite_is_judged(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("promises_plugin")
    report = pytestconfig.pluginmanager.get_plugin("promise_report")
    assert (report is None) == hasattr(pytestconfig, "workerinput")
    assert pytestconfig.getini("testpaths") == ["tests", "vaelib", "notebooks"]
