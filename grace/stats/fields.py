"""Fields of raw answers as numbers that have a model: 0 or 1 for a choice, a percentage's share."""

from __future__ import annotations

from collections.abc import Iterator

from grace.config import ChoiceField, ExperimentSpec, PercentField
from grace.config.answer_fields import FieldPart
from grace.config.column_names import slug
from grace.stats.outcomes import Derived, is_answer
from grace.tables import Column


def raw_fields(spec: ExperimentSpec, question: str) -> list[tuple[str, FieldPart]]:
    """The columns of a raw answer's fields, as the wide table names them."""
    parse = spec.questions[question].parse
    before = f"{question}_" if len(spec.raw) > 1 else ""
    return [(before + name, part) for name, part in (parse.fields if parse else {}).items()]


def derived_fields(spec: ExperimentSpec) -> Iterator[Derived]:
    """Fields of raw answers as numbers that have a model: 0 or 1 for a choice, shares."""
    for question in spec.raw:
        for column, part in raw_fields(spec, question):
            if isinstance(part, PercentField):
                meaning = f"{column} as a share"
                yield Derived(
                    Column(share_of(column), meaning, "share", "0–1", column),
                    (column,),
                    lambda frame, column=column: frame[column] / 100,  # type: ignore[misc]
                )
            elif isinstance(part, ChoiceField):
                for name, choice in indicators(column, part):
                    meaning = f"1 where {column} is “{choice}”, else 0"
                    yield Derived(
                        Column(name, meaning, "", "0, 1", column, "integer"),
                        (column,),
                        is_answer(column, choice),
                    )


def share_of(column: str) -> str:
    """The column of a percentage as a share."""
    return f"{column}_share"


def indicators(column: str, part: ChoiceField) -> list[tuple[str, str]]:
    """A column for each choice; of two the first tells the other, of one nothing is to tell."""
    choices = list(part.choices)
    told = {1: [], 2: choices[:1]}.get(len(choices), choices)
    names = [slug(choice) or str(k) for k, choice in enumerate(told, 1)]
    if len(set(names)) < len(names):
        names = [f"{name}_{k}" for k, name in enumerate(names, 1)]
    return [(f"{column}_is_{n}", choice) for n, choice in zip(names, told, strict=True)]
