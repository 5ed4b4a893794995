"""How well a model predicts answers it was not fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from grace.config.argument_kinds import strict
from grace.errors import GraceError
from grace.rsa.answers import Answers
from grace.rsa.intervals import whole
from grace.rsa.likelihood import Likelihood, peaks
from grace.rsa.models import Model


@dataclass(frozen=True)
class HeldOut:
    """k-fold cross-validation: every answer is predicted once, by a fit to the other folds."""

    loglik: float  # Σ over all answers, natural log
    uniform: float  # the same for blind answers
    folds: tuple[float, ...]  # log-likelihood by fold
    n: float
    by: str  # what was left out together: "groups" (participants, items) or "answers"

    @property
    def per_answer(self) -> float:
        """Mean log-likelihood of an answer."""
        return self.loglik / self.n


@strict
def held_out(
    model: Model, answers: Answers, *, folds: int = 10, starts: int = 4, seed: int = 0
) -> HeldOut:
    """Held-out log-likelihood; −inf where a fold holds what a fit to the others rules out.

    Whole groups (participants, items) are left out where the answers have them: answers of one
    person hang together, and leaving out some of them only would flatter the model.
    """
    many = len(answers.groups) if answers.groups is not None else int(whole(answers).sum())
    if not 2 <= folds <= many:
        raise GraceError(f"folds={folds}: expected 2 to {many}, as many as there are to leave out")
    scores = []
    for kept, left in _split(answers, folds, np.random.default_rng(seed)):
        training = Likelihood(model, kept)
        found = model.space.values(peaks(training, starts, seed)[0].x)
        values = {name: float(v) for name, v in found.items()} | dict(model.held)
        scores.append(float(Likelihood(model, left).of(values)))
    return HeldOut(
        loglik=float(np.sum(scores)),
        uniform=-answers.n * float(np.log(answers.counts.shape[-1])),
        folds=tuple(scores),
        n=answers.n,
        by="answers" if answers.groups is None else "groups",
    )


def _split(
    answers: Answers, folds: int, rng: np.random.Generator
) -> Iterator[tuple[Answers, Answers]]:
    """Pairs of what is kept and what is left out; each answer is left out once."""
    if answers.groups is not None:
        fold = rng.permutation(len(answers.groups)) % folds
        for i in range(folds):
            yield answers.weighted(fold != i), answers.weighted(fold == i)
        return
    counts = whole(answers)
    single = np.repeat(np.arange(counts.size), counts.astype(int).ravel())
    fold = rng.permutation(len(single)) % folds
    for i in range(folds):
        left = np.bincount(single[fold == i], minlength=counts.size).astype(np.float64)
        left = left.reshape(counts.shape)
        yield replace(answers, counts=counts - left), replace(answers, counts=left)
