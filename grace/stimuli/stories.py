"""What a material file may say, and the stimuli that follow from it.

A material file is YAML of our own writing: the sentences with places for names, the items
(scenarios of study 1, domains of study 2) and the conditions they are crossed with. All
wording is there; here are only its shape and the columns it fills.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from grace.stimuli.counterbalance import trials

Row = dict[str, str | int]
Goal = Literal["informative", "kind", "both"]


def _line(text: str) -> str:
    if not text or text != " ".join(text.split()) or "<" in text:
        raise ValueError("expected text on one line, single-spaced and without markup")
    return text


Line = Annotated[str, AfterValidator(_line)]


class Part(BaseModel):
    """A part of a material file; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Materials(Part):
    """What both studies have: the lists to make, and the sentences to make them of."""

    columns: ClassVar[tuple[str, ...]]
    worded: ClassVar[frozenset[str]]  # the columns that `wording` gives
    names: ClassVar[frozenset[str]]  # what a sentence may have put into it
    design: ClassVar[tuple[str, ...]]  # columns: the item, then what makes a condition

    participants: int = Field(ge=1)
    seed: int
    wording: dict[str, Line]

    @field_validator("wording")
    @classmethod
    def _one_sentence_a_column(cls, wording: dict[str, Line]) -> dict[str, Line]:
        if set(wording) != cls.worded:
            raise ValueError(f"expected exactly the columns {_listed(cls.worded)}")
        _check_names(wording, cls.names)
        return wording

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, int]:
        """The number of items and of conditions."""

    @abstractmethod
    def rows(self, participants: int, seed: int) -> Iterator[Row]:
        """Yield the stimuli, one trial after another."""


class Cell(Part):
    """How many objects the speaker looked at, and how many of those had the property."""

    access: int = Field(ge=1, le=3)
    observe: int = Field(ge=1, le=3)

    @field_validator("observe")
    @classmethod
    def _were_looked_at(cls, observe: int, info: ValidationInfo) -> int:
        access = info.data.get("access", 3)
        if observe > access:
            raise ValueError(f"expected at most {access}, the number looked at")
        return observe


class Scenario(Part):
    """A story of study 1: a speaker, 3 objects, and a property they almost always have."""

    id: Line
    name: Line
    objects: Line
    predicate: Line
    predicate_singular: Line
    base_rate: Line
    today: Line

    @field_validator("base_rate")
    @classmethod
    def _sets_a_high_prior(cls, sentence: str) -> str:
        if "almost always" not in sentence or not sentence.endswith("."):
            raise ValueError("expected a sentence with 'almost always' in it")
        return sentence

    @field_validator("today")
    @classmethod
    def _says_who_has_what(cls, sentence: str, info: ValidationInfo) -> str:
        for part in (info.data.get("name", ""), f"3 {info.data.get('objects', '')}"):
            if part not in sentence or not sentence.endswith("."):
                raise ValueError(f"expected a sentence with '{part}' in it")
        return sentence


