"""Intervals by the cluster bootstrap: what would vary if other items, or participants, were asked.

Answers about one item are alike, and so are those of one participant: neither counts as many.
Whole clusters are drawn again with replacement, and every number is computed anew from the cell
means of each draw.

On a scale where the statistic is about symmetric (a logarithm for distances, Fisher's z for
correlations) the interval is the estimate, less its bootstrap bias, ± Student's t times the
bootstrap standard error, both for G clusters scaled up by G/(G − 1), with G − 1 degrees of freedom.
Percentiles would not do: noise makes every distance larger, the draws' most of all, so that with
a dozen items a percentile interval holds the truth little more than half of the time
(tests/comparison/test_bootstrap.py shows both).

Items and participants are crossed, so their variances add, less that of single answers, which
is in both (Cameron, Gelbach & Miller 2011, Journal of Business & Economic Statistics 29, 238–249).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Statistic = Callable[[Floats], Floats]
Scale = Literal["natural", "positive", "correlation"]

RESAMPLES = 2000
#: With fewer clusters no interval is given: nothing can be said of how they vary.
MIN_CLUSTERS = 5
#: Less than this share of draws with every cell in it, and no interval is given.
MIN_COMPLETE = 0.5
NO_ANSWERS = "there are no answers"
_CONFIDENCE = 0.975
#: Distances of 0 and correlations of 1 have no logarithm and no z.
_TINY = 1e-12
#: A corrected correlation is no larger than this, and no more of the variance counts as noise.
_LARGEST, _MOST_NOISE = 0.999, 0.95
#: Draws times clusters held in memory at a time.
_BLOCK = 2_000_000


@dataclass(frozen=True)
class Sample:
    """Answers as rows: a distribution each, its cell, its weight, and its clusters.

    `values` (rows, options) without missing rows; `cells`, `items`, `participants` (rows,) as
    codes, the latter two None where they are no source of variance. `independent` says that
    weights are numbers of independent answers, which can be drawn again where there are no
    clusters.
    """

    values: Floats
    cells: Ints
    weights: Floats
    n_cells: int
    items: Ints | None = None
    participants: Ints | None = None
    independent: bool = False
    nothing: str = NO_ANSWERS  # why there are no rows, where there are none

    def means(self) -> Floats:
        """Weighted mean distribution of each cell (cells, options); NaN without answers."""
        return _means(_sums(self, np.zeros(len(self.cells), dtype=np.int64), 1)[0])


@dataclass(frozen=True)
class Part:
    """One way of drawing again: cell means (draws, cells, options), counted + or −."""

    sign: int
    means: Floats
    clusters: int
    freedom: int


@dataclass(frozen=True)
class Resamples:
    """The estimate and its draws; without draws `why` says why there is no interval."""

    means: Floats
    parts: tuple[Part, ...]
    basis: str
    why: str | None = None


@dataclass(frozen=True)
class Interval:
    """Estimates with 95% limits, of any one shape; NaN where there is no interval."""

    value: Floats
    low: Floats
    high: Floats


def resample(sample: Sample, number: int = RESAMPLES, seed: int = 0) -> Resamples:
    """Draw the sample's clusters again, `number` times."""
    rng = np.random.default_rng(seed)
    means = sample.means()
    if not len(sample.cells):
        return Resamples(means, (), "none", sample.nothing)
    items = _distinct(sample.items)
    participants = _distinct(sample.participants)
    if items is None and participants is None:
        if sample.independent:
            return _draw_answers(sample, means, number, rng)
        why = "the answers name no items or participants that could be drawn again"
        return Resamples(means, (), "none", why)
    named = [("item", items), ("participant", participants)]
    kinds = [(name, codes) for name, codes in named if codes is not None]
    sizes = [int(codes.max()) + 1 for _, codes in kinds]
    basis = " × ".join(
        f"{size} {name}{'' if size == 1 else 's'}"
        for (name, _), size in zip(kinds, sizes, strict=True)
    )
    for (name, _), size in zip(kinds, sizes, strict=True):
        if size < MIN_CLUSTERS:
            why = f"{size} {name}s are too few to draw again, expected at least {MIN_CLUSTERS}"
            return Resamples(means, (), basis, why)
    parts = [_draw_clusters(sample, codes, 1, number, rng) for _, codes in kinds]
    if items is not None and participants is not None:
        both = np.unique(items * (participants.max() + 1) + participants, return_inverse=True)[1]
        parts.append(_draw_clusters(sample, both, -1, number, rng))
    if any(len(part.means) < MIN_COMPLETE * number for part in parts):
        why = "in most draws a cell has no answer: too few items or participants saw each cell"
        return Resamples(means, (), basis, why)
    return Resamples(means, tuple(parts), basis)


def interval(resamples: Resamples, statistic: Statistic, scale: Scale = "natural") -> Interval:
    """A statistic of the cell means with its 95% interval.

    `statistic` takes (…, cells, options) and gives (…) or (…, anything). The interval always
    holds the estimate, also where that is at a bound (a distance of 0).
    """
    value = np.asarray(statistic(resamples.means), dtype=np.float64)
    if not resamples.parts:
        nothing = np.full_like(value, np.nan)
        return Interval(value, nothing, nothing)
    centre, error = _centre(resamples, statistic, scale)
    low, high = _back(centre - error, scale), _back(centre + error, scale)
    return Interval(value, np.minimum(low, value), np.maximum(high, value))


