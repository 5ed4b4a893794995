"""A comparison as the plain containers of comparison.json and the rows of comparison.csv."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grace.comparison.comparing import Comparison
from grace.comparison.measure import ALL, FILTERED, Contrast, Estimate, Measured
from grace.comparison.metrics import negation
from grace.comparison.study1 import PLANNED, Knowledge
from grace.version import __version__


def content(comparison: Comparison) -> dict[str, Any]:
    """One comparison for JSON: numbers that are missing are null, with `why`.

    The metrics at the top are those of the first reading of all trials; `filtered` are the same
    of the trials that pass the paper's filter, `readings` those of the other readings.
    """
    answers, people, main = comparison.answers, comparison.people, comparison.main
    others = [m for m in comparison.measured if m.trials == ALL and m is not main]
    found: dict[str, Any] = {
        "study": comparison.study,
        "experiment": answers.experiment,
        "model": answers.model,
        **({"tag": answers.tag} if answers.tag else {}),
        "source": answers.source,
        **_measured(comparison, main),
        "readings": {m.reading.name: _measured(comparison, m) for m in others},
        "rsa": {
            "model": {name: _estimate(e) for name, e in comparison.rsa_to_model.items()},
            "people": {name: _known(v) for name, v in comparison.rsa_to_people.items()},
        },
        "people": {
            "source": people.source,
            "participants": None if people.panel is None else len(people.panel.names),
        },
        "warnings": list(comparison.warnings),
        "settings": {
            "grace": __version__,
            "bootstrap": comparison.options.bootstrap,
            "seed": comparison.options.seed,
            "floor": comparison.options.floor,
        },
    }
    if comparison.knowledge is not None:
        found["knowledge"] = _knowledge(comparison, comparison.knowledge)
    if comparison.coherence:
        found["coherence"] = {name: _estimate(e) for name, e in comparison.coherence.items()}
    return found


def rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row a reading × trials × cell, as wide as the study has options."""
    return [row for one in comparison.measured for row in _cells(comparison, one)]


def _measured(comparison: Comparison, one: Measured) -> dict[str, Any]:
    """The metrics of one reading, what they rest on, and the paper's comparisons."""
    answers = comparison.answers
    known = one.n > 0
    found: dict[str, Any] = {
        "reading": one.reading.name,
        "meaning": one.reading.meaning,
        "trials": one.trials,
        **{name: _estimate(e) for name, e in one.estimates.items()},
        "n_answers": int(one.n.sum()),
        "n_missing": int(one.missing.sum()),
        "n_cells": int(known.sum()),
        "n_items": None if answers.items is None else len(set(answers.items)),
        "n_participants": None if answers.participants is None else len(set(answers.participants)),
        "deterministic": answers.deterministic,
        "intervals_over": one.resamples.basis,
    }
    if one.contrasts:
        found["planned"] = [_contrast(c) for c in one.contrasts[: len(PLANNED)]]
        found["within"] = [_contrast(c) for c in one.contrasts[len(PLANNED) :]]
    if one.trials == ALL:
        same = [m for m in comparison.measured if m.reading is one.reading]
        filtered = next((m for m in same if m.trials == FILTERED), None)
        if filtered is not None:
            found["filtered"] = _measured(comparison, filtered)
    return found


def _estimate(one: Estimate) -> dict[str, Any]:
    found: dict[str, Any] = {
        "value": _known(one.value),
        "low": _known(one.low),
        "high": _known(one.high),
    }
    if one.ceiling is not None:
        found["ceiling"] = _known(one.ceiling)
    if one.unit:
        found["unit"] = one.unit
    if one.why:
        found["why"] = one.why
    return found | {name: _known(value) for name, value in one.more.items()}


def _contrast(one: Contrast) -> dict[str, Any]:
    return {
        "name": one.name,
        "people": _known(one.people),
        **_estimate(one.model),
        "same_sign": one.same_sign,
        "certain": one.certain,
    }


def _knowledge(comparison: Comparison, one: Knowledge) -> dict[str, Any]:
    design = comparison.answers.design
    return {
        "expected": _estimate(one.expected),
        "separation": _estimate(one.separation),
        "n_passing": int(one.passing.sum()),
        "n_missing": one.missing,
        "cells": [
            {
                **dict(zip(design.factors, cell, strict=True)),
                "yes": _known(yes),
                "expected": "yes" if cell[1] == 3 else "no",
                "n_passing": int(passing),
            }
            for cell, yes, passing in zip(design.cells, one.yes, one.passing, strict=True)
        ],
    }


def _cells(comparison: Comparison, one: Measured) -> list[dict[str, Any]]:
    design, people = comparison.answers.design, comparison.people
    found = []
    for i, cell in enumerate(design.cells):
        row: dict[str, Any] = {
            "study": comparison.study,
            "experiment": comparison.answers.experiment,
            "model": comparison.answers.model,
            **({"tag": comparison.answers.tag} if comparison.answers.tag else {}),
            "reading": one.reading.name,
            "trials": one.trials,
            **dict(zip(design.factors, cell, strict=True)),
            "n_answers": int(one.n[i]),
            "n_missing": int(one.missing[i]),
            "n_people": _known(people.n[i]),
            **_named("people", design.options, people.means[i]),
        }
        if people.se is not None:
            row |= _named("people_se", design.options, people.se[i])
        row |= _named("model", design.options, one.means[i])
        row |= _named("model_low", design.options, one.low[i])
        row |= _named("model_high", design.options, one.high[i])
        row |= _named("rsa", design.options, comparison.rsa[i])
        row |= {name: _known(values[i]) for name, values in one.by_cell.items()}
        if design.study == "2":
            row["people_negation"] = _known(negation(people.means)[i])
            row["model_negation"] = _known(negation(one.means)[i])
        if comparison.knowledge is not None:
            row["model_knowledge_yes"] = _known(comparison.knowledge.yes[i])
        found.append(row)
    return found


def _named(prefix: str, options: Sequence[str], values: np.ndarray) -> Mapping[str, Any]:
    pairs = zip(options, values, strict=True)
    return {f"{prefix}_{name}": _known(value) for name, value in pairs}


def _known(value: float) -> float | None:
    """A number for JSON and CSV; None where it is missing."""
    return float(value) if math.isfinite(value) else None
