"""Tables of the directives, one row for each promise or claim; on a phone each row is a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from docutils import nodes


def table_of(widths: Mapping[str, int], rows: Sequence[nodes.row], name: str) -> nodes.table:
    """Returns a table with a head.

    Args:
        widths: title -> width of each column.
        rows: as `row_of` makes them.
        name: class of the table, for the style sheet.
    """
    group = nodes.tgroup(cols=len(widths))
    group += [nodes.colspec(colwidth=width) for width in widths.values()]
    group += nodes.thead("", row_of([[nodes.paragraph(text=title)] for title in widths]))
    body = nodes.tbody()
    body += rows
    group += body
    return nodes.table("", group, classes=[name, "colwidths-given"])


def row_of(cells: Sequence[Sequence[nodes.Node]], name: str = "") -> nodes.row:
    """Returns a row; `name` is its class."""
    row = nodes.row(classes=[name] if name else [])
    row += [nodes.entry("", *cell) for cell in cells]
    return row
