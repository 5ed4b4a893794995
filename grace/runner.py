"""A run from beginning to end: load, render, ask, score, write."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from grace.command import FAILED_QUERIES, INTERRUPTED, OK
from grace.engines.make import make_engine
from grace.errors import GraceError
from grace.manifest import count_answers, make_manifest
from grace.pilot import pilot_rows
from grace.plan import Plan, Sheet, make_plan, show_plan, show_prompts
from grace.progress import Ticker
from grace.prompts import Templates
from grace.questions import ask, check_templates, distinct, experiment
from grace.resources import find_data
from grace.settings import Settings
from grace.stimuli import Stimuli, read_stimuli
from grace.store import Store
from grace.study import ExperimentSpec
from grace.summary import show_summary
from grace.tables.build import build_tables
from grace.tables.columns import computed_columns
from grace.tables.wide import wide_columns
from grace.tables.write import write_json
from grace.types import Answer, Engine, EngineInfo, Failure

log = logging.getLogger("grace")


@dataclass(frozen=True)
class Job:
    """A run's settings and everything read from files, checked."""

    settings: Settings
    spec: ExperimentSpec
    templates: Templates
    stimuli: Stimuli  # the rows to run
    rows_in_file: int


@dataclass
class Clock:
    """Seconds spent in each stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time of the block to the stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


@dataclass(frozen=True)
class Outcome:
    """Where the results are and the command's exit code."""

    folder: Path
    code: int


def load_job(settings: Settings) -> Job:
    """Read and check the study, its templates and the stimuli; nothing is asked yet."""
    study = settings.study
    templates = Templates()
    spec = experiment(study, settings.exp)
    stimuli = read_stimuli(find_data(settings.data or study.data), study, templates)
    check_templates(study, spec, templates, stimuli.header)
    rows = len(stimuli.trials)
    if settings.pilot is not None:
        stimuli = stimuli.subset(pilot_rows(stimuli.trials, study, settings.pilot, settings.seed))
    wide_columns(study, spec, stimuli)
    computed_columns(spec)
    return Job(settings, spec, templates, stimuli, rows)


async def run(settings: Settings, console: Console) -> Outcome:
    """Run a study × experiment × model with these settings."""
    clock = Clock()
    with clock.time("load"):
        job = load_job(settings)
        engine = await make_engine(settings.model, settings.engine)
    try:
        with clock.time("plan"):
            sheet = await make_sheet(job, engine)
        if settings.dry_run:
            plan = _plan(job, sheet, engine.info, known=0)
            show_plan(plan, settings, console)
            await show_prompts(sheet, engine, console)
            return Outcome(settings.folder, OK)
        with run_log(settings.folder), Store.open(store_path(settings)) as store:
            keys = [prompt.key for prompt in sheet.askable]
            left = set(store.missing(engine.info, keys))
            plan = _plan(job, sheet, engine.info, known=len(set(keys)) - len(left))
            show_plan(plan, settings, console)
            log.info("plan: %s", plan)
            with clock.time("ask"):
                stopped = await answer_all(engine, store, sheet, left, console)
            with clock.time("tables"):
                manifest = write_results(job, sheet, plan, engine.info, store, clock, stopped)
    finally:
        await engine.close()
    show_summary(settings.folder, settings.study, job.spec, manifest, console)
    return Outcome(settings.folder, _code(manifest, console, stopped=stopped))


async def make_sheet(job: Job, engine: Engine) -> Sheet:
    """Render every question and tokenise every distinct query."""
    asked = ask(
        job.stimuli.trials,
        job.spec,
        job.settings.exp,
        job.templates,
        chat=engine.chat,
        seed=job.settings.seed,
    )
    queries = distinct(asked)
    prepared = await engine.prepare(queries)
    return Sheet(tuple(asked), dict(zip(queries, prepared, strict=True)))


