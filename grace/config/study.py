"""A study as its YAML describes it: columns, checks, questions, and the columns they fill.

A study is `conf/study/NAME.yaml`, templates and a CSV, and no Python. These types are what
the YAML may say; docs/new-study.md explains them with an example.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from grace.config.answer_fields import ParserSpec
from grace.config.answer_options import (
    refuse_alike,
    refuse_look_alikes,
    refuse_repeated,
    refuse_without_value,
)
from grace.config.column_names import filled, placeholders, signs, slug
from grace.config.literal_text import (
    Asked,
    Label,
    Level,
    Literally,
    Number,
    Text,
    as_text,
    literally,
)
from grace.config.sandbox import same_form
from grace.types import Option

Name = str | int
#: The name of a column, in the form in which headers are read.
ColumnName = Annotated[str, BeforeValidator(as_text), AfterValidator(same_form)]
#: Names that columns of the tables are made with: nothing may vary `over` them.
RESERVED = ("option", "group")


class Spec(BaseModel):
    """A frozen part of a study file that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnSpec(Spec):
    """A column of the stimuli: what it means and what it may hold.

    `derive` is an expression that makes the column from others where a file lacks it;
    `aliases` maps other names of a value to the one used here. What `allowed` and `aliases`
    name is of the column's type.
    """

    meaning: Text
    type: Literal["text", "integer"] = "text"
    allowed: tuple[Level, ...] | None = Field(default=None, min_length=1)
    aliases: dict[Label, Level] = {}
    derive: Text | None = None
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _of_its_type(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        kind, value = value.get("type", "text"), dict(value)
        if isinstance(value.get("allowed"), (list, tuple)):
            value["allowed"] = tuple(_typed(item, kind) for item in value["allowed"])
        if isinstance(value.get("aliases"), dict):
            value["aliases"] = {k: _typed(item, kind) for k, item in value["aliases"].items()}
        return value


class CheckSpec(Spec):
    """A condition every row must meet, blamed on one column."""

    column: ColumnName
    that: Text
    expected: Text


class OptionSpec(Spec):
    """One admissible answer; name and value follow from the text where not given."""

    text: Literally = Field(min_length=1)
    name: Label = ""
    forms: tuple[Literally, ...] = ()
    value: Number | None = None

    @field_validator("forms")
    @classmethod
    def _spelt(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "" in value:
            raise ValueError("found an empty form; expected another spelling of the option")
        return value

    def option(self, *, forms: bool) -> Option:
        """The option, with its further surface forms or without."""
        number = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*%?", self.text)
        value = float(number[1]) if self.value is None and number else self.value
        name = self.name or (number[1] if number else slug(self.text) or signs(self.text))
        return Option(name, self.text, self.forms if forms else (), value)


class WideSpec(Spec):
    """Names of a question's columns in the wide table; {option} and the `over` names vary."""

    prob: Literally | None = None
    mean: Literally | None = None
    std: Literally | None = None
    entropy: Literally | None = None
    mass: Literally | None = None


class MarginalSpec(Spec):
    """Sums of a question's probabilities over named groups of options."""

    column: Literally  # with {group}
    groups: dict[Label, tuple[Label, ...]] = Field(min_length=1)


class QuestionSpec(Spec):
    """One thing asked of a trial: a template and a response space."""

    template: Text
    meaning: Text = ""
    switch: Literal["prior"] | None = None
    over: dict[Text, tuple[Asked, ...]] = {}
    options: tuple[OptionSpec, ...] = ()
    parse: ParserSpec | None = None
    wide: WideSpec = WideSpec()
    marginals: dict[Label, MarginalSpec] = {}

    @field_validator("options", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [item if isinstance(item, dict) else {"text": item} for item in value]
        return value

    @field_validator("parse", mode="before")
    @classmethod
    def _literal(cls, value: Any) -> Any:
        """What is looked for in an answer is looked for word by word."""
        waiting = (
            [part for name, part in value.items() if name != "placeholders"]
            if (isinstance(value, dict))
            else []
        )
        while waiting:
            part = waiting.pop()
            if isinstance(part, (dict, list, tuple)):
                waiting += [*part.values(), *part] if isinstance(part, dict) else part
            elif isinstance(part, str):
                literally(part)
        return value

    @field_validator("over", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError("expected a name and its values, as in {state: [0, 1, 2, 3]}")  # noqa: TRY004
        return value

    @field_validator("over")
    @classmethod
    def _levels(cls, value: dict[str, tuple[Name, ...]]) -> dict[str, tuple[Name, ...]]:
        """Numbers among words are words: what varies is of one type."""
        levels = {}
        for name, found in value.items():
            if not name.isidentifier() or name in RESERVED:
                raise ValueError(
                    f"found the name {name!r}; expected a word of letters, digits and _, other "
                    f"than {' and '.join(RESERVED)}, which the names of columns are made with"
                )
            if not found:
                raise ValueError(f"{name} has no values, so that nothing would be asked")
            refuse_repeated(f"value of {name}", [str(level) for level in found])
            refuse_look_alikes(f"value of {name}", [str(level) for level in found])
            whole = all(isinstance(level, int) for level in found)
            levels[same_form(name)] = found if whole else tuple(str(level) for level in found)
        return levels

    @model_validator(mode="after")
    def _check(self) -> QuestionSpec:
        if bool(self.options) == (self.parse is not None):
            raise ValueError("expected either options (to score) or parse (for a raw answer)")
        if self.parse is not None and self.over:
            raise ValueError("a raw answer cannot vary `over` anything; ask a question for each")
        options = [spec.option(forms=True) for spec in self.options]
        refuse_alike(options)
        varied = {name for name, levels in self.over.items() if len(levels) > 1}
        self._check_marginals({option.name for option in options}, varied)
        for key, template in self.wide.model_dump(exclude_none=True).items():
            own = {"option"} if key == "prob" else set()
            needed = varied | (own if len(options) > 1 else set())
            placeholders(f"wide.{key}", template, {*self.over, *own}, needed)
        if self.wide.mean or self.wide.std:
            refuse_without_value("a mean or standard deviation (wide)", options)
        return self

    def _check_marginals(self, names: Collection[str], varied: set[str]) -> None:
        for title, marginal in self.marginals.items():
            for member in (m for group in marginal.groups.values() for m in group):
                if member not in names:
                    raise ValueError(f"marginals name {member!r}, which is no option")
            for group, members in marginal.groups.items():
                if not members:
                    raise ValueError(f"the group {group!r} of a marginal has no options")
                refuse_repeated(f"the group {group!r} of a marginal: option", list(members))
            needed = varied | ({"group"} if len(marginal.groups) > 1 else set())
            placeholders(f"marginals.{title}", marginal.column, {*self.over, "group"}, needed)

    def variants(self) -> list[dict[str, Name]]:
        """Each combination of the `over` values, in the order written."""
        names = list(self.over)
        return [dict(zip(names, combo, strict=True)) for combo in product(*self.over.values())]

    def meant(self, over: Mapping[str, Name]) -> str:
        """The question's meaning in one of its variants."""
        return filled(self.meaning, over)


class ReductionSpec(Spec):
    """Several answers about exclusive states, reduced to one distribution over the states.

    See `reduce_means` and `reduce_coherent` in grace.scoring.distributions.
    """

    question: Label
    over: Text
    total: Number = Field(100, gt=0)
    means: Literally
    coherence: Literally
    coherent: Literally
    z: Literally

    @model_validator(mode="after")
    def _check(self) -> ReductionSpec:
        for key in ("means", "coherent"):
            placeholders(key, getattr(self, key), {self.over}, {self.over})
        for key in ("coherence", "z"):
            placeholders(key, getattr(self, key), set(), set())
        return self


class ExperimentSpec(Spec):
    """The questions of one experiment, in the order asked."""

    questions: dict[Label, QuestionSpec] = Field(min_length=1)
    reductions: tuple[ReductionSpec, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> ExperimentSpec:
        for reduction in self.reductions:
            question = self.questions.get(reduction.question)
            what = f"a reduction of {reduction.question!r} over {reduction.over!r}"
            if question is None or list(question.over) != [reduction.over]:
                raise ValueError(f"{what}: expected a question asked over that name alone")
            refuse_without_value(what, [option.option(forms=True) for option in question.options])
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

    name: Text = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: Text
    source: Text = ""
    data: Text
    key: tuple[ColumnName, ...] = Field(min_length=1)
    participant: ColumnName | None = None
    item: ColumnName | None = None
    factors: tuple[ColumnName, ...] = Field(min_length=1)
    columns: dict[ColumnName, ColumnSpec]
    checks: tuple[CheckSpec, ...] = ()
    experiments: dict[Label, ExperimentSpec]
    _file: str = PrivateAttr(default="")

    @field_validator("key", "factors")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        refuse_repeated("column", list(value))
        return value

    @model_validator(mode="after")
    def _check(self) -> StudySpec:
        for name in self.named_columns:
            if name not in self.columns:
                raise ValueError(f"{name!r} is named but is no column of the study")
        return self

    @property
    def named_columns(self) -> tuple[str, ...]:
        """The columns that have a part in the study: of the design, and checked."""
        checked = (check.column for check in self.checks)
        return tuple(dict.fromkeys([*self.design_columns, *checked, *self._speakers]))

    @property
    def _speakers(self) -> Iterator[str]:
        """The columns with who says an asked sentence."""
        for experiment in self.experiments.values():
            for question in experiment.raw.values():
                if question.parse and question.parse.speaker:
                    yield question.parse.speaker

    @property
    def design_columns(self) -> tuple[str, ...]:
        """What rows are told apart and grouped by: keys, factors, item, participant."""
        who = (name for name in (self.participant, self.item) if name)
        return tuple(dict.fromkeys([*self.key, *self.factors, *who]))

    @property
    def place(self) -> str:
        """The study for people: its file, where it was read from one."""
        return self._file or f"study {self.name}"

    @property
    def file(self) -> str:
        """The name of the file it was read from, "" where it was not."""
        return Path(self._file).name

    def other_name(self) -> str:
        """That its file has another name, if it has: results go by the study's own."""
        choice = Path(self._file).stem
        if not choice or choice == self.name:
            return ""
        return (
            f"{self.place} has the name {self.name}, and its results stand under {self.name}, "
            f"beside those of a study that is chosen as study={self.name}; expected "
            f"`name: {choice}`"
        )

    def read_from(self, path: Path) -> None:
        """Note the file it was read from."""
        self._file = str(path)

    def texts(self, header: Collection[str]) -> set[str]:
        """The columns of a file that hold text, and those derived."""
        columns = {name for name, column in self.columns.items() if column.type == "text"}
        return columns | {*header} - self.columns.keys()


def _typed(value: Any, kind: str) -> Any:
    """A value of a column as the column has it: a number in text is text, and the reverse."""
    if kind == "text" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if kind == "integer" and isinstance(value, str):
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise ValueError(
                f"found {value!r} for a column of type integer; expected whole numbers"
            )
        return int(value)
    return value
