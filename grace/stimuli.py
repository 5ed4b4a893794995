"""Stimuli: from a CSV file to checked trials.

A file is refused with its name, the row, the column, the value found and what was expected.
Rows are counted from 1 below the header.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.csvfile import read_bytes, split_rows
from grace.errors import StimuliError
from grace.prompts import Templates
from grace.study import ColumnSpec, StudySpec
from grace.types import Trial

_BREAK = re.compile(r"\s*<br\s*/?>\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Stimuli:
    """A checked file: its trials, its cells as they were read, and its hash."""

    path: Path
    sha256: str
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]  # as read, in the header's order
    trials: tuple[Trial, ...]
    derived: tuple[str, ...]  # columns made here, in no file

    def subset(self, rows: Sequence[int]) -> Stimuli:
        """The trials with these row numbers, in file order."""
        wanted = set(rows)
        kept = [i for i, trial in enumerate(self.trials) if trial.row in wanted]
        return Stimuli(
            self.path,
            self.sha256,
            self.header,
            tuple(self.cells[i] for i in kept),
            tuple(self.trials[i] for i in kept),
            self.derived,
        )


def read_stimuli(path: Path, study: StudySpec, templates: Templates) -> Stimuli:
    """Read and check a stimuli file (UTF-8, with or without BOM; LF or CRLF)."""
    content = read_bytes(path)
    header, rows = split_rows(path, content)
    missing = [n for n, c in study.columns.items() if n not in header and _needed(c)]
    if missing:
        raise StimuliError(
            f"column {missing[0]} is missing; the file has {', '.join(header)}; study "
            f"{study.name} expects {', '.join(n for n, c in study.columns.items() if _needed(c))}",
            file=str(path),
        )
    derived = tuple(n for n, c in study.columns.items() if n not in header and c.derive)
    make = _Maker(path, study, header, templates)
    trials = tuple(make.trial(i, cells) for i, cells in enumerate(rows, start=1))
    _refuse_duplicates(path, study, trials)
    return Stimuli(path, hashlib.sha256(content).hexdigest(), header, tuple(rows), trials, derived)


def _needed(column: ColumnSpec) -> bool:
    return column.derive is None and not column.optional


class _Maker:
    """Makes trials of one file's rows."""

    def __init__(
        self, path: Path, study: StudySpec, header: tuple[str, ...], templates: Templates
    ) -> None:
        self.file = str(path)
        self.study = study
        self.header = header
        self.clean: dict[str, str] = {}  # cells that are alike are cleaned and held once
        names = {*study.columns, *header}
        where = f"study {study.name}"
        self.derived = [
            (name, spec, templates.expression(spec.derive, names, f"{where}, column {name}"))
            for name, spec in study.columns.items()
            if name not in header and spec.derive is not None
        ]
        self.checks = [
            (check, templates.expression(check.that, names, f"{where}, a check"))
            for check in study.checks
        ]

    def trial(self, row: int, cells: tuple[str, ...]) -> Trial:
        values: dict[str, Any] = {}
        for name, cell in zip(self.header, cells, strict=True):
            spec = self.study.columns.get(name)
            if cell not in self.clean:
                self.clean[cell] = _BREAK.sub(" ", cell).strip()
            text = self.clean[cell]
            values[name] = self._value(row, name, spec, text) if spec else text
        for name, spec in self.study.columns.items():
            if spec.optional and name not in values:
                values[name] = ""
        for name, spec, make in self.derived:
            made = make(**values)
            source = next((n for n in self.header if n in (spec.derive or "")), None)
            if made is None or not isinstance(made, (str, int)):
                raise StimuliError(
                    f"expected text from which {name} follows ({spec.meaning})",
                    file=self.file,
                    row=row,
                    column=source,
                    value=values.get(source) if source else made,
                )
            values[name] = self._value(row, name, spec, str(made))
        for check, holds in self.checks:
            if not holds(**values):
                raise StimuliError(
                    f"expected {check.expected.format_map(values)}",
                    file=self.file,
                    row=row,
                    column=check.column,
                    value=values[check.column],
                )
        return Trial(row, tuple(str(values[name]) for name in self.study.key), values)

    def _value(self, row: int, name: str, spec: ColumnSpec, text: str) -> str | int:
        if not text and not spec.optional:
            raise StimuliError(
                f"an empty cell; expected {spec.meaning}", file=self.file, row=row, column=name
            )
        value: str | int = spec.aliases.get(text, text)
        if spec.type == "integer" and isinstance(value, str):
            if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
                expected = _one_of(spec) if spec.allowed else "expected a whole number"
                raise StimuliError(expected, file=self.file, row=row, column=name, value=text)
            value = int(value)
        if spec.allowed is not None and value not in spec.allowed:
            raise StimuliError(_one_of(spec), file=self.file, row=row, column=name, value=text)
        return value


def _one_of(spec: ColumnSpec) -> str:
    return f"expected one of {', '.join(str(a) for a in spec.allowed or ())}"


def _refuse_duplicates(path: Path, study: StudySpec, trials: Iterable[Trial]) -> None:
    first: dict[tuple[str, ...], int] = {}
    for trial in trials:
        if trial.key in first:
            raise StimuliError(
                f"a duplicate of row {first[trial.key]}; expected each "
                f"{' × '.join(study.key)} once",
                file=str(path),
                row=trial.row,
                column=" + ".join(study.key),
                value=" + ".join(trial.key),
            )
        first[trial.key] = trial.row
