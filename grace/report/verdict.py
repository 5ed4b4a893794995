"""“Is it like people?” in plain words: the number, its interval, and how well people agree.

The words follow a distance: the root mean square error of the bets (study 1) or the share of
answers that would have to change (study 2). On its way from blind guessing (0) to as far as people
are from each other (1) each stretch has a word.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grace.comparison import Comparison, Estimate
from grace.comparison.comparing import metrics_of
from grace.comparison.show import NAMES
from grace.comparison.study1 import POINTS

#: The metric that decides, by study, and how its numbers are told.
DECIDING = {"1": "rmse", "2": "tvd"}
#: From which share of the way on each word holds, best first.
WORDS: tuple[tuple[float, str, str], ...] = (
    (1.0, "Yes, as far as these data can tell.", "no further from people than their own spread"),
    (0.8, "Mostly.", "at least four fifths of the way from guessing to people"),
    (0.5, "In part.", "at least half of the way"),
    (0.2, "A little.", "at least a fifth of the way"),
    (0.0, "Hardly.", "little better than blind guessing"),
    (-math.inf, "No.", "further from people than blind guessing"),
)
UNKNOWN = "It cannot be said."


@dataclass(frozen=True)
class Number:
    """One metric beside what it is to be held against; NaN is missing."""

    name: str
    what: str
    estimate: Estimate
    ceiling: float
    rsa: float
    guessing: float  # every answer equally probable, in every cell

    def shown(self, value: float, nothing: str = "missing") -> str:
        """A value with as many places as its unit deserves."""
        if not math.isfinite(value):
            return nothing
        return f"{value:.{1 if self.estimate.unit == POINTS else 3}f}".replace("-", "−")

    @property
    def interval(self) -> str:
        """The limits of the estimate, where it has any."""
        low, high = self.estimate.low, self.estimate.high
        return f"{self.shown(low)} to {self.shown(high)}" if math.isfinite(low) else "none"


@dataclass(frozen=True)
class Verdict:
    """The answer of the first screen."""

    word: str
    because: str
    spread: str  # what else the interval allows; empty where nothing else
    numbers: tuple[Number, ...]
    deciding: Number

    @property
    def r(self) -> float:
        """The correlation, which readers know best."""
        return next(n.estimate.value for n in self.numbers if n.name == "r")


def verdict(comparison: Comparison) -> Verdict:
    """The words and numbers for one model."""
    found = numbers(comparison)
    deciding = next(n for n in found if n.name == DECIDING[comparison.study])
    value = deciding.estimate.value
    if not math.isfinite(value):
        why = deciding.estimate.why or "there is nothing to compare"
        return Verdict(UNKNOWN, f"No number could be had: {why}.", "", found, deciding)
    sentence = _SENTENCES[comparison.study](deciding, found)
    if not math.isfinite(deciding.estimate.low):
        why = deciding.estimate.why or "there are too few answers"
        unsure = f"How sure that is cannot be said: there is no interval ({why})."
        return Verdict(UNKNOWN, sentence, unsure, found, deciding)
    ends = [deciding.estimate.high, value, deciding.estimate.low]
    words = [word_for(_way(deciding, end)) for end in ends]
    return Verdict(words[1], sentence, _spread(words), found, deciding)


def numbers(comparison: Comparison) -> tuple[Number, ...]:
    """Every distance and correlation of the first reading of all trials."""
    main, people = comparison.main, comparison.people.distribution
    blind = np.where(np.isfinite(people), 1 / people.shape[-1], np.nan)
    found = []
    for metric in metrics_of(comparison.study):
        estimate = main.estimates[metric.name]
        found.append(
            Number(
                metric.name,
                NAMES[metric.name],
                estimate,
                math.nan if estimate.ceiling is None else estimate.ceiling,
                comparison.rsa_to_people[metric.name],
                float(metric.of(blind, people)),
            )
        )
    return tuple(found)


def word_for(way: float) -> str:
    """The word for a share of the way from blind guessing (0) to people (1)."""
    return next(word for least, word, _ in WORDS if way >= least)


def _way(number: Number, value: float) -> float:
    """How much of the way from blind guessing to people's own spread; distances only."""
    top = 0.0 if math.isnan(number.ceiling) else number.ceiling
    return (number.guessing - value) / (number.guessing - top)


def _spread(words: Sequence[str]) -> str:
    """What the interval allows beside the estimate's own word, from the worst to the best."""
    if len(set(words)) == 1:
        return ""
    return f"The interval reaches from “{_bare(words[0])}” to “{_bare(words[-1])}”."


def _bare(word: str) -> str:
    return word.rstrip(".").lower()


def _bets(number: Number, found: Sequence[Number]) -> str:
    """The RMSE, which the word follows, and the mean absolute error by its own name."""
    mean = next(one for one in found if one.name == "mae")
    return (
        f"The model's bets are off people's by {_points(mean.estimate.value)} on average (the mean "
        "absolute error). The word follows the RMSE, in which large errors weigh more: "
        f"{_points(number.estimate.value)}{_limits(number.estimate, _points_only)}. The noise in "
        f"people's own means comes to an RMSE of {_points_only(number.ceiling)}, bets spread "
        f"evenly to {_points_only(number.guessing)}, the RSA model to {_points_only(number.rsa)}."
    )


def _utterances(number: Number, _: Sequence[Number]) -> str:
    return (
        f"{_percent(number.estimate.value)} of the model's answers would have to change for it to "
        f"answer as people do{_limits(number.estimate, _percent)}. Two halves of the people "
        f"differ by {_percent(number.ceiling)}; answers picked blindly are off by "
        f"{_percent(number.guessing)}, those of the RSA model by {_percent(number.rsa)}."
    )


_SENTENCES: Mapping[str, Callable[[Number, Sequence[Number]], str]] = {"1": _bets, "2": _utterances}


def _limits(estimate: Estimate, show: Callable[[float], str]) -> str:
    if not math.isfinite(estimate.low):
        return ""
    return f" (95% interval {show(estimate.low)} to {show(estimate.high)})"


def _points(value: float) -> str:
    return "an unknown amount" if math.isnan(value) else f"{value:.1f} percentage points"


def _points_only(value: float) -> str:
    return "an unknown amount" if math.isnan(value) else f"{value:.1f}"


def _percent(value: float) -> str:
    return "an unknown share" if math.isnan(value) else f"{100 * value:.0f}%"
