"""comparison.json and comparison.csv, each moved into place when whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grace.comparison.comparing import Comparison
from grace.comparison.content import content, rows
from grace.errors import GraceError
from grace.tables import write_json, write_text
from grace.tables.write import FORMULA


def together(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """What comparison.json holds: of one run its numbers, of several each under `runs`."""
    if len(comparisons) == 1:
        return content(comparisons[0])
    names = [one.answers.label for one in comparisons]
    if len(set(names)) < len(names):
        names = [f"{one.answers.label} ({one.answers.source})" for one in comparisons]
    return {"runs": dict(zip(names, map(content, comparisons), strict=True))}


def write(folder: Path, comparisons: Sequence[Comparison]) -> list[Path]:
    """Write both files into a folder, which is made; returns their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GraceError(f"{folder}: cannot be made ({error.strerror})") from error
    paths = [folder / "comparison.json", folder / "comparison.csv"]
    write_json(paths[0], together(comparisons))
    write_text(paths[1], _csv([row for one in comparisons for row in rows(one)]))
    return paths


def _escaped(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _csv(found: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV, of all columns that any has; an empty cell is missing."""
    columns = dict.fromkeys(name for row in found for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({name: _escaped(value) for name, value in row.items()} for row in found)
    return text.getvalue()