class Study1(Materials):
    """Knowledge attribution: scenarios x cells of access and observe."""

    columns = (
        *("participant_id", "story_shortname", "story_setup", "priorQ", "speach", "speachQ"),
        *("knowledgeQ", "access", "observe", "objects", "predicate"),
    )
    worded = frozenset({"story_setup", "priorQ", "speach", "speachQ", "knowledgeQ"})
    names = frozenset({*Scenario.model_fields, *Cell.model_fields, "report"})
    design = ("story_shortname", "access", "observe")

    cells: tuple[Cell, ...] = Field(min_length=1)
    scenarios: tuple[Scenario, ...] = Field(min_length=1)

    @field_validator("cells")
    @classmethod
    def _different_cells(cls, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
        _check_different("cells", ((cell.access, cell.observe) for cell in cells))
        return cells

    @field_validator("scenarios")
    @classmethod
    def _own_names(cls, scenarios: tuple[Scenario, ...]) -> tuple[Scenario, ...]:
        _check_different("ids", (scenario.id for scenario in scenarios))
        _check_different("names", (scenario.name for scenario in scenarios))
        return scenarios

    @property
    def sizes(self) -> tuple[int, int]:
        """The number of scenarios and of cells."""
        return len(self.scenarios), len(self.cells)

    def rows(self, participants: int, seed: int) -> Iterator[Row]:
        """Yield the stimuli; a report agrees in number with what was seen."""
        for participant, story, cell in trials(self.scenarios, self.cells, participants, seed):
            report = story.predicate_singular if cell.observe == 1 else story.predicate
            parts = {**story.model_dump(), **cell.model_dump(), "report": report}
            yield {
                "participant_id": participant,
                "story_shortname": story.id,
                **{column: text.format(**parts) for column, text in self.wording.items()},
                "access": cell.access,
                "observe": cell.observe,
                "objects": story.objects,
                "predicate": story.predicate,
            }


class Domain(Part):
    """A piece of work of study 2: `ls` did it and asks, `sp` experienced it and speaks."""

    id: Line
    sp: Line
    ls: Line
    did: Line
    experienced: Line
    question: Line

    @field_validator("question")
    @classmethod
    def _asks_how(cls, question: str) -> str:
        if not (question.startswith("How ") and question.endswith("?")):
            raise ValueError("expected a question 'How ...?'")
        return question


class Study2(Materials):
    """Polite speech: domains x goals x true states."""

    columns = (
        *("Participant_ID", "Domain", "Precontext", "Scenario", "Utterance", "Goal", "State"),
        *("SP_Name", "LS_Name", "goal_type", "hearts"),
    )
    worded = frozenset({"Precontext", "Scenario"})
    names = frozenset(Domain.model_fields)
    design = ("Domain", "goal_type", "hearts")

    goals: dict[Goal, Line] = Field(min_length=1)
    states: dict[Annotated[int, Field(ge=0, le=3)], Line] = Field(min_length=1)
    utterances: tuple[Line, ...] = Field(min_length=1)
    domains: tuple[Domain, ...] = Field(min_length=1)

    @field_validator("goals")
    @classmethod
    def _of_two_people(cls, goals: dict[Goal, Line]) -> dict[Goal, Line]:
        _check_names(goals, frozenset({"sp", "ls"}))
        return goals

    @field_validator("domains")
    @classmethod
    def _own_names(cls, domains: tuple[Domain, ...]) -> tuple[Domain, ...]:
        _check_different("ids", (domain.id for domain in domains))
        _check_different("names", (n for domain in domains for n in (domain.sp, domain.ls)))
        return domains

    @property
    def sizes(self) -> tuple[int, int]:
        """The number of domains and of goals and states together."""
        return len(self.domains), len(self.goals) * len(self.states)

    def rows(self, participants: int, seed: int) -> Iterator[Row]:
        """Yield the stimuli; `Utterance` only fills its column, in turn."""
        conditions = list(product(self.goals.items(), self.states.items()))
        dealt = trials(self.domains, conditions, participants, seed)
        for number, (participant, domain, (goal, state)) in enumerate(dealt):
            parts = domain.model_dump()
            yield {
                "Participant_ID": participant,
                "Domain": domain.id,
                **{column: text.format(**parts) for column, text in self.wording.items()},
                "Utterance": self.utterances[number % len(self.utterances)],
                "Goal": goal[1].format(**parts),
                "State": state[1],
                "SP_Name": domain.sp,
                "LS_Name": domain.ls,
                "goal_type": goal[0],
                "hearts": state[0],
            }


STUDIES: dict[str, type[Materials]] = {"1": Study1, "2": Study2}


def _check_names(sentences: Mapping[Any, str], allowed: frozenset[str]) -> None:
    """Refuse braces that hold anything but a name that can be filled in."""
    fillable = re.compile(rf"\{{(?:{'|'.join(allowed)})\}}")
    for key, sentence in sentences.items():
        if re.search(r"[{}]", fillable.sub("", sentence)):
            raise ValueError(f"expected nothing in braces of {key} but {_listed(allowed)}")


def _check_different(what: str, values: Iterable[object]) -> None:
    twice = [value for value, times in Counter(values).items() if times > 1]
    if twice:
        raise ValueError(f"expected different {what}, not {twice[0]} twice")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
