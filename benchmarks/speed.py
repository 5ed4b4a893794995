"""How fast options are scored, the ways side by side in one go: `make bench`.

    python -m benchmarks.speed [--rounds 3] [--full] [--stimuli study1.csv] [--lm-eval PYTHON]
                               [--endpoint URL] [--scaling] [--linear]

Every way reads the same token ids with the same weights in the same numeric type, each in a
process of its own, in turn; ratios are taken within a round and their medians shown. What would
take minutes is done for a sample of prompts and extrapolated, and the table says so; `--full`
does all of it. The tables go to benchmarks/results/ as Markdown, CSV and JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.compare import Row, measure, median_ratio, table
from benchmarks.ways import WAYS, Setup
from benchmarks.work import ROWS, Work, made_up_work, study_work

RESULTS = Path(__file__).parent / "results"
ORIGINAL = Path(__file__).parents[2] / "shared" / "data" / "original" / "study1.csv"
SAMPLE = 2  # prompts that slow ways do
HEADINGS = {
    "way": "way",
    "seconds": "seconds",
    "ratio": "× the first",
    "distinct_tokens": "distinct tokens",
    "tokens_computed": "tokens computed",
    "tokens_per_second": "tokens/s",
    "share_of_floor": "share of floor",
    "max_difference": "largest difference",
    "peak_mib": "peak MiB beyond weights",
    "done": "done",
}


def main() -> None:
    chosen = arguments()
    stimuli = find_stimuli(chosen.stimuli)
    from grace.engines.local.bundled import bundled_model

    model = str(bundled_model()[0])
    tables = {}
    work = study_work(stimuli, rows=ROWS, questions=["state"])
    tables["48 prompts"] = compare_48(work, model, chosen)
    tables["study 1, experiment 2, whole"] = whole_study(stimuli, model, chosen)
    if chosen.scaling:
        tables["scaling"] = scaling(model, chosen, [*SCALING.values()])
    if chosen.linear:
        tables["linear"] = scaling(model, chosen, LINEAR)
    save(tables, machine())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How fast options are scored.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="sample nothing (tens of minutes)")
    parser.add_argument("--stimuli", help="study 1's rows")
    parser.add_argument("--lm-eval", metavar="PYTHON", help="a Python that has lm-eval")
    parser.add_argument(
        "--endpoint", default=os.environ.get("GRACE_ENDPOINT"), help="a vLLM server"
    )
    parser.add_argument("--scaling", action="store_true", help="the scaling table too")
    parser.add_argument("--linear", action="store_true", help="up to 200,000 distinct tokens too")
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def find_stimuli(given: str | None) -> Path | None:
    """The rows asked for, or the predecessor's where they are at hand; None is Grace's own."""
    stimuli = Path(given) if given else ORIGINAL
    if stimuli.is_file():
        return stimuli
    print(f"{stimuli.name} of the predecessor is not here: Grace's own rows are used")
    return None


def compare_48(work: Work, model: str, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """All ways on the 48-prompt work."""
    step = len(work.items) // SAMPLE
    setup = Setup(
        model,
        work,
        sample=tuple(range(step // 2, len(work.items), step)),
        full=chosen.full,
        threads=chosen.threads,
        endpoint=chosen.endpoint,
    )
    pythons = {way: chosen.lm_eval for way, e in WAYS.items() if e.needs == "lm_eval"}
    ways = [way for way, entry in WAYS.items() if has(entry.needs, chosen)]
    print(f"{len(work.items)} prompts, {work.options} options: {work.distinct} distinct tokens")
    rows = table(setup, measure(ways, setup, chosen.rounds, pythons))
    show("The 48-prompt work", rows)
    return [asdict(row) for row in rows]


def has(needs: str, chosen: argparse.Namespace) -> bool:
    """Whether what a way needs is at hand; says so where it is not."""
    given = {"": True, "lm_eval": chosen.lm_eval, "endpoint": chosen.endpoint}[needs]
    if not given:
        print(f"left out, for there is no {needs}: the way that needs it")
    return bool(given)


def whole_study(stimuli: Path | None, model: str, chosen: argparse.Namespace) -> Any:
    """Every row of study 1, experiment 2, against a pass for each option of each query."""
    work = study_work(stimuli, rows=None, questions=["state", "knowledge"])
    setup = Setup(model, work, sample=(len(work.items) // 2,), threads=chosen.threads)
    found = measure(["packed", "one-pass"], setup, chosen.rounds, {})
    passes = len(work.items[setup.sample[0]].options)
    packed = [go["seconds"] for go in found["packed"]]
    single = [go["seconds"] / passes * work.passes for go in found["one-pass"]]
    ratio = median_ratio(single, packed)
    row = {
        "work": work.name,
        "prompts": len(work.items),
        "distinct_tokens": work.distinct,
        "packed_seconds": sorted(packed)[len(packed) // 2],
        "passes": work.passes,
        "passes_seconds": sorted(single)[len(single) // 2],
        "ratio": ratio,
        "sampled_passes": passes,
    }
    print(
        f"\n{work.name}: {row['packed_seconds']:.1f} s for {work.distinct} distinct tokens; "
        f"{work.passes} single passes would take {row['passes_seconds']:.0f} s "
        f"(from {passes} in the same round): {ratio:.0f} times as long"
    )
    return [row]


#: Prompts × 1, 4, 16; options 2, 11, 100; tokens of context 50, 500, 2,000; one at a time.
SCALING = {
    name: made_up_work(prompts, options, length)
    for name, (prompts, options, length) in {
        "base": (8, 11, 500),
        "prompts × 4": (32, 11, 500),
        "prompts × 16": (128, 11, 500),
        "2 options": (8, 2, 500),
        "100 options": (8, 100, 500),
        "50 tokens": (8, 11, 50),
        "2,000 tokens": (8, 11, 2000),
    }.items()
}
LINEAR = [made_up_work(prompts, 11, 500) for prompts in (72, 144, 288, 576)]


def scaling(model: str, chosen: argparse.Namespace, works: Sequence[Work]) -> list[dict[str, Any]]:
    """The packed tree and the floor for works that differ in one thing."""
    rows = []
    for work in works:
        setup = Setup(model, work, sample=(0,), threads=chosen.threads)
        found = measure(["packed", "prefill"], setup, 1, {})
        row = table(setup, found)[0]
        rows.append(
            {
                "prompts × options × tokens": work.name,
                "distinct_tokens": work.distinct,
                "tokens_computed": row.tokens_computed,
                "seconds": row.seconds,
                "tokens_per_second": row.tokens_per_second,
                "share_of_floor": row.share_of_floor,
                "peak_mib": row.peak_mib,
            }
        )
    print("\n" + markdown(rows))
    return rows


def show(title: str, rows: Sequence[Row]) -> None:
    print(
        f"\n{title}\n\n" + markdown([{HEADINGS[k]: v for k, v in asdict(r).items()} for r in rows])
    )


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(map(_cell, row.values())) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if value != value:  # noqa: PLR0124
        return "–"
    if abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def machine() -> dict[str, Any]:
    """What the numbers were measured on, by class and by versions."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "commit": commit.stdout.strip(),
        **{name: version(name) for name in ("torch", "transformers")},
    }


def save(tables: dict[str, list[dict[str, Any]]], about: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    stem = RESULTS / f"speed-{about['date']}"
    parts = [", ".join(f"{k} {v}" for k, v in about.items())]
    for name, rows in tables.items():
        parts.append(f"## {name}\n\n{markdown(rows)}")
        with Path(f"{stem}-{name.replace(', ', '-').replace(' ', '-')}.csv").open(
            "w", encoding="utf-8", newline=""
        ) as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    stem.with_suffix(".md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    text = json.dumps({"about": about, "tables": tables}, indent=1, ensure_ascii=False)
    stem.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(f"\nsaved as {os.path.relpath(stem)}.*")


if __name__ == "__main__":
    main()
