"""A CSV with columns by any of their names, and cells read with their place in every error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from grace.comparison.bootstrap import Ints
from grace.comparison.design import READERS, Cell, Design
from grace.errors import StimuliError
from grace.stimuli import read_bytes, split_rows

T = TypeVar("T")

PARTICIPANT = (
    "participant",
    "participant_id",
    "subid",
    "workerid",
    "worker_id",
    "worker",
    "subject",
    "subject_id",
)
#: How a missing value is written.
BLANK = ("", "na", "nan")
ITEM = ("item", "story", "story_shortname", "domain", "scenario")


@dataclass(frozen=True)
class Table:
    """A file's rows. Names of columns are compared without case and outer blanks."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    places: tuple[int, ...]  # the number of each row in the file

    def only(self, kept: Sequence[bool]) -> Table:
        """Some of the rows, each with its number."""
        return Table(
            self.path,
            self.header,
            tuple(row for row, keep in zip(self.rows, kept, strict=True) if keep),
            tuple(place for place, keep in zip(self.places, kept, strict=True) if keep),
        )

    def find(self, names: Iterable[str]) -> str | None:
        """The file's own name of the first of these columns that it has."""
        own = {name.strip().lower(): name for name in self.header}
        return next((own[name] for name in names if name in own), None)

    def need(self, names: Sequence[str], meaning: str) -> str:
        """The same; StimuliError where the file has none of them."""
        found = self.find(names)
        if found is None:
            also = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
            raise StimuliError(
                f"column {names[0]}{also} is missing: {meaning}; "
                f"the file has {', '.join(self.header)}",
                file=str(self.path),
            )
        return found

    def texts(self, column: str) -> list[str]:
        """A column's cells."""
        place = self.header.index(column)
        return [row[place].strip() for row in self.rows]

    def read(self, column: str, reader: Callable[[str], T | None], expected: str) -> list[T]:
        """A column's cells through a reader, which gives None for what it cannot take."""
        values = []
        for i, text in enumerate(self.texts(column)):
            value = reader(text)
            if value is None:
                raise self.wrong(i, column, text, f"expected {expected}")
            values.append(value)
        return values

    def labels(self, names: Sequence[str]) -> tuple[str, ...] | None:
        """Participants or items: a column by one of these names, if there is one."""
        column = self.find(names)
        if column is None:
            return None
        return tuple(self.read(column, lambda text: text or None, "a name in every row"))

    def numbers(self, column: str, low: float, high: float, *, blank: bool = False) -> list[float]:
        """A column of finite numbers within limits; NaN for an empty cell where `blank`."""
        limits = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of {low:g} or more"

        def number(text: str) -> float | None:
            if blank and text.lower() in BLANK:
                return math.nan
            try:
                value = float(text)
            except ValueError:
                return None
            return value if low <= value <= high and math.isfinite(value) else None

        return self.read(column, number, f"a number {limits}")

    def wrong(self, i: int, column: str, value: object, expected: str) -> StimuliError:
        """An error with the place of row i of these rows (from 0)."""
        return StimuliError(
            expected, file=str(self.path), row=self.places[i], column=column, value=value
        )


def read_table(path: Path) -> Table:
    """A CSV file (UTF-8); StimuliError says what is wrong where."""
    header, rows = split_rows(path, read_bytes(path))
    return Table(path, header, tuple(rows), tuple(range(1, len(rows) + 1)))


def cells_of(table: Table, design: Design, names: Sequence[Sequence[str]]) -> Ints:
    """The design's cell of each row, from the two factors' columns by any of `names`."""
    factors = []
    for factor, columns in zip(design.factors, names, strict=True):
        reader, expected = READERS[factor]
        column = table.need(columns, f"the {factor}, {expected}")
        factors.append(table.read(column, reader, expected))
    cells = []
    for i, cell in enumerate(zip(*factors, strict=True)):
        place = design.places.get(_cell(cell))
        if place is None:
            column = " + ".join(design.factors)
            shown = " + ".join(map(str, cell))
            raise table.wrong(i, column, shown, "expected a word no larger than the access")
        cells.append(place)
    return np.array(cells, dtype=np.int64)


def _cell(factors: tuple[str | int, ...]) -> Cell:
    return str(factors[0]), int(factors[1])
