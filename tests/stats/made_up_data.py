"""Data with known effects, in the columns of grace.stats, drawn from the models themselves."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: On the logit scale, as the models have them.
INTERCEPT, FULL, TWO = -0.7, 1.2, 0.3
ITEM_SD, SLOPE_SD, KAPPA = 0.4, 0.2, 20.0
THRESHOLDS = (-1.0, 0.0, 1.2)
GOALS = ("both", "informative", "kind")
NEGATION = {"informative": -1.5, "kind": -0.3, "both": 0.8}  # of bad work; of good work −2 all


def logistic(eta: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.asarray(eta, dtype=float))))


def study1(
    rng: np.random.Generator, items: int = 8, draws: int = 1, models: tuple[str, ...] = ("m",)
) -> pd.DataFrame:
    """Rows of study 1: the bet, the knowledge answer and the first answer."""
    rows = []
    effects = [(rng.normal(0, ITEM_SD), rng.normal(0, SLOPE_SD)) for _ in range(items)]
    cells = [(w, a) for w, word in enumerate(("one", "two", "three"), 1) for a in range(w, 4)]
    for model, item, (number, access), draw in itertools.product(
        models, range(items), cells, range(draws)
    ):
        full = int(access == 3)
        start, slope = effects[item]
        eta = INTERCEPT + TWO * (number == 2) + start + (FULL + slope) * full
        mu = float(logistic(eta))
        rows.append(
            {
                "model": model,
                "item": f"i{item}",
                "access": access,
                "observe": number,
                "word": ("one", "two", "three")[number - 1],
                "full_access": full,
                "replicate": draw,
                "p_reported": rng.beta(mu * KAPPA, (1 - mu) * KAPPA),
                "knowledge_yes": int(rng.binomial(1, mu)),
                "initial_answer": int(np.digitize(rng.logistic(eta), THRESHOLDS)),
            }
        )
    return pd.DataFrame(rows)


def study2(
    rng: np.random.Generator, items: int = 12, models: tuple[str, ...] = ("m",)
) -> pd.DataFrame:
    """Rows of study 2: the probability of negation, one row a model, item, goal and state."""
    rows = []
    starts = rng.normal(0, ITEM_SD, items)
    for model, item, goal, hearts in itertools.product(models, range(items), GOALS, range(4)):
        eta = (NEGATION[goal] if hearts < 2 else -2.0) + starts[item]
        mu = float(logistic(eta))
        rows.append(
            {
                "model": model,
                "item": f"i{item}",
                "goal_type": goal,
                "hearts": hearts,
                "replicate": 0,
                "p_negation": rng.beta(mu * KAPPA, (1 - mu) * KAPPA),
                "negation": int(rng.binomial(1, mu)),
            }
        )
    return pd.DataFrame(rows)


def full_effect(word: str, mean: Callable[[float], float]) -> float:
    """The true effect of full access after a word, for a typical item, on the mean's scale."""
    start = INTERCEPT + TWO * (word == "two")
    return mean(start + FULL) - mean(start)


def share(eta: float) -> float:
    """The mean of a share or of a yes, in points."""
    return 100 * float(logistic(eta))


def first_answer(eta: float) -> float:
    """The mean of the ordinal answer, 0 to 3: how many thresholds lie below."""
    return float(sum(logistic(eta - threshold) for threshold in THRESHOLDS))
