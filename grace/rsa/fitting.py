"""Maximum likelihood: what parameters answers speak for, how surely, and where they are silent.

    data = listener_answers({("one", 3): [0, 38, 3, 2], ("two", 3): [0, 0, 40, 4]})
    result = fit(listener_model(lapse=None), data)
    result.estimates["alpha"]

A parameter that ends at a bound, or of which the answers say nothing, is called that; it never
passes for a number like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from grace.config.argument_kinds import strict
from grace.errors import GraceError
from grace.rsa.answers import Answers, Cell
from grace.rsa.intervals import Interval, bootstrap, profile
from grace.rsa.likelihood import Likelihood, Peak, peaks, refuse_impossible
from grace.rsa.models import Model
from grace.rsa.published import Floats

Status = Literal["estimated", "held", "at lower bound", "at upper bound", "not identified"]

#: How near to its bound, as a share of its range, a parameter counts as being at it.
_AT_BOUND = 1e-4


@dataclass(frozen=True)
class Estimate:
    """One parameter: its value and interval, and whether they mean anything.

    `low` and `high` are NaN where no interval was asked for or none exists. With status "not
    identified" the value is NaN: the answers do not tell (its standard error is over half its
    whole range, or its likelihood profile never falls far enough). `open_low` and `open_high` say
    that the interval reaches the parameter's bound on that side, and would go further.
    """

    value: float
    low: float
    high: float
    status: Status
    se: float = np.nan  # from the curvature at the peak
    open_low: bool = False
    open_high: bool = False


@dataclass(frozen=True)
class Fit:
    """A fitted model. Log-likelihoods are natural logs, without multinomial coefficients."""

    model: str
    estimates: Mapping[str, Estimate]
    point: Mapping[str, float]  # the parameters of the peak, as found
    loglik: float
    uniform: float  # log-likelihood of answering blindly
    saturated: float  # and of the observed proportions themselves
    n: float  # answers
    k: int  # free parameters
    converged: bool
    reached: int  # how many of the starts ended at this peak (within 0.01)
    starts: int
    cells: tuple[Cell, ...]
    predicted: Floats  # (cells, answers)
    notes: tuple[str, ...]

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 k − 2 ln L: less is better."""
        return 2 * self.k - 2 * self.loglik

    @property
    def bic(self) -> float:
        """Schwarz's criterion, k ln n − 2 ln L: less is better."""
        return self.k * float(np.log(self.n)) - 2 * self.loglik

    def rows(self) -> list[dict[str, Any]]:
        """One row a parameter, for a table."""
        return [
            {"parameter": name, "value": e.value, "low": e.low, "high": e.high, "status": e.status}
            for name, e in self.estimates.items()
        ]


@strict
def fit(
    model: Model,
    answers: Answers,
    *,
    intervals: Literal["profile", "bootstrap"] | None = "profile",
    level: float = 0.95,
    starts: int = 8,
    resamples: int = 200,
    seed: int = 0,
) -> Fit:
    """The most likely parameters of a model, from `starts` random points and the published ones.

    `intervals` are of the likelihood profile, or percentiles of a bootstrap: over groups
    (participants, items) where the answers have them, over single answers otherwise.
    """
    if not 0 < level < 1:
        raise GraceError(f"level={level!r}: expected a number between 0 and 1")
    if starts < 0 or resamples < 2:
        raise GraceError(f"starts={starts}, resamples={resamples}: expected 0 and 2 or more")
    if intervals not in {None, "profile", "bootstrap"}:
        raise GraceError(f"intervals={intervals!r}: expected profile, bootstrap or None")
    likelihood = Likelihood(model, answers)
    found = peaks(likelihood, starts, seed)
    best = found[0]
    refuse_impossible(likelihood, _named(model, best))
    spans: Mapping[str, Interval] = {}
    if intervals == "profile":
        best, spans = _profiled(likelihood, best, level)
    elif intervals == "bootstrap":
        spans = bootstrap(likelihood, best, level, resamples, seed)
    point = _named(model, best)
    notes = list(answers.notes)
    converged = likelihood.settled(best)
    if not converged:
        notes.append("the search did not settle on a peak; ask for more starts")
    reached = sum(peak.loglik > best.loglik - 0.01 for peak in found)
    if reached == 1 and len(found) > 1 and model.space.size:
        notes.append("only one start ended at this peak; ask for more starts")

    errors = standard_errors(likelihood, best)
    estimates = {
        name: _estimate(likelihood, name, point[name], errors, spans.get(name))
        for name in model.space.names
    }
    notes += [note for name, estimate in estimates.items() for note in _doubts(name, estimate)]
    held = {name: Estimate(v, v, v, "held") for name, v in model.held.items()}
    return Fit(
        model=model.name,
        estimates=estimates | held,
        point=point,
        loglik=float(likelihood.of(point)),
        uniform=-answers.n * float(np.log(answers.counts.shape[-1])),
        saturated=saturated(answers),
        n=answers.n,
        k=model.space.size,
        converged=converged,
        reached=reached,
        starts=len(found),
        cells=answers.cells,
        predicted=likelihood.predicted(point),
        notes=tuple(notes),
    )


