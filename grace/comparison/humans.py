"""What people did: the figures that come with Grace, and participant-level files.

The figures and their sources are in data/human. A participant-level file in the published
format (`human=PATH`) replaces them and shows how well people agree with each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from grace.comparison.answers import KNOWLEDGE_FILTER, normalised, one_hot, there
from grace.comparison.bootstrap import Floats, Ints
from grace.comparison.csv_columns import PARTICIPANT, Table, cells_of, read_table
from grace.comparison.design import (
    ASSESSMENTS,
    DESIGNS,
    STUDY1,
    STUDY2,
    UTTERANCES,
    Design,
    state_of,
    utterance_of,
)
from grace.config import shipped
from grace.errors import StimuliError

#: Columns of a participant-level file of study 1, each by any of its names.
WORD = ("word", "observe", "number_word")
ACCESS = ("access",)
BETS = tuple((f"p_{k}", f"bet_{k}", f"state_{k}", f"x{k}", f"{k}") for k in range(4))
KNOWLEDGE = ("knowledge", "knowledge_bet", "bet_knowledge", "know")
#: Columns of a participant-level file of study 2.
GOAL, STATE = ("goal",), ("true_state", "state")
POSITIVITY = {
    "no_neg": "was",
    "neg": "wasnt",
    "it was ___": "was",
    "it wasn't ___": "wasnt",
    "was": "was",
    "wasn't": "wasnt",
    "wasnt": "wasnt",
}


@dataclass(frozen=True)
class Panel:
    """Answers of each participant: sums of distributions and their number, by cell."""

    names: tuple[str, ...]
    sums: Floats  # (participants, cells, options)
    trials: Floats  # (participants, cells)


@dataclass(frozen=True)
class People:
    """Human reference: mean distribution of each cell, as proportions.

    `means` are as reported; `distribution` has rows of sum 1, for they were read off a figure.
    """

    design: Design
    source: str
    means: Floats  # (cells, options)
    n: Floats  # (cells,), NaN where not reported
    se: Floats | None = None  # study 1, as proportions
    counts: Floats | None = None  # study 2
    panel: Panel | None = None
    own_material: bool = False  # known to have answered other stories in other words than a run's
    warnings: tuple[str, ...] = ()

    @property
    def distribution(self) -> Floats:
        """The means, each cell normalised."""
        return normalised(self.means)


def people(study: str, path: Path | None = None) -> People:
    """The reference of a study: Grace's own figures, or a participant-level file or folder."""
    if path is None:
        return published_bets() if study == "1" else published_production()
    table = _find(study, path)
    return participants_bets(table) if study == "1" else participants_production(table)


def published_bets() -> People:
    """Study 1: mean bets and standard errors (Goodman & Stuhlmüller 2013)."""
    table = read_table(shipped("data") / "human" / "study1_bets.csv")
    cells = cells_of(table, STUDY1, (("word",), ("access",)))
    states = np.array(table.numbers("state", 0, 3), dtype=np.int64)
    means, se = np.full((2, len(STUDY1.cells), 4), np.nan)
    means[cells, states] = np.array(table.numbers("mean", 0, 100)) / 100
    se[cells, states] = np.array(table.numbers("se", 0, 100)) / 100
    n = np.full(len(STUDY1.cells), np.nan)
    n[cells] = [float(text) if text else np.nan for text in table.texts("n")]
    source = "Goodman & Stuhlmüller (2013), mean bets, trials with expected knowledge bet > 70"
    return People(STUDY1, source, means, n, se=se, own_material=True)


def published_production() -> People:
    """Study 2: how many of 203 people chose each utterance (Yoon et al. 2020)."""
    table = read_table(shipped("data") / "human" / "study2_production.csv")
    cells = cells_of(table, STUDY2, (GOAL, ("state",)))
    utterances = [UTTERANCES.index(name) for name in table.texts("utterance")]
    counts = np.zeros((len(STUDY2.cells), len(UTTERANCES)))
    counts[cells, utterances] = table.numbers("count", 0, np.inf)
    source = "Yoon, Tessler, Goodman & Frank (2020), production, 203 people"
    return replace(_production(counts, source), own_material=True)


def published_literal() -> tuple[Floats, Floats]:
    """Literal semantics (Yoon et al. 2020): endorsements and people asked, utterance × state."""
    table = read_table(shipped("data") / "human" / "study2_literal.csv")
    endorsed, asked = np.zeros((2, len(UTTERANCES), 4))
    utterances = [UTTERANCES.index(name) for name in table.texts("utterance")]
    states = np.array(table.numbers("state", 0, 3), dtype=np.int64)
    endorsed[utterances, states] = table.numbers("endorsed", 0, np.inf)
    asked[utterances, states] = table.numbers("n", 1, np.inf)
    return endorsed, asked


