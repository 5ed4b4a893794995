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

from jinja2 import TemplateError

from grace.config import ColumnSpec, StudySpec, one_line
from grace.config.column_names import filled
from grace.config.jinja_checks import condition
from grace.config.printable import look, spelt
from grace.config.sandbox import same_form
from grace.errors import ConfigError, StimuliError
from grace.questions import Expression, Templates
from grace.stimuli.csv_file import read_bytes, split_rows
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
    derived: tuple[str, ...]  # columns in no file: made here, or missing in every row

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
    """Read and check a stimuli file (see `grace.stimuli.csv_file` for what it may look like)."""
    content = read_bytes(path)
    needed = [name for name, column in study.columns.items() if _needed(column)]
    header, rows = split_rows(path, content, needed)
    missing = [name for name in needed if name not in header]
    if missing:
        raise StimuliError(
            f"column {missing[0]} is missing; the file has "
            f"{', '.join(one_line(name) for name in header)}; study "
            f"{study.name} expects {', '.join(needed)}",
            file=str(path),
        )
    derived = tuple(
        name
        for name, column in study.columns.items()
        if name not in header and (column.derive or name in study.design_columns)
    )
    make = _Maker(path, study, header, templates)
    trials = tuple(make.trial(i, cells) for i, cells in enumerate(rows, start=1))
    _refuse_duplicates(path, study, trials)
    _refuse_alike(path, study, trials)
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
        self.design = [(header.index(n), n) for n in study.design_columns if n in header]
        self.clean: dict[str, str] = {}  # cells that are alike are cleaned and held once
        names = {*study.columns, *header}
        texts = study.texts(header)
        where = study.place
        self.derived = [
            (name, c, templates.expression(c.derive, names, f"{where}, derive of {name}", texts))
            for name, c in study.columns.items()
            if name not in header and c.derive is not None
        ]
        self.checks = [
            (
                check,
                templates.expression(
                    check.that, names, f"{where}, a check of {check.column}", texts
                ),
            )
            for check in study.checks
        ]
        self.missable = [  # of each check: numbers that may be missing
            [
                name
                for name, column in study.columns.items()
                if column.optional and column.type == "integer" and holds.names(name)
            ]
            for _, holds in self.checks
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
            values[name] = self._derive(row, name, spec, make, values)
        for (check, holds), missable in zip(self.checks, self.missable, strict=True):
            if any(values[name] == "" for name in missable):
                continue  # what is missing cannot be wrong
            if not self._holds(row, holds, values):
                raise StimuliError(
                    f"expected {filled(check.expected, values)}",
                    file=self.file,
                    row=row,
                    column=check.column,
                    value=values[check.column],
                )
        key = tuple(str(values[name]) for name in self.study.key)
        return Trial(row, key, values, self._labels(cells, values))

    def _labels(self, cells: tuple[str, ...], values: dict[str, Any]) -> dict[str, str]:
        """Cells of the design with a tag in them, which tables keep and prompts do not have."""
        return {
            name: cells[k].strip()
            for k, name in self.design
            if "<" in cells[k] and values[name] == self.clean[cells[k]]
        }

    def _derive(
        self, row: int, name: str, spec: ColumnSpec, make: Expression, values: dict[str, Any]
    ) -> str | int:
        made = self._run(row, make, values)
        if isinstance(made, (str, int)):
            return self._value(row, name, spec, str(made), derived=True)
        if made is None and spec.optional:
            return ""
        source = next((n for n in self.header if make.names(n)), None)
        what = "text from which" if made is None else "an expression of text or a whole number:"
        raise StimuliError(
            f"expected {what} {name} follows ({spec.meaning})",
            file=self.file,
            row=row,
            column=source,
            value=values.get(source) if source and made is None else made,
        )

    def _run(self, row: int, expression: Expression, values: dict[str, Any]) -> Any:
        try:
            return expression(values)
        except ConfigError as error:
            raise ConfigError(f"{error} (in {self.file}, row {row})") from error

    def _holds(self, row: int, check: Expression, values: dict[str, Any]) -> bool:
        try:
            return bool(condition(self._run(row, check, values)))
        except TemplateError as error:
            place = f"{check.where}: {check.text!r}: {error} (in {self.file}, row {row})"
            raise ConfigError(place) from error

    def _value(
        self, row: int, name: str, spec: ColumnSpec, text: str, *, derived: bool = False
    ) -> str | int:
        value: str | int = spec.aliases.get(text, text)
        if value == text and not text.isascii():
            value = _in_form(spec, text)
        if value == "":
            if spec.optional:
                return ""
            what = f"nothing follows for {name}" if derived else "an empty cell"
            raise StimuliError(
                f"{what}; expected {spec.meaning}", file=self.file, row=row, column=name
            )
        if spec.type == "integer" and isinstance(value, str):
            if not re.fullmatch(r"[+\-−]?[0-9]{1,18}", value):
                expected = _one_of(spec) if spec.allowed else "expected a whole number"
                raise StimuliError(expected, file=self.file, row=row, column=name, value=text)
            value = int(value.replace("−", "-"))
        if spec.allowed is not None and value not in spec.allowed:
            raise StimuliError(_one_of(spec), file=self.file, row=row, column=name, value=text)
        return value


def _in_form(spec: ColumnSpec, text: str) -> str | int:
    """A text in another normal form of Unicode as the study's file writes it, if it does."""
    known = [*spec.aliases, *(a for a in spec.allowed or () if isinstance(a, str))]
    alike = next((k for k in known if same_form(k) == same_form(text)), text)
    return spec.aliases.get(alike, alike)


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


def _refuse_alike(path: Path, study: StudySpec, trials: Iterable[Trial]) -> None:
    """Refuse two values of the design that look the same: nobody means two by them."""
    known: set[tuple[str, str]] = set()  # most cells repeat
    seen: dict[tuple[str, str], tuple[str, int]] = {}
    for trial in trials:
        for name in study.design_columns:
            value = trial.values.get(name)
            if not isinstance(value, str) or (name, value) in known:
                continue
            known.add((name, value))
            first, row = seen.setdefault((name, look(value)), (value, trial.row))
            if first != value:
                raise StimuliError(
                    f"which looks like that of row {row} and is another text ({spelt(value)}, "
                    f"there {spelt(first)}); expected one spelling",
                    file=str(path),
                    row=trial.row,
                    column=name,
                    value=value,
                )
