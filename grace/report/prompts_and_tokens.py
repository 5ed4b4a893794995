"""The prompts and token probabilities behind the tables, from the run's plan and its store."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from grace.asking import QueryTable
from grace.asking.query_table import as_texts
from grace.errors import GraceError
from grace.runs.prompt_examples import LAST
from grace.store import Store
from grace.types import Answer, EngineInfo, OptionScores, Prompt

T = TypeVar("T")

#: So many trials can be looked up; of a larger run the first ones, and it is said.
TRIALS = 5000
#: Characters kept of a prompt or answer, and of all of them together: a report is one file.
TEXT, TEXTS = 20_000, 40_000_000

#: Surface forms of a question's options: (index of the option, text, token ids; -1 unknown).
Forms = tuple[tuple[int, str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Told:
    """A prompt as it is shown: its text (cut where it is long), and what follows it."""

    text: str
    length: int  # of the whole text, in characters
    n_tokens: int
    last: tuple[int, ...]
    forms: Forms
    logprobs: tuple[float, ...] = ()  # of every token of every measured form, in order


@dataclass(frozen=True)
class Material:
    """For each trial and thing asked of it the prompt's key, and the prompts by key.

    `keys` is (trials, things asked of each) in the order of the tables, "" where there is no
    prompt. Of a run whose store is not here there is nothing, and `why`.
    """

    keys: NDArray[np.str_]
    prompts: Mapping[str, Told] = field(default_factory=dict)
    why: str = ""


def take(query_table: QueryTable, info: EngineInfo, store: Store) -> Material:
    """What a store holds of the first trials of a plan."""
    numbers = query_table.asked[:TRIALS]
    keys = np.array(as_texts(query_table.prompts[numbers.ravel()]), dtype=str).reshape(
        numbers.shape
    )
    distinct = [key for key in dict.fromkeys(keys.ravel().tolist()) if key]
    shapes: dict[Forms, Forms] = {}
    found: dict[str, Told] = {}
    room = TEXTS
    answers = iter(store.answers(info, distinct))
    ahead = next(answers, None)
    for key, prompt in store.prompts(distinct):
        answer = None
        if ahead is not None and ahead[0] == key:
            answer, ahead = ahead[1], next(answers, None)
        told = tell(prompt, answer, shapes, min(room, TEXT))
        room -= len(told.text)
        found[key] = told
    why = "" if room > 0 else "the prompts are too long for one file: later ones are left out"
    return Material(keys, found, why)


def tell(prompt: Prompt, answer: Answer | None, shapes: dict[Forms, Forms], room: int) -> Told:
    """A prompt with what was measured after it; options share their forms with other prompts."""
    found: list[tuple[int, str, tuple[int, ...]]] = []
    logprobs: list[float] = []
    for i, option in enumerate(answer.options if isinstance(answer, OptionScores) else ()):
        for form in option.forms:
            # A server may show no ids, and a bounded form has not all of its tokens measured.
            length = max(len(form.ids), len(form.token_logprobs))
            found.append((i, form.text, _padded(form.ids, length, -1)))
            logprobs += _padded(form.token_logprobs, length, math.nan)
    forms = tuple(found)
    return Told(
        prompt.text[: max(room, 0)],
        len(prompt.text),
        len(prompt.context),
        prompt.context[-LAST:],
        shapes.setdefault(forms, forms),
        tuple(logprobs),
    )


def _padded(values: tuple[T, ...], length: int, nothing: T) -> tuple[T, ...]:
    return values + (nothing,) * (length - len(values))


def recall(folder: Path) -> Material:
    """The same of a finished run; where its files or store are gone, why there is nothing."""
    from grace.runs import recall_plan, reopen

    try:
        run = reopen(folder)
        plan = recall_plan(run)
        with Store.open(run.store, read_only=True) as store:
            return take(plan.query_table, plan.info, store)
    except GraceError as error:
        return Material(np.empty((0, 0), dtype=str), why=str(error))
