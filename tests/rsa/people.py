"""What people did, as published: for tests of the cognitive models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Study 1: mean bets in percent on 0 … 3, and how many people (Goodman & Stuhlmüller 2013).
BETS = {
    ("one", 1): ((0, 18.7, 30.1, 51.2), 25),
    ("one", 2): ((0.4, 38.1, 55.4, 6.1), 26),
    ("one", 3): ((0, 90.1, 4.7, 5.2), 43),
    ("two", 2): ((0, 0, 42.4, 57.6), 25),
    ("two", 3): ((0, 0.2, 90.3, 9.4), 44),
}

#: Study 2: counts of the eight utterances by goal and state (Yoon et al. 2020).
COUNTS = {
    "both": [
        [20, 20, 12, 2, 73, 35, 27, 14],
        [1, 18, 30, 3, 55, 71, 19, 6],
        [1, 2, 179, 8, 0, 10, 1, 2],
        [0, 0, 10, 192, 0, 0, 1, 0],
    ],
    "informative": [
        [118, 26, 3, 0, 15, 4, 32, 5],
        [3, 72, 9, 1, 28, 32, 49, 9],
        [0, 2, 172, 2, 4, 17, 1, 5],
        [1, 1, 13, 185, 1, 2, 0, 0],
    ],
    "kind": [
        [22, 2, 53, 25, 41, 38, 15, 7],
        [0, 13, 75, 28, 25, 43, 14, 5],
        [1, 0, 121, 70, 1, 8, 0, 2],
        [0, 0, 9, 192, 0, 1, 0, 1],
    ],
}

#: How many of 49 people endorsed each utterance (rows) of each state.
ENDORSED = [
    [49, 26, 0, 1],
    [49, 45, 0, 0],
    [1, 2, 47, 49],
    [1, 1, 7, 47],
    [2, 22, 44, 43],
    [3, 7, 47, 44],
    [48, 46, 2, 1],
    [47, 47, 38, 0],
]


def shares() -> NDArray[np.float64]:
    """Study 2's proportions: (3 goals, 4 states, 8 utterances)."""
    counts = np.array([COUNTS[goal] for goal in COUNTS], dtype=np.float64)
    found: NDArray[np.float64] = counts / counts.sum(axis=-1, keepdims=True)
    return found
