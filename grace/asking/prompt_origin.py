"""Where a text that cannot be asked comes from: the row, the column, the question.

Engines know queries and nothing of studies. What they find wrong with one, and prompts that
come out alike though they were written differently, is told here by its place.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from grace.asking.job import Job
from grace.errors import ConfigError, QueryError
from grace.questions import ask, asked_of_each
from grace.types import Prompt, Query, Trial


def located(job: Job, error: QueryError, *, chat: bool) -> ConfigError:
    """The error with file, row, column where one holds what is to blame, and question."""
    found = _first(job, error.query, chat=chat)
    if found is None:
        return error
    trial, name, query = found
    text = error.found
    columns = [c for c, v in trial.values.items() if text and isinstance(v, str) and text in v]
    if columns:
        place = f"{job.stimuli.path}, row {trial.row}, column {columns[0]}"
    elif text and any(text in spelling for o in query.options for spelling in o.spellings):
        place = f"study {job.settings.study.name}, the options of question {name}"
    elif text:
        place = f"template {job.spec.questions[name].template}"
    else:
        place = f"{job.stimuli.path}, row {trial.row}, question {name}"
    return ConfigError(f"{place}: {error}")


def place_of(job: Job, query: Query, *, chat: bool) -> str:
    """The first row and question that ask this."""
    found = _first(job, query, chat=chat)
    return f"row {found[0].row} (question {found[1]})" if found else "a prompt"


def _first(job: Job, query: object, *, chat: bool) -> tuple[Trial, str, Query] | None:
    """The first trial and question that ask a query."""
    settings, trials = job.settings, job.stimuli.trials
    of_each = asked_of_each(job.spec, settings.exp)
    queries = ask(trials, job.spec, settings.exp, job.templates, chat=chat, seed=settings.seed)
    for i, other in enumerate(queries):
        if isinstance(query, Query) and other.key == query.key:
            return trials[i // len(of_each)], of_each[i % len(of_each)].slot[0], other
    return None


class Alike:
    """Prompts as they are made: which are the same tokens though not the same text."""

    def __init__(self) -> None:
        self._read, self._written = array("q"), array("q")

    def note(self, prompts: Iterable[Prompt | None]) -> None:
        """Take note of prompts in order, None where there is none."""
        for prompt in prompts:
            known = prompt is not None and prompt.context
            forms = tuple(f.ids for forms in prompt.forms for f in forms) if prompt else ()
            self._read.append(hash((prompt.context, forms)) if prompt and known else 0)
            self._written.append(hash(contents(prompt.query)) if prompt and known else 0)

    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of numbers that were read alike and written differently, the first ones first."""
        read, written = np.array(self._read, np.int64), np.array(self._written, np.int64)
        order = np.lexsort((np.arange(len(read)), read))
        same = (read[order[1:]] == read[order[:-1]]) & (read[order[1:]] != 0)
        other = same & (written[order[1:]] != written[order[:-1]])
        return [(int(order[i]), int(order[i + 1])) for i in np.flatnonzero(other)]


def contents(query: Query) -> tuple[str, ...]:
    """What a query says, turn by turn."""
    return tuple(message.content for message in query.messages)


def differ(one: Query, other: Query) -> bool:
    """Whether they say different things: more than spaces around, or one form of a letter."""
    return _plain(one) != _plain(other)


def _plain(query: Query) -> list[str]:
    return [unicodedata.normalize("NFC", said).strip() for said in contents(query)]


def _bare(text: str) -> str:
    """The text without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def alike_refusal(one: Query, other: Query, places: Sequence[str]) -> ConfigError:
    """Two prompts that are one for this model."""
    lost = [c for c in "".join(contents(one)) if c not in "".join(contents(other))]
    lost += [c for c in "".join(contents(other)) if c not in "".join(contents(one))]
    which = ", ".join(dict.fromkeys(map(repr, islice(lost, 5))))
    why = f", which has none for {which}" if which else ""
    said = ["\n\n".join(_plain(query)) for query in (one, other)]
    if said[0].casefold() == said[1].casefold():
        why = ", which does not tell letter case apart"
    elif said[0].split() == said[1].split():
        why = ", which does not tell kinds or numbers of spaces apart"
    elif _bare(said[0]) == _bare(said[1]):
        why = ", which does not tell letters with accents and without apart"
    return ConfigError(
        f"{' and '.join(places)} are the same tokens for this model{why}; "
        "expected prompts that differ"
    )
