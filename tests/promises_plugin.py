"""Pytest plugin: a run of the whole suite fails when a test that book/promises.csv names did not pass."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

# options that leave tests out: such a run says nothing about the promises
SELECTING = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise", "collectonly")


def read_promises(root: Path) -> list[dict[str, str]]:
    """Returns the rows of the table."""
    with (root / "book" / "promises.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def is_whole_run(config: pytest.Config) -> bool:
    """Tells whether pytest was called for all of `testpaths`, without a selection."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return whole and not any(config.getoption(name, None) for name in SELECTING)


class PromiseReport:
    """Keeps the outcome of every test and compares them with the table at the end.

    Under pytest-xdist the controlling process sees the reports of all workers; this runs there alone.
    """

    def __init__(self, promises: list[dict[str, str]]) -> None:
        self.promises = promises
        self.outcomes: dict[str, str] = {}
        self.broken: dict[str, list[str]] = {}  # what did not pass → the promises that name it

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes that a test passed, unless any of its phases fails or skips."""
        if report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome
        elif report.when == "call":
            self.outcomes.setdefault(report.nodeid, "passed")

    def not_passed(self, test: str) -> list[str]:
        """Returns what keeps a test, or any case of a parametrised one, from having passed."""
        cases = {node: end for node, end in self.outcomes.items() if node == test or node.startswith(f"{test}[")}
        return [f"{node} {end}" for node, end in (cases or {test: "did not run"}).items() if end != "passed"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fails a whole run that breaks a promise; one that was interrupted or ended early is judged no further."""
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not session.shouldfail
        if ended and is_whole_run(session.config):
            for row in self.promises:
                for test in row["test"].split():
                    for reason in self.not_passed(test):
                        self.broken.setdefault(reason, []).append(f"{row['document']} {row['lines']}")
        if self.broken:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Lists the broken promises."""
        if self.broken:
            terminalreporter.section("promises of book/promises.csv that no passed test keeps", red=True)
            for reason, places in self.broken.items():
                terminalreporter.line(f"{reason} ({', '.join(places)})")


def pytest_configure(config: pytest.Config) -> None:
    """Starts the report, in the controlling process."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(PromiseReport(read_promises(config.rootpath)), "promise_report")
