"""What a study's YAML may say about the parsing of a raw answer; all of it checked when read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property, lru_cache
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from grace.config.literal_text import Real, Whole, in_64_bits
from grace.config.matching import plain

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")]
Phrase = Annotated[str, StringConstraints(min_length=1)]


class Part(BaseModel):
    """A frozen part of a parser that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class FieldPart(Part):
    """Where a field stands: after a label, as one of the items after a label, or neither."""

    label: str | None = None
    item: str | None = None

    @field_validator("label", "item")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        if text is not None and not plain(text).strip(": "):
            raise ValueError("expected a word to look for")
        return text

    @cached_property
    def place(self) -> tuple[str, str]:
        """Label and item as they are compared, without a colon; "" for none."""
        return plain(self.label or "").rstrip(": "), plain(self.item or "").rstrip(": ")

    @cached_property
    def spellings(self) -> dict[str, int | str]:
        """Each word that is an answer, plain, and the value it stands for."""
        return {}


class IntegerField(FieldPart):
    """A whole number, in digits or as one of `words`: {0: [none, zero]}."""

    type: Literal["integer"]
    min: Whole | None = None
    max: Whole | None = None
    words: dict[int, tuple[Phrase, ...]] = {}

    @cached_property
    def spellings(self) -> dict[str, int | str]:
        """See `FieldPart`."""
        return {plain(word): value for value, words in self.words.items() for word in words}

    @model_validator(mode="after")
    def _check(self) -> IntegerField:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        for number in (self.min, self.max, *self.words):
            in_64_bits(number or 0)
        for value in self.words:
            if out_of_range(self, value):
                raise ValueError(f"words for {value}, which is below min or above max")
        _each_once(self.words.values())
        for word in self.spellings:
            if any(letter.isdigit() for letter in word):
                raise ValueError(f"word {word!r} has a digit; expected a number in words")
        return self


class PercentField(FieldPart):
    """A number from 0 to 100 with a percent sign, which must not be left out."""

    type: Literal["percent"]


