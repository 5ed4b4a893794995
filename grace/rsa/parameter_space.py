"""The parameters of a model as a box that an optimiser can search.

Weights that sum to 1 are searched as sticks: the first is a share of the whole, the next a share
of what is left, and so on. Every point of the box is then a valid set of weights, also where a
weight is 0. Which weight comes first is free to choose, so that any one can be held at a value
while the others are searched (a profile likelihood needs that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from grace.rsa.published import Floats


@dataclass(frozen=True)
class Parameter:
    """One number between two bounds, and the range in which starting points are drawn."""

    name: str
    low: float
    high: float
    usual: tuple[float, float]  # also the uniform prior of posterior sampling
    log: bool = False  # searched on a logarithmic scale


@dataclass(frozen=True)
class Space:
    """The free parameters: scalars, then sets of weights that sum to 1."""

    scalars: tuple[Parameter, ...]
    weights: tuple[tuple[str, ...], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every free parameter as it is reported, weights included."""
        return (*(p.name for p in self.scalars), *(name for set_ in self.weights for name in set_))

    @property
    def size(self) -> int:
        """How many free dimensions there are: a set of n weights has n − 1."""
        return len(self.scalars) + sum(len(set_) - 1 for set_ in self.weights)

    @property
    def box(self) -> Floats:
        """The bounds of the search, (size, 2)."""
        scalars = [np.log([p.low, p.high]) if p.log else [p.low, p.high] for p in self.scalars]
        sticks = [[0.0, 1.0]] * (self.size - len(scalars))
        return np.array([*scalars, *sticks], dtype=np.float64).reshape(-1, 2)

    def bounds(self, name: str) -> tuple[float, float]:
        """The bounds of a parameter as it is reported."""
        return next(((p.low, p.high) for p in self.scalars if p.name == name), (0.0, 1.0))

    def values(self, x: Floats, first: str = "") -> dict[str, Floats]:
        """Points of the box (…, size) as parameters (…) by name; see `position` for `first`."""
        found = {
            p.name: np.exp(x[..., i]) if p.log else x[..., i] for i, p in enumerate(self.scalars)
        }
        at = len(self.scalars)
        for set_ in self.weights:
            left = np.ones(x.shape[:-1])
            *sticks, last = _ordered(set_, first)
            for name in sticks:
                found[name] = left * x[..., at]
                left = left * (1 - x[..., at])
                at += 1
            found[last] = left
        return found

    def point(self, values: Mapping[str, float], first: str = "") -> Floats:
        """The point (size,) of the box that stands for these parameters."""
        x = [np.log(values[p.name]) if p.log else values[p.name] for p in self.scalars]
        for set_ in self.weights:
            left = 1.0
            for name in _ordered(set_, first)[:-1]:
                x.append(min(values[name] / left, 1.0) if left > 0 else 0.5)
                left = max(left - values[name], 0.0)
        box = self.box
        return np.clip(np.array(x, dtype=np.float64), box[:, 0], box[:, 1])

    def position(self, name: str) -> int:
        """The dimension that alone is `name`, where it comes `first` among its weights."""
        at = 0
        for p in self.scalars:
            if p.name == name:
                return at
            at += 1
        for set_ in self.weights:
            if name in set_:
                return at
            at += len(set_) - 1
        raise KeyError(name)

    def starts(self, many: int, seed: int) -> Floats:
        """Starting points (many, size), spread evenly over the usual ranges (Latin hypercube)."""
        from scipy.stats import qmc

        spread = qmc.LatinHypercube(self.size, seed=seed).random(many)
        for i, p in enumerate(self.scalars):
            value = np.clip(p.usual[0] + spread[:, i] * np.subtract(*p.usual[::-1]), p.low, p.high)
            spread[:, i] = np.log(value) if p.log else value
        at = len(self.scalars)
        for set_ in self.weights:  # sticks of weights drawn uniformly from their simplex
            for left in range(len(set_) - 1, 0, -1):
                spread[:, at] = 1 - spread[:, at] ** (1 / left)
                at += 1
        return np.asarray(spread, dtype=np.float64)


def _ordered(names: tuple[str, ...], first: str) -> list[str]:
    return sorted(names, key=lambda name: name != first)
