"""Who sees what, in which order: counterbalanced participant lists.

A participant sees every item once, each in one condition. Two randomised Latin squares, one
block of participants after another, decide in which condition and at which place. Rows,
columns and symbols are shuffled anew in each block, so that balance does not come with a
fixed company of items. Only `random.Random.random` is drawn on, the one method that Python
promises to keep: a list can be made again in years.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")
Condition = TypeVar("Condition")


def trials(
    items: Sequence[Item], conditions: Sequence[Condition], participants: int, seed: int
) -> Iterator[tuple[int, Item, Condition]]:
    """Yield participant (from 1), item and condition of each trial, as presented.

    More participants with the same seed leave the lists of the first ones as they were.
    """
    assigned = assignments(len(items), len(conditions), Random(f"{seed} conditions"))  # noqa: S311 no secret
    ordered = orders(len(items), Random(f"{seed} order"))  # noqa: S311 no secret
    for participant, condition_of, order in zip(
        range(1, participants + 1), assigned, ordered, strict=False
    ):
        for item in order:
            yield participant, items[item], conditions[condition_of[item]]


def assignments(items: int, conditions: int, rng: Random) -> Iterator[list[int]]:
    """Yield the condition of each item, one list a participant, without end.

    Within a participant the counts of two conditions differ by at most 1, and so do, among
    the first N participants, the counts of two conditions of the same item. In each block of
    as many participants as there are conditions every item is in every condition once.
    """
    while True:
        rows = _shuffled(conditions, rng)
        columns = _shuffled(items, rng)
        symbols = _shuffled(conditions, rng)
        for row in rows:
            yield [symbols[(row + column) % conditions] for column in columns]


def orders(items: int, rng: Random) -> Iterator[list[int]]:
    """Yield the items in order of presentation, one list a participant, without end.

    In each block of as many participants as there are items every item is at every place
    once, and where the number of items is even every item also comes right after every
    other once (Williams 1949).
    """
    zigzag = [(place + 1) // 2 * (-1) ** (place + 1) for place in range(items)]  # 0 1 -1 2 -2
    while True:
        rows = _shuffled(items, rng)
        names = _shuffled(items, rng)
        for row in rows:
            yield [names[(row + step) % items] for step in zigzag]


def _shuffled(n: int, rng: Random) -> list[int]:
    """Put the numbers below n in random order."""
    keys = [rng.random() for _ in range(n)]
    return sorted(range(n), key=keys.__getitem__)
