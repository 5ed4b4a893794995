"""Writing tables: CSV and Parquet with the same rows, streamed, moved into place when whole."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from grace.config.printable import writable
from grace.errors import GraceError
from grace.tables.columns import Column

Rows = Mapping[str, Sequence[Any]]
#: What begins a formula in a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: A number, which is none: -0.52, +3, -.5e-3, -5%.
_PLAIN = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s?%?", re.ASCII)
TYPES = {"number": pa.float64(), "integer": pa.int64(), "text": pa.string()}


def unwritten(path: Path, error: OSError) -> GraceError:
    """What the user is told of a full disk, a quota, a folder that is read-only or gone."""
    return GraceError(
        f"{path}: cannot be written ({error.strerror or error}); mend that and run the same "
        "command again: the answers are in the store"
    )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise unwritten(path, error) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file in one move."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON in one move."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


class TableWriter:
    """Takes a table's rows block by block; see `writing`."""

    def __init__(self, file: IO[str], parquet: pq.ParquetWriter, columns: Sequence[Column]) -> None:
        self._file, self._parquet, self._columns = file, parquet, columns
        self.count = 0  # rows so far

    def add(self, block: Rows) -> None:
        """Write a block's rows."""
        arrays, texts = [], []
        for column, kind in zip(self._columns, self._parquet.schema.types, strict=True):
            array, cells = _column(column, block[column.name], kind)
            arrays.append(array)
            texts.append(cells)
        lines = list(map(",".join, zip(*texts, strict=True)))
        self._file.writelines(f"{line}\n" for line in lines)
        self._parquet.write_table(pa.Table.from_arrays(arrays, schema=self._parquet.schema))
        self.count += len(lines)


@contextmanager
def writing(stem: Path, columns: Sequence[Column]) -> Iterator[TableWriter]:
    """Write STEM.csv and STEM.parquet; they take their places when the block ends well.

    A missing value is an empty cell in the CSV and null in the Parquet. A text cell that a
    spreadsheet would run as a formula is escaped in the CSV with a leading apostrophe.
    """
    schema = pa.schema([(column.name, TYPES[column.type]) for column in columns])
    with (
        replacing(stem.with_suffix(".csv")) as csv_part,
        replacing(stem.with_suffix(".parquet")) as parquet_part,
        csv_part.open("w", encoding="utf-8", newline="") as file,
        pq.ParquetWriter(parquet_part, schema, compression="zstd") as parquet,
    ):
        file.write(_line([column.name for column in columns]))
        yield TableWriter(file, parquet, columns)
        _sync(file)


def _column(column: Column, values: Sequence[Any], kind: Any) -> tuple[Any, list[str]]:
    """A column in the Parquet, and its cells in the CSV. Texts that are alike are made once.

    Numbers in the CSV are those of the Parquet, whatever kind of number was given.
    """
    if column.type != "text":
        array = pa.array(values, type=kind, from_pandas=True)
        return array, ["" if value is None else repr(value) for value in array.to_pylist()]
    texts = [value if value is None or isinstance(value, str) else str(value) for value in values]
    valid = {value: value and writable(value) for value in dict.fromkeys(texts)}
    cells = {value: _cell(text) for value, text in valid.items()}
    array = pa.array([valid[value] for value in texts], type=kind)
    return array, [cells[value] for value in texts]


def _line(cells: Iterable[Any]) -> str:
    """A line of CSV. A carriage return alone is quoted too: readers take it for a new row."""
    return ",".join(_cell(cell) for cell in cells) + "\n"


def as_formula(text: str) -> bool:
    """Whether a spreadsheet would run the text: it is written with an apostrophe before it."""
    return text[:1] in FORMULA and not _PLAIN.fullmatch(text)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    text = value.replace("\0", "\\0")
    if as_formula(text):
        text = f"'{text}"
    if any(mark in text for mark in ',"\n\r'):
        text = '"' + text.replace('"', '""') + '"'
    return text


def _sync(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())


def codebook(title: str, tables: Mapping[str, Sequence[Column]]) -> dict[str, Any]:
    """Every column of every table: meaning, unit, range, source."""
    return {
        "title": title,
        "missing": "an empty cell (CSV) or null (Parquet): the value could not be had; "
        "`flags` says why",
        "escaping": "in the CSV, a text cell that begins with = + - @ tab or carriage return "
        "and is no number has an apostrophe put before it, and NUL is written \\0; the Parquet "
        "holds the raw text",
        "cells": "lines inside of a cell end with LF, in the prompts too, whatever the stimuli "
        "file has; keys, factors, item and participant are without outer white space and with "
        "aliases replaced, alike in all tables; other columns of the file are as they were",
        "tables": {name: [asdict(c) for c in columns] for name, columns in tables.items()},
    }
