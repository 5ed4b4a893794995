"""CSV files as their readers need them: strict, with the place of whatever is wrong.

UTF-8 with or without BOM; LF, CRLF or CR, which inside of cells become LF. Cells are
apart by commas, by semicolons (a spreadsheet's CSV in much of Europe) or by tabs: whichever makes
one table of the whole file. Rows are counted from 1 below the header.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from grace.config.sandbox import same_form
from grace.errors import StimuliError
from grace.stimuli.quotation_marks import after_a_blank, swallowed_rows

#: What may stand between cells, and what people call it.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
#: How files begin that are no text, or another kind of it, and what they are.
_OTHER_KINDS = {
    b"PK\x03\x04": "an Excel workbook (.xlsx), another spreadsheet or a ZIP file",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls) or another file of Microsoft Office",
    b"PAR1\x15": "a Parquet file",
    b"\x1f\x8b": "a file compressed with gzip (R's .rds is one, too)",
    b"$FL2@(#)": "a file of SPSS (.sav)",
    b"%PDF-": "a PDF",
    b"{\\rtf1": "a text document (RTF)",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
}
#: A first line that tells a spreadsheet what stands between cells.
_SEP = re.compile(r'"?sep=(?P<mark>[,;\t|])"?\r?\n?', re.IGNORECASE)


#: What other encodings begin with, the longer mark first.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
#: Encodings that spreadsheets write, and Python's names for them.
_CODECS = {
    "Windows-1252 or Latin-1": "cp1252",
    "Mac Roman": "mac_roman",
    "Shift-JIS": "shift_jis",
    "GBK": "gb18030",
}


@dataclass(frozen=True)
class Reading:
    """A file as rows, if a certain sign stands between cells; or what is wrong with it then."""

    separator: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    wrong: StimuliError | None


def read_bytes(path: Path) -> bytes:
    """The file's bytes; StimuliError where there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StimuliError("no such file; expected a CSV", file=str(path)) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise StimuliError(
            f"cannot be read ({why}); expected a CSV file", file=str(path)
        ) from error


def split_rows(
    path: Path, content: bytes, expected: Collection[str] = ()
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows; every row as long as the header, blank lines passed over.

    `expected` are columns the file should have: where it can be read in several ways, they say
    which is meant.
    """
    text = _decode(path, content)
    csv.field_size_limit(max(len(content), csv.field_size_limit()))  # a cell may be a book
    named = _SEP.match(text)
    if named:
        reading = _read(path, text[named.end() :], named["mark"])
    else:
        reading = _choose(path, text, expected)
    if reading.wrong:
        raise reading.wrong
    _refuse_stray_marks(path, text, reading)
    _check_header(path, reading.header)
    if not reading.rows:
        raise StimuliError("a header but no rows; expected at least one", file=str(path))
    return reading.header, reading.rows


def _choose(path: Path, text: str, expected: Collection[str]) -> Reading:
    """The one way to read the file in which it makes a table of the expected columns."""
    first = _read(path, text, ",")
    if first.wrong is None and len(first.header) > 1 and set(expected) <= set(first.header):
        return first
    others = [_read(path, text, mark) for mark in SEPARATORS if mark in text and mark != ","]
    readings = [reading for reading in [first, *others] if len(reading.header) > 1]
    having = [reading for reading in readings if set(expected) <= set(reading.header)]
    whole = [reading for reading in having or readings if reading.wrong is None]
    if len(whole) > 1 and (not expected or len(having) > 1):
        names = " or ".join(SEPARATORS[reading.separator] for reading in whole)
        raise StimuliError(
            f"the cells may be apart by {names}: both make a table; expected one of them only "
            "(a first line sep=; says which it is)",
            file=str(path),
        )
    return (whole or having or readings or [first])[0]


def _read(path: Path, text: str, separator: str) -> Reading:
    """The rows, up to the first that is wrong."""
    rows: list[tuple[str, ...]] = []
    same: dict[str, str] = {}  # cells that are alike are held once
    header: tuple[str, ...] = ()
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
        filled = (cells for cells in reader if len(cells) > 1 or (cells and cells[0].strip()))
        header = tuple(same_form(_lines(name).strip()) for name in next(filled, ()))
        for cells in reader:
            if cells and len(cells) != len(header):
                if len(header) > 1 and len(cells) == 1 and not cells[0].strip():
                    continue  # a line of blanks
                wrong = StimuliError(
                    f"found {len(cells)} cells, expected {len(header)} as in the header (is a "
                    f"{_one(separator)} or a quotation mark missing or too many?)",
                    file=str(path),
                    row=len(rows) + 1,
                )
                return Reading(separator, header, rows, wrong)
            if cells:
                rows.append(tuple(same.setdefault(cell, _lines(cell)) for cell in cells))
    except csv.Error as error:
        what = "a quotation mark is not closed" if "end of data" in str(error) else str(error)
        wrong = StimuliError(f"no valid CSV: {what}", file=str(path), row=len(rows) + 1)
        return Reading(separator, header, rows, wrong)
    return Reading(separator, header, rows, None)


def _refuse_stray_marks(path: Path, text: str, reading: Reading) -> None:
    """Refuse quotation marks that are valid CSV and not meant."""
    named = _SEP.match(text)
    text, separator = text[named.end() if named else 0 :], reading.separator
    place = after_a_blank(text, separator) or swallowed_rows(reading.rows, separator)
    if place:
        raise StimuliError(
            place.why,
            file=str(path),
            row=place.row or None,
            column=reading.header[place.column],
            value=place.cell,
        )


def _lines(cell: str) -> str:
    """The cell with line feeds between its lines, whichever system wrote it."""
    return cell.replace("\r\n", "\n").replace("\r", "\n") if "\r" in cell else cell


def _one(separator: str) -> str:
    return SEPARATORS[separator].removesuffix("s")


def _decode(path: Path, content: bytes) -> str:
    """The file as text, or where it stops being UTF-8."""
    file = str(path)
    kind = next((k for start, k in _OTHER_KINDS.items() if content.startswith(start)), None)
    if kind:
        raise StimuliError(
            f"it is {kind}, expected a CSV; save or export the table as CSV (in a spreadsheet: "
            "“CSV UTF-8”)",
            file=file,
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n")
        found = content[error.start : error.start + 12]
        raise StimuliError(
            f"expected UTF-8 text; {_other_encoding(content, found)}save the file as UTF-8 "
            "(in a spreadsheet: “CSV UTF-8”)",
            file=file,
            row=line or None,
            value=found,
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


def _other_encoding(content: bytes, found: bytes) -> str:
    """What the file may be instead, and how it would then read: people know their own letters."""
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return f"it is {name}; "
    readings = []
    for name, codec in _CODECS.items():
        try:
            content.decode(codec)
        except UnicodeDecodeError:
            continue
        letters = found.splitlines()[0].decode(codec, "ignore")
        if letters.isprintable():
            readings.append(f"{name} ({letters!r})")
    return f"it may be {' or '.join(readings)}; " if readings else ""


def _check_header(path: Path, header: tuple[str, ...]) -> None:
    for i, name in enumerate(header):
        if not name:
            raise StimuliError(
                f"column {i + 1} has no name in the header{_index(i)}", file=str(path)
            )
        if name in header[:i]:
            raise StimuliError("the column stands twice in the header", file=str(path), column=name)


def _index(place: int) -> str:
    """Where a first column without a name comes from, mostly."""
    if place:
        return "; give it a name or take it out"
    return (
        "; it may be the row numbers that pandas and R write: leave them out with index=False or "
        "row.names=FALSE, or give the column a name"
    )