def _centre(resamples: Resamples, statistic: Statistic, scale: Scale) -> tuple[Floats, Floats]:
    """Centre and half width of the interval on the scale."""
    from scipy.special import stdtrit

    value = _to(np.asarray(statistic(resamples.means), dtype=np.float64), scale)
    bias, variance, least = np.zeros_like(value), np.zeros_like(value), np.zeros_like(value)
    for part in resamples.parts:
        draws = _to(np.asarray(statistic(part.means), dtype=np.float64), scale)
        known = np.isfinite(draws)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, draws, 0.0).sum(axis=0) / count
        squares = (np.where(known, draws - mean, 0.0) ** 2).sum(axis=0) / count
        small = part.clusters / (part.clusters - 1)
        bias = bias + part.sign * small * (mean - value)
        variance = variance + part.sign * small * squares
        least = np.maximum(least, small * squares if part.sign > 0 else 0.0)
    freedom = min(part.freedom for part in resamples.parts if part.sign > 0)
    error = float(stdtrit(freedom, _CONFIDENCE)) * np.sqrt(np.maximum(variance, least))
    if scale == "correlation":
        return _disattenuated(resamples, value, error)
    return value - bias, error


def _disattenuated(resamples: Resamples, value: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Centre and half width of a correlation, on the scale of z, without what noise took of it.

    Noise in the cell means adds to their variance and so lowers r, by more than the draws, which
    are noisier still, go on to lower it. Spearman's correction divides r by √(1 − noise's share
    of the variance); the error grows as the correction does.
    """
    means = resamples.means
    noise, least = 0.0, 0.0
    for part in resamples.parts:
        apart = part.means - means
        apart = apart - np.nanmean(apart, axis=(1, 2), keepdims=True)
        found = part.clusters / (part.clusters - 1) * float(np.nanmean(apart**2))
        noise += part.sign * found
        least = max(least, found if part.sign > 0 else 0.0)
    spread = float(np.nanvar(means))
    share = min(max(noise, least) / spread, _MOST_NOISE) if spread > 0 else 0.0
    r, kept = np.tanh(value), np.sqrt(1 - share)
    corrected = np.clip(r / kept, -_LARGEST, _LARGEST)
    slope = (1 - r**2) / (1 - corrected**2) / kept
    return np.arctanh(corrected), error * slope


def _to(values: Floats, scale: Scale) -> Floats:
    match scale:
        case "positive":
            return np.log(np.maximum(values, _TINY))
        case "correlation":
            return np.arctanh(np.clip(values, _TINY - 1, 1 - _TINY))
        case "natural":
            return values


def _back(values: Floats, scale: Scale) -> Floats:
    match scale:
        case "positive":
            return np.exp(values)
        case "correlation":
            return np.tanh(values)
        case "natural":
            return values


def _distinct(codes: Ints | None) -> Ints | None:
    """Codes 0 … G − 1 of those that are there; None where there is but one."""
    if codes is None:
        return None
    found = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    return found if found.max() > 0 else None


def _draw_clusters(
    sample: Sample, codes: Ints, sign: int, number: int, rng: np.random.Generator
) -> Part:
    """Cell means of `number` draws of whole clusters; draws that lose a cell are left out."""
    groups = int(codes.max()) + 1
    sums = _sums(sample, codes, groups)
    flat = sums.reshape(groups, -1)
    there = sums[..., -1].sum(axis=0) > 0
    found = []
    for size in _blocks(number, groups):
        drawn = rng.integers(0, groups, (size, groups)) + groups * np.arange(size)[:, np.newaxis]
        times = np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups)
        totals = (times.astype(np.float64) @ flat).reshape(size, *sums.shape[1:])
        complete = (totals[..., -1] > 0)[:, there].all(axis=1)
        found.append(_means(totals[complete]))
    return Part(sign, np.concatenate(found), groups, groups - 1)


def _draw_answers(
    sample: Sample, means: Floats, number: int, rng: np.random.Generator
) -> Resamples:
    """Draws of single answers: for tables of counts that name no items and no participants."""
    sizes = np.bincount(sample.cells, sample.weights, sample.n_cells)
    draws = np.full((number, *means.shape), np.nan)
    for cell in np.flatnonzero(sizes):
        size = round(sizes[cell])
        draws[:, cell] = rng.multinomial(size, means[cell], size=number) / size
    there = sizes[sizes > 0]
    basis = f"{round(there.sum()):,} answers, taken as independent"
    smallest = round(there.min())
    if smallest < MIN_CLUSTERS:
        why = f"{smallest} answers in a cell are too few to draw again"
        return Resamples(means, (), basis, why)
    return Resamples(means, (Part(1, draws, smallest, round(there.sum()) - len(there)),), basis)


def _sums(sample: Sample, codes: Ints, groups: int) -> Floats:
    """Weighted sums and weights of each cluster and cell: (groups, cells, options + 1)."""
    options = sample.values.shape[1]
    sums = np.zeros((groups, sample.n_cells, options + 1))
    weighted = np.column_stack([sample.values * sample.weights[:, np.newaxis], sample.weights])
    np.add.at(sums, (codes, sample.cells), weighted)
    return sums


def _means(sums: Floats) -> Floats:
    """(…, cells, options + 1) → (…, cells, options), NaN in a cell without weight."""
    weight = sums[..., -1:]
    missing = np.full((*sums.shape[:-1], sums.shape[-1] - 1), np.nan)
    return np.divide(sums[..., :-1], weight, out=missing, where=weight > 0)


def _blocks(number: int, groups: int) -> Iterator[int]:
    """Sizes of blocks of draws that fit in memory."""
    size = max(1, _BLOCK // groups)
    while number > 0:
        yield min(size, number)
        number -= size
