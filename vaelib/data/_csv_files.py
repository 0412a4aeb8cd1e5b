"""Examples from a `.csv` file, with errors that name the line and the column."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vaelib._arrays import Array
from vaelib._checks import argument_error, nearest
from vaelib.data._source import Source


def csv_source(path: Path, label: str | None = None) -> Source:
    """Returns the numbers of a `.csv` file: each line an example, each column one of its numbers.

    Values are separated by commas, the text is UTF-8. A first line without any number is the header. The column
    `label` holds the labels: integers if all of its values are whole, so that they are taken for classes.

    Args:
        path: the file.
        label: the name of the column with the labels; None takes the column "label" if there is one.

    Raises:
        ValueError: if the file is no such text, is empty or has one column, if a value is missing or no finite number,
            if a line is longer or shorter than the first, or if no column has the name `label`.
    """
    file = Source(path.name, {}, str(path))
    header: list[str] | None = None
    values = array("d")
    width = line = 0
    for line, row in _lines(path, file):
        if not width:
            width = len(row)
            if width == 1:
                raise file.error("hold two columns or more, separated by commas", f"whose line {line} has one")
            if not any(map(_is_number, row)):
                header = [name.strip() for name in row]
                continue
        if len(row) != width:
            raise file.error("hold equally many values in each line", f"whose line {line} has {len(row)}, not {width}")
        try:
            values.extend(map(_number, row))
        except ValueError:
            column = next(i for i, text in enumerate(row) if not _is_number(text))
            raise _bad_value(file, line, column, header, row[column]) from None
        if not np.isfinite(values[-width:]).all():
            column = int(np.argmin(np.isfinite(values[-width:])))
            raise _bad_value(file, line, column, header, row[column])
    if not values:
        raise file.error("hold examples", "which is empty" if not width else "which holds nothing but its header")
    table = np.frombuffer(values).reshape(-1, width)
    return _with_label(file, table, header, label)


def _lines(path: Path, file: Source) -> Iterator[tuple[int, list[str]]]:
    """Yields the number and the values of each line that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            for row in reader:
                if any(text.strip() for text in row):
                    yield reader.line_num, row
    except UnicodeDecodeError:
        raise file.error("be text in UTF-8", "which is not") from None
    except csv.Error as error:
        raise file.error("be a readable .csv file", f"which gives: {error}, line {reader.line_num}") from None
    except OSError as error:
        raise file.error("be a readable .csv file", f"which gives: {error.strerror}") from None


def _is_number(text: str) -> bool:
    try:
        _number(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> float:
    if "_" in text:  # which Python allows between digits
        raise ValueError
    return float(text)


def _bad_value(file: Source, line: int, column: int, header: list[str] | None, text: str) -> ValueError:
    named = f" ({header[column]!r})" if header else ""
    shown = repr(text if len(text) <= 50 else f"{text[:50]}…") if text.strip() else "nothing"
    return file.error("hold only finite numbers", f"whose line {line}, column {column + 1}{named} holds {shown}")


def _with_label(file: Source, table: Array, header: list[str] | None, label: str | None) -> Source:
    columns = [i for i, name in enumerate(header or []) if name == (label or "label")]
    if label is not None and not columns:
        if header is None:
            raise argument_error("label", f"be None, because {file.name} has no line of column names", label)
        must = f"be a column of {file.name}: {', '.join(map(repr, header[:20]))}{' …' if len(header) > 20 else ''}"
        raise argument_error("label", must, label, nearest(label, header))
    if len(columns) > 1:
        raise file.error("have one column of labels", f"which has {len(columns)} columns {label or 'label'!r}")
    if not columns:
        return Source(file.name, {"x": table}, file.described)
    y = table[:, columns[0]]
    if (y == np.round(y)).all() and np.abs(y).max() < 2**53:
        y = y.astype(np.int64)
    return Source(file.name, {"x": np.delete(table, columns, axis=1), "y": y}, file.described)
