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

from grace.scoring import common_prefix, prompt_nodes
from grace.scoring.trie import Path
from grace.types import Prompt


@dataclass(frozen=True)
class Read:
    """A position to read: the children of one inner node of one prompt's options.

    A prompt for a text has one, at the end of its context, with no children.
    """

    prompt: int  # index into the batch
    path: Path
    node: int  # index into the tree
    children: tuple[int, ...]


@dataclass(frozen=True)
class Tree:
    """n nodes in depth-first order; node i's subtree is i … end[i] − 1.

    The nodes come behind a trunk, which is no part of the tree: depths count from its start.
    """

    tokens: NDArray[np.int64]  # (n,)
    depth: NDArray[np.int64]  # (n,)
    end: NDArray[np.int64]  # (n,)
    reads: tuple[Read, ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    def ancestors(self, node: int, first: int = 0) -> NDArray[np.int64]:
        """The ancestors of a node, or of the place behind the last, from `first` on."""
        return np.flatnonzero(self.end[first:node] > node) + first


def build_tree(prompts: Sequence[Prompt], trunk: int = 0) -> Tree:
    """The trie of all prompts' contexts and inner option nodes, behind their first tokens.

    Several prompts may read the same node. Prompts may come in any order; all must share
    `trunk` tokens and have at least one more.
    """
    wanted: list[tuple[tuple[int, ...], int, Path, tuple[int, ...]]] = []
    for i, prompt in enumerate(prompts):
        own = prompt.context[trunk:]
        for path, children in (prompt_nodes(prompt) or {(): ()}).items():
            wanted.append((own + path, i, path, children))
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
            depth.append(trunk + len(branch))
            branch.append(len(tokens))
            tokens.append(token)
            end.append(0)
        reads.append(Read(i, path, branch[-1], children))
        previous = sequence
    for node in branch:
        end[node] = len(tokens)
    return Tree(np.array(tokens), np.array(depth), np.array(end), tuple(reads))


def chain(tokens: Sequence[int], depth: int) -> Tree:
    """A tree without branches: part of a trunk, from this depth on."""
    n = len(tokens)
    return Tree(np.array(tokens), np.arange(depth, depth + n), np.full(n, n))