async def answer_all(
    engine: Engine, store: Store, sheet: Sheet, left: set[str], console: Console
) -> bool:
    """Ask what the store does not know; whether the user stopped it.

    Batches are cut from the whole plan, so that a run that goes on computes the same ones,
    and answers that came together are stored together.
    """
    prompts = list({prompt.key: prompt for prompt in sheet.askable}.values())
    batches = [[p for p in batch if p.key in left] for batch in engine.batches(prompts)]
    todo = [batch for batch in batches if batch]
    with Ticker(len(left), console) as ticker, listening() as stop:
        async with aclosing(engine.answer(todo)) as answers:  # type: ignore[type-var]
            async for answered in answers:
                store.add_batch(engine.info, answered)
                store.tick()
                for prompt, answer in answered:
                    if isinstance(answer, Failure):
                        log.warning("failed: %s: %s", prompt.key, answer.reason)
                ticker.add(answered)
                if stop.is_set():
                    break
    store.flush()
    return stop.is_set()


@contextlib.contextmanager
def listening() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second Ctrl-C stops at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)
        signal.signal(number, signal.default_int_handler)

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            before[number] = signal.getsignal(number)
            loop.add_signal_handler(number, first, number)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def write_results(
    job: Job,
    sheet: Sheet,
    plan: Plan,
    info: EngineInfo,
    store: Store,
    clock: Clock,
    stopped: bool,
) -> dict[str, Any]:
    """Write tables, codebook and manifest; returns the manifest."""
    settings = job.settings
    failures = dict(store.failures(info, [prompt.key for prompt in sheet.askable]))

    def look_up(keys: Any) -> dict[str, Answer]:
        known: dict[str, Answer] = {k: failures[k] for k in keys if k in failures}
        return known | dict(store.answers(info, keys))

    rows = build_tables(settings.folder, settings, job.spec, job.stimuli, sheet, look_up)
    counts = _counts(sheet, store, info, failures)
    status = "interrupted" if stopped else "complete" if not counts["failed"] else "failures"
    manifest = make_manifest(
        settings,
        plan,
        stimuli={
            "file": str(job.stimuli.path),
            "sha256": job.stimuli.sha256,
            "rows_run": [trial.row for trial in job.stimuli.trials],
            "derived": list(job.stimuli.derived),
        },
        templates={
            name: path
            for question in job.spec.questions.values()
            for name, path in job.templates.source_files(question.template).items()
        },
        counts=counts | {"rows": rows},
        seconds=clock.seconds,
        status=status,
    )
    manifest["engine"] |= {"details": dict(info.details)}
    manifest["matrices"] = _matrices(job.spec)
    write_json(settings.folder / "manifest.json", manifest)
    return manifest


def store_path(settings: Settings) -> Path:
    """The answer store: the one asked for, or the output root's own."""
    return Path(settings.store) if settings.store else Path(settings.output) / "answers.sqlite"


@contextlib.contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Write Grace's log to run.log in the run's folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(folder / "run.log", encoding="utf-8")
    except OSError as error:
        raise GraceError(f"{folder}: cannot write results ({error.strerror})") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def _plan(job: Job, sheet: Sheet, info: EngineInfo, known: int) -> Plan:
    rows = (len(job.stimuli.trials), job.rows_in_file)
    return make_plan(sheet, info, job.settings, rows, known)


def _counts(
    sheet: Sheet, store: Store, info: EngineInfo, failures: dict[str, Failure]
) -> dict[str, Any]:
    """Answered, failed and unasked queries; a prompt two queries share counts for both."""
    keys = [p.key for p in sheet.askable]
    missing = set(store.missing(info, keys))
    found: list[Answer | None] = [p for p in sheet.prompts.values() if isinstance(p, Failure)]
    counts = count_answers([*found, *(failures.get(key) for key in keys if key in missing)])
    return counts | {"answered": sum(key not in missing for key in keys)}


def _matrices(spec: ExperimentSpec) -> list[list[str]]:
    """The wide columns that form each trial's matrix, by state, for `Run.matrices`."""
    for reduction in spec.reductions:
        question = spec.questions.get(reduction.question)
        if question is not None and question.wide.prob:
            options = [option.option(forms=True).name for option in question.options]
            prob = question.wide.prob
            return [
                [prob.format(option=name, **over) for name in options]
                for over in question.variants()
            ]
    return []


def _code(manifest: dict[str, Any], console: Console, *, stopped: bool) -> int:
    if stopped:
        console.print("Interrupted. Run the same command again to go on.")
        return INTERRUPTED
    return FAILED_QUERIES if manifest["counts"]["failed"] else OK
