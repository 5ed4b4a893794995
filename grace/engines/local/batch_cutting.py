"""Cutting a plan into batches along shared beginnings.

Contexts in sorted order are the leaves of a trie. Where a part of it is too large for one
batch, it is cut at the node all of it descends from: the tokens up to there are the *trunk* of
the batches behind it, computed once, and its branches are packed into batches in order. So
every distinct token is computed once in the whole plan (but for short trunks, which are
cheaper to compute again), and a batch is computed the same way whatever was computed before.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grace.scoring import common_prefix, prompt_nodes
from grace.types import Prompt

#: A pass of its own costs about as much as so many more tokens in another.
PASS_COST = 32


@dataclass(frozen=True)
class Batch:
    """Prompts computed together, and where the parts of their trunk end."""

    prompts: tuple[Prompt, ...]
    trunk: tuple[int, ...] = ()  # rising lengths; the last is the trunk's


def cut_batches(prompts: Sequence[Prompt], max_tokens: int, max_texts: int) -> list[Batch]:
    """Batches of at most so many tree nodes (texts apart) and so many texts.

    A prompt larger than the limit is a batch of its own.
    """
    if not prompts:
        return []
    ordered = sorted(prompts, key=lambda p: (p.context, p.key))
    plan = _Plan(ordered)
    batches = []
    todo: list[tuple[int, int, tuple[int, ...]]] = [
        (0, len(ordered), ())
    ]  # ranges from the last to the first, with their trunks
    while todo:
        first, last, trunk = todo.pop()
        if last - first == 1 or plan.fits(first, last, trunk, max_tokens, max_texts):
            batches.append(Batch(tuple(ordered[first:last]), trunk))
            continue
        fork = plan.fork(first, last)
        known = trunk[-1] if trunk else 0
        usable = min(fork, plan.shortest(first, last) - 1)  # the last token is read
        count = -(-plan.tokens(first, last, known) // max_tokens)
        if (usable - known) * (count - 1) > PASS_COST:
            trunk = (*trunk, usable)
        parts: list[tuple[int, int, tuple[int, ...]]] = []
        for start, stop in plan.branches(first, last, fork):
            if parts and plan.fits(parts[-1][0], stop, trunk, max_tokens, max_texts):
                parts[-1] = (parts[-1][0], stop, trunk)
            else:
                parts.append((start, stop, trunk))
        todo.extend(reversed(parts))
    return batches


class _Plan:
    """The trie of the prompts in sorted order, as arrays.

    `shared[i]` is how many tokens prompt i shares with the one before; a range's tree then
    has the first one's nodes and what each other adds.
    """

    def __init__(self, ordered: Sequence[Prompt]) -> None:
        contexts = [prompt.context for prompt in ordered]
        inner = [max(len(prompt_nodes(prompt)) - 1, 0) for prompt in ordered]
        self.scored = np.array([bool(prompt.query.options) for prompt in ordered])
        self.lengths = np.array([len(context) for context in contexts])
        self.shared = np.array([0, *(common_prefix(a, b) for a, b in itertools.pairwise(contexts))])
        self.alone = np.where(self.scored, self.lengths + inner, 0)
        added = np.where(self.scored, self.alone - self.shared, 0)
        self.added = np.concatenate([[0], added.cumsum()])
        self.texts = np.concatenate([[0], (~self.scored).cumsum()])

    def tokens(self, first: int, last: int, known: int) -> int:
        """Tree nodes of the scored prompts of a range behind the first `known` tokens."""
        alone = self.alone[first] - known * self.scored[first]
        return int(alone + self.added[last] - self.added[first + 1])

    def fits(self, first: int, last: int, trunk: tuple[int, ...], tokens: int, texts: int) -> bool:
        """Whether a range may be one batch."""
        drawn = self.texts[last] - self.texts[first]
        known = trunk[-1] if trunk else 0
        return bool(drawn <= texts) and self.tokens(first, last, known) <= tokens

    def fork(self, first: int, last: int) -> int:
        """How many tokens all prompts of a range share, as far as neighbours tell."""
        return int(self.shared[first + 1 : last].min())

    def shortest(self, first: int, last: int) -> int:
        """The shortest context of a range."""
        return int(self.lengths[first:last].min())

    def branches(self, first: int, last: int, fork: int) -> list[tuple[int, int]]:
        """The range cut wherever neighbours share no more than the fork."""
        cuts = [first, *(np.flatnonzero(self.shared[first + 1 : last] == fork) + first + 1), last]
        return [(int(a), int(b)) for a, b in itertools.pairwise(cuts)]
