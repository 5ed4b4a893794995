"""Why a server is slow: its queue, its memory for keys and values, its prefix cache."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping

from grace.engines.vllm.endpoint import Endpoint
from grace.engines.vllm.problems import PassingError, RefusedError, ServerError
from grace.serving.doctor.finding import Finding

#: Seconds between two looks: what waits in both was not only passing.
APART = 1.0
#: Tokens after which the prefix cache's share of hits says something, and a poor share.
ENOUGH, POOR = 100_000, 0.05
#: Preemptions for each finished request that cost something.
OFTEN = 0.01
_SAMPLE = re.compile(r"^(vllm:\w+)(?:\{(.*)\})? ([-+.\deEinfNa]+)$", re.M)


async def of_speed(endpoint: Endpoint) -> list[Finding]:
    """What makes it slow; nothing where it shows no metrics."""
    try:
        before = await endpoint.text("/metrics")
        if not read_metrics(before):
            return []
        await asyncio.sleep(APART)
        now = await endpoint.text("/metrics")
    except (PassingError, RefusedError, ServerError):
        return []
    return judge(before, now, f"{endpoint.root}/metrics")


def read_metrics(text: str) -> Counter[str]:
    """Values by name, summed over labels."""
    found: Counter[str] = Counter()
    for name, _, value in _SAMPLE.findall(text):
        try:
            found[name] += float(value)  # type: ignore[assignment]
        except ValueError:
            continue
    return found


def judge(before: str, now: str, place: str) -> list[Finding]:
    """The findings of two looks at /metrics."""
    one, two = read_metrics(before), read_metrics(now)
    waiting = min(one["vllm:num_requests_waiting"], two["vllm:num_requests_waiting"])
    found = []
    finished = two["vllm:request_success_total"]
    preempted = two["vllm:num_preemptions_total"]
    if preempted > OFTEN * max(finished, 1):
        found.append(
            Finding(
                "preemptions",
                "the memory for keys and values is too small: requests are put off and computed "
                "again",
                "lower engine.max_concurrency=8 and serve.args.max-num-seqs=32, or a larger "
                "serve.args.gpu-memory-utilization (on the CPU serve.cpu_cache_gib)",
                f"vllm:num_preemptions_total {preempted:.0f} in {finished:.0f} requests",
                place,
            )
        )
    if waiting > 0:
        running = two["vllm:num_requests_running"]
        found.append(
            Finding(
                "queue",
                "requests wait for others to finish",
                "more servers (engine.endpoints=URL,URL), or a larger serve.args.max-num-seqs "
                "where memory is left (vllm:kv_cache_usage_perc)",
                f"vllm:num_requests_waiting {waiting:.0f}, {running:.0f} running, "
                f"{100 * two['vllm:kv_cache_usage_perc']:.0f}% of the cache used",
                place,
            )
        )
    return found + _cache(two, now, place)


def _cache(values: Mapping[str, float], text: str, place: str) -> list[Finding]:
    if 'enable_prefix_caching="False"' in text:
        return [
            Finding(
                "cache-off",
                "the prefix cache is off: what prompts have in common is computed every time",
                "serve.args.enable-prefix-caching=true",
                'enable_prefix_caching="False"',
                place,
            )
        ]
    asked, hits = values["vllm:prefix_cache_queries_total"], values["vllm:prefix_cache_hits_total"]
    if asked < ENOUGH or hits >= POOR * asked:
        return []
    return [
        Finding(
            "cache-cold",
            "hardly anything is found in the prefix cache: its memory is too small for the prompts "
            "in flight, or they have little in common",
            "a larger serve.args.gpu-memory-utilization (on the CPU serve.cpu_cache_gib), a "
            "smaller serve.args.block-size=16, fewer runs at once",
            f"{hits:.0f} of {asked:.0f} tokens",
            place,
        )
    ]