class ChoiceField(FieldPart):
    """One of several answers, each with its spellings: {wasnt: ["wasn't", "was not"]}."""

    type: Literal["choice"]
    choices: dict[str, tuple[Phrase, ...]] = Field(min_length=1)

    @cached_property
    def spellings(self) -> dict[str, int | str]:
        """See `FieldPart`."""
        return {plain(word): name for name, words in self.choices.items() for word in words}

    @field_validator("choices", mode="before")
    @classmethod
    def _quoted(cls, value: Any) -> Any:
        """Yes and no without quotes are true and false in YAML."""
        if isinstance(value, dict):
            lists = [words for words in value.values() if isinstance(words, (list, tuple))]
            if any(isinstance(x, bool) for x in [*value, *(w for words in lists for w in words)]):
                raise ValueError('found true or false; write "yes" and "no" in quotes')
        return value

    @field_validator("choices")
    @classmethod
    def _distinct(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, words in value.items():
            if not words:
                raise ValueError(f"choice {name!r} has no spelling")
        _each_once(value.values())
        return value


AnswerField = Annotated[IntegerField | PercentField | ChoiceField, Field(discriminator="type")]


class SumCheck(Part):
    """Fields that should sum to a total; where all are there and do not, a flag is set."""

    sum: tuple[str, ...] = Field(min_length=1)
    total: Real
    tolerance: Real = Field(0, ge=0)
    flag: Name


class ParserSpec(Part):
    """How a raw answer is read into fields.

    `sentence` has some fields as gaps; `placeholders` are texts of the prompt's format
    lines that are no answer when they come back; `ignore` are phrases after which an answer
    may go on ("2 of the 3 exams"). `speaker` is the column with the name of who says the
    sentence: one that is said by another name is no answer.
    """

    fields: dict[Name, AnswerField] = Field(min_length=1)
    sentence: str | None = None
    speaker: str | None = None
    placeholders: tuple[Phrase, ...] = ()
    ignore: tuple[Phrase, ...] = ()
    checks: tuple[SumCheck, ...] = ()

    @field_validator("sentence")
    @classmethod
    def _gaps_apart(cls, sentence: str | None) -> str | None:
        if sentence is not None and not sentence_gaps(sentence):
            raise ValueError("expected a field in the sentence, such as {answer}")
        if sentence is not None and re.search(r"[\w}]\{|\}\w", sentence):
            raise ValueError("expected white space or punctuation around each gap")
        return sentence

    @field_validator("placeholders")
    @classmethod
    def _visible(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        if any(not text.strip() for text in texts):
            raise ValueError("found an empty placeholder")
        return texts

    @field_validator("ignore")
    @classmethod
    def _wordy(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        _each_once([texts])
        return texts

    @model_validator(mode="after")
    def _check(self) -> ParserSpec:
        self._check_sentence()
        self._check_places()
        self._check_sums()
        return self

    def _check_sentence(self) -> None:
        gaps = sentence_gaps(self.sentence)
        if self.speaker is not None and not gaps:
            raise ValueError("speaker names who says the sentence, and there is no sentence")
        for name in gaps:
            if name not in self.fields:
                raise ValueError(f"the sentence names {name!r}, which is no field")
            if gaps.count(name) > 1:
                raise ValueError(f"the sentence names {name!r} twice")
            if self.fields[name].label is not None:
                raise ValueError(f"field {name} is in the sentence and has a label")

    def _check_places(self) -> None:
        gaps = sentence_gaps(self.sentence)
        items: dict[str, list[str]] = defaultdict(list)  # of each label
        for name, field in self.fields.items():
            label, item = field.place
            if item and not label:
                raise ValueError(f"field {name} has an item but no label to find it after")
            if not label and name not in gaps and len(self.fields) > 1:
                raise ValueError(
                    f"field {name} has no label and is not in a sentence; only the one field "
                    "of a parser can be the whole answer"
                )
            if label and items[label] and (not item or {"", item} & {*items[label]}):
                raise ValueError(
                    f"field {name} has the label {field.label!r} of another field; expected "
                    "an item of its own for each"
                )
            items[label].append(item)

    def _check_sums(self) -> None:
        for check in self.checks:
            for name in check.sum:
                if name not in self.fields:
                    raise ValueError(f"check {check.flag} names {name!r}, which is no field")
                if self.fields[name].type == "choice":
                    raise ValueError(f"check {check.flag} sums {name}, which is no number")
            if len(set(check.sum)) < len(check.sum):
                raise ValueError(f"check {check.flag} names a field twice")


@lru_cache(maxsize=256)
def sentence_gaps(sentence: str | None) -> tuple[str, ...]:
    """The fields a sentence names, in order; ValueError for a gap that is no plain name."""
    gaps = []
    for _, name, form, conversion in Formatter().parse(sentence or ""):
        if name is not None:
            if form or conversion or not name.isidentifier():
                raise ValueError(f"a gap {{{name}}} that is no field's name")
            gaps.append(name)
    return tuple(gaps)


def out_of_range(field: FieldPart, value: float | str) -> bool:
    """Whether a number lies outside what the field allows."""
    if isinstance(value, str):
        return False
    if isinstance(field, PercentField):
        return not 0 <= value <= 100
    if isinstance(field, IntegerField):
        return (field.min is not None and value < field.min) or (
            field.max is not None and value > field.max
        )
    return False


def _each_once(groups: Iterable[Iterable[str]]) -> None:
    """Refuse two spellings that could not be told apart, and one of nothing."""
    seen: set[str] = set()
    for word in (word for group in groups for word in group):
        if not plain(word):
            raise ValueError(f"{word!r} has nothing to look for")
        if plain(word) in seen:
            raise ValueError(f"{word!r} stands twice; case and typography do not count")
        seen.add(plain(word))
