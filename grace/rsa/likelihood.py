"""How likely answers are under a model, and where that is greatest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grace.errors import GraceError
from grace.rsa.answers import Answers
from grace.rsa.models import Model
from grace.rsa.published import Floats

#: Stands for a probability of 0 while searching, so that there is a slope away from it.
_FLOOR = 1e-300
#: The step of a numerical derivative, as a share of the box.
_STEP = 1e-5


@dataclass(frozen=True)
class Peak:
    """Where a search ended: the point of the box, the log-likelihood there."""

    x: Floats
    loglik: float


@dataclass(frozen=True)
class Likelihood:
    """The log-likelihood of answers over the box of a model's free parameters.

    `first` orders the weights (see parameter_space.py); `pinned` holds one dimension at a value.
    """

    model: Model
    answers: Answers
    first: str = ""
    pinned: tuple[int, float] | None = None

    def predicted(self, values: Mapping[str, Floats | float]) -> Floats:
        """Predictions (…, cells, answers) for parameters by name."""
        p: Floats = self.model.predict(values, self.answers.cells, np)
        return p

    def of(self, values: Mapping[str, Floats | float], floor: float = 0.0) -> Floats:
        """Σ counts ln p over all cells and answers, natural log: (…); −inf at an impossible one.

        Constants that depend on no parameter (the multinomial coefficients) are left out.
        """
        counts, p = self.answers.counts, self.predicted(values)
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(p, floor))
        summed: Floats = (counts * np.where(counts > 0, logs, 0.0)).sum(axis=(-2, -1))
        return summed

    def at(self, x: Floats) -> Floats:
        """The log-likelihood at points (…, size) of the box, never quite −inf."""
        values = self.model.space.values(x, self.first)
        held = {name: np.full(x.shape[:-1], value) for name, value in self.model.held.items()}
        return self.of({**held, **values}, _FLOOR)

    @property
    def box(self) -> Floats:
        """The bounds of the search, where what is pinned has no room."""
        box = self.model.space.box
        if self.pinned is not None:
            box[self.pinned[0]] = self.pinned[1]
        return box

    def slope(self, x: Floats) -> tuple[float, Floats]:
        """The log-likelihood at one point and its gradient: central differences, one call."""
        box = self.box
        reach = np.diag((box[:, 1] - box[:, 0]) * _STEP)
        up, down = (np.clip(x + sign * reach, box[:, 0], box[:, 1]) for sign in (1, -1))
        height = self.at(np.concatenate([x[None], up, down]))
        run = np.diagonal(up - down)
        rise = height[1 : len(x) + 1] - height[len(x) + 1 :]
        return float(height[0]), np.divide(rise, run, out=np.zeros_like(x), where=run > 0)

    def climb(self, start: Floats) -> Peak:
        """The nearest peak above a starting point (L-BFGS-B within the box)."""
        from scipy.optimize import minimize

        box = self.box
        width = box[:, 1] - box[:, 0]
        scale = np.where(width > 0, width, 1.0)

        def down(u: Floats) -> tuple[float, Floats]:
            height, slope = self.slope(box[:, 0] + u * scale)
            return -height, -slope * scale

        begin = np.clip((start - box[:, 0]) / scale, 0, width > 0)
        if not len(begin):
            return Peak(start, float(self.at(start)))
        options = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-6, "maxcor": 20}
        limits = [(0.0, float(room)) for room in width > 0]
        found = minimize(down, begin, jac=True, method="L-BFGS-B", bounds=limits, options=options)
        return Peak(box[:, 0] + found.x * scale, -float(found.fun))

    def settled(self, peak: Peak) -> bool:
        """Whether no small step along any one dimension leads further up (by over 0.001)."""
        box = self.box
        for share in (1e-2, 1e-3, 1e-4):
            reach = np.diag((box[:, 1] - box[:, 0]) * share)
            around = np.clip(peak.x + np.concatenate([reach, -reach]), box[:, 0], box[:, 1])
            if len(around) and float(self.at(around).max()) > peak.loglik + 1e-3:
                return False
        return True

    def curvature(self, x: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Minus the second derivatives (size, size) at a point, by shares of the box.

        And which dimensions are free (size,): at a bound, or pinned, there are no two sides to
        look at, and zeros stand in their place.
        """
        box, share = self.box, 1e-3
        step = share * (box[:, 1] - box[:, 0])
        free = (x - step > box[:, 0]) & (x + step < box[:, 1])
        bends = np.zeros((len(x), len(x)))
        pairs = [(i, j) for i in np.flatnonzero(free) for j in np.flatnonzero(free) if j <= i]
        moves = np.diag(step)
        corners = [
            x + si * moves[i] + sj * moves[j] for i, j in pairs for si in (1, -1) for sj in (1, -1)
        ]
        if not corners:
            return bends, free
        height = self.at(np.array(corners)).reshape(-1, 4)
        mixed = (height[:, 0] - height[:, 1] - height[:, 2] + height[:, 3]) / (4 * share**2)
        for (i, j), bend in zip(pairs, mixed, strict=True):
            bends[i, j] = bends[j, i] = -bend
        return bends, free


def peaks(likelihood: Likelihood, starts: int, seed: int) -> list[Peak]:
    """The peaks reached from many starting points and the published values, highest first."""
    space = likelihood.model.space
    begin = [space.point(likelihood.model.published, likelihood.first)]
    begin += list(space.starts(starts, seed)) if space.size else []
    return sorted((likelihood.climb(x) for x in begin), key=lambda peak: -peak.loglik)


def refuse_impossible(likelihood: Likelihood, values: Mapping[str, float]) -> None:
    """Raise a GraceError where answers were given that the model rules out."""
    p = likelihood.predicted(values)
    for cell, row, counts in zip(
        likelihood.answers.cells, p, likelihood.answers.counts, strict=True
    ):
        name = f"{cell[0]}/{cell[1]}"
        if np.isnan(row).any():
            raise GraceError(
                f"cell {name}: the model has no prediction (no speaker could say that); "
                "leave the cell out"
            )
        if ((row == 0) & (counts > 0)).any():
            which = int(np.argmax((row == 0) & (counts > 0)))
            raise GraceError(
                f"cell {name}: answer {which} was given {counts[which]:g} times, which the model "
                "rules out; fit with lapse=None (a share of blind answers) or a fixed lapse"
            )
