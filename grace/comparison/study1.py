"""Study 1 against Goodman & Stuhlmüller (2013): bets on how many objects have the property."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from grace.comparison.answers import Answers, Reading
from grace.comparison.bootstrap import Floats, Ints, Resamples, interval
from grace.comparison.ceiling import halves
from grace.comparison.design import STUDY1, Cell
from grace.comparison.humans import People
from grace.comparison.measure import (
    FILTERED,
    Contrast,
    Estimate,
    Measured,
    Metric,
    Options,
    distances,
    each_trial,
    estimate,
    measure,
)
from grace.comparison.metrics import (
    correlation,
    earth_movers,
    mae_points,
    over_cells,
    rmse_points,
    total_variation,
)

POINTS = "percentage points"
METRICS = (
    Metric("rmse", POINTS, "positive", rmse_points),
    Metric("mae", POINTS, "positive", mae_points),
    Metric("r", "", "correlation", correlation),
    Metric("tvd", "", "positive", lambda p, q: over_cells(total_variation(p, q))),
    Metric("emd", "states", "positive", lambda p, q: over_cells(earth_movers(p, q))),
)

#: The paper's claim: with full access the bet on the reported state is higher. First the cell
#: with full access, then the one with less, and the reported state.
PLANNED: tuple[tuple[Cell, Cell, int], ...] = (
    (("one", 3), ("one", 1), 1),
    (("one", 3), ("one", 2), 1),
    (("two", 3), ("two", 2), 2),
)
#: How the names of cells are read.
READING_A_CELL = (
    "one/3: the speaker has looked at 3 of the 3 objects and says that one has the property"
)
#: Within a cell: the bet on the reported state against that on a higher one.
WITHIN: tuple[tuple[Cell, int, int], ...] = (
    (("one", 1), 1, 2),
    (("one", 1), 1, 3),
    (("one", 2), 1, 2),
    (("one", 2), 1, 3),
    (("one", 3), 1, 2),
    (("one", 3), 1, 3),
    (("two", 2), 2, 3),
    (("two", 3), 2, 3),
)


@dataclass(frozen=True)
class Knowledge:
    """What the model says to “does the speaker know exactly how many?”.

    `yes` (cells,) is the mean probability of yes; `expected` that of the expected answer (yes
    at access 3, else no) over cells; `separation` that of yes at full access less that at
    partial access; `passing` (cells,) how many trials pass the paper's filter;
    `missing` trials have no answer about knowledge, and pass none.
    """

    yes: Floats
    expected: Estimate
    separation: Estimate
    passing: Ints
    missing: int


def measure_study1(
    answers: Answers, people: People, reading: Reading, trials: str, options: Options
) -> Measured | None:
    """One reading of all trials, or of those that pass the filter; None where there is none."""
    rows = np.ones(len(answers.cells), dtype=bool)
    if trials == FILTERED:
        passing = answers.knows()
        if passing is None:
            return None
        rows = passing
    found, n, missing = measure(answers, reading, rows, options)
    reference = people.distribution
    limits = interval(found, lambda means: means)
    split = halves(people, seed=options.seed)
    estimates = distances(METRICS, found, reference, split)
    for name, noise in (("rmse", noise_floor(people)), ("mae", mean_noise(people))):
        estimates[name] = replace(estimates[name], ceiling=noise)
    return Measured(
        reading=reading,
        trials=trials,
        resamples=found,
        low=limits.low,
        high=limits.high,
        n=n,
        missing=missing,
        by_cell={
            "tvd": total_variation(found.means, reference),
            "emd": earth_movers(found.means, reference),
        },
        estimates=estimates,
        contrasts=contrasts(found, people),
    )


def noise_floor(people: People) -> float | None:
    """Root mean square of the people's standard errors, in percentage points.

    This is the RMSE to be expected of a model that is exactly right: people's means are only
    known so well.
    """
    if people.se is None:
        return None
    known = people.se[np.isfinite(people.se)]
    return float(100 * np.sqrt(np.mean(known**2))) if known.size else None


def mean_noise(people: People) -> float | None:
    """Mean absolute error to be expected of a model that is exactly right, in percentage points.

    √(2/π) of the mean standard error: what a normal error is on average, whichever way.
    """
    if people.se is None:
        return None
    known = people.se[np.isfinite(people.se)]
    return float(100 * np.sqrt(2 / np.pi) * np.mean(known)) if known.size else None


def contrasts(found: Resamples, people: People) -> tuple[Contrast, ...]:
    """The planned comparisons between cells, then those within cells."""
    named = [
        (f"bet on {state}: {_name(full)} − {_name(less)}", (full, state), (less, state))
        for full, less, state in PLANNED
    ]
    named += [
        (f"{_name(cell)}: bet on {state} − bet on {other}", (cell, state), (cell, other))
        for cell, state, other in WITHIN
    ]
    made = []
    for name, more, less in named:
        points = _difference(more, less)
        model = estimate(found, points, unit=POINTS)
        made.append(Contrast(name, float(points(people.distribution)), model))
    return tuple(made)


def _difference(more: tuple[Cell, int], less: tuple[Cell, int]) -> Callable[[Floats], Floats]:
    """The bet on one state of one cell less another, in percentage points."""
    one, two = STUDY1.places[more[0]], STUDY1.places[less[0]]
    return lambda means: np.asarray(100 * (means[..., one, more[1]] - means[..., two, less[1]]))


def _name(cell: Cell) -> str:
    return f"{cell[0]}/{cell[1]}"


def knowledge(answers: Answers, options: Options) -> Knowledge | None:
    """The knowledge measure; None where nothing was asked about it."""
    expected, passing = answers.expected_knowledge(), answers.knows()
    if answers.knowledge is None or expected is None or passing is None:
        return None
    yes = each_trial(answers, answers.knowledge, options)
    full = np.array([access == 3 for _, access in STUDY1.cells])
    return Knowledge(
        yes=yes.means[:, 0],
        expected=estimate(each_trial(answers, expected, options), _over_all),
        separation=estimate(
            yes,
            lambda means: over_cells(means[..., full, 0]) - over_cells(means[..., ~full, 0]),
        ),
        passing=np.bincount(answers.cells[passing], minlength=len(STUDY1.cells)),
        missing=int(np.isnan(answers.knowledge).sum()),
    )


def coherence(answers: Answers, options: Options) -> Mapping[str, Estimate]:
    """Sum of the four mean answers (1 is coherent), and probability that answers add up."""
    named = {"sum": answers.coherence, "z": answers.coherence_z}
    return {
        name: estimate(each_trial(answers, values, options), _over_all)
        for name, values in named.items()
        if values is not None
    }


def _over_all(means: Floats) -> Floats:
    return over_cells(means[..., 0])
