"""Sphinx directive `ledger`: the claims of a document, or of a chapter, with what the evidence says of each."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from ledger import Claim, claims, ledger, verdict_on
from rows import row_of, table_of

WIDTHS = {"Claim": 25, "Holds if": 24, "Measured": 36, "Verdict": 15}


class Ledger(SphinxDirective):
    """Shows the claims of a document (`name.md`) or of a chapter, one row each; without either, only the counts.

    In a chapter each row has an anchor, to which the rows of the documents link.
    """

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Returns a sentence with the counts and the table."""
        for path in ("book/claims.csv", "evidence"):
            self.env.note_dependency(str(Path(self.env.srcdir) / path))
        name = self.arguments[0] if self.arguments else None
        chosen = [claim for claim in claims() if name in (None, claim.document, claim.chapter)]
        rows = ledger()
        verdicts = {claim.id: verdict_on(claim, rows) for claim in chosen}
        kinds = pd.Series([verdict.partition(" if ")[0] for verdict in verdicts.values()]).value_counts()
        counts = ", ".join(f"“{kind}” {count}" for kind, count in kinds.items())
        said = nodes.paragraph(text=f"{len(chosen)} claims: {counts}.")
        return [said] if name is None else [said, self.table(chosen, rows, verdicts, name.endswith(".md"))]

    def table(self, chosen: Sequence[Claim], rows: pd.DataFrame, verdicts: dict[str, str], links: bool) -> nodes.table:
        """Returns a table of one row a claim."""
        lines = []
        for claim in chosen:
            where = f"{claim.id}, line {claim.lines.replace('-', '–').replace(',', ', ')}"
            place: nodes.Node = nodes.inline(text=f"{where} of {claim.document}", classes=["file"])
            if links:
                uri = self.env.app.builder.get_relative_uri(self.env.docname, f"notebooks/{claim.chapter}")
                place = nodes.reference("", where, refuri=f"{uri}#claim-{claim.id.lower()}", classes=["file"])
            own = rows[rows["id"] == claim.id].to_dict("records")
            cells: list[list[nodes.Node]] = [
                [nodes.paragraph(text=claim.claim), nodes.paragraph("", "", place)],
                [nodes.paragraph(text=claim.predicate)],
                [nodes.paragraph(text=line) for line in measured(claim, own)],
                [nodes.paragraph(text=verdicts[claim.id])],
            ]
            line = row_of(cells, verdicts[claim.id].split(" if ")[0].replace(" ", "-"))
            if not links:
                line["ids"].append(f"claim-{claim.id.lower()}")
            lines.append(line)
        return table_of(WIDTHS, lines, "ledger")


def measured(claim: Claim, rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Returns a line for each setting, and one for the seeds."""
    seeds = sorted({row["seeds"] for row in rows})
    return [*(claim.measured(row) for row in rows), f"{' or '.join(map(str, seeds))} seeds"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive."""
    app.add_directive("ledger", Ledger)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
