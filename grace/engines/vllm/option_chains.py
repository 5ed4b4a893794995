"""Option trees cut into chains: several nodes read by one request.

A server that is made to go on with one token (`allowed_token_ids`) shows the probabilities at
each step, from its own cached keys and values. So a node and its children along one repeated
token are read together: about half the requests, and half the tokens computed anew, of one
request a node. The log-probabilities shown are the model's own, before the restriction; the
probe verifies that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from grace.scoring import prompt_nodes
from grace.scoring.trie import Path
from grace.types import Prompt

#: Tokens of a common beginning from which a context counts as warmed by its neighbour.
SHARED = 32


@dataclass(frozen=True)
class Chain:
    """Nodes of one prompt: `start`, and `length` − 1 further ones along the token `forced`."""

    prompt: int  # index into the batch
    start: Path
    length: int
    forced: int | None
    wanted: frozenset[int]  # the children of all its nodes

    def paths(self) -> Iterator[Path]:
        """The nodes it reads, in order."""
        for n in range(self.length):
            yield self.start + (self.forced,) * n if self.forced is not None else self.start


def cut_chains(prompt: Prompt, index: int, *, joined: bool, most_ids: int) -> list[Chain]:
    """Cover a prompt's inner nodes with chains, the root's first.

    A node goes on into the child with the smallest tree of its own: that child would make
    the poorest start of another chain. `joined` false gives one chain a node; a chain never
    wants more than `most_ids` tokens.
    """
    nodes = prompt_nodes(prompt)
    size = {path: sum(other[: len(path)] == path for other in nodes) for path in nodes}
    covered: set[Path] = set()
    chains = []
    for path in sorted(nodes, key=lambda p: (len(p), p)):
        if path in covered:
            continue
        chain = (
            _chain(nodes, size, path, most_ids)
            if joined
            else Chain(0, path, 1, None, _ids(nodes, path))
        )
        covered |= {*chain.paths()}
        chains.append(Chain(index, path, chain.length, chain.forced, chain.wanted))
    return chains


def _chain(
    nodes: Mapping[Path, tuple[int, ...]], size: Mapping[Path, int], path: Path, most_ids: int
) -> Chain:
    inner = [token for token in nodes[path] if (*path, token) in nodes]
    wanted = _ids(nodes, path)
    if not inner:
        return Chain(0, path, 1, None, wanted)
    forced = min(inner, key=lambda token: size[(*path, token)])
    length, following = 1, (*path, forced)
    while following in nodes and len(wanted | _ids(nodes, following)) <= most_ids:
        wanted |= _ids(nodes, following)
        length, following = length + 1, (*following, forced)
    return Chain(0, path, length, forced if length > 1 else None, wanted)


def _ids(nodes: Mapping[Path, tuple[int, ...]], path: Path) -> frozenset[int]:
    return frozenset(nodes[path])


def waves(batch: Sequence[Prompt], *, joined: bool, most_ids: int) -> list[list[Chain]]:
    """The chains of a batch in the order that finds the cache warm; no empty waves.

    First the contexts that begin something new, then those that share a beginning with their
    neighbour, then all other nodes.
    """
    first: list[Chain] = []
    second: list[Chain] = []
    third: list[Chain] = []
    previous: tuple[int, ...] = ()
    for i, prompt in enumerate(batch):
        shared = len(previous) >= SHARED and previous[:SHARED] == prompt.context[:SHARED]
        for chain in cut_chains(prompt, i, joined=joined, most_ids=most_ids):
            where = third if chain.start else second if shared else first
            where.append(chain)
        previous = prompt.context
    return [wave for wave in (first, second, third) if wave]


def pack(
    wave: Sequence[Chain], most: int, most_ids: int
) -> Iterator[tuple[list[Chain], tuple[int, ...]]]:
    """Cut a wave into requests, each with the ids it wants.

    A request has chains along the same token, at most `most` of them, and at most `most_ids`
    different children.
    """
    groups: dict[tuple[int | None, int], list[Chain]] = {}
    for chain in wave:
        groups.setdefault((chain.forced, chain.length), []).append(chain)
    for group in groups.values():
        some: list[Chain] = []
        wanted: frozenset[int] = frozenset()
        for chain in group:
            if some and (len(some) >= most or len(wanted | chain.wanted) > most_ids):
                yield some, tuple(sorted(wanted))
                some, wanted = [], frozenset()
            some.append(chain)
            wanted |= chain.wanted
        for ids in _parts(tuple(sorted(wanted)), most_ids):
            yield some, ids


def _parts(ids: tuple[int, ...], most: int) -> Iterator[tuple[int, ...]]:
    """A node with more children than a request may name is read in several."""
    for start in range(0, len(ids), most):
        yield ids[start : start + most]
