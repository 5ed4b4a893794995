"""What is compared with people: answers as rows, however they were had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from grace.comparison.bootstrap import NO_ANSWERS, Floats, Ints, Sample
from grace.comparison.design import Design

#: The paper's filter (Goodman & Stuhlmüller 2013): a trial counts where more than this share of
#: the bet is on the expected answer to whether the speaker knows.
KNOWLEDGE_FILTER = 0.7


@dataclass(frozen=True)
class Reading:
    """One way of taking answers as distributions over the options; NaN rows are missing."""

    name: str
    meaning: str
    values: Floats  # (rows, options), each row of sum 1


@dataclass(frozen=True)
class Answers:
    """The answers of one model (or of whoever an outsider's table is of).

    All arrays have a row a trial. `items` and `participants` are labels, None where the source
    has none; `knowledge` is the probability of “yes, the speaker knows”, NaN where missing. The
    first reading is the one that counts most. A `deterministic` model answers a prompt always
    the same: its participants are no source of variance. `counted` says that weights are
    numbers of answers.
    """

    model: str
    source: str
    design: Design
    experiment: str | None
    cells: Ints
    weights: Floats
    readings: tuple[Reading, ...]
    items: tuple[str, ...] | None = None
    participants: tuple[str, ...] | None = None
    knowledge: Floats | None = None
    coherence: Floats | None = None
    coherence_z: Floats | None = None
    deterministic: bool = False
    counted: bool = False
    tag: str = ""  # of a run
    given: NDArray[np.bool_] | None = None  # which rows have a raw answer, readable or not
    warnings: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The model, and beside it the run's tag."""
        return tagged(self.model, self.tag)

    def sample(self, values: Floats, rows: NDArray[np.bool_]) -> Sample:
        """The rows that are there and wanted, with their clusters as codes."""
        kept = rows & there(values)
        participants = None if self.deterministic else self.participants
        return Sample(
            values[kept],
            self.cells[kept],
            self.weights[kept],
            len(self.design.cells),
            _codes(self.items, kept),
            _codes(participants, kept),
            self.counted,
            self._nothing(rows),
        )

    def _nothing(self, rows: NDArray[np.bool_]) -> str:
        """Why there is nothing to compare, where there is nothing: answers may be unreadable."""
        if not rows.any():
            return "no trial passes the paper's filter"
        given = 0 if self.given is None else int((rows & self.given).sum())
        return f"none of the {given:,} answers could be read" if given else NO_ANSWERS

    def expected_knowledge(self) -> Floats | None:
        """Probability of the expected answer: yes where all 3 objects were looked at, else no."""
        if self.knowledge is None:
            return None
        full = np.array([cell[1] == 3 for cell in self.design.cells])[self.cells]
        return np.where(full, self.knowledge, 1 - self.knowledge)

    def knows(self) -> NDArray[np.bool_] | None:
        """Which rows pass the paper's filter; None where nothing was asked about knowledge."""
        expected = self.expected_knowledge()
        return None if expected is None else expected > KNOWLEDGE_FILTER

    def warn(self, *messages: str) -> Answers:
        """The same, with more to say about it."""
        return replace(self, warnings=(*self.warnings, *messages))


def tagged(model: str, tag: str | None) -> str:
    """A model's name with a run's tag beside it, which is no part of the name."""
    return f"{model} (tag {tag})" if tag else model


def one_hot(names: Sequence[str | None], options: Sequence[str]) -> Floats:
    """Chosen options as distributions (rows, options); a NaN row where none was chosen."""
    places = {name: i for i, name in enumerate(options)}
    values = np.full((len(names), len(options)), np.nan)
    for row, name in enumerate(names):
        if name is not None:
            values[row] = 0.0
            values[row, places[name]] = 1.0
    return values


def normalised(values: Floats) -> Floats:
    """Each row divided by its sum; NaN where the sum is 0 or something is missing."""
    totals = values.sum(axis=1, keepdims=True)
    shares = np.full_like(values, np.nan)
    np.divide(values, totals, out=shares, where=totals > 0)
    return shares


def there(values: Floats) -> NDArray[np.bool_]:
    """Which rows (or cells) have a distribution: (…, options) → (…)."""
    return np.asarray(np.isfinite(values).all(axis=-1))


def settled(answers: Answers) -> Answers:
    """The answers, with participants set aside where all of them answer the same.

    Identical answers to the same prompt are one item, however many asked: counting them as so
    many would make an interval as narrow as one likes.
    """
    values = answers.readings[0].values
    kept = np.flatnonzero(there(values))
    items = answers.items or ("",) * len(values)
    rows = [(int(answers.cells[i]), items[i], values[i].tobytes()) for i in kept]
    if not rows or not (answers.deterministic or _same(answers, kept, rows)):
        return answers
    people = f" ({len(set(answers.participants))} participants)" if answers.participants else ""
    over = f"intervals are over {len(set(items))} items" if answers.items else "no items are named"
    return replace(answers, deterministic=True).warn(
        f"a prompt is always answered the same: {len(rows)} trials{people} are {len(set(rows))} "
        f"different answers; {over}, participants count for nothing"
    )


def _same(answers: Answers, kept: Ints, rows: Sequence[tuple[int, str, bytes]]) -> bool:
    """Whether participants repeat each other, cell by cell and item by item, or altogether."""
    if answers.participants is None:
        return False
    if len(rows) > len({row[:2] for row in rows}) == len(set(rows)):
        return True
    own: dict[str, set[tuple[int, str, bytes]]] = {}
    for i, row in zip(kept, rows, strict=True):
        own.setdefault(answers.participants[i], set()).add(row)
    first, *others = own.values()
    return bool(others) and all(other == first for other in others)


def _codes(labels: tuple[str, ...] | None, kept: NDArray[np.bool_]) -> Ints | None:
    if labels is None:
        return None
    found = np.unique(np.array(labels, dtype=object)[kept].astype(str), return_inverse=True)[1]
    return found.astype(np.int64)
