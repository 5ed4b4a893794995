"""Tables for a terminal: as wide as it is, in parts where they are wider, long ones cut short.

What is shown comes from stimuli and models: it stands as it is, and nothing in it is a colour,
a picture or a command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grace.config import one_line

#: A level or a name is broken after so many columns of the screen, and cut after so many letters.
WIDEST_KEY, WIDEST_NUMBER, LONGEST = 24, 14, 200
#: What a column needs beside its cells.
_FRAME = 3


@dataclass(frozen=True)
class Row:
    """What says which row it is, then its numbers; `ends` a part of the table."""

    keys: tuple[str, ...]
    numbers: tuple[str, ...]
    ends: bool = False


def print_table(
    console: Console,
    title: str,
    keys: Sequence[str],
    numbers: Sequence[str],
    rows: Sequence[Row],
    left_out: str = "",
) -> None:
    """Print a table; columns that have no room follow in further ones, with the keys again."""
    room = _rooms(keys, [row.keys for row in rows], WIDEST_KEY, console.width - 2 * _FRAME - 8)
    widths = _rooms(numbers, [row.numbers for row in rows], WIDEST_NUMBER, None)
    parts = _parts(widths, console.width - 1 - sum(room) - _FRAME * len(room))
    for i, part in enumerate(parts):
        table = Table(title=safe(title + (", continued" if i else "")), title_justify="left")
        for name, width in zip(keys, room, strict=True):
            table.add_column(safe(name), max_width=width, overflow="fold")
        for k in part:
            table.add_column(
                safe(numbers[k]), justify="right", max_width=widths[k], overflow="fold"
            )
        for row in rows:
            cells = [*map(safe, row.keys), *(Text(row.numbers[k]) for k in part)]
            table.add_row(*cells, end_section=row.ends)
        console.print(table)
    if left_out:
        console.print(f"  {left_out}", markup=False, highlight=False)


def safe(text: str) -> Text:
    """A text as it is, on one line: brackets and colons in it are no markup."""
    return Text(one_line(text, LONGEST))


def _rooms(
    names: Sequence[str], cells: Sequence[Sequence[str]], most: int, total: int | None
) -> list[int]:
    """How wide each column is; all of them shrink where they would leave nothing for others."""
    rooms = []
    for i, name in enumerate(names):
        longest = max([cell_len(one_line(name, LONGEST)), *(cell_len(row[i]) for row in cells)])
        rooms.append(min(max(longest, 1), most))
    while total is not None and sum(rooms) + _FRAME * len(rooms) > total and max(rooms) > 4:
        rooms[rooms.index(max(rooms))] -= 1
    return rooms


def _parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """Columns that stand beside each other, at least one at a time."""
    parts: list[list[int]] = [[]]
    left = room
    for k, width in enumerate(widths):
        if parts[-1] and width + _FRAME > left:
            parts.append([])
            left = room
        parts[-1].append(k)
        left -= width + _FRAME
    return parts
