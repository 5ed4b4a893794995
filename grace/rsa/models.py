"""The two models as something to fit: free parameters, and predictions cell by cell.

Between a model and the answers stands a link: `temperature` τ makes the predictions flatter (above
1) or sharper, p^(1/τ) normalised, and a `lapse` λ is the share of answers given blindly,
(1 − λ) p + λ / K. A parameter given as a number is held there; None is estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from grace.config.argument_kinds import strict
from grace.errors import GraceError
from grace.rsa import knowledge, polite
from grace.rsa.answers import Cell
from grace.rsa.arrays import checked, log, share
from grace.rsa.parameter_space import Parameter, Space
from grace.rsa.published import (
    ALPHA,
    ALPHA_FIGURE,
    BASE_RATE,
    COST_WAS,
    COST_WASNT,
    GOAL_WEIGHTS,
    GOALS,
    STATES,
    THETA,
    UTILITIES,
)

#: The name of each utility's weight, in the order of UTILITIES.
OMEGAS = ("omega_inf", "omega_soc", "omega_pres")

_SCALARS = {
    "alpha": Parameter("alpha", 0.01, 100.0, (0.0, 20.0), log=True),
    "base_rate": Parameter("base_rate", 0.001, 0.999, (0.0, 1.0)),
    "cost_wasnt": Parameter("cost_wasnt", -10.0, 30.0, (1.0, 10.0)),
    "lapse": Parameter("lapse", 0.0, 1.0, (0.0, 1.0)),
    "temperature": Parameter("temperature", 0.05, 20.0, (0.2, 5.0), log=True),
}


@dataclass(frozen=True)
class Model:
    """What is free, what is held, and what follows for each cell.

    `predict(values, cells, xp)` gives (…, cells, answers) for parameters (…) by name, over numpy
    or jax.numpy. `published` is a starting point beside the random ones.
    """

    name: str
    space: Space
    held: Mapping[str, float]
    published: Mapping[str, float]
    predict: Callable[[Mapping[str, Any], Sequence[Cell], ModuleType], Any]


@strict
def listener_model(
    *,
    alpha: float | None = None,
    base_rate: float | None = None,
    lapse: float | None = 0.0,
    temperature: float | None = 1.0,
    variant: knowledge.Variant = "published",
) -> Model:
    """Study 1's listener, to be fitted to `listener_answers`."""
    knowledge.listener_table(variant=variant)
    given = {"alpha": alpha, "base_rate": base_rate, "lapse": lapse, "temperature": temperature}
    free, held = _split(given)

    def predict(values: Mapping[str, Any], cells: Sequence[Cell], xp: ModuleType) -> Any:
        joint = knowledge.joint_core(values["base_rate"], values["alpha"], variant, xp)
        table = knowledge.readings(xp.sum(joint, axis=-2), xp)
        words = np.array([knowledge.WORDS.index(word) for word, _ in cells])
        accesses = np.array([knowledge.ACCESSES.index(access) for _, access in cells])
        return _link(table[..., words, accesses, :], values, xp)

    published = {"alpha": ALPHA_FIGURE, "base_rate": BASE_RATE, "lapse": 0.02, "temperature": 1.0}
    return Model("listener", Space(free), held, published, predict)


