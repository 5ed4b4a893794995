"""Arithmetic that both models share, over numpy or jax.numpy alike.

The models are written once against an array namespace `xp`: numpy for predictions and fits,
jax.numpy where a sampler needs gradients.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from grace.errors import GraceError


def share(log_weights: Any, axis: int, xp: ModuleType = np) -> Any:
    """exp(log_weights) normalised along `axis`; zero throughout where nothing has weight.

    −inf is an alternative that is never chosen. Where all are, there is nobody to speak: each
    has probability 0, so that such a case drops out of every sum over cases.
    """
    top = xp.max(log_weights, axis=axis, keepdims=True)
    weights = xp.exp(log_weights - xp.where(xp.isfinite(top), top, 0.0))
    return over(weights, xp.sum(weights, axis=axis, keepdims=True), 0.0, xp)


def over(part: Any, whole: Any, otherwise: float, xp: ModuleType = np) -> Any:
    """Part / whole, and `otherwise` where the whole is 0."""
    some = whole > 0
    return xp.where(some, part / xp.where(some, whole, 1.0), otherwise)


def log(p: Any, xp: ModuleType = np) -> Any:
    """Ln p with ln 0 = −inf and no warning."""
    return xp.where(p > 0, xp.log(xp.where(p > 0, p, 1.0)), -xp.inf)


def weigh(weight: Any, utility: Any, xp: ModuleType = np) -> Any:
    """Weight × utility, where a weight of 0 takes the utility out, also one of −inf."""
    return xp.where(weight == 0, 0.0, weight * xp.where(weight == 0, 0.0, utility))


def checked(name: str, value: Any, low: float, high: float, expected: str) -> Any:
    """`value` as floats, all within [low, high]; a GraceError names the parameter otherwise."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise GraceError(f"{name}={value!r}: expected {expected}") from error
    wrong = ~(np.isfinite(array) & (array >= low) & (array <= high))
    if wrong.any():
        raise GraceError(f"{name}={float(array[wrong].flat[0]):g}: expected {expected}")
    return array
