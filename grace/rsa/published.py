"""The numbers of the two papers, each with its source.

Study 1: Goodman & Stuhlmüller (2013), Topics in Cognitive Science 5, 173–184.
Study 2: Yoon, Tessler, Goodman & Frank (2020), Open Mind 4, 71–87, and the authors' scripts and
supplement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The base rate and the speaker optimality that give the model bars of the published figure.
BASE_RATE = 0.62
ALPHA_FIGURE = 3.17
#: The speaker optimality that the text of the paper prints.
ALPHA_TEXT = 3.4

#: Study 2: the order of every axis. States are hearts.
GOALS = ("both", "informative", "kind")
STATES = (0, 1, 2, 3)
UTTERANCES = (
    "was terrible",
    "was bad",
    "was good",
    "was amazing",
    "wasn't terrible",
    "wasn't bad",
    "wasn't good",
    "wasn't amazing",
)
#: The paper's own names of two goals.
GOAL_SYNONYMS = MappingProxyType({"informational": "informative", "social": "kind"})

#: The three utilities of the polite speaker, in the order of every array of weights.
UTILITIES = ("informational", "social", "presentational")

ALPHA = 4.47
COST_WAS = 1.0
COST_WASNT = 2.64

#: Grid of the goal weight φ over which the pragmatic listener is uncertain.
PHI_GRID: Floats = np.array([i * 0.025 for i in range(40)])
#: The same as the authors' scripts have it, rounded to two decimals: the halves go up, but for
#: 0.225 and 0.275, which the summing up of floating-point steps leaves just below the half.
PHI_GRID_CODE: Floats = np.array([math.floor(i * 2.5 + 0.5) / 100 for i in range(40)])
PHI_GRID_CODE[[9, 11]] -= 0.01

#: θ, the literal meanings (utterances × states): how far each utterance is true of each state,
#: as inferred with the full model.
THETA: Floats = np.array(
    [
        [0.9999, 0.3142, 0.0708, 0.0198],
        [0.9999, 0.8777, 0.1759, 0.0050],
        [0.0145, 0.1126, 0.9893, 0.9999],
        [0.0004, 0.0002, 0.1048, 0.9788],
        [0.2749, 0.5285, 0.7280, 0.9203],
        [0.0967, 0.3650, 0.7597, 0.9174],
        [0.9909, 0.7360, 0.2552, 0.2228],
        [0.9652, 0.9857, 0.7873, 0.0018],
    ]
)


@dataclass(frozen=True)
class Goal:
    """What a speaker with one goal cares for.

    The weights ω of the three utilities, and φ, the weight of being informative (against kind)
    that the speaker would like to be seen to have.
    """

    omega_inf: float
    omega_soc: float
    omega_pres: float
    phi: float


#: The full model's estimates (posterior means) by goal.
GOAL_WEIGHTS: Mapping[str, Goal] = MappingProxyType(
    {
        "both": Goal(0.358, 0.106, 0.536, 0.356),
        "informative": Goal(0.359, 0.019, 0.622, 0.490),
        "kind": Goal(0.246, 0.313, 0.441, 0.367),
    }
)


@dataclass(frozen=True)
class Comparison:
    """A row of the paper's table of model variants.

    `r2` is the squared correlation with the 96 observed proportions, `log_bayes_factor` is in
    favour of the full model.
    """

    utilities: tuple[str, ...]
    r2: float
    log_bayes_factor: float


#: Yoon et al. (2020), Table 1, best first. Literal meanings were fitted anew for each variant.
COMPARISON = (
    Comparison(("informational", "social", "presentational"), 0.97, 0.0),
    Comparison(("informational", "presentational"), 0.96, 11.14),
    Comparison(("informational", "social"), 0.92, 25.06),
    Comparison(("informational",), 0.83, 274.89),
    Comparison(("social", "presentational"), 0.23, 864.00),
    Comparison(("presentational",), 0.23, 873.83),
    Comparison(("social",), 0.22, 885.52),
)
