"""Means by cell of the design: what a person reads first, at a terminal and in the report.

Every variant of a question has its rows, and every number of an answer its column: the share
of each option, the mean of a numeric scale, a field read from a raw answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grace.config import ChoiceField, ExperimentSpec, QuestionSpec, ReductionSpec, StudySpec
from grace.config.printable import distinct
from grace.config.study import Name
from grace.errors import GraceError

#: Longer texts of options are cut where they head a column.
LABEL = 40
MISSING = "missing"


@dataclass(frozen=True)
class Number:
    """A column of the wide table and what it is called where its question stands above it."""

    column: str
    label: str


@dataclass(frozen=True)
class Asked:
    """What one variant of a question gives: `over` is empty where there are no variants."""

    over: tuple[Name, ...]
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class Heading:
    """A question with all its variants, which have the same labels."""

    question: str
    overs: tuple[str, ...]
    variants: tuple[Asked, ...]
    fields: Mapping[str, Sequence[str]]  # of raw answers: a text field's values in order
    why: str = ""  # there are no numbers

    @property
    def columns(self) -> list[str]:
        """Every column of the wide table that is needed."""
        return list(dict.fromkeys(n.column for one in self.variants for n in one.numbers))


@dataclass(frozen=True)
class CellRow:
    """Means over the trials of one cell for one variant; NaN is missing."""

    over: tuple[Name, ...]
    levels: tuple[Any, ...]  # None where a factor is missing
    trials: int
    means: tuple[float, ...]
    answers: tuple[int, ...]  # how many each mean is of: the trials less what is missing


@dataclass(frozen=True)
class Counted:
    """Columns that say how many answers means are of: their names, and their cells by row."""

    names: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class CellTable:
    """The means of one question, variant by variant."""

    question: str
    overs: tuple[str, ...]
    factors: tuple[str, ...]
    labels: tuple[str, ...]
    rows: tuple[CellRow, ...]
    why: str = ""  # there is nothing to show
    of: tuple[str, ...] = ()  # what each label is a value of: itself, or a field of text

    def counted(self, part: slice = slice(None)) -> Counted:
        """How many answers the means of these labels are of, where not of one for each row."""
        columns = list(zip(*(row.answers for row in self.rows), strict=True))[part]
        rows = tuple(row.trials for row in self.rows)
        named: dict[tuple[int, ...], dict[str, None]] = {}
        for counts, name in zip(columns, self.of[part], strict=True):
            named.setdefault(counts, {})[name] = None
        lacking = {counts: names for counts, names in named.items() if counts != rows}
        alone = len(named) == 1
        return Counted(
            tuple("answers" if alone else f"answers: {', '.join(n)}" for n in lacking.values()),
            tuple(zip(*lacking, strict=True)) or ((),) * len(rows),
        )

    @property
    def title(self) -> str:
        """What stands above it."""
        return f"Means by cell: {self.question}"


@dataclass(frozen=True)
class Cells:
    """The cells that some trials are in: levels by cell, and each trial's cell."""

    factors: tuple[str, ...]
    levels: tuple[tuple[Any, ...], ...]
    of_trial: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Trials of each cell."""
        return np.bincount(self.of_trial, minlength=len(self.levels))


def headings(spec: ExperimentSpec) -> list[Heading]:
    """What says most of each question: reductions, else shares and means, else what there is."""
    reduced = {r.question: r for r in spec.reductions if r.question in spec.questions}
    raw = spec.raw
    found = []
    for name, question in spec.questions.items():
        if question.parse is not None:
            found.append(_fields(name, question, many=len(raw) > 1))
        elif name in reduced:
            found.append(_reduction(reduced[name], question))
        else:
            found.append(_scored(name, question))
    return sorted(found, key=lambda heading: heading.question not in reduced)


def _reduction(reduction: ReductionSpec, question: QuestionSpec) -> Heading:
    over = reduction.over
    names = [reduction.means.format(**{over: state}) for state in question.over[over]]
    numbers = [Number(name, name.replace("p_state_", "p")) for name in names]
    numbers.append(Number(reduction.coherence, reduction.coherence))
    return Heading(reduction.question, (), (Asked((), tuple(numbers)),), {})


def _scored(name: str, question: QuestionSpec) -> Heading:
    """Shares and mean of every variant; where neither has a column, whatever else has one."""
    wide = question.wide
    options = [option.option(forms=True) for option in question.options]
    texts = distinct([option.text for option in options], LABEL)
    variants = []
    for over in question.variants():
        numbers = []
        if wide.prob:
            numbers += [
                Number(wide.prob.format(option=option.name, **over), text)
                for option, text in zip(options, texts, strict=True)
            ]
        if wide.mean:
            numbers.append(Number(wide.mean.format(**over), _free("mean", texts)))
        if not numbers:
            several = len(question.marginals) > 1
            numbers = [
                Number(
                    marginal.column.format(group=group, **over),
                    f"{sums} {group}" if several else group,
                )
                for sums, marginal in question.marginals.items()
                for group in marginal.groups
            ]
            others = {"standard deviation": wide.std, "entropy": wide.entropy}
            numbers += [Number(t.format(**over), label) for label, t in others.items() if t]
        variants.append(Asked(tuple(over.values()), tuple(numbers)))
    why = "" if variants[0].numbers else (
        "the study gives its answers no columns in trials (`wide:` has no prob and no mean); "
        "every probability is in responses"
    )  # fmt: skip
    return Heading(name, tuple(question.over), tuple(variants), {}, why)


def _free(name: str, taken: Sequence[str]) -> str:
    """A name that no option has."""
    return name if name not in taken else f"{name} of the scale"


def _fields(name: str, question: QuestionSpec, *, many: bool) -> Heading:
    fields = question.parse.fields if question.parse else {}
    names = {field: f"{name}_{field}" if many else field for field in fields}
    ordered = {
        names[field]: tuple(spec.choices)
        for field, spec in fields.items()
        if isinstance(spec, ChoiceField)
    }
    numbers = tuple(Number(column, field) for field, column in names.items())
    return Heading(name, (), (Asked((), numbers),), ordered)


def cell_tables(trials: pd.DataFrame, study: StudySpec, spec: ExperimentSpec) -> list[CellTable]:
    """The means of every question by cell, in the order of the design."""
    cells = design_cells(trials, study.factors, study)
    return [_table(trials, cells, heading) for heading in headings(spec)]


def _table(trials: pd.DataFrame, cells: Cells, heading: Heading) -> CellTable:
    rows: list[CellRow] = []
    labels: dict[str, str] = {}
    counts = cells.counts.tolist()
    for variant in heading.variants:
        numbers = _numbers(trials, variant, heading)
        labels = {label: of for label, (of, _) in numbers.items()}
        values = {label: column for label, (_, column) in numbers.items()}
        frame = pd.DataFrame(values, index=trials.index).astype(float)
        groups = frame.groupby(cells.of_trial)
        means, known = (
            found.reindex(range(len(cells.levels))).to_numpy().tolist()
            for found in (groups.mean(), groups.count())
        )
        rows += [
            CellRow(variant.over, levels, count, tuple(own), tuple(answers))
            for levels, count, own, answers in zip(cells.levels, counts, means, known, strict=True)
        ]
    why = heading.why or ("" if labels else "none of the answers could be read")
    kept = tuple(rows) if labels else ()
    return CellTable(
        heading.question, heading.overs, cells.factors, tuple(labels), kept, why,
        tuple(labels.values()),
    )  # fmt: skip


def _numbers(
    trials: pd.DataFrame, variant: Asked, heading: Heading
) -> dict[str, tuple[str, pd.Series]]:
    """Columns to average, by label; of a text, which is named, the share of each value read."""
    found: dict[str, tuple[str, pd.Series]] = {}
    for number in variant.numbers:
        if number.column not in trials:
            raise GraceError(
                f"the run's trials have no column {number.column}: they were written by another "
                "version of Grace; python -m grace.tables RUN writes them again"
            )
        column = trials[number.column]
        if number.column not in heading.fields:
            found[number.label] = number.label, pd.to_numeric(column)
            continue
        given = column.dropna()
        order = heading.fields[number.column]
        values = [value for value in order if (given == value).any()]
        for value, text in zip(values, distinct(values, LABEL), strict=True):
            share = (column == value).astype(float).where(column.notna())
            found[f"{number.label}={text}"] = number.label, share
    return found


def design_cells(trials: pd.DataFrame, factors: Sequence[str], study: StudySpec) -> Cells:
    """The cells there are, in the order in which the study allows its levels."""
    codes, ordered = [], []
    for factor in factors:
        column = trials[factor]
        spec = study.columns.get(factor)
        levels = in_order(column.dropna().unique().tolist(), (spec.allowed if spec else None) or ())
        places = {level: i for i, level in enumerate(levels)}
        codes.append([places.get(value, len(levels)) for value in column.tolist()])
        ordered.append([*levels, None])
    table = np.array(codes, dtype=np.int64).reshape(len(factors), len(trials)).T
    distinct_codes, of_trial = np.unique(table, axis=0, return_inverse=True)
    cells = [
        tuple(levels[code] for levels, code in zip(ordered, row, strict=True))
        for row in distinct_codes.tolist()
    ]
    return Cells(tuple(factors), tuple(cells), np.asarray(of_trial, dtype=np.int64).reshape(-1))


def in_order(levels: Iterable[Any], allowed: Sequence[Name] = ()) -> list[Any]:
    """Levels as `allowed` has them; those it does not name after them, numbers by size."""
    places = {level_text(level): i for i, level in enumerate(allowed)}

    def place(level: Any) -> tuple[int, bool, float, str]:
        text = level_text(level)
        try:
            number = float(text)
        except ValueError:
            number = np.nan
        known = bool(np.isfinite(number))
        return places.get(text, len(places)), not known, number if known else 0.0, text

    return sorted(levels, key=place)


def level_text(level: Any) -> str:
    """A level as it is read: whole numbers without a point, None as missing."""
    if level is None or level != level:  # noqa: PLR0124  (NaN is missing)
        return MISSING
    if isinstance(level, float) and level.is_integer():
        return str(int(level))
    return str(level)
