"""CSV files as their readers need them: strict, with the place of whatever is wrong.

UTF-8 with or without BOM, LF or CRLF. Rows are counted from 1 below the header.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from grace.errors import StimuliError


def read_bytes(path: Path) -> bytes:
    """The file's bytes; StimuliError where there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StimuliError("no such file; expected a CSV", file=str(path)) from error
    except OSError as error:
        raise StimuliError(
            f"cannot be read ({error.strerror}); expected a CSV file", file=str(path)
        ) from error


def split_rows(path: Path, content: bytes) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows; every row as long as the header, blank lines passed over."""
    text = _decode(path, content)
    rows: list[tuple[str, ...]] = []
    same: dict[str, str] = {}  # cells that are alike are held once
    csv.field_size_limit(max(len(content), csv.field_size_limit()))  # a cell may be a book
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = tuple(name.strip() for name in next(reader))
        for cells in reader:
            if cells and len(cells) != len(header):
                raise StimuliError(
                    f"found {len(cells)} cells, expected {len(header)} as in the header "
                    "(is a comma or a quotation mark missing or too many?)",
                    file=str(path),
                    row=len(rows) + 1,
                )
            if cells:
                rows.append(tuple(same.setdefault(cell, cell) for cell in cells))
    except csv.Error as error:
        raise StimuliError(f"no valid CSV: {error}", file=str(path), row=len(rows) + 1) from error
    _check_header(path, header)
    if not rows:
        raise StimuliError("a header but no rows; expected at least one", file=str(path))
    return header, rows


def _decode(path: Path, content: bytes) -> str:
    """The file as text, or where it stops being UTF-8."""
    file = str(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n")
        raise StimuliError(
            "expected UTF-8 text; save the file as UTF-8 (in a spreadsheet: “CSV UTF-8”)",
            file=file,
            row=line or None,
            value=content[error.start : error.start + 12],
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n")
        raise StimuliError(
            "expected text without NUL characters (is it UTF-16, or no CSV at all?)",
            file=file,
            row=line or None,
            value="\0",
        )
    if not text.strip():
        raise StimuliError("the file is empty; expected a header and rows", file=file)
    return text


def _check_header(path: Path, header: tuple[str, ...]) -> None:
    for i, name in enumerate(header):
        if not name:
            raise StimuliError(f"column {i + 1} has no name in the header", file=str(path))
        if name in header[:i]:
            raise StimuliError("the column stands twice in the header", file=str(path), column=name)
