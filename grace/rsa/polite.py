"""Study 2: a speaker who weighs being informative, being kind, and being seen to be so.

    L0(s | w)    ∝  θ(w, s)
    S1(w | s, φ) ∝  exp{α [φ ln L0(s | w) + (1 − φ) E_L0 V]} · exp(−c_w)
    L1(s, φ | w) ∝  S1(w | s, φ)                      with uniform priors over s and the grid of φ
    S2(w | s)    ∝  exp{α [ω_inf ln L1(s | w) + ω_soc E_L1 V + ω_pres ln L1(φ | w)]} · exp(−c_w)

with V(s) = s (Yoon, Tessler, Goodman & Frank 2020). The paper prints the cost inside the square
brackets; the authors' scripts, and so their estimates, have it as a prior on utterances that α does
not multiply. ln 0 = −∞, and a weight of 0 takes its utility out, also where that is −∞.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from grace.config.argument_kinds import strict
from grace.errors import GraceError
from grace.rsa.arrays import checked, log, over, share, weigh
from grace.rsa.published import (
    ALPHA,
    COST_WAS,
    COST_WASNT,
    GOAL_SYNONYMS,
    GOAL_WEIGHTS,
    PHI_GRID,
    PHI_GRID_CODE,
    STATES,
    THETA,
    UTTERANCES,
    Floats,
    Goal,
)

Variant = Literal["published", "printed", "code-grid", "smooth"]

#: What each variant of the polite speaker is.
SPEAKER_VARIANTS: Mapping[Variant, str] = MappingProxyType(
    {
        "published": "cost as a prior; φ in steps of 0.025, the speaker's φ read at the nearest",
        "printed": "as published, but with the cost multiplied by α, as the paper prints it",
        "code-grid": "as published, with the grid of φ rounded to two decimals as in the scripts",
        "smooth": "as published, with L1(φ | w) read at φ itself, between the steps too: fits need "
        "a likelihood without stairs",
    }
)

_VALUES = np.array(STATES, dtype=np.float64)
_NEGATED = np.arange(len(UTTERANCES))[:, None] >= len(UTTERANCES) // 2
_LARGE = np.finfo(float).max


def goal_weights(goal: str) -> Goal:
    """The published weights of a goal: both, informative (informational), kind (social)."""
    name = GOAL_SYNONYMS.get(goal, goal)
    if name not in GOAL_WEIGHTS:
        known = ", ".join([*GOAL_WEIGHTS, *GOAL_SYNONYMS])
        raise GraceError(f"goal={goal!r}: expected one of {known}")
    return GOAL_WEIGHTS[name]


@strict
def polite_speaker(
    goal: str,
    *,
    alpha: float = ALPHA,
    omega_inf: float | None = None,
    omega_soc: float | None = None,
    omega_pres: float | None = None,
    phi: float | None = None,
    cost_was: float = COST_WAS,
    cost_wasnt: float = COST_WASNT,
    theta: ArrayLike = THETA,
    variant: Variant = "published",
) -> Floats:
    """P(utterance | state): (4 states, 8 utterances), in the order of STATES and UTTERANCES.

    What is not given is as published for the goal. Weights are taken as they are: they need not
    sum to 1. A row is NaN where the speaker has nothing to say (θ of 0 for every utterance).
    """
    usual = goal_weights(goal)
    omega = [
        usual.omega_inf if omega_inf is None else omega_inf,
        usual.omega_soc if omega_soc is None else omega_soc,
        usual.omega_pres if omega_pres is None else omega_pres,
    ]
    return speaker_table(
        alpha,
        omega,
        usual.phi if phi is None else phi,
        cost_was=cost_was,
        cost_wasnt=cost_wasnt,
        theta=theta,
        variant=variant,
    )


@strict
def speaker_table(
    alpha: ArrayLike,
    omega: ArrayLike,
    phi: ArrayLike,
    *,
    cost_was: ArrayLike = COST_WAS,
    cost_wasnt: ArrayLike = COST_WASNT,
    theta: ArrayLike = THETA,
    variant: Variant = "published",
) -> Floats:
    """S2 for arrays of parameters: (…, 4 states, 8 utterances).

    `alpha`, `phi`, `cost_was`, `cost_wasnt` (…) and `omega` (…, 3: informational, social,
    presentational) broadcast together; `theta` is (8 utterances, 4 states).
    """
    if variant not in SPEAKER_VARIANTS:
        raise GraceError(f"variant={variant!r}: expected one of {', '.join(SPEAKER_VARIANTS)}")
    positive = "a finite number, 0 or more"
    weights = checked("omega", omega, 0, _LARGE, positive)
    if weights.shape[-1:] != (3,):
        raise GraceError(f"omega of shape {weights.shape}: expected three weights on its last axis")
    literal = checked("theta", theta, 0, 1, "probabilities")
    if literal.shape != (len(UTTERANCES), len(STATES)):
        raise GraceError(f"theta of shape {literal.shape}: expected 8 utterances × 4 states")
    table = speaker_core(
        checked("alpha", alpha, 0, _LARGE, positive),
        weights,
        checked("phi", phi, 0, 1, "a weight from 0 to 1"),
        checked("cost_was", cost_was, -_LARGE, _LARGE, "a finite number"),
        checked("cost_wasnt", cost_wasnt, -_LARGE, _LARGE, "a finite number"),
        literal,
        variant,
        np,
    )
    spoken = table.sum(axis=-1, keepdims=True) > 0
    speech: Floats = np.where(spoken, table, np.nan)
    return speech


def speaker_core(
    alpha: Any,
    omega: Any,
    phi: Any,
    cost_was: Any,
    cost_wasnt: Any,
    theta: Any,
    variant: Variant,
    xp: ModuleType,
) -> Any:
    """`speaker_table` unchecked, over numpy or jax.numpy; 0 where the speaker is silent.

    Axes within: (…, φ, 8 utterances, 4 states), where φ or the states may be of length 1.
    """
    world = _World(theta, variant, xp)
    shared = xp.stack(xp.broadcast_arrays(*map(xp.asarray, (alpha, cost_was, cost_wasnt))))
    if xp is np:  # many points of a search share α and the costs: think each pair through once
        rows, place = np.unique(shared.reshape(3, -1), axis=1, return_inverse=True)
        place = place.reshape(shared.shape[1:])
        states, goals, total = (part[place] for part in world.listener(rows))
    else:
        states, goals, total = world.listener(shared)

    wish = xp.asarray(phi)[..., None, None, None]
    if variant == "smooth":
        said = world.first_speaker(shared, wish)
        shown = over(xp.sum(said, axis=-1, keepdims=True), total, 0.0, xp)
    else:
        nearest = xp.argmin(xp.round(xp.abs(wish - world.grid), 9), axis=-3)[..., None]
        many = np.broadcast_shapes(goals.shape[:-3], nearest.shape[:-3])
        goals = xp.broadcast_to(goals, (*many, *goals.shape[-3:]))
        shown = xp.take_along_axis(goals, xp.broadcast_to(nearest, (*many, 1, 1, 1)), axis=-3)

    weight = xp.asarray(omega)[..., None, None, None, :]
    utility = (
        weigh(weight[..., 0], log(states, xp), xp)
        + weight[..., 1] * xp.sum(states * _VALUES, axis=-1, keepdims=True)
        + weigh(weight[..., 2], log(shown, xp), xp)
    )
    heard = xp.sum(states, axis=-1, keepdims=True) > 0
    speech = world.choice(shared, xp.where(heard, utility, -xp.inf))
    return xp.swapaxes(speech[..., 0, :, :], -1, -2)


class _World:
    """What speaker and listener share: literal meanings, costs, and the grid of φ."""

    def __init__(self, theta: Any, variant: Variant, xp: ModuleType) -> None:
        self.xp = xp
        self.cost_in_utility = variant == "printed"
        self.grid = (PHI_GRID_CODE if variant == "code-grid" else PHI_GRID)[:, None, None]
        literal = over(theta, xp.sum(theta, axis=-1, keepdims=True), 0.0, xp)  # L0(s | w)
        self.usable = xp.sum(literal, axis=-1, keepdims=True) > 0
        self.informs = log(literal, xp)
        self.pleases = xp.sum(literal * _VALUES, axis=-1, keepdims=True)

    def choice(self, shared: Any, utility: Any) -> Any:
        """exp(α utility − cost) as shares of the utterances; −∞ is never said, whatever α is.

        `shared` (3, …) holds α and the costs of "was" and "wasn't".
        """
        xp = self.xp
        alpha, cost_was, cost_wasnt = (part[..., None, None, None] for part in shared)
        cost = xp.where(_NEGATED, cost_wasnt, cost_was)
        cost = alpha * cost if self.cost_in_utility else cost
        able = utility > -xp.inf
        appeal = alpha * xp.where(able, utility, 0.0) - cost
        return share(xp.where(able, appeal, -xp.inf), -2, xp)

    def first_speaker(self, shared: Any, phi: Any) -> Any:
        """S1(w | s, φ): (…, φ, 8 utterances, 4 states)."""
        utility = weigh(phi, self.informs, self.xp) + (1 - phi) * self.pleases
        return self.choice(shared, self.xp.where(self.usable, utility, -self.xp.inf))

    def listener(self, shared: Any) -> tuple[Any, Any, Any]:
        """L1(s | w) (…, 1, 8, 4), L1(φ | w) (…, 40, 8, 1), and Σ S1 over both (…, 1, 8, 1)."""
        xp, said = self.xp, self.first_speaker(shared, self.grid)
        total = xp.sum(said, axis=(-3, -1), keepdims=True)
        states = over(xp.sum(said, axis=-3, keepdims=True), total, 0.0, xp)
        return states, over(xp.sum(said, axis=-1, keepdims=True), total, 0.0, xp), total
