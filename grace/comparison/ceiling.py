"""How well people agree with each other: what no model can be asked to beat.

The people are divided into two halves at random, many times, and each half is compared with the
other as a model would be. A half is noisier than the whole, so the ceiling is a careful one: a
model that hit the truth would be a little nearer to all people than their halves are to each
other.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from grace.comparison.bootstrap import Floats
from grace.comparison.humans import People

SPLITS = 2000


class Distance(Protocol):
    """A number that two sets of distributions (…, cells, options) have together."""

    def __call__(self, p: Floats, q: Floats) -> Floats:
        """(…)."""
        ...


def halves(people: People, splits: int = SPLITS, seed: int = 0) -> tuple[Floats, Floats] | None:
    """Cell means of both halves of many splits, each (splits, cells, options).

    From participant-level answers whole participants are divided. From counts alone each cell's
    answers are: where every participant answered once in a cell, as in study 2, that is the same
    for each cell. None where neither is known.
    """
    rng = np.random.default_rng(seed)
    if people.panel is not None:
        return _participants(people, splits, rng)
    if people.counts is not None:
        return _answers(people.counts, splits, rng)
    return None


def ceiling(split: tuple[Floats, Floats] | None, distance: Distance) -> float | None:
    """The mean over splits of a distance, or another number, between the halves."""
    if split is None:
        return None
    found = distance(*split)
    known = np.isfinite(found)
    return float(found[known].mean()) if known.any() else None


def _participants(
    people: People, splits: int, rng: np.random.Generator
) -> tuple[Floats, Floats] | None:
    panel = people.panel
    if panel is None or len(panel.names) < 2:
        return None
    size = len(panel.names)
    ranks = np.argsort(rng.random((splits, size)), axis=1)
    first = (ranks < size // 2).astype(np.float64)
    weighted = np.concatenate([panel.sums, panel.trials[..., np.newaxis]], axis=-1)
    flat = weighted.reshape(size, -1)
    total = weighted.sum(axis=0)
    one = (first @ flat).reshape(splits, *total.shape)
    return _share(one), _share(total - one)


def _answers(counts: Floats, splits: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    whole = counts.astype(np.int64)
    one = np.stack(
        [rng.multivariate_hypergeometric(cell, cell.sum() // 2, size=splits) for cell in whole],
        axis=1,
    )
    return _each(one.astype(np.float64)), _each((whole - one).astype(np.float64))


def _share(sums: Floats) -> Floats:
    """(…, options + 1) with the number of trials last → means."""
    missing = np.full((*sums.shape[:-1], sums.shape[-1] - 1), np.nan)
    return np.divide(sums[..., :-1], sums[..., -1:], out=missing, where=sums[..., -1:] > 0)


def _each(counts: Floats) -> Floats:
    return _share(np.concatenate([counts, counts.sum(axis=-1, keepdims=True)], axis=-1))
