"""The packed way: a batch's token tree through the model, trunk first, in a few passes.

A trunk's keys and values stay until a batch with another trunk comes. A tree larger than one
pass goes through in depth-first order, each pass behind the keys and values of the path to
its first node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grace.engines.local.batch_cutting import Batch
from grace.engines.local.output_layer import Head
from grace.engines.local.token_tree import Tree, build_tree, chain
from grace.engines.local.tree_attention import KeysValues, TreeLayout
from grace.errors import GraceError
from grace.scoring import NodeLogprobs
from grace.scoring.trie import Path

Ids = tuple[int, ...]


class Contexts:
    """The contexts that texts go on from: last hidden states, and keys and values side by side.

    `states` holds for each layer two tensors (contexts, heads, longest, size), filled from the
    left.
    """

    def __init__(self, contexts: Sequence[Ids]) -> None:
        self.index = {context: i for i, context in enumerate(dict.fromkeys(contexts))}
        self.lengths = [len(context) for context in self.index]
        self.hidden: dict[int, torch.Tensor] = {}  # (size,)
        self.states: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def put(
        self, context: Ids, hidden: torch.Tensor, states: KeysValues, at: NDArray[np.int64]
    ) -> None:
        """Keep a context; `at` is where its tokens are among the states."""
        i = self.index[context]
        self.hidden[i] = hidden
        chosen = torch.from_numpy(at).to(hidden.device)
        for layer, pair in states.items():
            if layer not in self.states:
                shape = (len(self.index), pair[0].shape[1], max(self.lengths))
                key, value = (x.new_zeros(*shape, x.shape[3]) for x in pair)
                self.states[layer] = (key, value)
            for whole, part in zip(self.states[layer], pair, strict=True):
                whole[i, :, : len(at)] = part[0].index_select(1, chosen)


@dataclass(frozen=True)
class Reading:
    """What a batch's tree gave, in the order of its prompts."""

    nodes: tuple[NodeLogprobs, ...]  # at each prompt's inner option nodes
    contexts: Contexts | None = None  # of the prompts for a text


@dataclass(frozen=True)
class Pass:
    """Nodes start … stop − 1 as computed: hidden states (nodes, size) and what was kept."""

    start: int
    stop: int
    hidden: torch.Tensor
    path: NDArray[np.int64]
    layout: TreeLayout


@dataclass
class Packed:
    """Token trees through one model, whose attention is that of `attend`."""

    model: Any
    max_tokens: int
    head: Head = field(init=False)
    tokens: int = 0  # computed so far
    windows: dict[int, int | None] = field(default_factory=dict)  # of each layer's attention
    _trunk: list[tuple[Ids, KeysValues]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.head = Head(self.model)

    def read(self, batch: Batch) -> Reading:
        """All of a batch's option nodes, and the contexts that texts go on from."""
        prompts = batch.prompts
        known = batch.trunk[-1] if batch.trunk else 0
        past = self._trunk_states(prompts[0].context, batch.trunk)
        tree = build_tree(prompts, known)
        ends = {r.node: prompts[r.prompt].context for r in tree.reads if not r.children}
        at: dict[int, list[int]] = {}  # the reads of each node
        for i, read in enumerate(tree.reads):
            at.setdefault(read.node, []).append(i)
        hidden, order = [], []
        contexts = Contexts([p.context for p in prompts if not p.query.options])
        for step in self._passes(tree, past, keep=bool(ends)):
            here = [node for node in at if step.start <= node < step.stop]
            order += here
            hidden.append(step.hidden[[node - step.start for node in here]])
            for node in here:
                if node in ends:
                    place = _place(tree, step.path, step.start, node)
                    own = node - step.start
                    states = step.layout.kept
                    contexts.put(
                        ends[node], step.hidden[own], states, np.append(place, own + len(step.path))
                    )
        wanted = [[t for i in at[node] for t in tree.reads[i].children] for node in order]
        values = self.head.logprobs(torch.cat(hidden), wanted)
        found: list[dict[Path, dict[int, float]]] = [{} for _ in prompts]
        for node in order:
            for i in at[node]:
                read = tree.reads[i]
                if read.children:
                    found[read.prompt][read.path] = {t: next(values) for t in read.children}
        check_numbers(found)
        return Reading(tuple(found), contexts)

    def forget(self) -> None:
        """Let the trunk's keys and values go."""
        self._trunk.clear()

    def _trunk_states(self, context: Ids, parts: Sequence[int]) -> KeysValues:
        """The keys and values of a batch's trunk, part by part, as far as they are not kept."""
        start = 0
        past: KeysValues = {}
        for i, stop in enumerate(parts):
            ids = context[start:stop]
            if i == len(self._trunk) or self._trunk[i][0] != ids:
                del self._trunk[i:]
                for step in self._passes(chain(ids, start), past, keep=True):
                    kept = step.layout.kept
                self._trunk.append((ids, kept))
            past = self._trunk[i][1]
            start = stop
        return past

    def _passes(self, tree: Tree, past: KeysValues, *, keep: bool) -> Iterator[Pass]:
        """The tree's nodes in order, so many at a time."""
        before = next(iter(past.values()))[0].shape[2] if past else 0
        path = np.full(before, -1)
        device = self.model.device
        for start in range(0, len(tree), self.max_tokens):
            stop = min(start + self.max_tokens, len(tree))
            more = stop < len(tree)
            layout = TreeLayout(tree, (start, stop), path, past, device, keep=keep or more)
            hidden = self.model.base_model(
                input_ids=torch.from_numpy(tree.tokens[start:stop]).to(device)[None],
                position_ids=torch.from_numpy(tree.depth[start:stop]).to(device)[None],
                use_cache=False,
                layout=layout,
            ).last_hidden_state[0]
            self.tokens += stop - start
            self.windows |= layout.windows
            yield Pass(start, stop, hidden, path, layout)
            if more:
                past = _select(layout.kept, _place(tree, path, start, stop))
                path = np.concatenate([path[_still(tree, path, stop)], tree.ancestors(stop, start)])


def _still(tree: Tree, path: NDArray[np.int64], node: int) -> NDArray[np.int64]:
    """Which nodes of a path are ancestors of a node behind it too."""
    return np.flatnonzero((path < 0) | (tree.end[path] > node))


def _place(tree: Tree, path: NDArray[np.int64], start: int, node: int) -> NDArray[np.int64]:
    """Where a node's ancestors are among a path and the pass from `start` that follows it."""
    return np.concatenate(
        [_still(tree, path, node), tree.ancestors(node, start) - start + len(path)]
    )


def _select(states: KeysValues, index: NDArray[np.int64]) -> KeysValues:
    """Keys and values of some tokens."""
    chosen: torch.Tensor | None = None
    found = {}
    for layer, (key, value) in states.items():
        chosen = torch.from_numpy(index).to(key.device) if chosen is None else chosen
        found[layer] = (key.index_select(2, chosen), value.index_select(2, chosen))
    return found


def check_numbers(found: Sequence[NodeLogprobs]) -> None:
    """Refuse NaN, which a numeric type too narrow for the model gives."""
    if any(np.isnan(v) for nodes in found for kids in nodes.values() for v in kids.values()):
        raise GraceError("the model computed NaN: try another numeric type (model.dtype)")
