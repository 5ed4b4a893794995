"""Outcomes and conditions of the two studies that their hypotheses are about.

Each is made of columns that a run has. A study of one's own keeps its own columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from grace.errors import ConfigError
from grace.tables import Column

WORDS = {1: "one", 2: "two", 3: "three"}
STATES = (0, 1, 2, 3)
#: From worst to best: the order of study 2's ordinal outcome.
ASSESSMENTS = ("terrible", "bad", "good", "amazing")


@dataclass(frozen=True)
class Derived:
    """A column and how it is computed, from the columns it needs."""

    column: Column
    needs: tuple[str, ...]
    values: Callable[[pd.DataFrame], pd.Series]


def derive(
    study: str, columns: Sequence[Column], frame: pd.DataFrame, own: Sequence[Derived] = ()
) -> tuple[tuple[Column, ...], pd.DataFrame]:
    """The study's further columns: conditions after the factors, outcomes after the answers.

    `own` are the outcomes of a study of one's own.
    """
    frame, found = frame.copy(), list(columns)
    for derived in () if study in OUTCOMES else own:
        if derived.column.name in frame:
            raise ConfigError(
                f"{derived.needs[0]} as a number needs a column {derived.column.name}, and there "
                "is another with this name; expected another name for it"
            )
    for place, several in ((_before_replicate, CONDITIONS), (_before_flags, OUTCOMES)):
        for derived in several.get(study, own if several is OUTCOMES else ()):
            if set(derived.needs) <= set(frame):
                values = derived.values(frame)
                frame[derived.column.name] = values
                found = [c for c in found if c.name != derived.column.name]
                found.insert(place(found), derived.column)
    return tuple(found), frame


def _before_replicate(columns: Sequence[Column]) -> int:
    return [column.name for column in columns].index("replicate")


def _before_flags(columns: Sequence[Column]) -> int:
    return [column.name for column in columns].index("flags")


def _percentages(frame: pd.DataFrame) -> pd.Series:
    """The sum of the four stated percentages; missing where one is, or where all are 0."""
    total = frame[[f"p_{k}" for k in STATES]].sum(axis=1, skipna=False)
    return total.where(total > 0)


def _stated(state: int) -> Derived:
    return Derived(
        Column(
            f"p_state_{state}",
            f"state {state}: the stated percentage divided by the sum of the four",
            "probability",
            "0–1",
            "response",
        ),
        tuple(f"p_{k}" for k in STATES),
        lambda frame: frame[f"p_{state}"] / _percentages(frame),
    )


def _at_reported(ending: str) -> Callable[[pd.DataFrame], pd.Series]:
    """For each row the bet on the state that the number word names."""

    def values(frame: pd.DataFrame) -> pd.Series:
        bets = frame[[f"p_state_{k}{ending}" for k in STATES]].to_numpy(dtype=float)
        return pd.Series(bets[np.arange(len(frame)), frame["observe"].astype(int)], frame.index)

    return values


def is_answer(name: str, yes: str) -> Callable[[pd.DataFrame], pd.Series]:
    """1 where the answer is this one, 0 where it is another, missing where there is none."""

    def values(frame: pd.DataFrame) -> pd.Series:
        answer = frame[name]
        return (answer == yes).astype("Int64").where(answer.notna())

    return values


def _assessment_share(frame: pd.DataFrame) -> pd.Series:
    weighted = [frame[f"prob_{word}"] * k for k, word in enumerate(ASSESSMENTS)]
    return sum(weighted[1:], weighted[0]) / (len(ASSESSMENTS) - 1)


CONDITIONS: dict[str, tuple[Derived, ...]] = {
    "1": (
        Derived(
            Column(
                "word",
                "the number word of the report: “… of the 3 have it”",
                "",
                ", ".join(WORDS.values()),
                "observe",
                "text",
            ),
            ("observe",),
            lambda frame: frame["observe"].map(WORDS),
        ),
        Derived(
            Column(
                "full_access",
                "1 where the speaker has looked at all 3 objects, else 0",
                "",
                "0, 1",
                "access",
                "integer",
            ),
            ("access",),
            lambda frame: (frame["access"] == 3).astype("Int64"),
        ),
    ),
}
OUTCOMES: dict[str, tuple[Derived, ...]] = {
    "1": (
        *(_stated(state) for state in STATES),
        Derived(
            Column(
                "p_reported",
                "the bet on the reported state: p_state_K for the number word K",
                "probability",
                "0–1",
                "p_state_0 … p_state_3",
            ),
            tuple(f"p_state_{k}" for k in STATES),
            _at_reported(""),
        ),
        Derived(
            Column(
                "p_reported_coherent",
                "the same of the coherent reduction: p_state_K_coherent",
                "probability",
                "0–1",
                "p_state_0_coherent … p_state_3_coherent",
            ),
            tuple(f"p_state_{k}_coherent" for k in STATES),
            _at_reported("_coherent"),
        ),
        Derived(
            Column(
                "knowledge_yes",
                "1 for “yes, the speaker knows”, 0 for no",
                "",
                "0, 1",
                "knowledge",
                "integer",
            ),
            ("knowledge",),
            is_answer("knowledge", "yes"),
        ),
    ),
    "2": (
        Derived(
            Column(
                "p_negation",
                "probability of “wasn't” among the eight whole sentences",
                "probability",
                "0–1",
                "prob_utterance_wasnt",
            ),
            ("prob_utterance_wasnt",),
            lambda frame: frame["prob_utterance_wasnt"],
        ),
        Derived(
            Column(
                "assessment_share",
                "how good the adjective is, terrible 0 to amazing 1: the mean rank of its "
                "distribution (0–3) divided by 3",
                "share",
                "0–1",
                "prob_terrible … prob_amazing",
            ),
            tuple(f"prob_{word}" for word in ASSESSMENTS),
            _assessment_share,
        ),
        Derived(
            Column("negation", "1 for wasn't, 0 for was", "", "0, 1", "frame", "integer"),
            ("frame",),
            is_answer("frame", "wasnt"),
        ),
        Derived(
            Column(
                "assessment_rank",
                "the adjective as a rank: terrible 0, bad 1, good 2, amazing 3",
                "rank",
                "0, 1, 2, 3",
                "assessment",
                "integer",
            ),
            ("assessment",),
            lambda frame: (
                frame["assessment"].map({w: k for k, w in enumerate(ASSESSMENTS)}).astype("Int64")
            ),
        ),
        Derived(
            Column(
                "utterance",
                "the sentence, as the options of experiment 2 are named: wasnt_bad",
                "",
                "",
                "frame, assessment",
                "text",
            ),
            ("frame", "assessment"),
            lambda frame: frame["frame"] + "_" + frame["assessment"],
        ),
    ),
}
