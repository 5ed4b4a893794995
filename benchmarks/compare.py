"""Running ways in turn, each in its own process, and the table that comes of it."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.ways import WAYS, Setup

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Row:
    """A way's medians over the rounds."""

    way: str
    seconds: float  # for all of the work
    ratio: float  # to the first
    distinct_tokens: int
    tokens_computed: int  # by what was done
    tokens_per_second: float  # distinct tokens of the whole work
    share_of_floor: float  # floor ÷ seconds: 1 is as fast as tokens can be read
    max_difference: float  # in normalised probability, from one plain float32 pass an option
    peak_mib: float  # memory beyond the weights
    done: str  # how much of the work was done; the rest is extrapolated


@contextmanager
def worker(way: str, setup: Setup, python: str) -> Iterator[subprocess.Popen[str]]:
    """A way's process, once it is ready."""
    given = asdict(setup) | {"work": setup.work.to_json()}
    process = subprocess.Popen(
        [python, "-m", "benchmarks.worker", way],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        _answer(process, way)
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=60)


def measure(
    ways: Sequence[str], setup: Setup, rounds: int, pythons: dict[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """What each way took in each round; the ways go in turn, another first each round."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    with ExitStack() as stack:
        running = {
            way: stack.enter_context(worker(way, setup, pythons.get(way, sys.executable)))
            for way in ways
        }
        for i in range(rounds):
            for way in [*ways[i % len(ways) :], *ways[: i % len(ways)]]:
                if i and WAYS[way].once:
                    found[way].append(found[way][0])
                    continue
                process = running[way]
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
                found[way].append(_answer(process, way))
                spent = found[way][-1]["seconds"]
                print(f"  round {i + 1}: {WAYS[way].label}: {spent:.1f} s", file=sys.stderr)
    return found


def table(
    setup: Setup,
    found: dict[str, list[dict[str, Any]]],
    base: str = "packed",
    floor: str | None = "prefill",
    reference: str = "one-pass",
) -> list[Row]:
    """Medians over the rounds, of times and of ratios (to the base) within a round."""
    right = found[reference][0]["logprobs"] if reference in found else {}
    rows = []
    for way, goes in found.items():
        seconds = [go["seconds"] / go["share"] for go in goes]
        first = [go["seconds"] / go["share"] for go in found[base]]
        floors = [go["seconds"] / go["share"] for go in found[floor]] if floor else []
        share = goes[0]["share"]
        rows.append(
            Row(
                way=WAYS[way].label,
                seconds=statistics.median(seconds),
                ratio=median_ratio(seconds, first),
                distinct_tokens=setup.work.distinct,
                tokens_computed=goes[0]["tokens"],
                tokens_per_second=setup.work.distinct / statistics.median(seconds),
                share_of_floor=median_ratio(floors, seconds) if floor else math.nan,
                max_difference=_difference(goes[0]["logprobs"], right),
                peak_mib=max((go["peak"] or math.nan) for go in goes) / 2**20,
                done="all" if share >= 1 else f"{share:.1%} (extrapolated)",
            )
        )
    return rows


def median_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def _difference(logprobs: dict[str, list[float]], reference: dict[str, list[float]]) -> float:
    """The largest difference of a probability among a prompt's options."""
    shared = logprobs.keys() & reference.keys()
    return max(
        (
            abs(a - b)
            for i in shared
            for a, b in zip(_normalise(logprobs[i]), _normalise(reference[i]), strict=True)
        ),
        default=math.nan,
    )


def _normalise(logprobs: Sequence[float]) -> list[float]:
    top = max(logprobs)
    weights = [math.exp(value - top) for value in logprobs]
    return [weight / math.fsum(weights) for weight in weights]


def _answer(process: subprocess.Popen[str], way: str) -> dict[str, Any]:
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{way} ended: {process.stderr.read()[-2000:]}")
    found: dict[str, Any] = json.loads(line)
    return found
