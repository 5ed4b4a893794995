"""What people or a model answered, cell by cell: the data a model is fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from grace.config.argument_kinds import strict
from grace.errors import GraceError
from grace.rsa.knowledge import ACCESSES, WORDS
from grace.rsa.published import GOAL_SYNONYMS, GOALS, STATES, UTTERANCES, Floats

Cell = tuple[str, int]


@dataclass(frozen=True)
class Answers:
    """How often each answer was given in each cell.

    A cell is (word, access) in study 1 and (goal, state) in study 2. `counts` (cells, answers)
    need not be whole numbers: proportions count as the number of answers they stand for.
    `groups` (groups, cells, answers) is the same by participant or item, where known; they are
    what a bootstrap draws and cross-validation leaves out.
    """

    cells: tuple[Cell, ...]
    counts: Floats
    groups: Floats | None = None
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> float:
        """How many answers there are."""
        return float(self.counts.sum())

    def weighted(self, weights: ArrayLike) -> Answers:
        """The answers of each group as often as `weights` (groups,) says, pooled."""
        if self.groups is None:
            raise GraceError("these answers have no groups; expected pool([one per participant])")
        return replace(self, counts=np.tensordot(_array(weights), self.groups, 1), groups=None)


@strict
def listener_answers(table: Mapping[tuple[str, int], ArrayLike], n: float | None = None) -> Answers:
    """Study 1: {(word, access): four counts or bets}, on 0 … 3 objects.

    With `n` the four numbers are proportions or percentages, and each cell counts as n answers.
    """
    known = {(word, access) for word in WORDS for access in ACCESSES}
    for cell in table:
        if cell not in known:
            raise GraceError(
                f"cell {cell!r}: expected a word of {', '.join(WORDS)} and an access of 1, 2 or 3"
            )
    return _answers(list(table), list(table.values()), 4, n)


@strict
def polite_answers(table: Mapping[str, ArrayLike] | ArrayLike, n: float | None = None) -> Answers:
    """Study 2: {goal: (4 states, 8 utterances)}, or one array (3 goals, 4 states, 8 utterances).

    The orders are those of GOALS, STATES and UTTERANCES. With `n` each row holds proportions or
    percentages and counts as n answers.
    """
    if isinstance(table, Mapping):
        goals = table
    elif np.shape(table)[:1] == (len(GOALS),):
        goals = dict(zip(GOALS, _array(table), strict=True))
    else:
        raise GraceError(f"found an array of shape {np.shape(table)}, expected 3 goals × 4 × 8")
    cells: list[Cell] = []
    rows: list[Any] = []
    for name, block in goals.items():
        goal = GOAL_SYNONYMS.get(name, name)
        if goal not in GOALS:
            raise GraceError(f"goal={name!r}: expected one of {', '.join(GOALS)}")
        if np.shape(block) != (len(STATES), len(UTTERANCES)):
            raise GraceError(
                f"goal {name}: found an array of shape {np.shape(block)}, expected 4 states × "
                "8 utterances"
            )
        cells += [(goal, state) for state in STATES]
        rows += list(_array(block))
    return _answers(cells, rows, len(UTTERANCES), n)


@strict
def pool(answers: Sequence[Answers]) -> Answers:
    """One `Answers` of several, each of which becomes a group (a participant, an item)."""
    if not answers:
        raise GraceError("nothing to pool: expected the answers of one group or more")
    cells = tuple(dict.fromkeys(cell for one in answers for cell in one.cells))
    groups = np.zeros((len(answers), len(cells), answers[0].counts.shape[-1]))
    for group, one in zip(groups, answers, strict=True):
        group[[cells.index(cell) for cell in one.cells]] = one.counts
    notes = tuple(dict.fromkeys(note for one in answers for note in one.notes))
    return Answers(cells, groups.sum(axis=0), groups, notes)


def _answers(cells: list[Cell], rows: list[ArrayLike], width: int, n: float | None) -> Answers:
    """Check each row and leave out those that are missing altogether, with a note."""
    kept: list[Cell] = []
    counts: list[Floats] = []
    missing: list[str] = []
    for cell, row in zip(cells, rows, strict=True):
        values = _array(row)
        name = f"cell {cell[0]}/{cell[1]}"
        if values.shape != (width,):
            raise GraceError(f"{name}: found {values.size} numbers, expected {width}")
        if np.isnan(values).all():
            missing.append(f"{cell[0]}/{cell[1]}")
            continue
        if not np.isfinite(values).all() or (values < 0).any():
            raise GraceError(f"{name}: found {values.tolist()}, expected numbers from 0 up")
        total = values.sum()
        if n is None and np.isclose(total, 1) and (values % 1).any():
            raise GraceError(
                f"{name}: proportions; expected counts, or n=, how many answers a cell stands for"
            )
        if n is not None and not (abs(total - 1) <= 0.02 or abs(total - 100) <= 2):
            raise GraceError(
                f"{name}: a sum of {total:g}, expected proportions (1) or percent (100)"
            )
        kept.append(cell)
        counts.append(values if n is None else values / total * n)
    if not kept:
        raise GraceError("no cell has an answer; expected one or more")
    notes = [f"missing and left out: {', '.join(missing)}"] if missing else []
    notes += [f"proportions, each cell taken as {n:g} answers"] if n is not None else []
    return Answers(tuple(kept), np.array(counts), None, tuple(notes))


def _array(value: ArrayLike) -> Floats:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise GraceError(f"found {value!r}, expected numbers") from error
