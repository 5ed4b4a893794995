"""Keys and values on one card: bytes of a block, blocks, and how many requests they hold.

These are the formulas of vLLM 0.32 (v1/core/kv_cache_utils.py, v1/kv_cache_interface.py,
platforms/interface.py). Memory is given out in blocks of some tokens. A block belongs to one group
of layers of the same kind; all groups draw from one pool, so a request takes blocks of each.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from grace.serving.capacity.architecture import Architecture
from grace.serving.capacity.layers import Kind


@dataclass(frozen=True)
class Kept:
    """How the server keeps keys and values: what its arguments and the machine decide."""

    length: int  # tokens of the longest request: max-model-len
    block: int  # tokens of a block, as asked for
    number_bytes: float  # of a kept number
    state_bytes: tuple[float, float]  # of a number of a Mamba convolution and of its state
    in_flight: int  # tokens that may be computed and not yet settled
    prefix_caching: bool = True
    multiple: int = 16  # of which blocks are made where a state must fit into one


@dataclass(frozen=True)
class Pool:
    """The pool of blocks of one card, whatever its memory."""

    block: int  # tokens
    block_bytes: int
    request_blocks: int  # of one request of the greatest length
    groups: int
    length: int
    plain: bool  # every layer keeps every token
    padding: float = 0.0  # percent by which a state is padded to a block

    def blocks(self, memory: float) -> int:
        """Blocks in so many bytes."""
        return max(0, int(memory // self.block_bytes))

    def concurrency(self, blocks: int) -> float:
        """Requests of the greatest length at once."""
        return blocks / self.request_blocks

    def tokens(self, blocks: int) -> int:
        """What vLLM logs as the size of its KV cache: concurrency × length."""
        return int(self.concurrency(blocks) * self.length)

    def tokens_by_block(self, blocks: int) -> int:
        """What it logged before 0.21: as if every layer kept every token."""
        return blocks // self.groups * self.block

    @property
    def bytes_per_token(self) -> float:
        """Memory of one card for a token of a request; the mean at the greatest length."""
        if self.plain:
            return self.block_bytes / self.block
        return self.block_bytes * self.request_blocks / self.length

    def holds_one(self, blocks: int) -> bool:
        """Whether vLLM starts: one request must fit beside the block it keeps for itself."""
        return blocks - 1 >= self.request_blocks


def make_pool(a: Architecture, kept: Kept, tp: int) -> Pool:
    """The pool of a model that is cut over `tp` cards."""
    count = Counter(a.layers)
    token = token_bytes(a, kept.number_bytes, tp)  # of a layer that keeps every token
    block, padding = kept.block, 0.0
    state = state_bytes(a, kept.state_bytes, tp)
    if state and token:
        step = max(kept.multiple, kept.block)
        block = max(block, step * _ceil(int(state), int(step * token)))
        padding = 100 * (block * token - state) / state
    page = int(block * token) or int(state)
    sizes = list(count.values())
    size = max(sizes) if max(sizes) < 1.5 * min(sizes) else min(sizes)
    groups = {kind: _ceil(n, size) for kind, n in count.items()}
    widest = max(_ceil(n, groups[kind]) for kind, n in count.items())
    return Pool(
        block=block,
        block_bytes=page * widest,
        request_blocks=sum(n * _of_request(kind, a, kept, block) for kind, n in groups.items()),
        groups=sum(groups.values()),
        length=kept.length,
        plain=set(count) <= {"full"} or set(count) == {"mla"},
        padding=padding,
    )


def token_bytes(a: Architecture, number_bytes: float, tp: int) -> float:
    """Bytes of a token in one layer with attention, on one of `tp` cards.

    Fewer heads of keys and values than cards are copied; MLA's latent vector is on every card.
    """
    if not {"full", "window", "chunk", "mla"} & set(a.layers):
        return 0
    if a.latent:
        return a.latent * number_bytes
    return 2 * max(1, a.kv_heads // tp) * a.head_dim * number_bytes


def state_bytes(a: Architecture, each: tuple[float, float], tp: int) -> float:
    """Bytes that one Mamba 2 or gated delta layer keeps of a sequence; 0 without such layers."""
    s = a.state
    if s is None or not {"mamba", "linear"} & set(a.layers):
        return 0
    groups = s.groups if s.groups % tp == 0 else tp  # copied so that every card has those it needs
    channels = (s.inner + 2 * groups * s.width) // tp
    return channels * (s.taps - 1) * each[0] + s.heads // tp * s.head_dim * s.size * each[1]


def _of_request(kind: Kind, a: Architecture, kept: Kept, block: int) -> int:
    """Blocks that a request of the greatest length takes in one group."""
    if kind == "window":
        return _ceil(min(a.window - 1 + kept.in_flight, kept.length), block) + 1
    if kind == "chunk":
        return _ceil(min(a.window + kept.in_flight, kept.length), block)
    if kind == "mamba":  # one state; with prefix caching also the last block's, and a checkpoint
        return 3 if kept.prefix_caching else 1
    if kind == "linear":
        return 2 if kept.prefix_caching else 1
    return _ceil(kept.length, block)


def _ceil(number: int, by: int) -> int:
    return -(-number // by)
