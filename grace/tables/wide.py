"""The wide table: one row a trial (× replicate of a raw answer), in the study's columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grace.config import (
    ChoiceField,
    ExperimentSpec,
    IntegerField,
    PercentField,
    QuestionSpec,
    StudySpec,
)
from grace.config.answer_fields import FieldPart
from grace.config.study import Name
from grace.stimuli import Stimuli
from grace.tables.block import Block
from grace.tables.columns import Column, computed_columns
from grace.types import Trial

RAW = (
    Column("response", "the model's whole answer, as it came", type="text"),
    Column("parse_status", "ok, or exactly what was missing in the answer", type="text"),
    Column("finish_reason", "stop, or length: cut at the token limit", type="text"),
    Column("n_tokens", "tokens of the answer", "tokens", "0 and above", type="integer"),
    Column("seed", "the seed of this draw", range="0–2147483647", type="integer"),
)
REPLICATE = Column("replicate", "number of the draw for this trial, from 0", type="integer")
FLAGS = Column("flags", "what to know about this row; empty if nothing", type="text")
MODEL = Column("model", "the model asked", source="run", type="text")


def wide_columns(study: StudySpec, spec: ExperimentSpec, stimuli: Stimuli) -> list[Column]:
    """Every column of the wide table in order."""
    columns = [_input_column(study, name) for name in stimuli.header]
    columns += [_derived_column(study, name) for name in stimuli.derived]
    columns.append(MODEL)
    if raw := spec.raw:
        columns.append(REPLICATE)
        for name, question in raw.items():
            columns += _raw_columns(name, question, many=len(raw) > 1)
    columns += [c.column for c in computed_columns(spec)]
    columns.append(FLAGS)
    return columns


def wide_rows(
    block: Block, study: StudySpec, spec: ExperimentSpec, stimuli: Stimuli, model: str
) -> dict[str, list[Any]]:
    """The block's rows as columns of values, None where a value is missing."""
    repeats = _replicates(block, spec)
    rows = [(t, r) for t in range(len(block.trials)) for r in range(repeats)]
    table: dict[str, list[Any]] = {}
    # Cells as they were read, but of numbers and of what both tables have: those as asked.
    asked = {*study.design_columns}
    asked |= {name for name, column in study.columns.items() if column.type == "integer"}
    for k, name in enumerate(stimuli.header):
        if name in asked:
            table[name] = [cell_of(study, block.trials[t], name) for t, _ in rows]
        else:
            table[name] = [block.cells[t][k] for t, _ in rows]
    for name in stimuli.derived:
        table[name] = [cell_of(study, block.trials[t], name) for t, _ in rows]
    table["model"] = [model] * len(rows)
    if raw := spec.raw:
        table["replicate"] = [r for _, r in rows]
        for name, question in raw.items():
            _add_raw(table, block, name, question, many=len(raw) > 1)
    for computed in computed_columns(spec):
        values = computed.values(block)
        table[computed.column.name] = [_number(values[t]) for t, _ in rows]
    table["flags"] = [_row_flags(block, spec, t, r, repeats) for t, r in rows]
    return table


def _replicates(block: Block, spec: ExperimentSpec) -> int:
    for name in spec.raw:
        return len(block.items[name, 0]) // max(len(block.trials), 1)
    return 1


def _add_raw(
    table: dict[str, list[Any]], block: Block, name: str, question: QuestionSpec, *, many: bool
) -> None:
    """A raw question's columns; the question's name comes first where there are several."""
    names = {c.name: c.name for c in _raw_columns(name, question, many=False)}
    if many:
        names = {key: f"{name}_{key}" for key in names}
    for column in names.values():
        table[column] = []
    for item, known in zip(block.items[name, 0], block.raw[name, 0], strict=True):
        found = {**known, "seed": item.seed}
        for key, column in names.items():
            table[column].append(found.get(key))


def _raw_columns(name: str, question: QuestionSpec, *, many: bool) -> list[Column]:
    fields = question.parse.fields if question.parse else {}
    columns = [
        RAW[0],
        *(_field_column(key, field) for key, field in fields.items()),
        *RAW[1:],
    ]
    if not many:
        return columns
    return [replace(c, name=f"{name}_{c.name}", source=f"question {name}") for c in columns]


def _field_column(name: str, field: FieldPart) -> Column:
    meaning = f"{name}, as parsed from the response"
    match field:
        case IntegerField():
            limits = f"{field.min}–{field.max}" if field.max is not None else ""
            return Column(name, meaning, "", limits, "response", "integer")
        case PercentField():
            return Column(name, meaning, "percent", "0–100", "response")
        case ChoiceField():
            return Column(name, meaning, "", ", ".join(field.choices), "response", "text")
    raise TypeError(type(field).__name__)


def _row_flags(block: Block, spec: ExperimentSpec, trial: int, rep: int, repeats: int) -> str:
    """All flags of a row, each with its question: "state2: low_mass; knowledge: low_mass"."""
    found = []
    for name, i in block.items:
        question = spec.questions[name]
        row = trial * repeats + rep if question.parse is not None else trial
        label = variant_label(name, question.variants()[i])
        flags = block.flags((name, i), row)
        if question.parse is not None:
            flags += block.raw[name, i][row].get("parse_flags", ())
        found += [f"{label}: {flag}" for flag in flags]
    return "; ".join(found)


def variant_label(question: str, over: Mapping[str, Name]) -> str:
    """A question in one variant, as flags name it: "state2", "rating polite", "rating 2 polite"."""
    first, *others = [str(value) for value in over.values()] or [""]
    apart = " " if first and not first.isdecimal() else ""
    return " ".join([f"{question}{apart}{first}", *others])


def cell_of(study: StudySpec, trial: Trial, name: str) -> Any:
    """A cell of the design as both tables have it: without outer blanks, aliases replaced.

    None where a number is missing.
    """
    value = trial.labels.get(name, trial.values[name])
    return None if value == "" and study.columns[name].type == "integer" else value


def _number(value: float) -> float | None:
    return None if value != value else float(value)  # noqa: PLR0124  (NaN is missing)


def _input_column(study: StudySpec, name: str) -> Column:
    if name in study.columns:
        return study_column(study, name, "stimuli file")
    meaning = "a column of the stimuli file that the study does not use"
    return Column(name, meaning, source="stimuli file", type="text")


def _derived_column(study: StudySpec, name: str) -> Column:
    return study_column(study, name, "derived from the stimuli file")


def study_column(study: StudySpec, name: str, source: str) -> Column:
    """A column the study describes."""
    spec = study.columns[name]
    allowed = ", ".join(str(a) for a in spec.allowed or ())
    return Column(name, spec.meaning, "", allowed, source, spec.type)
