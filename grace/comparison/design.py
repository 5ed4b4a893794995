"""The two experiments as people did them: cells, answers, and the names others give to both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

Cell = tuple[str, int]

WORDS = ("one", "two", "three")
GOALS = ("both", "informative", "kind")
ASSESSMENTS = ("terrible", "bad", "good", "amazing")
UTTERANCES = tuple(f"{frame}_{word}" for frame in ("was", "wasnt") for word in ASSESSMENTS)

_GOAL_NAMES = {"informational": "informative", "social": "kind"}
_STATE = re.compile(r"(?:hearts?\s*)?([0-3])(?:\.0+)?(?:\s*(?:out of 3)?\s*hearts?)?")
_UTTERANCE = re.compile(
    r"(?:it[\s_]+)?was(?P<negation>n['’]?t|[\s_]+n['’]t|[\s_]+not)?"
    rf"[\s_]+(?P<word>{'|'.join(ASSESSMENTS)})[.!]?"
)
_NUMBER = re.compile(r"([1-3])(?:\.0+)?")


@dataclass(frozen=True)
class Design:
    """The cells of an experiment (two factors) and the answers a distribution is over."""

    study: str
    factors: tuple[str, str]
    cells: tuple[Cell, ...]
    options: tuple[str, ...]  # names in column names: "0" … "3", "was_terrible" …

    @cached_property
    def places(self) -> Mapping[Cell, int]:
        """Where each cell stands."""
        return {cell: i for i, cell in enumerate(self.cells)}


#: Number word × access, and the states a bet is divided among: objects with the property.
STUDY1 = Design(
    "1",
    ("word", "access"),
    tuple((word, access) for i, word in enumerate(WORDS, 1) for access in range(i, 4)),
    ("0", "1", "2", "3"),
)
#: Goal × true state (hearts), and the eight utterances one is chosen of.
STUDY2 = Design(
    "2",
    ("goal", "state"),
    tuple((goal, state) for goal in GOALS for state in range(4)),
    UTTERANCES,
)
DESIGNS = {design.study: design for design in (STUDY1, STUDY2)}


def word_of(text: str) -> str | None:
    """The number word in "one", "One" or "1"; None where it is none."""
    plain = text.strip().lower()
    number = _NUMBER.fullmatch(plain)
    plain = WORDS[int(number[1]) - 1] if number else plain
    return plain if plain in WORDS else None


def access_of(text: str) -> int | None:
    """How many objects were looked at, 1 to 3."""
    number = _NUMBER.fullmatch(text.strip())
    return int(number[1]) if number else None


def goal_of(text: str) -> str | None:
    """The goal, by Grace's names or the paper's: informational is informative, social is kind."""
    plain = text.strip().lower()
    plain = _GOAL_NAMES.get(plain, plain)
    return plain if plain in GOALS else None


def state_of(text: str) -> int | None:
    """The hearts in "2", "2 hearts", "heart2" or "2 out of 3 hearts"."""
    found = _STATE.fullmatch(text.strip().lower())
    return int(found[1]) if found else None


def utterance_of(text: str) -> str | None:
    """The utterance in "It wasn't bad.", "wasn't bad", "was not bad", "wasnt_bad"."""
    found = _UTTERANCE.fullmatch(text.strip().lower())
    if found is None:
        return None
    return f"{'wasnt' if found['negation'] else 'was'}_{found['word']}"


#: How each factor is read, and what is expected of it.
READERS: Mapping[str, tuple[Callable[[str], str | int | None], str]] = {
    "word": (word_of, "one, two or three"),
    "access": (access_of, "1, 2 or 3"),
    "goal": (goal_of, "both, informative (informational) or kind (social)"),
    "state": (state_of, "0 to 3 hearts, as 2 or as 2 hearts"),
    "utterance": (utterance_of, "one of the eight, as It wasn't bad or as wasnt_bad"),
}
