"""Scoring on a vLLM server: the option tree by token ids against prompt_logprobs per option.

    python -m benchmarks.server [--endpoint http://127.0.0.1:8000/v1] [--stimuli study1.csv]

Without an endpoint a server is started for the bundled model and stopped at the end. Both ways
ask the same server for the 48-prompt work (see `work`) with the same client and the same
concurrency, the tree first, with a cold cache. What the server computed is read off its own
metrics. Expected: at least 5 times faster, at most 2.5 times the distinct tokens computed.
"""

from __future__ import annotations

import argparse
import asyncio

from rich.console import Console

from benchmarks.compare import Row, measure, table
from benchmarks.speed import SAMPLE, find_stimuli, show
from benchmarks.ways import Setup, prompts_of
from benchmarks.work import ROWS, study_work
from grace.config.command_line import compose
from grace.config.settings import Settings, VllmSettings, read_settings
from grace.engines.vllm import VllmEngine
from grace.serving.managed import engine_settings

WAYS = ("vllm-tree", "vllm-prompt-logprobs")


async def main(endpoint: str | None, stimuli: str | None) -> None:
    work = study_work(find_stimuli(stimuli), rows=ROWS, questions=["state"])
    words = ["engine=vllm", f"engine.endpoints=[{endpoint}]" if endpoint else "engine.managed=true"]
    settings = read_settings(compose([*words, "engine.timeout=600"]))
    async with engine_settings(settings, Console()) as found:
        assert isinstance(found, VllmSettings)
        sample = tuple(range(0, len(work.items), len(work.items) // SAMPLE))
        setup = Setup("", work, sample, endpoint=found.endpoints[0])
        goes = await asyncio.to_thread(measure, WAYS, setup, 1, {})
        rows = table(setup, goes, base=WAYS[0], floor=None, reference=WAYS[1])
        show("The 48-prompt work on a server", rows)
        await expected(settings, found, setup, rows)


async def expected(settings: Settings, found: VllmSettings, setup: Setup, rows: list[Row]) -> None:
    """What was expected, beside what came."""
    engine = await VllmEngine(settings.model, found).start()
    plan = engine.forecast(engine.batches(prompts_of(setup.work)))
    await engine.close()
    assert plan is not None, "the server does not say how its cache works"
    tree, single = rows
    print(
        f"\nthe tree is {single.ratio:.1f} times as fast; the server computed "
        f"{tree.tokens_computed / setup.work.distinct:.2f} times the distinct tokens; forecast: "
        f"{plan.sent - plan.cached:,} tokens computed in {plan.requests} requests"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", help="a running server of the bundled model")
    parser.add_argument("--stimuli", help="study 1's rows")
    given = parser.parse_args()
    asyncio.run(main(given.endpoint, given.stimuli))
