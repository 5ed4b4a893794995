"""A run's folder in; whether its numbers are as stored, and come out again, out.

Files are hashed again, every number of the tables is derived again from the store, and a
seeded hundredth of the queries is asked again.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grace.runs.finished_run import Reopened
    from grace.runs.resume import Recalled
    from grace.store import Store
    from grace.types import Engine, Generation, OptionScores

#: What version 0.1.0 did not always know of an engine.
UNNOTED = ("revision", "config")
#: One query in so many is asked again, at least one.
ONE_IN = 100


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    good: bool
    detail: str

    def __str__(self) -> str:
        return f"{'same   ' if self.good else 'DIFFERS'}  {self.what}: {self.detail}"


def verify(folder: Path, seed: int) -> bool:
    """Look at everything and say what was found; whether the run is reproducible."""
    import asyncio

    from grace.runs.finished_run import changed_inputs, reopen

    run = reopen(folder)
    changed = changed_inputs(run)
    told = ", ".join(changed) or f"stimuli and {len(run.job.template_hashes)} templates"
    findings = [_tell(Finding("hashes", not changed, told))]
    if not changed:
        findings += asyncio.run(_check(run, seed))
    wrong = [finding.what for finding in findings if not finding.good]
    if wrong:
        print(f"\n{run.folder} is not reproducible here, by: {', '.join(wrong)}.")
        return False
    print(f"\n{run.folder} is reproducible.")
    return True


async def _check(run: Reopened, seed: int) -> list[Finding]:
    from grace.engines import make_engine
    from grace.runs.finished_run import recall_plan
    from grace.store import Store

    plan = recall_plan(run)
    with Store.open(run.store, read_only=True) as store:
        findings = [_tell(_tables(run, plan, store))]
        findings.append(_tell(_complete(run, plan, store)))
        day = plan.info.details.get("date")  # that its prompts were written on
        model = run.job.settings.model.model_copy(update={"date": day} if day else {})
        engine = await make_engine(model, run.job.settings.engine)
        try:
            findings.append(_tell(_engine(plan, engine)))
            findings.append(_tell(await _asked_again(plan, store, engine, seed)))
        finally:
            await engine.close()
    return findings


def _tell(finding: Finding) -> Finding:
    print(finding, flush=True)
    return finding


def _tables(run: Reopened, plan: Recalled, store: Store) -> Finding:
    """Every table derived from the store once more, and compared cell by cell."""
    import pyarrow.parquet as pq

    from grace.runs.outputs import write_tables

    wrong = []
    with tempfile.TemporaryDirectory() as name:
        again = Path(name)
        rows = write_tables(again, run.job, plan.query_table, plan.info, store)
        for table in rows:
            csv, parquet = f"{table}.csv", f"{table}.parquet"
            if found := _first_difference(run.folder / csv, again / csv):
                wrong.append(f"{csv} {found}")
            if not (run.folder / parquet).is_file():
                wrong.append(f"{parquet} is not there")
            elif not pq.read_table(again / parquet).equals(pq.read_table(run.folder / parquet)):
                wrong.append(f"{parquet} holds other values")
    told = ", ".join(f"{number:,} rows of {table}" for table, number in rows.items())
    return Finding("tables", not wrong, "; ".join(wrong) or told)


def _first_difference(ours: Path, derived: Path) -> str:
    """Where two text files part, "" where they are equal."""
    if not ours.is_file():
        return "is not there"
    with ours.open("rb") as one, derived.open("rb") as other:
        number = 0
        for number, (a, b) in enumerate(zip(one, other, strict=False)):
            if a != b:
                return f"differs from the store in line {number + 1}"
        if one.readline() or other.readline():
            return f"has another length (line {number + 2})"
    return ""


def _complete(run: Reopened, plan: Recalled, store: Store) -> Finding:
    from grace.runs.outputs import count

    counts = count(plan.query_table, store, plan.info)
    left = counts["failed"] + counts["not_asked"]
    status = run.manifest["status"]
    told = f"{counts['answered']:,} answered, {counts['failed']:,} failed, " + (
        f"{counts['not_asked']:,} not asked; the manifest says {status}"
    )
    return Finding("answers", left == 0 and status == "complete", told)


def _engine(plan: Recalled, engine: Engine) -> Finding:
    """What computes now, against what computed then."""
    before, now = asdict(plan.info), asdict(engine.info)
    wrong = [
        f"{name} {before[name]} then, {now[name]} now"
        for name in ("kind", "version", "model", "revision", "dtype", "method", "config")
        if before[name] != now[name] and (before[name] or name not in UNNOTED)
    ]
    told = f"{now['model']}, {now['version']}, {now['dtype']}"
    if unnoted := [name for name in UNNOTED if now[name] and not before[name]]:
        told += f"; the run did not note its {' and '.join(unnoted)}: only the sample can tell"
    return Finding("engine", not wrong, "; ".join(wrong) or told)


async def _asked_again(plan: Recalled, store: Store, engine: Engine, seed: int) -> Finding:
    """A sample asked again; how far the answers are from those in the store."""
    import numpy as np

    from grace.asking.query_table import as_texts
    from grace.store import default_tolerance
    from grace.types import Prompt

    answers = plan.query_table.prompts[plan.query_table.answered(store, plan.info)]
    known = as_texts(np.unique(answers))
    sample = random.Random(seed).sample(known, min(len(known), -(-len(known) // ONE_IN)))  # noqa: S311
    stored = [prompt.query for _, prompt in store.prompts(sample)]
    if len(stored) < len(sample):
        lost = len(sample) - len(stored)
        return Finding("sample", False, f"{lost} of {len(sample)} prompts are not in the store")
    prepared = await engine.prepare(stored)
    prompts = [prompt for prompt in prepared if isinstance(prompt, Prompt)]
    other = sum(
        not isinstance(p, Prompt) or p.key != k for p, k in zip(prepared, sample, strict=True)
    )
    if other or not prompts:
        return Finding("sample", False, f"{other} of {len(sample)} prompts have other tokens now")
    before = dict(store.answers(plan.info, sample))
    worst, failed, texts = 0.0, 0, 0
    async for answered in engine.answer(engine.batches(prompts)):
        for prompt, answer in answered:
            if isinstance(answer, type(before[prompt.key])):
                apart = _apart(before[prompt.key], answer)
                texts += apart is None
                worst = max(worst, apart or 0.0)
            else:
                failed += 1
    limit = default_tolerance(plan.info.dtype)
    told = f"{len(sample)} of {len(known):,} queries asked again"
    if failed:
        told += f", {failed} failed"
    if texts:
        told += f", {texts} other texts"
    told += f", largest difference of a log-probability {worst:.3g} (at most {limit:g})"
    return Finding("sample", not failed and not texts and worst <= limit, told)


def _apart(before: OptionScores | Generation, now: OptionScores | Generation) -> float | None:
    """The largest difference of two scored answers; None for two texts that differ."""
    from grace.store import largest_difference
    from grace.types import OptionScores

    if isinstance(before, OptionScores) and isinstance(now, OptionScores):
        return largest_difference(before, now)
    return 0.0 if getattr(before, "text", "") == getattr(now, "text", None) else None
