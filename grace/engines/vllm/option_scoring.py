"""Scoring options on a server: by token ids, by prompt log-probabilities, or bounded.

By token ids, the inner nodes of a prompt's option tree are read in chains (see option_chains.py),
in waves that keep the server's prefix cache warm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from grace.engines.vllm import logprob_requests
from grace.engines.vllm.bounds import bound
from grace.engines.vllm.endpoint_pool import Pool
from grace.engines.vllm.option_chains import Chain, pack, waves
from grace.engines.vllm.server import Served
from grace.scoring import assemble, prompt_nodes
from grace.scoring.trie import Path
from grace.types import OptionScores, Prompt

Found = list[dict[Path, dict[int, float]]]


class Scorer:
    """Scores batches of prompts by the best method the server has."""

    def __init__(self, pool: Pool, served: Served, nodes_per_request: int) -> None:
        self.pool = pool
        self.served = served
        self.most = nodes_per_request

    async def score(self, batch: Sequence[Prompt], affinity: int) -> list[OptionScores]:
        """Every option of every prompt, in order."""
        if self.served.method == "exact":
            found = await self._by_ids(batch, affinity)
            return [assemble(p, nodes) for p, nodes in zip(batch, found, strict=True)]
        if self.served.method == "prompt_logprobs":
            return list(
                await asyncio.gather(*(self._by_prompt(prompt, affinity) for prompt in batch))
            )
        return await self._bounded(batch, affinity)

    async def _by_ids(self, batch: Sequence[Prompt], affinity: int) -> Found:
        found: Found = [{} for _ in batch]
        for wave in waves(batch, joined=self.served.chains, most_ids=logprob_requests.MOST_IDS):
            requests = list(pack(wave, self.most, logprob_requests.MOST_IDS))
            answers = await asyncio.gather(
                *(self._read(batch, chains, wanted, affinity) for chains, wanted in requests)
            )
            for (chains, _), rows in zip(requests, answers, strict=True):
                for chain, steps in zip(chains, rows, strict=True):
                    for path, row in zip(chain.paths(), steps, strict=True):
                        found[chain.prompt].setdefault(path, {}).update(row)
        return found

    async def _read(
        self, batch: Sequence[Prompt], chains: Sequence[Chain], wanted: Sequence[int], affinity: int
    ) -> list[list[dict[int, float]]]:
        contexts = [batch[chain.prompt].context + chain.start for chain in chains]
        length, forced = chains[0].length, chains[0].forced
        rows: list[list[dict[int, float]]] = await self.pool.post(
            "/v1/completions",
            logprob_requests.chain_body(self.served.name, contexts, wanted, length, forced),
            affinity=affinity,
            check=lambda answer: logprob_requests.read_chains(
                answer, len(contexts), wanted, length, forced
            ),
        )
        return rows

    async def _by_prompt(self, prompt: Prompt, affinity: int) -> OptionScores:
        """One request for each form that no longer form continues."""
        nodes: dict[Path, dict[int, float]] = {path: {} for path in prompt_nodes(prompt)}
        forms = sorted({f.ids for forms in prompt.forms for f in forms})
        last = [
            ids
            for ids, following in zip(forms, [*forms[1:], ()], strict=True)
            if following[: len(ids)] != ids
        ]
        start = len(prompt.context)

        async def read(ids: Path) -> list[float]:
            whole = prompt.context + ids
            values: list[float] = await self.pool.post(
                "/v1/completions",
                logprob_requests.prompt_body(self.served.name, whole),
                affinity=affinity,
                check=lambda answer: logprob_requests.read_prompt(answer, whole, start),
            )
            return values

        for ids, values in zip(last, await asyncio.gather(*map(read, last)), strict=True):
            for depth, value in enumerate(values):
                nodes[ids[:depth]].setdefault(ids[depth], value)
        return assemble(prompt, nodes, "prompt_logprobs")

    async def _bounded(self, batch: Sequence[Prompt], affinity: int) -> list[OptionScores]:
        """What the most probable tokens at each node allow to say, and no more."""
        nodes = [(i, path) for i, prompt in enumerate(batch) for path in prompt_nodes(prompt)]
        shown: Found = [{} for _ in batch]
        for start in range(0, len(nodes), self.most):
            some = nodes[start : start + self.most]
            for (i, path), row in zip(some, await self._top(batch, some, affinity), strict=True):
                shown[i][path] = row
        return [bound(prompt, rows) for prompt, rows in zip(batch, shown, strict=True)]

    async def _top(
        self, batch: Sequence[Prompt], nodes: Sequence[tuple[int, Path]], affinity: int
    ) -> list[dict[int, float]]:
        contexts = [batch[i].context + path for i, path in nodes]
        rows: list[dict[int, float]] = await self.pool.post(
            "/v1/completions",
            logprob_requests.top_body(self.served.name, contexts, self.served.top_k),
            affinity=affinity,
            check=lambda answer: logprob_requests.read_top(answer, len(contexts)),
        )
        return rows
