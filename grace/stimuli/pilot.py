"""Choosing the rows of a pilot: every cell of the design, evenly, the same each time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from grace.config import StudySpec
from grace.types import Trial


def pilot_rows(trials: Sequence[Trial], study: StudySpec, n: int, seed: int) -> list[int]:
    """Row numbers of n trials: no design cell has more than one more than another.

    Where there are fewer than n rows all are taken, and a cell with too few rows gives what
    it has. Within a cell the item (story, domain) seen least so far comes first; the rest is
    left to the seed. The choice does not depend on the order of the rows in the file.
    """
    rng = np.random.default_rng(seed)
    ordered = sorted(trials, key=lambda t: t.key)
    chance = rng.random(len(ordered))
    cells: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, trial in enumerate(ordered):
        cells[tuple(str(trial.values[name]) for name in study.factors)].append(i)
    names = sorted(cells)
    order = [names[i] for i in rng.permutation(len(names))]

    items: Counter[str] = Counter()
    chosen: list[int] = []
    while len(chosen) < min(n, len(ordered)):
        for cell in order:
            left = cells[cell]
            if left and len(chosen) < n:
                best = min(left, key=lambda i: (items[_item(ordered[i], study)], chance[i]))
                left.remove(best)
                items[_item(ordered[best], study)] += 1
                chosen.append(ordered[best].row)
    return sorted(chosen)


def _item(trial: Trial, study: StudySpec) -> str:
    return str(trial.values[study.item]) if study.item else ""