@strict
def polite_model(
    utilities: Collection[str] = UTILITIES,
    *,
    goals: Collection[str] = GOALS,
    alpha: float | None = None,
    cost_wasnt: float | None = None,
    lapse: float | None = 0.0,
    temperature: float | None = 1.0,
    theta: ArrayLike = THETA,
    variant: polite.Variant = "smooth",
) -> Model:
    """Study 2's speaker with some or all utilities, to be fitted to `polite_answers`.

    Each goal has weights of its own, which sum to 1, and a φ of its own where being seen to be
    informative or kind is among the utilities; α and the cost are shared. That φ is read between
    the steps of its grid too ("smooth"): a staircase has no slope to follow and no interval. The
    cost of "was" is held at 1: only the difference tells.
    """
    chosen = tuple(name for name in UTILITIES if name in utilities)
    if not chosen or len(chosen) != len(utilities):
        raise GraceError(
            f"utilities={', '.join(utilities) or 'none'}: expected some of {', '.join(UTILITIES)}"
        )
    own = tuple(goal for goal in GOALS if goal in goals)
    if not own or len(own) != len(goals):
        raise GraceError(f"goals={', '.join(goals) or 'none'}: expected some of {', '.join(GOALS)}")
    meanings = checked("theta", theta, 0, 1, "probabilities")
    polite.speaker_table(ALPHA, [1, 0, 0], 0.5, theta=meanings, variant=variant)
    given = {"alpha": alpha, "cost_wasnt": cost_wasnt, "lapse": lapse, "temperature": temperature}
    free, held = _split(given)
    omegas = tuple(OMEGAS[UTILITIES.index(name)] for name in chosen)
    if "presentational" in chosen:
        if variant != "smooth":
            raise GraceError(
                f"variant={variant!r}: φ is read in steps, which no search can climb; expected "
                "smooth where the presentational utility is among those fitted"
            )
        free += tuple(Parameter(f"{goal}.phi", 0.0, 1.0, (0.0, 1.0)) for goal in own)
    weights = tuple(tuple(f"{goal}.{omega}" for omega in omegas) for goal in own)
    if len(omegas) == 1:
        held |= {name: 1.0 for (name,) in weights}
        weights = ()

    def predict(values: Mapping[str, Any], cells: Sequence[Cell], xp: ModuleType) -> Any:
        zero = xp.zeros_like(xp.asarray(values["alpha"]) * 1.0)
        weight = [[zero + values.get(f"{g}.{o}", 0.0) for o in OMEGAS] for g in own]
        omega = xp.stack([xp.stack(row, axis=-1) for row in weight], axis=-2)
        phi = xp.stack([zero + values.get(f"{goal}.phi", 0.5) for goal in own], axis=-1)
        shared = [xp.asarray(values[name])[..., None] for name in ("alpha", "cost_wasnt")]
        table = polite.speaker_core(
            shared[0], omega, phi, COST_WAS, shared[1], meanings, variant, xp
        )
        rows = [own.index(goal) for goal, _ in cells]
        states = [STATES.index(state) for _, state in cells]
        return _link(table[..., np.array(rows), np.array(states), :], values, xp)

    published: dict[str, float] = {"alpha": ALPHA, "cost_wasnt": COST_WASNT}
    published |= {"lapse": 0.02, "temperature": 1.0}
    for goal in own:
        usual = GOAL_WEIGHTS[goal]
        total = sum(getattr(usual, omega) for omega in omegas)
        published |= {f"{goal}.{omega}": getattr(usual, omega) / total for omega in omegas}
        published[f"{goal}.phi"] = usual.phi
    return Model("+".join(chosen), Space(free, weights), held, published, predict)


def _split(given: Mapping[str, float | None]) -> tuple[tuple[Parameter, ...], dict[str, float]]:
    """What is free and what is held; a GraceError for a held value out of bounds."""
    held = {}
    for name, value in given.items():
        if value is not None:
            low, high = _SCALARS[name].low, _SCALARS[name].high
            held[name] = float(
                checked(name, value, low, high, f"a number from {low:g} to {high:g}")
            )
    return tuple(_SCALARS[name] for name in given if name not in held), held


def _link(p: Any, values: Mapping[str, Any], xp: ModuleType) -> Any:
    """Predictions (…, cells, answers) as answers: temperature first, then lapses."""
    temperature, lapse = (
        xp.asarray(values[name])[..., None, None] for name in ("temperature", "lapse")
    )
    blind = xp.isnan(p)
    sharp = share(log(xp.where(blind, 0.0, p), xp) / temperature, -1, xp)
    return xp.where(blind, xp.nan, (1 - lapse) * sharp + lapse / p.shape[-1])