def _named(model: Model, peak: Peak) -> dict[str, float]:
    """All parameters at a peak by name, the held ones too."""
    return {name: float(v) for name, v in model.space.values(peak.x).items()} | dict(model.held)


def _profiled(
    likelihood: Likelihood, best: Peak, level: float
) -> tuple[Peak, Mapping[str, Interval]]:
    """Profile intervals; where a profile meets a higher peak, that is the one to profile."""
    for _ in range(3):
        spans, highest = profile(likelihood, best, level)
        above = likelihood.climb(likelihood.model.space.point(highest))
        if above.loglik <= best.loglik + 1e-3:
            break
        best = above
    return best, spans


def _doubts(name: str, estimate: Estimate) -> list[str]:
    """What is to be said of an estimate beside its numbers."""
    if estimate.status != "estimated":
        return [f"{name}: {estimate.status}"]
    sides = [("below", estimate.open_low), ("above", estimate.open_high)]
    return [f"{name}: interval open {side}, up to its bound" for side, is_open in sides if is_open]


def saturated(answers: Answers) -> float:
    """The log-likelihood of the observed proportions themselves: no model can have more."""
    counts = answers.counts
    total = counts.sum(axis=-1, keepdims=True)
    some = counts > 0
    shares = np.divide(counts, total, out=np.ones_like(counts), where=some)
    return float(np.sum(counts * np.log(np.where(some, shares, 1.0))))


def standard_errors(likelihood: Likelihood, peak: Peak) -> dict[str, float]:
    """Standard errors by name from the curvature at the peak.

    A direction of the box without curvature makes infinite the error of every parameter that
    changes along it, and of no other. Dimensions at a bound are held there: a parameter that
    changes along none but those has no standard error (NaN).
    """
    space, box = likelihood.model.space, likelihood.box
    if not space.size:
        return {}
    bends, free = likelihood.curvature(peak.x)
    strengths, directions = np.linalg.eigh(bends[np.ix_(free, free)])
    flat = strengths < 1e-3
    width = box[:, 1] - box[:, 0]
    step = np.diag(1e-4 * width)[free]
    up, down = (space.values(peak.x + move, likelihood.first) for move in (step, -step))
    errors = {}
    for name in space.names:
        tilt = (up[name] - down[name]) / 2e-4 @ directions
        shallow = np.abs(tilt[flat]).max(initial=0.0) > 1e-3 * _width(likelihood, name)
        variance = float(np.sum(tilt[~flat] ** 2 / strengths[~flat]))
        errors[name] = np.inf if shallow else float(np.sqrt(variance)) if variance else np.nan
    return errors


def _width(likelihood: Likelihood, name: str) -> float:
    low, high = likelihood.model.space.bounds(name)
    return high - low


def _estimate(
    likelihood: Likelihood,
    name: str,
    value: float,
    errors: Mapping[str, float],
    span: Interval | None,
) -> Estimate:
    """A parameter with its interval and what is to be said of it."""
    low, high = likelihood.model.space.bounds(name)
    near = _AT_BOUND * (high - low)
    status: Status = "estimated"
    if span is not None and span.open_low and span.open_high:
        status = "not identified"
    elif value <= low + near:
        status = "at lower bound"
    elif value >= high - near:
        status = "at upper bound"
    elif span is None and errors[name] > (high - low) / 2:
        status = "not identified"
    estimate = Estimate(value, np.nan, np.nan, status, errors[name])
    if status == "not identified":
        estimate = replace(estimate, value=np.nan)
    if span is None:
        return estimate
    return replace(
        estimate,
        low=span.low,
        high=span.high,
        open_low=span.open_low,
        open_high=span.open_high,
    )
