"""Attention over a token tree: every node attends to its ancestors, block by block.

A pass computes consecutive nodes of a tree in depth-first order. An ancestor of a node that
lies before a block is an ancestor of the block's first node too, for subtrees are contiguous.
So a block of nodes needs the keys of one path and its own, and no mask is ever larger than
(block, path + block): time and memory grow with the number of nodes, not with its square.

transformers calls this through its attention interface. A sliding window is measured in
depths, and soft-capping (Gemma 2, arXiv:2408.00118, section 2) comes before the mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import scaled_dot_product_attention

from grace.engines.local.token_tree import Tree

#: The name under which transformers knows this attention.
NAME = "grace_tree"
#: Nodes of one block: small ones share few keys, large ones compute what the mask hides.
BLOCK_CPU, BLOCK_ELSEWHERE = 64, 128
#: Keys gathered side by side where blocks are computed together (not on the CPU).
TOGETHER = 65_536

#: For each layer, keys and values (1, heads, tokens, size).
KeysValues = Mapping[int, tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class How:
    """How a layer weighs: softmax(cap(scaling · q·k)), within a window of so many tokens."""

    scaling: float
    softcap: float | None = None
    window: int | None = None


class Layout(Protocol):
    """Who attends to whom in one pass."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: How
    ) -> torch.Tensor:
        """Mix the values: (rows, heads, tokens, size) of each -> (rows, tokens, heads, size)."""
        ...


def tree_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any = None,
    *,
    layout: Layout,
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    s_aux: Any = None,
    position_bias: Any = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """The function transformers calls in every layer; TypeError for what it cannot do."""
    if s_aux is not None or position_bias is not None or attention_mask is not None:
        raise TypeError("attention sinks, biases and masks do not go with a token tree")
    how = How(query.shape[-1] ** -0.5 if scaling is None else scaling, softcap, sliding_window)
    return layout.attend(module.layer_idx, query, key, value, how), None


def register() -> None:
    """Make the attention known to transformers."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, tree_attention)


class TreeLayout:
    """Nodes start … stop − 1 of a tree, behind the keys and values of the path to the first.

    `path` holds the numbers of the nodes on that path (−1 in a trunk). With `keep`, `kept`
    holds the keys and values of path and pass together. `windows` notes each layer's window.
    """

    def __init__(
        self,
        tree: Tree,
        span: tuple[int, int],
        path: NDArray[np.int64],
        past: KeysValues,
        device: torch.device,
        *,
        keep: bool,
    ) -> None:
        self.past = past
        self.keep = keep
        self.kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.windows: dict[int, int | None] = {}
        self.blocks = _cut(tree, span, path, device)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: How
    ) -> torch.Tensor:
        """Block after block: (1, nodes, heads, size)."""
        self.windows[layer] = how.window
        if self.past:
            before = self.past[layer]
            key, value = torch.cat([before[0], key], 2), torch.cat([before[1], value], 2)
        if self.keep:
            self.kept[layer] = (key, value)
        mixed = [blocks.attend(query[0], key[0], value[0], how) for blocks in self.blocks]
        return torch.cat(mixed)[None, : query.shape[2]]


@dataclass(frozen=True)
class Nodes:
    """Some nodes' numbers, the ends of their subtrees and their depths, all of one shape."""

    number: torch.Tensor
    end: torch.Tensor
    depth: torch.Tensor


@dataclass
class Blocks:
    """Blocks of one size that are computed together.

    `rows` (blocks, size) index the nodes of the pass, `keys` (blocks, width) those of path and
    pass together.
    """

    rows: torch.Tensor
    keys: torch.Tensor
    row: Nodes
    key: Nodes
    _bias: dict[int | None, torch.Tensor] = field(default_factory=dict)

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: How
    ) -> torch.Tensor:
        """(heads, tokens, size) of each -> (rows, heads, size)."""
        q = _pick(query, self.rows)
        k, v = _pick(key, self.keys), _pick(value, self.keys)
        bias = self._bias.get(how.window)
        if bias is None:
            bias = self._bias[how.window] = self._make_bias(how.window, query.dtype)
        return mix(q, k, v, bias, how).transpose(1, 2).flatten(0, 1)

    def _make_bias(self, window: int | None, dtype: torch.dtype) -> torch.Tensor:
        """What is added to the scores, (blocks, 1, size, width): 0, or the lowest number."""
        number, depth = self.row.number[:, :, None], self.row.depth[:, :, None]
        seen = (self.key.number[:, None] <= number) & (number < self.key.end[:, None])
        if window is not None:
            seen &= depth - self.key.depth[:, None] < window
        bias = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return bias.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


def mix(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor, how: How
) -> torch.Tensor:
    """Values weighted by attention, (batch, heads, rows, size).

    Several query heads may share a key head. `bias` (batch, 1, rows, keys) is added to the
    scores.
    """
    groups = query.shape[1] // key.shape[1]
    if how.softcap is not None:
        scores = query.unflatten(1, (-1, groups)) @ key[:, :, None].transpose(-1, -2)
        scores = scores.mul_(how.scaling / how.softcap).tanh_().mul_(how.softcap)
        weights = scores.add_(bias[:, :, None]).softmax(-1, dtype=torch.float32).to(query.dtype)
        return (weights @ value[:, :, None]).flatten(1, 2)
    if query.device.type != "cpu" and groups > 1:  # with a mask, few kernels share heads
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    return scaled_dot_product_attention(
        query, key, value, attn_mask=bias, scale=how.scaling, enable_gqa=query.device.type == "cpu"
    )


def _pick(states: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """(heads, tokens, size) at index (blocks, width) -> (blocks, heads, width, size)."""
    return states.index_select(1, index.flatten()).unflatten(1, index.shape).transpose(0, 1)


def _cut(
    tree: Tree, span: tuple[int, int], path: NDArray[np.int64], device: torch.device
) -> list[Blocks]:
    """The pass in blocks; on the CPU one at a time, elsewhere as many together as fit."""
    start, stop = span
    on_cpu = device.type == "cpu"
    size = min(BLOCK_CPU if on_cpu else BLOCK_ELSEWHERE, stop - start)
    here = np.arange(start, stop)
    number = np.concatenate([path, here])
    end = np.concatenate([np.where(path < 0, len(tree), tree.end[path]), tree.end[here]])
    depth = np.concatenate([np.arange(len(path)), tree.depth[here]])
    firsts = np.arange(start, stop, size)
    keys = []
    for first in firsts:
        at = int(first) - start + len(path)  # the block's place among path and pass
        own = np.arange(at, min(at + size, len(number)))
        keys.append(np.concatenate([np.flatnonzero(end[:at] > first), own]))
    together = 1 if on_cpu else max(1, TOGETHER // max(map(len, keys)))

    def nodes(index: NDArray[np.int64], *, real: NDArray[np.bool_] | bool = True) -> Nodes:
        ends = np.where(real, end[index], 0)  # nobody descends from what only fills up
        parts = (torch.from_numpy(x).to(device) for x in (number[index], ends, depth[index]))
        return Nodes(*parts)

    found = []
    for i in range(0, len(firsts), together):
        some = keys[i : i + together]
        width = np.arange(max(map(len, some)))
        real = width < np.array([[len(k)] for k in some])
        index = np.stack([np.pad(k, (0, len(width) - len(k))) for k in some])
        rows = (firsts[i : i + together, None] - start + np.arange(size)).clip(max=stop - start - 1)
        found.append(
            Blocks(
                torch.from_numpy(rows).to(device),
                torch.from_numpy(index).to(device),
                nodes(rows + len(path)),
                nodes(index, real=real),
            )
        )
    return found
