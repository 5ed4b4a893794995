"""What each of the polite speaker's utilities is worth: fits without some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from grace.config.argument_kinds import strict
from grace.rsa.answers import Answers
from grace.rsa.fitting import Fit, fit
from grace.rsa.models import polite_model
from grace.rsa.published import COMPARISON, THETA, UTILITIES, Comparison

#: All seven sets of utilities, the full model first.
ABLATIONS = tuple(set_ for many in (3, 2, 1) for set_ in combinations(UTILITIES, many))


@dataclass(frozen=True)
class Ablation:
    """A speaker with some of the utilities, fitted, beside what the paper reports of it."""

    utilities: tuple[str, ...]
    fit: Fit
    r2: float  # squared correlation of predicted and observed proportions
    published: Comparison


@strict
def ablations(
    answers: Answers,
    sets: Sequence[tuple[str, ...]] = ABLATIONS,
    *,
    theta: ArrayLike = THETA,
    lapse: float | None = 0.0,
    temperature: float | None = 1.0,
    starts: int = 8,
    seed: int = 0,
) -> tuple[Ablation, ...]:
    """Fit each set of utilities to the same answers; best first, by AIC.

    The paper compares marginal likelihoods with literal meanings fitted anew to each variant; here
    they are the same for all (`theta`), and the likelihood is maximised. The order can be compared,
    the numbers cannot.
    """
    found = []
    for utilities in sets:
        model = polite_model(
            utilities, goals=_goals(answers), theta=theta, lapse=lapse, temperature=temperature
        )
        result = fit(model, answers, intervals=None, starts=starts, seed=seed)
        published = next(row for row in COMPARISON if set(row.utilities) == set(utilities))
        found.append(Ablation(utilities, result, _r2(result, answers), published))
    return tuple(sorted(found, key=lambda ablation: ablation.fit.aic))


@strict
def in_published_order(found: Sequence[Ablation]) -> bool:
    """Whether the ablations, best first, stand in the paper's order."""
    factors = [ablation.published.log_bayes_factor for ablation in found]
    return factors == sorted(factors)


@strict
def ablation_rows(found: Sequence[Ablation]) -> list[dict[str, Any]]:
    """One row an ablation, for a table; differences are to the first row."""
    return [
        {
            "utilities": " + ".join(ablation.utilities),
            "loglik": ablation.fit.loglik,
            "k": ablation.fit.k,
            "aic": ablation.fit.aic,
            "delta_aic": ablation.fit.aic - found[0].fit.aic,
            "bic": ablation.fit.bic,
            "r2": ablation.r2,
            "published_r2": ablation.published.r2,
            "published_log_bayes_factor": ablation.published.log_bayes_factor,
        }
        for ablation in found
    ]


def _goals(answers: Answers) -> tuple[str, ...]:
    return tuple(dict.fromkeys(goal for goal, _ in answers.cells))


def _r2(result: Fit, answers: Answers) -> float:
    total = answers.counts.sum(axis=-1, keepdims=True)
    asked = total[:, 0] > 0
    shares = answers.counts[asked] / total[asked]
    return float(np.corrcoef(shares.ravel(), result.predicted[asked].ravel())[0, 1] ** 2)
