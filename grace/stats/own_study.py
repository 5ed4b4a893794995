"""Outcomes and models of a study of one's own, from what its YAML says of its questions.

Every number of an answer that a hypothesis may be about has a model: the share of each option,
the mean of a numeric scale, each field of a raw answer. Two numbers of which one follows from
the other (yes and no) have one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from grace.config import ChoiceField, ExperimentSpec, IntegerField, PercentField, QuestionSpec
from grace.config.answer_fields import FieldPart
from grace.stats.fields import indicators, raw_fields, share_of
from grace.stats.models import MODELS, Family, MixedModel
from grace.stats.rows import Rows
from grace.tables.cells import in_order

#: A rating of so many steps is ordinal; one of more, or without an end, is a quantity.
STEPS = 20
SCALE = "of the scale"


@dataclass(frozen=True)
class Outcome:
    """A column that is modelled, and how."""

    column: str
    family: Family
    unit: str = "points"


@dataclass
class _Sets:
    """Which sums over one distribution have a model: a sum tells that of all the others."""

    everything: frozenset[str]
    known: set[frozenset[str]] = field(default_factory=set)

    def is_new(self, members: frozenset[str]) -> bool:
        others = self.everything - members
        if not members or not others or members in self.known or others in self.known:
            return False
        self.known.add(members)
        return True


def own_models(rows: Rows) -> tuple[MixedModel, ...]:
    """A model of every outcome by those factors of the design that vary in these rows."""
    study, frame = rows.study, rows.frame
    factors = [name for name in study.factors if frame[name].nunique() > 1]
    if not factors:
        return ()
    text = tuple(name for name in factors if study.columns[name].type == "text")
    levels = {
        name: tuple(in_order(frame[name].dropna().unique(), study.columns[name].allowed or ()))
        for name in text
    }
    return tuple(
        MixedModel(
            one.column, one.column, one.family, factors[0], tuple(factors[1:]), text,
            unit=one.unit, slopes=False, levels=levels,
        )
        for one in outcomes(study.experiments[rows.experiment])
        if one.column in frame
    )  # fmt: skip


def without_a_model(rows: Rows) -> Iterator[str]:
    """What has no model, and why, each in a sentence without its point."""
    study, frame = rows.study, rows.frame
    if (study.name, rows.experiment) in MODELS:
        return
    same = [name for name in study.factors if frame[name].nunique() < 2]
    if len(same) == len(study.factors):
        names = ", ".join(same)
        each = f"{names} has" if len(same) == 1 else f"{names} have each"
        yield f"no models: {each} one level in these rows, so there is nothing to compare"
        return
    for name in same:
        yield f"{name} has one level in these rows and is in no model"
    spec = study.experiments[rows.experiment]
    for name, question in spec.questions.items():
        if not any(one.column in frame for one in _of_question(name, question, spec)):
            yield (
                f"question {name} has no model: its `wide:` names no column of probabilities "
                "(prob) or means (mean); responses.csv has every probability"
                if question.options
                else f"question {name} has no model: none of its fields is an outcome"
            )


def outcomes(spec: ExperimentSpec) -> list[Outcome]:
    """Every outcome of an experiment, in the order of its questions."""
    return [o for name, q in spec.questions.items() for o in _of_question(name, q, spec)]


def _of_question(name: str, question: QuestionSpec, spec: ExperimentSpec) -> Iterator[Outcome]:
    if question.parse is not None:
        for column, part in raw_fields(spec, name):
            yield from _of_field(column, part)
        return
    reductions = [r for r in spec.reductions if r.question == name]
    for reduction in reductions:
        states = question.over[reduction.over]
        for template in (reduction.means, reduction.coherent):
            sets = _Sets(frozenset(map(str, states)))
            for state in states:
                if sets.is_new(frozenset([str(state)])):
                    yield Outcome(template.format(**{reduction.over: state}), "beta")
    if not reductions:
        yield from _of_scored(question)


def _of_scored(question: QuestionSpec) -> Iterator[Outcome]:
    options = [option.option(forms=True) for option in question.options]
    wide = question.wide
    for over in question.variants():
        sets = _Sets(frozenset(option.name for option in options))
        if wide.prob:
            for option in options:
                if sets.is_new(frozenset([option.name])):
                    yield Outcome(wide.prob.format(option=option.name, **over), "beta")
        for marginal in question.marginals.values():
            for group, members in marginal.groups.items():
                if sets.is_new(frozenset(members)):
                    yield Outcome(marginal.column.format(group=group, **over), "beta")
        if wide.mean and (len(options) > 2 or sets.is_new(frozenset([options[0].name]))):
            yield Outcome(wide.mean.format(**over), "gaussian", SCALE)


def _of_field(column: str, part: FieldPart) -> Iterator[Outcome]:
    if isinstance(part, IntegerField):
        ends = part.min, part.max
        steps = STEPS + 1 if None in ends else (part.max or 0) - (part.min or 0)
        yield Outcome(column, "cumulative" if steps <= STEPS else "gaussian", SCALE)
    elif isinstance(part, PercentField):
        yield Outcome(share_of(column), "beta")
    elif isinstance(part, ChoiceField):
        for name, _ in indicators(column, part):
            yield Outcome(name, "bernoulli")
