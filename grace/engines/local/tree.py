"""The packed token tree: many prompts with all their options as one forward pass.

The contexts of a batch and the options behind them form one token trie. Laid out depth first,
every distinct token is computed once; it attends only to its ancestors, and its position is
its depth, so that each gets exactly the hidden state it would get in a sequence of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grace.trie import Path, prompt_nodes
from grace.types import Prompt


@dataclass(frozen=True)
class Read:
    """A position to read: the children of one inner node of one prompt's options."""

    prompt: int  # index into the batch
    path: Path
    node: int  # index into the tree
    children: tuple[int, ...]


@dataclass(frozen=True)
class Tree:
    """n nodes in depth-first order; node i's subtree is i … end[i] − 1."""

    tokens: NDArray[np.int64]  # (n,)
    depth: NDArray[np.int64]  # (n,)
    end: NDArray[np.int64]  # (n,)
    reads: tuple[Read, ...]

    def attends(self) -> NDArray[np.bool_]:
        """Who attends to whom: (n, n), row i true at i and at i's ancestors."""
        index = np.arange(len(self.tokens))
        seen: NDArray[np.bool_] = (index[None, :] <= index[:, None]) & (
            index[:, None] < self.end[None, :]
        )
        return seen


def build_tree(prompts: Sequence[Prompt]) -> Tree:
    """The trie of all prompts' contexts and inner option nodes.

    Several prompts may read the same node. Prompts may come in any order.
    """
    wanted: list[tuple[tuple[int, ...], int, Path, tuple[int, ...]]] = []
    for i, prompt in enumerate(prompts):
        for path, children in prompt_nodes(prompt).items():
            wanted.append((prompt.context + path, i, path, children))
    wanted.sort(key=lambda item: item[0])

    tokens: list[int] = []
    depth: list[int] = []
    end: list[int] = []
    branch: list[int] = []  # the nodes from the root to the latest
    reads: list[Read] = []
    previous: tuple[int, ...] = ()
    for sequence, i, path, children in wanted:
        shared = common_prefix(previous, sequence)
        for node in branch[shared:]:
            end[node] = len(tokens)
        del branch[shared:]
        for token in sequence[shared:]:
            depth.append(len(branch))
            branch.append(len(tokens))
            tokens.append(token)
            end.append(0)
        reads.append(Read(i, path, branch[-1], children))
        previous = sequence
    for node in branch:
        end[node] = len(tokens)
    return Tree(np.array(tokens), np.array(depth), np.array(end), tuple(reads))


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """The length of the longest common prefix, by bisection on slices (they compare fast)."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def cut_batches(prompts: Sequence[Prompt], max_tokens: int) -> list[list[Prompt]]:
    """Sort prompts by context and cut where a batch's tree would pass `max_tokens` nodes.

    Neighbours share the longest prefixes. A single prompt larger than the limit is a batch
    of its own.
    """
    batches: list[list[Prompt]] = []
    size = 0
    previous: tuple[int, ...] = ()
    for prompt in sorted(prompts, key=lambda p: (p.context, p.key)):
        inner = len(prompt_nodes(prompt)) - 1
        new = len(prompt.context) - common_prefix(previous, prompt.context) + inner
        if not batches or size + new > max_tokens:
            batches.append([])
            size, new = 0, len(prompt.context) + inner
        batches[-1].append(prompt)
        size += new
        previous = prompt.context
    return batches
