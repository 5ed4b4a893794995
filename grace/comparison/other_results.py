"""Anybody's results as a tidy table: measured with the same ruler.

Study 2: goal, state, utterance, and count or prob. Study 1: word, access, p_0 … p_3. Further
columns that are understood where they are there: item (story, Domain …), participant (subid,
workerid …), model, and in study 1 knowledge. The people's own file of study 2 is taken as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grace.comparison.answers import Answers, Reading, normalised, settled
from grace.comparison.bootstrap import Floats, Ints
from grace.comparison.csv_columns import ITEM, PARTICIPANT, Table, cells_of, read_table
from grace.comparison.design import STUDY1, STUDY2, UTTERANCES
from grace.comparison.humans import (
    ACCESS,
    BETS,
    GOAL,
    KNOWLEDGE,
    STATE,
    WORD,
    chosen_utterances,
)
from grace.errors import StimuliError

COUNT = ("count",)
PROB = ("prob", "probability", "proportion")
#: Sums of a distribution's shares that are taken for fractions, and for percentages: eight
#: shares rounded to two decimals may be off by 0.04.
FRACTIONS, PERCENT = (0.95, 1.05), (95.0, 105.0)
#: Rows of study 1 whose sum is off by more than this share are counted.
OFF = 0.01


def read_results(path: Path, study: str | None) -> list[Answers]:
    """The table's answers, one a model where it has a column of models.

    The study is found by the columns where it is not said.
    """
    table = read_table(path)
    found = _study(table)
    if study is None and found is None:
        raise StimuliError(
            "expected the columns goal, state, utterance and count or prob (study 2), or word, "
            f"access and p_0 … p_3 (study 1); the file has {', '.join(table.header)}",
            file=str(path),
        )
    study = study or found
    models = table.labels(("model",)) or (path.stem,) * len(table.rows)
    read = _bets if study == "1" else _utterances
    return [
        settled(read(table.only([name == model for name in models]), model))
        for model in dict.fromkeys(models)
    ]


def _study(table: Table) -> str | None:
    if table.find(ACCESS) and table.find(BETS[0]):
        return "1"
    return "2" if table.find(GOAL) and table.find(("utterance",)) else None


def _bets(table: Table, label: str) -> Answers:
    """Study 1: a row a distribution over the four states."""
    cells = cells_of(table, STUDY1, (WORD, ACCESS))
    columns = [table.need(bet, f"the share of state {k}") for k, bet in enumerate(BETS)]
    shares = np.column_stack([table.numbers(c, 0, 100, blank=True) for c in columns])
    whole, notes = _unit(table, columns, shares)
    knowledge = table.find(KNOWLEDGE)
    known = None if knowledge is None else _knowledge(table, knowledge, whole)
    items = table.labels(ITEM)
    return Answers(
        model=label,
        source=str(table.path),
        design=STUDY1,
        experiment=None,
        cells=cells,
        weights=np.ones(len(cells)),
        readings=(Reading("table", "the shares as given, normalised", normalised(shares)),),
        items=items,
        participants=table.labels(PARTICIPANT),
        knowledge=known,
        warnings=tuple(notes),
    )


def _unit(table: Table, columns: Sequence[str], shares: Floats) -> tuple[float, list[str]]:
    """What a row's shares should sum to, 1 or 100, and what to say of the rows.

    A share above 1 is no fraction, so the file is of percentages; a row of it without such a
    share might be either, and is refused.
    """
    names = ", ".join(columns)
    whole, unit = (100.0, "percentages") if np.nanmax(shares, initial=0.0) > 1 else (1, "fractions")
    sums = shares.sum(axis=1)
    if whole > 1:
        for i in np.flatnonzero((np.nanmax(shares, axis=1, initial=0.0) <= 1) & (sums > 0)):
            raise table.wrong(
                int(i),
                " + ".join(columns),
                round(float(sums[i]), 4),
                "as the sum: expected percentages, as in other rows, and not fractions",
            )
    notes = [f"{names} are read as {unit}"]
    missing = int((~(sums > 0)).sum())
    if missing:
        notes.append(f"{missing} of {len(sums)} rows have an empty share, or zeros only: missing")
    off = int(((sums > 0) & (np.abs(sums / whole - 1) > OFF)).sum())
    if off:
        notes.append(f"{off} rows do not sum to {whole:g} ± {OFF * whole:g}; they are normalised")
    return whole, notes


def _knowledge(table: Table, column: str, whole: float) -> Floats:
    """Probability of “yes”: in the unit of the shares, or yes and no; NaN where it is empty."""
    words = {"yes": 1.0, "no": 0.0, "": math.nan}
    texts = [text.lower() for text in table.texts(column)]
    if all(text in words for text in texts):
        return np.array([words[text] for text in texts])
    return np.array(table.numbers(column, 0, whole, blank=True)) / whole


def _utterances(table: Table, label: str) -> Answers:
    """Study 2: a row an utterance with its count or probability, or a row an answer."""
    cells = cells_of(table, STUDY2, (GOAL, STATE))
    utterances = np.array([UTTERANCES.index(u) for u in chosen_utterances(table)], dtype=np.int64)
    numbers, counted, note = _numbers(table)
    items, participants = table.labels(ITEM), table.labels(PARTICIPANT)
    units, firsts, unit = _unit_rows(cells, items, participants)
    if not counted:
        _refuse_twice(table, unit, utterances)
    values = np.zeros((units, len(UTTERANCES)))
    np.add.at(values, (unit, utterances), numbers)
    sums = values.sum(axis=1)
    notes = [note or _unit_of_sums(table, sums, firsts)]
    kept = sums > 0
    if not kept.all():
        notes.append(f"{int((~kept).sum())} distributions of the table are all zero: missing")
    rows = firsts[kept]
    return Answers(
        model=label,
        source=str(table.path),
        design=STUDY2,
        experiment=None,
        cells=cells[rows],
        weights=sums[kept] if counted else np.ones(len(rows)),
        readings=(Reading("table", "the table's shares of utterances", normalised(values[kept])),),
        items=_picked(items, rows),
        participants=_picked(participants, rows),
        counted=counted,
        warnings=tuple(notes),
    )


def _numbers(table: Table) -> tuple[Floats, bool, str]:
    """The numbers, whether they are counts, and what to say of that.

    A file in the people's own format has neither count nor prob, but a row an answer.
    """
    count, prob = table.find(COUNT), table.find(PROB)
    if count is not None:
        numbers = np.array(table.numbers(count, 0, np.inf))
        for i in np.flatnonzero(numbers != np.round(numbers)):
            raise table.wrong(
                int(i), count, float(numbers[i]), "expected a whole number of answers"
            )
        instead = f", {prob} is not read" if prob else ""
        return numbers, True, f"{count} is read as numbers of answers{instead}"
    if prob is not None:
        return np.array(table.numbers(prob, 0, 100)), False, ""
    if table.find(("positivity",)):
        return np.ones(len(table.rows)), True, "each row is taken as one answer"
    raise StimuliError(
        "column count or prob is missing: how often, or how probably, each utterance is said; "
        f"the file has {', '.join(table.header)}",
        file=str(table.path),
    )


def _picked(labels: Sequence[str] | None, rows: Ints) -> tuple[str, ...] | None:
    return None if labels is None else tuple(labels[row] for row in rows)


def _unit_rows(
    cells: Ints, items: Sequence[str] | None, participants: Sequence[str] | None
) -> tuple[int, Ints, Ints]:
    """Rows of one cell, item and participant are one distribution.

    Returns their number, the first row of each, and each row's (rows,).
    """
    rows = range(len(cells))
    keys = [(int(cells[i]), items and items[i], participants and participants[i]) for i in rows]
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    unit = np.array([places[key] for key in keys], dtype=np.int64)
    return len(places), np.unique(unit, return_index=True)[1].astype(np.int64), unit


def _refuse_twice(table: Table, unit: Ints, utterances: Ints) -> None:
    seen: dict[tuple[int, int], int] = {}
    for i, key in enumerate(zip(unit.tolist(), utterances.tolist(), strict=True)):
        if key in seen:
            raise table.wrong(
                i,
                "utterance",
                UTTERANCES[key[1]],
                f"a second probability for this goal and state, row {table.places[seen[key]]} has "
                "one; expected a column item or participant that tells them apart",
            )
        seen[key] = i


def _unit_of_sums(table: Table, sums: Floats, firsts: Ints) -> str:
    """Whether probabilities are fractions or percentages, from what each cell's sum to."""
    column = table.need(PROB, "how probably each utterance is said")
    for limits, name, total in ((FRACTIONS, "fractions", 1), (PERCENT, "percentages", 100)):
        if _within(sums, limits).all():
            return f"{column} is read as {name}: each goal × state sums to about {total}"
    neither = ~_within(sums, FRACTIONS) & ~_within(sums, PERCENT)
    worst = int(np.flatnonzero(neither if neither.any() else _within(sums, FRACTIONS))[0])
    raise table.wrong(
        int(firsts[worst]),
        column,
        round(float(sums[worst]), 4),
        "as the sum of this goal × state; expected 1 (fractions) or 100 (percentages) in all",
    )


def _within(sums: Floats, limits: tuple[float, float]) -> NDArray[np.bool_]:
    return (sums >= limits[0]) & (sums <= limits[1])
