"""Quotation marks of a CSV file that are valid and not meant.

A mark after a blank (`1, "mug", 0`) encloses nothing: it would be part of the text. One that opens
by mistake in one row and closes in another makes one cell of the rows between. Neither is an
error to a reader of CSV, and both would be asked.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

#: At least so many pieces must look like cells of their columns, and half of all.
_LEAST = 2
_NUMBER = re.compile(r"[+\-−]?[0-9]+([.,][0-9]+)?")

Rows = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Place:
    """Where a quotation mark is not meant: the row (0 is the header), the column, and why."""

    row: int
    column: int
    cell: str
    why: str


def after_a_blank(text: str, separator: str) -> Place | None:
    """The first cell that begins with blanks and a quotation mark, and seems to be enclosed."""
    mark = re.escape(separator)
    if not re.search(rf'(^|[{mark}\r\n])[^\S\r\n{mark}]+"', text):
        return None
    begin, end = rf"(?:(?<=[{mark}\r\n])|\A)", rf"(?=[{mark}\r\n]|\Z)"
    bare = re.sub(f'{begin}"(?:[^"]|"")*"{end}', "x", text)  # what is enclosed indeed
    rows = csv.reader(io.StringIO(bare, newline=""), delimiter=separator)
    filled = (cells for cells in rows if any(cell.strip() for cell in cells))
    for row, cells in enumerate(filled):
        for column, cell in enumerate(cells):
            inner = cell.strip()
            if not inner.startswith('"') or cell.startswith('"'):
                continue
            if (len(inner) > 1 and inner.endswith('"')) or inner.count('"') % 2:
                why = (
                    "a quotation mark after a blank would be part of the text; expected none "
                    'before it, or """text""" where the marks are meant'
                )
                return Place(row, column, cell, why)
    return None


def swallowed_rows(rows: Rows, separator: str) -> Place | None:
    """The first cell of several lines that looks like rows of the table.

    Each line must end and begin where a row would, without blanks at the separators; no piece
    may be a word in a column of numbers, and half of them are numbers in such a column or
    stand in that column elsewhere. A cell of prose, of verse or of a list is none of this.
    """

    def looks_like_rows(cell: str) -> bool:
        return "\n" in cell and separator in cell

    wrong = [
        (n, i) for n, cells in enumerate(rows) for i, c in enumerate(cells) if looks_like_rows(c)
    ]
    if not wrong:
        return None
    within = {n for n, _ in wrong}
    others = [cells for n, cells in enumerate(rows) if n not in within]
    for n, i in wrong:
        cells = rows[n]
        lines = _pieces(cells[i], i, len(cells), separator)
        if lines and _fit(lines, i, cells, others):
            why = (
                f"one cell of {len(lines)} lines, each of which would be a row: a quotation mark "
                "opens here and closes in another row; take both out (or, if it is one cell, "
                "write a blank behind each separator in it)"
            )
            return Place(n + 1, i, cells[i], why)
    return None


def _pieces(cell: str, column: int, width: int, separator: str) -> list[list[str]]:
    """The cells of each line if it were a row; none where the lines cannot be rows."""
    lines = [line.split(separator) for line in cell.split("\n")]
    lengths = [width - column, *[width] * (len(lines) - 2), column + 1]
    whole = [len(line) for line in lines] == lengths
    tight = all(piece == piece.strip() for line in lines for piece in line)
    return lines if whole and tight else []


def _fit(lines: list[list[str]], column: int, cells: tuple[str, ...], others: Rows) -> bool:
    """Whether the pieces look like cells of the columns they would be in."""
    known = [{row[k] for row in others} for k in range(len(cells))]
    for k, cell in enumerate(cells):
        if k != column:
            known[k].add(cell)
    numeric = [bool(seen) and all(_NUMBER.fullmatch(c.strip()) for c in seen) for seen in known]
    fits: list[bool] = []
    own: list[bool] = []  # of the pieces in the column itself, which alone tell at the edges
    for n, line in enumerate(lines):
        for k, piece in enumerate(line, column if n == 0 else 0):
            is_number = _NUMBER.fullmatch(piece) is not None
            if numeric[k] and not is_number:
                return False
            fits.append(numeric[k] or piece in known[k])
            if k == column:
                own.append(fits[-1])
    at_the_edge = column in (0, len(cells) - 1)
    enough = sum(fits) >= max(_LEAST, len(fits) / 2)
    return enough and (not at_the_edge or 2 * sum(own) > len(own))
