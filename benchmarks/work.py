"""The work that all ways of scoring are compared on: 48 prompts with eleven percentages each.

The state questions 0–3 of the first twelve rows of a study 1 file, the state named last: contexts
of about 160 tokens for the bundled model, option trees of 22. Neighbours share most of their
context, as all prompts of a study do.
"""

from __future__ import annotations

import os
from pathlib import Path

from grace.command import compose
from grace.job import load_job
from grace.settings import read_settings
from grace.types import Message, Option, Query, Trial

#: The predecessor's stimuli where they are at hand, else our own of the same form.
ORIGINAL = Path(
    os.environ.get("GRACE_ORIGINAL", Path(__file__).parents[2] / "shared" / "data" / "original")
)
ROWS, STATES = 12, 4
PERCENTAGES = tuple(Option(str(p), f"{p}%") for p in range(0, 101, 10))


def stimuli_file() -> Path | None:
    """The original file of study 1, or None where Grace's own takes its place."""
    path = ORIGINAL / "study1.csv"
    return path if path.is_file() else None


def trials(rows: int | None = ROWS) -> tuple[Trial, ...]:
    """The first rows of the file; None: all."""
    path = stimuli_file()
    words = ["study=1", "exp=2", *([f"data={path}"] if path else [])]
    return load_job(read_settings(compose(words))).stimuli.trials[:rows]


def state_queries(rows: int | None = ROWS) -> list[Query]:
    """One query for each row and state, in the order of the file."""
    return [
        Query((Message("user", _prompt(trial, state)),), PERCENTAGES)
        for trial in trials(rows)
        for state in range(STATES)
    ]


def _prompt(trial: Trial, state: int) -> str:
    values = trial.values
    return (
        f"{values['story_setup']}\n\n{values['speach']}\n\n"
        f"How likely do you think it is that exactly {state} of the 3 {values['objects']} "
        f"{values['predicate']}? Answer with only a percentage, from 0% to 100% in steps of "
        "10%: 0%, 10%, 20% and so on up to 100%. Give no other words and no explanation."
    )
