"""How far a parameter could be from its estimate: profile likelihood and bootstrap."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grace.errors import GraceError
from grace.rsa.answers import Answers
from grace.rsa.likelihood import Likelihood, Peak
from grace.rsa.published import Floats


@dataclass(frozen=True)
class Interval:
    """From low to high; open on a side where it reaches the parameter's bound."""

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False


def profile(
    likelihood: Likelihood, peak: Peak, level: float
) -> tuple[dict[str, Interval], dict[str, float]]:
    """Profile-likelihood intervals of all free parameters, and whether a higher peak was met.

    A value belongs to the interval if the log-likelihood, made as great as it can be with the
    parameter held there, is within χ²₁(level) / 2 of the peak: 1.92 for 95%.
    """
    from scipy.stats import chi2

    fall = float(chi2.ppf(level, 1)) / 2
    space = likelihood.model.space
    found: dict[str, Interval] = {}
    top, highest = peak.loglik, space.values(peak.x)
    for name in space.names:
        path = _Path(likelihood, peak, name)
        low, open_low = _edge(path, fall, 0)
        high, open_high = _edge(path, fall, 1)
        found[name] = Interval(low, high, open_low, open_high)
        height, x = max(path.known.values(), key=lambda known: known[0])
        if height > top:
            top, highest = height, space.values(x, name)
    return found, {name: float(value) for name, value in highest.items()}


class _Path:
    """The profile of one parameter, each point searched from the nearest one known."""

    def __init__(self, likelihood: Likelihood, peak: Peak, name: str) -> None:
        space = likelihood.model.space
        values = {key: float(v) for key, v in space.values(peak.x).items()}
        self.likelihood = replace(likelihood, first=name)
        self.position = space.position(name)
        self.scale = next((p for p in space.scalars if p.name == name and p.log), None)
        self.start = space.point(values, name)
        self.top = peak.loglik
        self.known = {float(self.start[self.position]): (peak.loglik, self.start)}

    def __call__(self, value: float) -> float:
        """The greatest log-likelihood with the parameter (as searched) at `value`."""
        if value not in self.known:
            nearest = min(self.known, key=lambda other: abs(other - value))
            begin = self.known[nearest][1].copy()
            begin[self.position] = value
            pinned = replace(self.likelihood, pinned=(self.position, value))
            best = pinned.climb(begin)
            self.known[value] = (best.loglik, best.x)
        return self.known[value][0]

    def reported(self, value: float) -> float:
        return float(np.exp(value)) if self.scale else value


def _edge(path: _Path, fall: float, side: int) -> tuple[float, bool]:
    """Where the profile has fallen by `fall` below the top, on one side; else the bound, open."""
    from scipy.optimize import brentq

    box = path.likelihood.model.space.box[path.position]
    bound, inside = float(box[side]), float(path.start[path.position])
    width = float(box[1] - box[0])
    reach = 0.01 * width
    outside = inside
    while abs(bound - inside) > 1e-9 * width:
        outside = bound if abs(bound - outside) <= reach else outside + (reach if side else -reach)
        if path(outside) < path.top - fall:
            edge = brentq(_above, inside, outside, args=(path, fall), xtol=1e-6 * width)
            return path.reported(float(edge)), False
        inside, reach = outside, reach * 2
    return path.reported(bound), True


def _above(value: float, path: _Path, fall: float) -> float:
    return path(value) - (path.top - fall)


def bootstrap(
    likelihood: Likelihood, peak: Peak, level: float, resamples: int, seed: int
) -> dict[str, Interval]:
    """Percentile intervals over refits to resampled answers.

    Groups (participants, items) are drawn with replacement where the answers have them; single
    answers within each cell otherwise.
    """
    space = likelihood.model.space
    rng = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in space.names}
    for _ in range(resamples):
        again = replace(likelihood, answers=_resampled(likelihood.answers, rng))
        for name, value in space.values(again.climb(peak.x).x).items():
            draws[name].append(float(value))
    tails = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name, values in draws.items():
        low, high = (float(edge) for edge in np.quantile(values, tails))
        bounds = space.bounds(name)
        near = 1e-4 * (bounds[1] - bounds[0])
        found[name] = Interval(low, high, low <= bounds[0] + near, high >= bounds[1] - near)
    return found


def _resampled(answers: Answers, rng: np.random.Generator) -> Answers:
    if answers.groups is not None:
        many = len(answers.groups)
        return answers.weighted(np.bincount(rng.integers(many, size=many), minlength=many))
    totals = whole(answers).sum(axis=-1)
    drawn: Floats = np.array(
        [
            rng.multinomial(int(total), row / max(total, 1.0))
            for total, row in zip(totals, answers.counts, strict=True)
        ],
        dtype=np.float64,
    )
    return replace(answers, counts=drawn)


def whole(answers: Answers) -> Floats:
    """The counts, where they are whole numbers; a GraceError where they are not."""
    if np.abs(answers.counts - np.round(answers.counts)).max() > 1e-9:
        raise GraceError(
            "these answers are proportions, so that there are no single ones to draw from; "
            "expected pool([one per participant or item])"
        )
    return np.round(answers.counts)
