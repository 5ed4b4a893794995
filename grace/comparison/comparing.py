"""Answers against people, and against the Rational Speech Act model: one comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from grace.comparison import study1, study2
from grace.comparison.answers import Answers
from grace.comparison.bootstrap import Floats
from grace.comparison.design import STUDY1
from grace.comparison.humans import People
from grace.comparison.measure import (
    ALL,
    FILTERED,
    Estimate,
    Measured,
    Metric,
    Options,
    distances,
    rsa_distribution,
)


@dataclass(frozen=True)
class Comparison:
    """All that is said of one model. The first of `measured` is what counts most."""

    answers: Answers
    people: People
    options: Options
    measured: tuple[Measured, ...]
    rsa: Floats  # (cells, options)
    rsa_to_people: Mapping[str, float]
    rsa_to_model: Mapping[str, Estimate]
    knowledge: study1.Knowledge | None = None
    coherence: Mapping[str, Estimate] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def study(self) -> str:
        """The study's name."""
        return self.answers.design.study

    @property
    def main(self) -> Measured:
        """The first reading of all trials."""
        return self.measured[0]


def compare(answers: Answers, people: People, options: Options | None = None) -> Comparison:
    """Measure one model's answers against people's."""
    options = options or Options()
    metrics = metrics_of(answers.design.study)
    if answers.design is STUDY1:
        kinds = [(reading, trials) for reading in answers.readings for trials in (ALL, FILTERED)]
        found = [study1.measure_study1(answers, people, *kind, options) for kind in kinds]
        measured = tuple(one for one in found if one is not None)
    else:
        measured = tuple(
            study2.measure_study2(answers, people, reading, options) for reading in answers.readings
        )
    rsa = rsa_distribution(answers.design)
    bets = answers.design is STUDY1
    return Comparison(
        answers=answers,
        people=people,
        options=options,
        measured=measured,
        rsa=rsa,
        rsa_to_people={m.name: float(m.of(rsa, people.distribution)) for m in metrics},
        rsa_to_model=distances(metrics, measured[0].resamples, rsa),
        knowledge=study1.knowledge(answers, options) if bets else None,
        coherence=study1.coherence(answers, options) if bets else {},
        warnings=(
            *answers.warnings,
            *people.warnings,
            *_material(answers, people),
            *_doubts(measured),
        ),
    )


def metrics_of(study: str) -> Sequence[Metric]:
    """The study's distances between two distributions."""
    return study1.METRICS if study == "1" else study2.METRICS


def _material(answers: Answers, people: People) -> list[str]:
    """What people were shown, beside what the model of a run was."""
    if answers.experiment is None:  # somebody's table: it may be of the people's own material
        return []
    if people.own_material:
        return [
            "people answered other stories in other words than the model: what sets the two apart "
            "may be the material"
        ]
    return [
        "it is not known whether people answered the model's stories in the model's words: what "
        "sets the two apart may be the material"
    ]


def _doubts(measured: Sequence[Measured]) -> list[str]:
    """What is missing, and intervals that could not be had."""
    found = []
    for one in measured:
        empty = int((one.n == 0).sum())
        if empty:
            what = one.reading.name if one.trials == ALL else f"{one.reading.name}, {one.trials}"
            found.append(
                f"{what}: {empty} of {len(one.n)} cells have no usable answers and are left out"
            )
    main = measured[0]
    if main.resamples.why and np.isfinite(main.means).any():
        found.append(f"no intervals: {main.resamples.why}")
    return found
