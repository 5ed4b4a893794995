"""A study as its YAML describes it: columns, checks, questions, and the columns they fill.

A study is `conf/study/NAME.yaml`, templates and a CSV, and no Python. These types are what
the YAML may say; docs/new-study.md explains them with an example.
"""

from __future__ import annotations

import re
from itertools import product
from string import Formatter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from grace.parsing import ParserSpec
from grace.types import Option

Name = str | int


class Spec(BaseModel):
    """A frozen part of a study file that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnSpec(Spec):
    """A column of the stimuli: what it means and what it may hold.

    `derive` is an expression that makes the column from others where a file lacks it;
    `aliases` maps other names of a value to the one used here.
    """

    meaning: str
    type: Literal["text", "integer"] = "text"
    allowed: tuple[Name, ...] | None = None
    aliases: dict[str, Name] = {}
    derive: str | None = None
    optional: bool = False


class CheckSpec(Spec):
    """A condition every row must meet, blamed on one column."""

    column: str
    that: str
    expected: str


class OptionSpec(Spec):
    """One admissible answer; name and value follow from the text where not given."""

    text: str = Field(min_length=1)
    name: str = ""
    forms: tuple[str, ...] = ()
    value: float | None = None

    def option(self, *, forms: bool) -> Option:
        """The option, with its further surface forms or without."""
        number = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*%?", self.text)
        value = float(number[1]) if self.value is None and number else self.value
        name = self.name or (number[1] if number else slug(self.text))
        return Option(name, self.text, self.forms if forms else (), value)


class WideSpec(Spec):
    """Names of a question's columns in the wide table; {option} and the `over` names vary."""

    prob: str | None = None
    mean: str | None = None
    std: str | None = None
    entropy: str | None = None
    mass: str | None = None


class MarginalSpec(Spec):
    """Sums of a question's probabilities over named groups of options."""

    column: str  # with {group}
    groups: dict[str, tuple[str, ...]]


class QuestionSpec(Spec):
    """One thing asked of a trial: a template and a response space."""

    template: str
    meaning: str = ""
    switch: Literal["prior"] | None = None
    over: dict[str, tuple[Name, ...]] = {}
    options: tuple[OptionSpec, ...] = ()
    parse: ParserSpec | None = None
    wide: WideSpec = WideSpec()
    marginals: dict[str, MarginalSpec] = {}

    @field_validator("options", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [{"text": item} if isinstance(item, str) else item for item in value]
        return value

    @model_validator(mode="after")
    def _check(self) -> QuestionSpec:
        if bool(self.options) == (self.parse is not None):
            raise ValueError("expected either options (to score) or parse (for a raw answer)")
        if self.parse is not None and self.over:
            raise ValueError("a raw answer cannot vary `over` anything; ask a question for each")
        options = [spec.option(forms=True) for spec in self.options]
        _unique("option name", [option.name for option in options])
        _unique("option", [form for option in options for form in option.spellings])
        names = {option.name for option in options}
        varied = {name for name, levels in self.over.items() if len(levels) > 1}
        for title, marginal in self.marginals.items():
            for member in (m for group in marginal.groups.values() for m in group):
                if member not in names:
                    raise ValueError(f"marginals name {member!r}, which is no option")
            needed = varied | ({"group"} if len(marginal.groups) > 1 else set())
            _placeholders(f"marginals.{title}", marginal.column, {*self.over, "group"}, needed)
        for key, template in self.wide.model_dump(exclude_none=True).items():
            own = {"option"} if key == "prob" else set()
            needed = varied | (own if len(options) > 1 else set())
            _placeholders(f"wide.{key}", template, {*self.over, *own}, needed)
        if (self.wide.mean or self.wide.std) and any(o.value is None for o in options):
            raise ValueError("a mean needs a number for every option")
        return self

    def variants(self) -> list[dict[str, Name]]:
        """Each combination of the `over` values, in the order written."""
        names = list(self.over)
        return [dict(zip(names, combo, strict=True)) for combo in product(*self.over.values())]


class ReductionSpec(Spec):
    """Several answers about exclusive states, reduced to one distribution over the states.

    See `grace.scores.reduce_means` and `grace.scores.reduce_coherent`.
    """

    question: str
    over: str
    total: float = Field(100, gt=0)
    means: str
    coherence: str
    coherent: str
    z: str


class ExperimentSpec(Spec):
    """The questions of one experiment, in the order asked."""

    questions: dict[str, QuestionSpec] = Field(min_length=1)
    reductions: tuple[ReductionSpec, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> ExperimentSpec:
        for reduction in self.reductions:
            question = self.questions.get(reduction.question)
            if question is None or list(question.over) != [reduction.over]:
                raise ValueError(
                    f"a reduction of {reduction.question!r} over {reduction.over!r}: expected "
                    "a question asked over that name alone"
                )
        return self

    @property
    def scored(self) -> dict[str, QuestionSpec]:
        """The questions with options."""
        return {name: q for name, q in self.questions.items() if q.options}

    @property
    def raw(self) -> dict[str, QuestionSpec]:
        """The questions answered in free text."""
        return {name: q for name, q in self.questions.items() if q.parse is not None}


class StudySpec(Spec):
    """A whole study."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str
    source: str = ""
    data: str
    key: tuple[str, ...] = Field(min_length=1)
    participant: str | None = None
    item: str | None = None
    factors: tuple[str, ...] = Field(min_length=1)
    columns: dict[str, ColumnSpec]
    checks: tuple[CheckSpec, ...] = ()
    experiments: dict[str, ExperimentSpec]

    @field_validator("experiments", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return {str(k): v for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _check(self) -> StudySpec:
        for name in self.named_columns:
            if name not in self.columns:
                raise ValueError(f"{name!r} is named but is no column of the study")
        return self

    @property
    def named_columns(self) -> tuple[str, ...]:
        """The columns that have a part in the study: keys, factors, item, participant, checked."""
        checked = (check.column for check in self.checks)
        who = (name for name in (self.participant, self.item) if name)
        return tuple(dict.fromkeys([*self.key, *self.factors, *checked, *who]))


def slug(text: str) -> str:
    """A name for columns: "wasn't" → "wasnt", "It was good" → "it_was_good"."""
    bare = re.sub(r"['’]", "", text.strip().lower())
    return re.sub(r"\W+", "_", bare).strip("_")


def _unique(what: str, values: list[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{what} {value!r} stands twice; expected each once")
        seen.add(value)


def _placeholders(place: str, template: str, allowed: set[str], needed: set[str]) -> None:
    """A column's name names everything that it varies with, and nothing else.

    Without one of them several columns would have one name.
    """
    found = set()
    for _, name, _, _ in Formatter().parse(template):
        if name is not None and name not in allowed:
            raise ValueError(
                f"column name {template!r} has {{{name}}}; expected one of {sorted(allowed)}"
            )
        found.add(name)
    if lacking := sorted(needed - found):
        raise ValueError(
            f"{place}: {template!r} lacks {{{lacking[0]}}}, and would name several columns; "
            f"expected a name with {', '.join(f'{{{name}}}' for name in sorted(needed))}"
        )
