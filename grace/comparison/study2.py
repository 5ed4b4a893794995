"""Study 2 against Yoon, Tessler, Goodman & Frank (2020): what a polite speaker says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from grace.comparison.answers import Answers, Reading, there
from grace.comparison.bootstrap import Floats, Resamples, interval
from grace.comparison.ceiling import ceiling, halves
from grace.comparison.humans import People
from grace.comparison.measure import ALL, Estimate, Measured, Metric, Options, distances, estimate
from grace.comparison.measure import measure as measure_rows
from grace.comparison.metrics import (
    correlation,
    jensen_shannon,
    log_likelihood,
    negation,
    over_cells,
    saturated_likelihood,
    total_variation,
    uniform_likelihood,
)

METRICS = (
    Metric("r", "", "correlation", correlation),
    Metric("tvd", "", "positive", lambda p, q: over_cells(total_variation(p, q))),
    Metric("jsd", "bits", "positive", lambda p, q: over_cells(jensen_shannon(p, q))),
)


def measure_study2(
    answers: Answers, people: People, reading: Reading, options: Options
) -> Measured:
    """One reading of all trials."""
    rows = np.ones(len(answers.cells), dtype=bool)
    found, n, missing = measure_rows(answers, reading, rows, options)
    reference = people.distribution
    limits = interval(found, lambda means: means)
    split = halves(people, seed=options.seed)
    return Measured(
        reading=reading,
        trials=ALL,
        resamples=found,
        low=limits.low,
        high=limits.high,
        n=n,
        missing=missing,
        by_cell={
            "tvd": total_variation(found.means, reference),
            "jsd": jensen_shannon(found.means, reference),
        },
        estimates={
            **distances(METRICS, found, reference, split),
            "loglik": likelihood(found, people, options.floor),
            "p_negation": share_of_negation(found, people, split),
        },
    )


def likelihood(found: Resamples, people: People, floor: float) -> Estimate:
    """Log-likelihood of the people's answers, between uniform (0) and saturated (1).

    Over the cells that the model has answers for; so are both ends. `share` is the model's
    place between them, `floored` how many of the people's answers have the floor as probability.
    The interval is that of the distance below the saturated one, which cannot be negative.
    """
    known = there(found.means)
    counts = np.where(known[:, np.newaxis], _counts(people), 0.0)
    low, high = uniform_likelihood(counts), saturated_likelihood(counts)
    below = estimate(
        found, lambda means: high - log_likelihood(counts, means, floor), "positive", "nats"
    )
    return replace(
        below,
        value=high - below.value,
        low=high - below.high,
        high=high - below.low,
        ceiling=high,
        more={
            "uniform": low,
            "saturated": high,
            "share": 1 - below.value / (high - low) if high > low else math.nan,
            "floor": floor,
            "floored": float(counts[found.means < floor].sum()),
        },
    )


def share_of_negation(
    found: Resamples, people: People, split: tuple[Floats, Floats] | None
) -> Estimate:
    """The model's mean share of “wasn't” over cells, with the people's beside it.

    `apart` is the mean difference between both by cell, whichever way, and `apart_ceiling` the
    same between halves of the people.
    """
    own, theirs = negation(found.means), negation(people.distribution)
    theirs = np.where(there(found.means), theirs, np.nan)
    halved = ceiling(split, lambda p, q: over_cells(np.abs(negation(p) - negation(q))))
    more = {
        "people": float(over_cells(theirs)),
        "apart": float(over_cells(np.abs(own - theirs))),
    }
    if halved is not None:
        more["apart_ceiling"] = halved
    return estimate(found, lambda means: over_cells(negation(means)), more=more)


def _counts(people: People) -> Floats:
    if people.counts is None:
        raise TypeError("study 2 is compared with counts")
    return people.counts
