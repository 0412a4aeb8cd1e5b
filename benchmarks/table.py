"""The table: rows with their targets, and the machine that they were measured on."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

PACKAGES = ("tensorflow", "keras", "numpy")


class Row(NamedTuple):
    """One line of the table.

    `what` was measured, indented where it belongs to the row above; `value`, a number, or words in its place; `unit`;
    `form`, how the number is written; `at_most` or `at_least`, the target; `ends`, the lowest and the highest of the
    values whose median it is.
    """

    what: str
    value: float | str
    unit: str = ""
    form: str = ".1f"
    at_most: float | None = None
    at_least: float | None = None
    ends: tuple[float, float] | None = None

    @property
    def measured(self) -> str:
        """The figure with its unit."""
        if isinstance(self.value, str):
            return self.value
        ends = "({:{form}}–{:{form}})".format(*self.ends, form=self.form) if self.ends else ""
        return " ".join(filter(None, [format(self.value, self.form), self.unit, ends]))

    @property
    def target(self) -> str:
        """The bound with its unit, empty without one."""
        bounds = {"≤": self.at_most, "≥": self.at_least}
        return " ".join(f"{sign} {bound:,} {self.unit}" for sign, bound in bounds.items() if bound is not None).strip()

    @property
    def met(self) -> str:
        """Whether the value as measured, not as written, keeps to the target: yes, no, or empty without one."""
        if isinstance(self.value, str) or not self.target:
            return ""
        above = self.at_least is None or self.value >= self.at_least
        below = self.at_most is None or self.value <= self.at_most
        return "yes" if above and below else "no"

    def line(self) -> str:
        """Returns the row as it is printed."""
        return f"{self.what:58s} {self.measured:>22s}   {self.target:12s} {self.met}".rstrip()

    def markdown(self) -> str:
        """Returns the row of a Markdown table."""
        what = f"– {self.what.strip()}" if self.what.startswith(" ") else self.what
        return f"| {what} | {self.measured} | {self.target} | {f'**{self.met}**' if self.met == 'no' else self.met} |"


def median_row(
    what: str, values: Sequence[float], unit: str = "", form: str = ".2f", at_most: float | None = None
) -> Row:
    """Returns the row of the median of several values, with the lowest and the highest."""
    return Row(what, median(values), unit, form, at_most, ends=(min(values), max(values)))


def machine() -> str:
    """Returns a sentence on the machine and what computes on it."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        system = f"{platform.system()} {platform.release()}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory; {system}, {platform.machine()}; "
        f"Python {platform.python_version()}, {packages}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "a processor without a name"


def markdown(rows: Sequence[Row]) -> str:
    """Returns the file of the table."""
    head = f"Measured on {datetime.date.today().isoformat()}. {machine()}"
    columns = ["| what | measured | target | met |", "|---|---|---|---|"]
    return "\n".join([head, "", *columns, *(row.markdown() for row in rows), ""])
