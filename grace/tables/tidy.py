"""The tidy table: one row a trial × question × option (× replicate).

Of a raw answer each parsed field is one row, with the field's name in `option`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grace.config import ExperimentSpec, QuestionSpec, StudySpec
from grace.config.study import Name
from grace.questions import Slot
from grace.tables.block import Block, Floats, Item, slots
from grace.tables.columns import Column
from grace.tables.wide import FLAGS, MODEL, REPLICATE, cell_of, study_column
from grace.types import Generation, Option, OptionScore, OptionScores

SCORES = (
    Column("option", "the option's name, or the field parsed from a raw answer", type="text"),
    Column("value", "the number the option or field stands for", "as the question"),
    Column("answer", "the field parsed from a raw answer, as text", type="text"),
    Column("logprob", "sum of the log-probabilities of the option's tokens, as written", "nats"),
    Column("log_mass", "log of the mass of the option's forms, no answer counted twice", "nats"),
    Column("prob", "the option's share among the options", "probability", "0–1"),
    Column("prob_low", "lower bound of prob, where it is only bounded", "probability", "0–1"),
    Column("prob_high", "upper bound of prob, where it is only bounded", "probability", "0–1"),
    Column("mass", "probability of all the question's options together", "probability", "0–1"),
    Column("n_tokens", "tokens of the option as written, or of the raw answer", type="integer"),
    Column("method", "exact, prompt_logprobs, bounded, or sampled", type="text"),
    REPLICATE,
    Column("response", "the model's whole raw answer", type="text"),
    Column("parse_status", "ok, or exactly what was missing in the raw answer", type="text"),
    FLAGS,
)


def tidy_columns(study: StudySpec, spec: ExperimentSpec) -> list[Column]:
    """Every column of the tidy table in order."""
    keys = [study_column(study, name, "stimuli file") for name in _keys(study)]
    question = Column("question", "what was asked", source="study", type="text")
    return [*keys, MODEL, question, *_over_columns(spec), *SCORES]


def _keys(study: StudySpec) -> list[str]:
    return list(dict.fromkeys((*study.key, *study.factors)))


def over_names(spec: ExperimentSpec) -> list[str]:
    """The columns that say which variant of a question a row is of."""
    return [column.name for column in _over_columns(spec)]


def _over_columns(spec: ExperimentSpec) -> list[Column]:
    """What the questions vary over; `state` always has a column."""
    values: dict[str, list[Name]] = {"state": []}
    for question in spec.questions.values():
        for name, levels in question.over.items():
            values.setdefault(name, []).extend(levels)
    return [
        Column(
            name,
            f"the {name} the question asks about",
            source="study",
            type="integer" if all(type(level) is int for level in levels) else "text",
        )
        for name, levels in values.items()
    ]


@dataclass(frozen=True)
class AnswerRows:
    """What the rows of one answer have in common, and what each of the n has of its own."""

    n: int
    common: Mapping[str, Any]
    own: Mapping[str, Sequence[Any]]


def tidy_rows(
    block: Block, study: StudySpec, spec: ExperimentSpec, model: str
) -> dict[str, list[Any]]:
    """The block's rows as columns of values, None where a value is missing."""
    names = [column.name for column in tidy_columns(study, spec)]
    table: dict[str, list[Any]] = {name: [] for name in names}
    keys = _keys(study)
    overs = over_names(spec)
    words = {column.name for column in _over_columns(spec) if column.type == "text"}
    variants = {
        slot: {
            name: str(level) if name in words else level
            for name, level in question.variants()[slot[1]].items()
        }
        for slot, question in slots(spec)
    }
    options = {
        name: [option.option(forms=True) for option in question.options]
        for name, question in spec.questions.items()
    }
    for t, trial in enumerate(block.trials):
        head = {name: cell_of(study, trial, name) for name in keys} | {"model": model}
        for slot, over in variants.items():
            question = spec.questions[slot[0]]
            repeats = len(block.items[slot]) // len(block.trials)
            head |= {"question": slot[0], **dict.fromkeys(overs), **over}
            for row in range(t * repeats, (t + 1) * repeats):
                found = _slot_rows(block, slot, question, options[slot[0]], row)
                common = {**head, **found.common}
                for name, cells in table.items():
                    cells.extend(found.own.get(name) or [common.get(name)] * found.n)
    return table


def _slot_rows(
    block: Block, slot: Slot, question: QuestionSpec, options: Sequence[Option], row: int
) -> AnswerRows:
    item = block.items[slot][row]
    flags = block.flags(slot, row)
    if question.parse is not None:
        return _raw_rows(item, question, block.raw[slot][row], flags)
    return _option_rows(item, options, block.probs[slot][row], block.masses[slot][row], flags)


def _option_rows(
    item: Item, options: Sequence[Option], probs: Floats, mass: float, flags: list[str]
) -> AnswerRows:
    answer = item.answer
    common: dict[str, Any] = {"replicate": 0, "flags": "; ".join(flags)}
    own: dict[str, Sequence[Any]] = {
        "option": [option.name for option in options],
        "value": [option.value for option in options],
    }
    if isinstance(answer, OptionScores):
        scores = answer.options
        common |= {"mass": _known(mass), "method": answer.method}
        own |= {
            "logprob": [_known(score.logprob) for score in scores],
            "log_mass": [_known(score.log_mass) for score in scores],
            "prob": [_known(prob) for prob in probs.tolist()],
            "n_tokens": [score.n_tokens for score in scores],
        }
        if answer.method == "bounded":
            bounds = [_bounds(answer, score) for score in scores]
            own |= {"prob_low": [low for low, _ in bounds], "prob_high": [hi for _, hi in bounds]}
    return AnswerRows(len(options), common, own)


def _bounds(answer: OptionScores, score: OptionScore) -> tuple[float | None, float | None]:
    """Bounds of an option's share: it least and the others most probable, and the reverse."""
    low, high = _limits(score)
    others = [_limits(other) for other in answer.options if other is not score]
    if any(math.isnan(v) for pair in [(low, high), *others] for v in pair):
        return 0.0, 1.0
    most = math.fsum(math.exp(h) for _, h in others)
    least = math.fsum(math.exp(v) for v, _ in others)
    return _share(math.exp(low), most), _share(math.exp(high), least)


def _limits(score: OptionScore) -> tuple[float, float]:
    if math.isnan(score.log_mass):
        return score.log_mass_low, score.log_mass_high
    return score.log_mass, score.log_mass


def _share(own: float, others: float) -> float | None:
    return own / (own + others) if own + others > 0 else None


def _raw_rows(
    item: Item, question: QuestionSpec, found: Mapping[str, Any], flags: list[str]
) -> AnswerRows:
    common = {
        "replicate": item.asked.replicate,
        "response": found.get("response"),
        "parse_status": found["parse_status"],
        "n_tokens": found.get("n_tokens"),
        "method": "sampled" if isinstance(item.answer, Generation) else None,
        "flags": "; ".join([*flags, *found.get("parse_flags", ())]),
    }
    names = list(question.parse.fields) if question.parse else []
    values = [found.get(name) for name in names]
    own: dict[str, Sequence[Any]] = {
        "option": names,
        "value": [value if isinstance(value, int | float) else None for value in values],
        "answer": [_text(value) for value in values],
    }
    return AnswerRows(len(names), common, own)


def _text(value: Any) -> str | None:
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
