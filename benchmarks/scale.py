"""How a run grows: synthetic trials × 5 questions through planning, store and tables.

    python benchmarks/scale.py [--trials 10000 100000] [--share 1]

The engine is trivial, so that what is measured is Grace: reading and checking the CSV, rendering,
planning, storing, and writing both tables (study 1, experiment 2: 46 tidy rows a trial). `share`
trials have the same prompts: with 1, the hardest, every prompt is distinct. Each size runs in a
process of its own. Expected: 100,000 trials under 1.5 GiB, and less than 12 times as long as
10,000.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import itertools
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from unittest.mock import patch

from rich.console import Console

from grace.config.command_line import compose, relax_collector
from grace.config.resources import shipped
from grace.config.settings import read_settings
from grace.runs.runner import run
from grace.types import (
    Answered,
    EngineInfo,
    Failure,
    Form,
    FormScore,
    OptionScore,
    OptionScores,
    Prompt,
    Query,
)

BATCH = 256


class Trivial:
    """Tokens are hashed words, and every answer is made up from them."""

    chat = True
    bos = None
    info = EngineInfo("trivial", "1", "trivial", "", "float64", "exact")

    async def ready(self) -> None:
        """Nothing is loaded."""

    async def prepare(self, queries: Sequence[Query]) -> list[Prompt | Failure]:
        return [self._prompt(query) for query in queries]

    def _prompt(self, query: Query) -> Prompt:
        text = query.messages[-1].content
        context = tuple(zlib.crc32(word.encode()) & 0xFFFF for word in text.split())
        forms = tuple(
            tuple(Form(t, (zlib.crc32(t.encode()) & 0xFFFF, 7)) for t in option.spellings)
            for option in query.options
        )
        return Prompt(query, text, context, forms)

    async def spell(self, ids: Sequence[int]) -> list[str]:
        return [str(i) for i in ids]

    def forecast(self, batches: object) -> None:
        """There is no server."""

    def batches(self, prompts: Sequence[Prompt]) -> list[list[Prompt]]:
        ordered = sorted(prompts, key=lambda prompt: prompt.context)
        return [ordered[i : i + BATCH] for i in range(0, len(ordered), BATCH)]

    async def answer(
        self, batches: Sequence[Sequence[Prompt]]
    ) -> AsyncIterator[Sequence[Answered]]:
        for batch in batches:
            yield [(prompt, self._scores(prompt)) for prompt in batch]

    def _scores(self, prompt: Prompt) -> OptionScores:
        seed = int(prompt.key[:8], 16)
        found = []
        for k, (option, forms) in enumerate(zip(prompt.query.options, prompt.forms, strict=True)):
            value = -1.0 - ((seed >> k) & 0xFF) / 64
            scored = tuple(FormScore(form.text, form.ids, (value, value)) for form in forms)
            mass = 2 * value + math.log(len(forms))
            found.append(OptionScore(option.name, 2 * value, 2, mass, scored))
        return OptionScores(tuple(found), "exact")

    async def close(self) -> None:
        pass


def write_stimuli(path: Path, trials: int, share: int) -> None:
    """Grace's own rows over and over; the set-up is another one every `share` trials."""
    with (shipped("data") / "study1.csv").open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for i in range(trials):
            row = rows[i // share % len(rows)]
            setup = f"Story {i // share}. {row['story_setup']}"
            writer.writerow(row | {"participant_id": f"p{i}", "story_setup": setup})


def measure(trials: int, share: int) -> dict[str, float]:
    """One run, in this process: seconds by stage and in all, peak memory in MiB."""
    with tempfile.TemporaryDirectory() as name:
        stimuli = Path(name) / "stimuli.csv"
        write_stimuli(stimuli, trials, share)
        words = [f"data='{stimuli}'", f"output='{name}/out'", "model.name=trivial"]

        async def trivial(*_: object) -> Trivial:
            return Trivial()

        start = time.perf_counter()
        settings = read_settings(compose(words))
        with patch("grace.runs.runner.make_engine", trivial):
            outcome = asyncio.run(run(settings, Console(quiet=True)))
        seconds = time.perf_counter() - start
        manifest = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "trials": trials,
        "queries": manifest["plan"]["queries"],
        "tidy_rows": manifest["counts"]["rows"]["responses"],
        **{f"{stage}_s": round(spent, 1) for stage, spent in manifest["seconds"].items()},
        "seconds": round(seconds, 1),
        "peak_mib": round(memory),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="How a run grows with its trials.")
    parser.add_argument("--trials", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--share", type=int, default=1)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        relax_collector()  # as the command does
        print(json.dumps(measure(chosen.trials[0], chosen.share)))
        return
    found = []
    for trials in chosen.trials:
        words = [sys.executable, __file__, "--one", "--trials", str(trials)]
        done = subprocess.run(
            [*words, "--share", str(chosen.share)], check=True, stdout=subprocess.PIPE, text=True
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
        print("  ".join(f"{name} {value:,}" for name, value in found[-1].items()), flush=True)
    for one, other in itertools.pairwise(found):
        times, trials = other["seconds"] / one["seconds"], other["trials"] / one["trials"]
        print(f"{trials:g} times the trials: {times:.1f} times the time")


if __name__ == "__main__":
    main()
