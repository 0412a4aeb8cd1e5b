"""What a diagnosis says: findings, causes before symptoms, as text and as a notebook display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

HEALTHY = "healthy"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a model.

    Attributes:
        name: such as "collapsed".
        evidence: one sentence with the numbers that show it.
        remedy: what to change, with concrete values.
        chapter: the notebook that shows it, by its file's name without ending.
    """

    name: str
    evidence: str
    remedy: str
    chapter: str

    def __str__(self) -> str:
        return f"{self.name}: {self.evidence} {self.remedy} See {self.chapter}."


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` and `diagnose_arrays` return.

    Attributes:
        findings: what is wrong, causes before symptoms; empty for a healthy model.
        not_assessed: what could not be looked for, and what is missing for it, by name.
        numbers: what was measured, by name; see `diagnose_arrays`.
    """

    findings: tuple[Finding, ...]
    not_assessed: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The name of the first finding, or "healthy"."""
        return self.findings[0].name if self.findings else HEALTHY

    @property
    def names(self) -> tuple[str, ...]:
        """The findings' names in their order."""
        return tuple(finding.name for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"verdict: {self.verdict}"]
        for number, finding in enumerate(self.findings, start=1):
            lines += [f"{number}. {finding.name}", f"   {finding.evidence}", f"   Remedy: {finding.remedy}"]
            lines.append(f"   Shown in: {finding.chapter}")
        lines += [f"not assessed: {name}: {missing}" for name, missing in self.not_assessed.items()]
        return "\n".join([*lines, f"measured: {self._measured()}"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        items = [
            f"<li><strong>{escape(finding.name)}</strong><br>{escape(finding.evidence)}<br>"
            f"<em>Remedy:</em> {escape(finding.remedy)}<br><em>Shown in:</em> {escape(finding.chapter)}</li>"
            for finding in self.findings
        ]
        parts = [f"<p><strong>Verdict: {escape(self.verdict)}</strong></p>"]
        parts += [f"<ol>{''.join(items)}</ol>"] if items else []
        missing = "; ".join(f"{name}: {why}" for name, why in self.not_assessed.items())
        parts += [f"<p>Not assessed: {escape(missing)}</p>"] if missing else []
        return f"<div>{''.join(parts)}<p>Measured: {escape(self._measured())}</p></div>"

    def _measured(self) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in self.numbers.items())
