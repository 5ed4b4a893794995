"""One way of reading answers, measured against people: cell means, distances, intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from grace.comparison.answers import Answers, Reading, there
from grace.comparison.bootstrap import (
    NO_ANSWERS,
    RESAMPLES,
    Floats,
    Ints,
    Resamples,
    Scale,
    interval,
    resample,
)
from grace.comparison.ceiling import Distance, ceiling
from grace.comparison.design import GOALS, STUDY1, Design
from grace.comparison.metrics import FLOOR

ALL, FILTERED = "all", "filtered"


@dataclass(frozen=True)
class Options:
    """Of a comparison: draws of the bootstrap, their seed, the floor of probabilities."""

    bootstrap: int = RESAMPLES
    seed: int = 0
    floor: float = FLOOR


@dataclass(frozen=True)
class Metric:
    """A number that says how far a model (…, cells, options) is from people."""

    name: str
    unit: str
    scale: Scale
    of: Distance


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval; NaN where there is none, and `why`."""

    value: float
    low: float
    high: float
    unit: str = ""
    ceiling: float | None = None
    why: str | None = None
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Contrast:
    """A difference that people's answers have, in percentage points, and the model's."""

    name: str
    people: float
    model: Estimate

    @property
    def same_sign(self) -> bool | None:
        """Whether the model's difference goes the people's way; None where it is missing."""
        if not math.isfinite(self.model.value):
            return None
        return bool(self.model.value * self.people > 0)

    @property
    def certain(self) -> bool | None:
        """Whether the interval leaves the sign of the model's difference open."""
        if not math.isfinite(self.model.low):
            return None
        return self.model.low > 0 or self.model.high < 0


@dataclass(frozen=True)
class Measured:
    """A reading of all trials or of those that pass the paper's filter, against people."""

    reading: Reading
    trials: str  # ALL or FILTERED
    resamples: Resamples
    low: Floats  # (cells, options), of the cell means
    high: Floats
    n: Ints  # (cells,), answers compared
    missing: Ints  # (cells,), answers wanted and not there
    by_cell: Mapping[str, Floats]
    estimates: Mapping[str, Estimate]
    contrasts: tuple[Contrast, ...] = ()

    @property
    def means(self) -> Floats:
        """The model's mean distribution of each cell (cells, options)."""
        return self.resamples.means


def measure(
    answers: Answers,
    reading: Reading,
    rows: NDArray[np.bool_],
    options: Options,
) -> tuple[Resamples, Ints, Ints]:
    """Cell means and their draws, with how many trials each cell has and misses."""
    sample = answers.sample(reading.values, rows)
    cells = len(answers.design.cells)
    weights = answers.weights if answers.counted else np.ones_like(answers.weights)
    wanted = np.bincount(answers.cells[rows], weights[rows], minlength=cells)
    kept = rows & there(reading.values)
    n = np.bincount(answers.cells[kept], weights[kept], minlength=cells)
    found = resample(sample, options.bootstrap, options.seed)
    return found, n.astype(np.int64), (wanted - n).astype(np.int64)


def estimate(
    resamples: Resamples,
    statistic: Callable[[Floats], Floats],
    scale: Scale = "natural",
    unit: str = "",
    top: float | None = None,
    more: Mapping[str, float] | None = None,
) -> Estimate:
    """A statistic of the cell means as one number with its interval."""
    found = interval(resamples, statistic, scale)
    value = float(found.value)
    why = resamples.why
    if not math.isfinite(value):
        none = not np.isfinite(resamples.means).any()
        why = (
            (why or NO_ANSWERS)
            if none
            else "undefined: a cell has no answers, or all shares are equal"
        )
        return Estimate(math.nan, math.nan, math.nan, unit, top, why, more or {})
    return Estimate(value, float(found.low), float(found.high), unit, top, why, more or {})


def distances(
    metrics: Sequence[Metric],
    resamples: Resamples,
    reference: Floats,
    split: tuple[Floats, Floats] | None = None,
) -> dict[str, Estimate]:
    """Each metric between the model's cell means and a reference, with people's ceiling."""
    return {
        metric.name: estimate(
            resamples,
            partial(metric.of, q=reference),
            metric.scale,
            metric.unit,
            ceiling(split, metric.of),
        )
        for metric in metrics
    }


def each_trial(answers: Answers, values: Floats, options: Options) -> Resamples:
    """Draws of the cell means (cells, 1) of a number that each trial has."""
    rows = np.ones(len(answers.cells), dtype=bool)
    sample = answers.sample(values[:, np.newaxis], rows)
    return resample(sample, options.bootstrap, options.seed)


def rsa_distribution(design: Design) -> Floats:
    """What the Rational Speech Act model of the study says, with its published parameters.

    (cells, options), in the design's order.
    """
    from grace.rsa import listener, polite_speaker

    if design is STUDY1:
        return np.stack([listener(word, access) for word, access in design.cells])
    return np.concatenate([polite_speaker(goal) for goal in GOALS])
