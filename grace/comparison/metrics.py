"""How far two sets of distributions are from one another, and how well one predicts answers.

Everything is vectorised over leading axes, in float64: distributions are (…, cells, options).
NaN is a cell that is missing; a summary over cells is over those that both sides have, and NaN
where there is none.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

#: No probability counts as less than this in a log-likelihood, unless another is given.
FLOOR = 1e-6


def total_variation(p: ArrayLike, q: ArrayLike) -> Floats:
    """½ Σ|p − q|, of each cell: the share of answers that would have to change. 0 to 1."""
    return np.asarray(np.sum(np.abs(_floats(p) - _floats(q)), axis=-1) / 2)


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> Floats:
    """Jensen–Shannon divergence of each cell, in bits, 0 to 1 (Lin 1991).

    The mean of both Kullback–Leibler divergences from the mixture (p + q) / 2: finite, also
    where one side never gives an answer that the other gives.
    """
    left, right = np.broadcast_arrays(_floats(p), _floats(q))
    middle = (left + right) / 2
    divergence = np.asarray((_divergence(left, middle) + _divergence(right, middle)) / 2)
    return np.maximum(divergence, 0.0)  # rounding may leave −1e-17


def earth_movers(p: ArrayLike, q: ArrayLike) -> Floats:
    """Earth mover's distance of each cell, in states: Σ|P(s) − Q(s)| over the ordered states.

    P and Q are the cumulative distributions; the states are one apart.
    """
    difference = np.cumsum(_floats(p) - _floats(q), axis=-1)[..., :-1]
    return np.asarray(np.sum(np.abs(difference), axis=-1))


def over_cells(values: ArrayLike) -> Floats:
    """Mean over the cells (last axis) that are there: (…, cells) → (…)."""
    found = _floats(values)
    known = np.isfinite(found)
    return _ratio(np.sum(np.where(known, found, 0.0), axis=-1), np.sum(known, axis=-1))


def rmse_points(p: ArrayLike, q: ArrayLike) -> Floats:
    """Root of the mean squared difference over cells × options, in percentage points."""
    difference, known = _both(_floats(p) - _floats(q))
    squares = np.sum(difference**2, axis=-1)
    return np.asarray(100 * np.sqrt(_ratio(squares, np.sum(known, axis=-1))))


def mae_points(p: ArrayLike, q: ArrayLike) -> Floats:
    """Mean absolute difference over cells × options, in percentage points."""
    difference, known = _both(_floats(p) - _floats(q))
    total = np.sum(np.abs(difference), axis=-1)
    return np.asarray(100 * _ratio(total, np.sum(known, axis=-1)))


def correlation(p: ArrayLike, q: ArrayLike) -> Floats:
    """Pearson's r over cells × options; NaN where one side is the same throughout."""
    left, right = np.broadcast_arrays(_floats(p), _floats(q))
    _, known = _both(left + right)
    count = np.sum(known, axis=-1, keepdims=True)
    sides = []
    for side in (left, right):
        flat = np.where(known, side.reshape(known.shape), 0.0)
        sides.append(np.where(known, flat - _ratio(flat.sum(axis=-1, keepdims=True), count), 0.0))
    x, y = sides
    spread = np.sqrt(np.sum(x**2, axis=-1) * np.sum(y**2, axis=-1))
    spread = np.where(spread > 1e-12 * np.sum(known, axis=-1), spread, 0.0)  # only rounding
    return np.clip(_ratio(np.sum(x * y, axis=-1), spread), -1.0, 1.0)


def log_likelihood(counts: ArrayLike, p: ArrayLike, floor: float = FLOOR) -> Floats:
    """Multinomial log-likelihood Σ n ln p of people's answers, without its constant: (…).

    `counts` (…, cells, options) of what people answered, `p` the distributions that predict it.
    No p counts as less than `floor`; each cell is then normalised again. A missing cell predicts
    nothing and counts nothing; NaN where all are missing.
    """
    probabilities = floored(p, floor)
    known = np.isfinite(probabilities)
    logs = np.log(np.where(known, probabilities, 1.0))
    total = np.sum(_floats(counts) * logs, axis=(-2, -1))
    return np.where(known.any(axis=(-2, -1)), total, np.nan)


def floored(p: ArrayLike, floor: float) -> Floats:
    """Distributions in which no answer is impossible."""
    raised = np.maximum(_floats(p), floor)
    return np.asarray(raised / np.sum(raised, axis=-1, keepdims=True))


def uniform_likelihood(counts: ArrayLike) -> float:
    """The log-likelihood of somebody who knows nothing: all options equally probable."""
    numbers = _floats(counts)
    return -float(np.sum(numbers)) * math.log(numbers.shape[-1])


def saturated_likelihood(counts: ArrayLike) -> float:
    """The highest there can be: each cell's own proportions."""
    numbers = _floats(counts)
    shares = _ratio(numbers, np.sum(numbers, axis=-1, keepdims=True))
    return float(np.sum(numbers * np.log(np.where(shares > 0, shares, 1.0))))


def negation(p: ArrayLike) -> Floats:
    """Share of “wasn't”, the last four of the eight utterances, of each cell."""
    return np.asarray(np.sum(_floats(p)[..., 4:], axis=-1))


def _divergence(p: Floats, q: Floats) -> Floats:
    """Kullback–Leibler divergence in bits, where q is nowhere 0 unless p is."""
    some = p > 0
    ratio = np.where(some, p, 1.0) / np.where(some, q, 1.0)
    terms = np.where(some, p * np.log2(ratio), 0.0 * p)  # 0 · p: NaN stays NaN
    return np.asarray(np.sum(terms, axis=-1))


def _both(values: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Cells × options in one axis, 0 where missing, and which are there."""
    flat = values.reshape(*values.shape[:-2], -1)
    known = np.isfinite(flat)
    return np.where(known, flat, 0.0), known


def _ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    """Part / whole, NaN where the whole is 0."""
    numerator, denominator = np.broadcast_arrays(_floats(part), _floats(whole))
    missing = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=missing, where=denominator != 0)
    return missing


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)