def participants_bets(table: Table) -> People:
    """Study 1 from a row a trial: participant, word, access, four bets, a bet on knowledge.

    The bets of a trial are normalised. Where there is a bet on knowledge (percent on “yes”)
    the paper's filter is applied; without one all trials count, and that is said.
    """
    names = table.labels(PARTICIPANT)
    if names is None:
        table.need(PARTICIPANT, "who bet")
    cells = cells_of(table, STUDY1, (WORD, ACCESS))
    columns = [table.need(bet, f"the bet on state {k}") for k, bet in enumerate(BETS)]
    bets = normalised(np.column_stack([table.numbers(column, 0, 100) for column in columns]))
    for row in np.flatnonzero(~there(bets)):
        raise table.wrong(int(row), " + ".join(columns), 0, "expected bets that are not all 0")
    kept = np.ones(len(cells), dtype=bool)
    column, warnings = table.find(KNOWLEDGE), []
    if column is None:
        warnings.append(
            f"{table.path} has no column knowledge: people's trials are not filtered by it"
        )
    else:
        yes = np.array(table.numbers(column, 0, 100)) / 100
        full = np.array([access == 3 for _, access in STUDY1.cells])[cells]
        kept = np.where(full, yes, 1 - yes) > KNOWLEDGE_FILTER
    panel = _panel(names or (), cells, bets, kept, STUDY1)
    n = panel.trials.sum(axis=0)
    means, se = np.full((2, len(STUDY1.cells), 4), np.nan)
    for cell in np.flatnonzero(n):
        own = bets[kept & (cells == cell)]
        means[cell] = own.mean(axis=0)
        if len(own) > 1:
            se[cell] = own.std(axis=0, ddof=1) / np.sqrt(len(own))
    source = f"{table.path}, {len(panel.names)} people"
    return People(STUDY1, source, means, n, se=se, panel=panel, warnings=tuple(warnings))


def participants_production(table: Table) -> People:
    """Study 2 from a row an answer: subid, goal, true_state, positivity, utterance."""
    names = table.labels(PARTICIPANT)
    if names is None:
        table.need(PARTICIPANT, "who answered")
    cells = cells_of(table, STUDY2, (GOAL, STATE))
    chosen = one_hot(chosen_utterances(table), UTTERANCES)
    panel = _panel(names or (), cells, chosen, np.ones(len(cells), dtype=bool), STUDY2)
    return _production(
        panel.sums.sum(axis=0), f"{table.path}, {len(panel.names)} people", panel=panel
    )


def participants_literal(path: Path) -> tuple[Floats, Floats]:
    """Literal semantics from a row a judgement: state, positivity, utterance, judgment (0, 1)."""
    table = read_table(path)
    utterances = [UTTERANCES.index(name) for name in chosen_utterances(table)]
    column = table.need(("state", "true_state"), "the true state")
    states = table.read(column, state_of, "0 to 3 hearts")
    column = table.need(("judgment", "judgement"), "whether the utterance is true of the state")
    judgments = table.read(column, {"0": 0, "1": 1}.get, "0 or 1")
    endorsed, asked = np.zeros((2, len(UTTERANCES), 4))
    np.add.at(endorsed, (utterances, states), judgments)
    np.add.at(asked, (utterances, states), 1)
    return endorsed, asked


def chosen_utterances(table: Table) -> list[str]:
    """The utterances: whole ones, or an adjective with its frame in a column positivity."""
    column = table.need(("utterance",), "what was said")
    positivity = table.find(("positivity",))
    if positivity is None:
        expected = "one of the eight utterances, as It wasn't bad or as wasnt_bad"
        return table.read(column, utterance_of, expected)
    frames = table.read(positivity, POSITIVITY.get, "no_neg or neg")
    words = dict(zip(ASSESSMENTS, ASSESSMENTS, strict=True))
    adjectives = table.read(column, words.get, f"one of {', '.join(ASSESSMENTS)}")
    return [f"{frame}_{word}" for frame, word in zip(frames, adjectives, strict=True)]


def _production(counts: Floats, source: str, panel: Panel | None = None) -> People:
    return People(
        STUDY2, source, normalised(counts), counts.sum(axis=1), counts=counts, panel=panel
    )


def _panel(
    names: tuple[str, ...], cells: Ints, values: Floats, kept: np.ndarray, design: Design
) -> Panel:
    """Each participant's answers, summed by cell."""
    people_, who = np.unique(np.array(names), return_inverse=True)
    sums = np.zeros((len(people_), len(design.cells), values.shape[1]))
    trials = np.zeros((len(people_), len(design.cells)))
    np.add.at(sums, (who[kept], cells[kept]), values[kept])
    np.add.at(trials, (who[kept], cells[kept]), 1)
    some = trials.sum(axis=1) > 0
    return Panel(tuple(str(name) for name in people_[some]), sums[some], trials[some])


def _find(study: str, path: Path) -> Table:
    """The file, or the one of a folder's CSV files that has the study's columns."""
    if not path.is_dir():
        return read_table(path)
    wanted = (ACCESS, BETS[0]) if study == "1" else (GOAL, STATE, ("utterance",))
    for file in sorted(path.glob("*.csv")):
        table = read_table(file)
        if all(table.find(names) for names in wanted):
            return table
    needed = ", ".join(names[0] for names in wanted)
    raise StimuliError(
        f"no CSV file in this folder has the columns {needed} of study {DESIGNS[study].study}",
        file=str(path),
    )
