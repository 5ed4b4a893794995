"""What a plan will cost a server: requests, tokens sent, and tokens its prefix cache saves.

vLLM keeps keys and values by blocks of tokens; a prompt finds those whole blocks at its
beginning that an earlier one had, but never its own last token, which it must compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grace.engines.vllm import logprob_requests
from grace.engines.vllm.option_chains import pack, waves
from grace.types import Forecast, Prompt


def forecast(
    batches: Iterable[Sequence[Prompt]], *, joined: bool, most_nodes: int, block: int
) -> Forecast:
    """Play the batches' requests through a cache of `block` tokens a block.

    The server scores by token ids; its cache is empty and large enough.
    """
    seen: set[int] = set()
    requests = sent = cached = generated = 0
    for batch in batches:
        for wave in waves(batch, joined=joined, most_ids=logprob_requests.MOST_IDS):
            for chains, _ in pack(wave, most_nodes, logprob_requests.MOST_IDS):
                requests += 1
                for chain in chains:
                    ids = batch[chain.prompt].context + chain.start
                    found = _hits(ids, (chain.forced,) * (chain.length - 1), seen, block)
                    sent += len(ids)
                    cached += found
                    generated += chain.length
    return Forecast(requests, sent, cached, generated)


def _hits(ids: tuple[int, ...], forced: tuple[int | None, ...], seen: set[int], block: int) -> int:
    """Tokens of `ids` that are in the cache, which then holds the whole sequence."""
    hits, unbroken, key = 0, True, 0
    whole = (*ids, *forced)
    for end in range(block, len(whole) + 1, block):
        key = hash((key, whole[end - block : end]))
        unbroken = unbroken and key in seen and end < len(ids)
        hits += block if unbroken else 0
        seen.add(key)
    return hits
