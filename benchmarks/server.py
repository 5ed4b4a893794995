"""Scoring on a vLLM server: the option tree by token ids against prompt_logprobs per option.

    python -m benchmarks.server [--endpoint http://127.0.0.1:8000/v1]

Without an endpoint a server is started for the bundled model and stopped at the end. Both ways
ask the same server for the 48-prompt work (see `work`) with the same client and the same
concurrency, the tree first, with a cold cache. What the server computed is read off its own
metrics. Expected: at least 5 times faster, at most 2.5 times the distinct tokens computed.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
import urllib.request
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.work import state_queries, stimuli_file
from grace.command import compose
from grace.engines.vllm import VllmEngine, reading
from grace.engines.vllm.forecast import forecast
from grace.plan import count_tokens
from grace.serving.managed import engine_settings
from grace.settings import VllmSettings, read_settings
from grace.trie import prompt_nodes
from grace.types import OptionScores, Prompt

BLOCK = 32


def computed(url: str) -> float:
    """Tokens the server has computed so far, by its own metrics."""
    text = urllib.request.urlopen(f"{url.removesuffix('/v1')}/metrics", timeout=30).read().decode()

    def total(name: str) -> float:
        return sum(float(v) for v in re.findall(rf"^vllm:{name}{{[^\n]*}} (\S+)", text, re.M))

    return total("prompt_tokens_total") - total("prefix_cache_hits_total")


async def by_tree(engine: VllmEngine, prompts: Sequence[Prompt]) -> dict[tuple[str, str], float]:
    """Log-probability of each option as written, by Grace's own way."""
    found = {}
    async for part in engine.answer(engine.batches(prompts)):
        for prompt, answer in part:
            assert isinstance(answer, OptionScores), answer
            found |= {(prompt.key, o.name): o.logprob for o in answer.options}
    return found


async def by_option(engine: VllmEngine, prompts: Sequence[Prompt]) -> dict[tuple[str, str], float]:
    """The same, one request an option, as harnesses ask."""
    gate = asyncio.Semaphore(32)

    async def one(prompt: Prompt, place: int) -> tuple[tuple[str, str], float]:
        form = prompt.forms[place][0]
        whole = prompt.context + form.ids
        async with gate:
            values = await engine._pool.post(
                "/v1/completions",
                reading.prompt_body(engine.served.name, whole),
                check=lambda a: reading.read_prompt(a, whole, len(prompt.context)),
            )
        return (prompt.key, prompt.query.options[place].name), sum(values)

    asked = [one(prompt, place) for prompt in prompts for place in range(len(prompt.forms))]
    return dict(await asyncio.gather(*asked))


async def main(endpoint: str | None, rows: int) -> None:
    console = Console()
    words = ["engine=vllm", f"engine.endpoints=[{endpoint}]" if endpoint else "engine.managed=true"]
    settings = read_settings(compose([*words, "engine.timeout=600"]))
    async with engine_settings(settings, console) as found:
        assert isinstance(found, VllmSettings)
        engine = await VllmEngine(settings.model, found).start()
        prompts = [p for p in await engine.prepare(state_queries(rows)) if isinstance(p, Prompt)]
        results = {}
        for name, way in (("tree", by_tree), ("prompt_logprobs", by_option)):
            before, start = computed(found.endpoints[0]), time.monotonic()
            scores = await way(engine, prompts)
            seconds = time.monotonic() - start
            results[name] = (seconds, computed(found.endpoints[0]) - before, scores)
        await engine.close()
    distinct = count_tokens(prompts)[1]
    plan = forecast(
        engine.batches(prompts), joined=engine.served.chains,
        most_nodes=found.nodes_per_request, block=BLOCK,
    )  # fmt: skip
    tree, option = results["tree"], results["prompt_logprobs"]
    nodes = sum(len(prompt_nodes(p)) for p in prompts)
    table = Table("way", "seconds", "ratio", "tokens computed", "of distinct")
    for name, (seconds, tokens, _) in results.items():
        table.add_row(
            name, f"{seconds:.1f}", f"{option[0] / seconds:.2f}", f"{tokens:,.0f}",
            f"{tokens / distinct:.2f}",
        )  # fmt: skip
    console.print(f"stimuli: {stimuli_file() or 'our own'}")
    console.print(f"{len(prompts)} prompts, {distinct:,} distinct tokens, {nodes:,} nodes")
    console.print(table)
    console.print(
        f"forecast: {plan.sent - plan.cached:,} prompt tokens computed in {plan.requests} requests"
    )
    largest = max(abs(tree[2][key] - option[2][key]) for key in tree[2])
    console.print(f"largest difference in log-probability: {largest:.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", help="a running server of the bundled model")
    parser.add_argument("--rows", type=int, default=12, help="rows of the stimuli file")
    given = parser.parse_args()
    asyncio.run(main(given.endpoint, given.rows))
