"""A run from beginning to end: load, render, ask, score, write."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from grace.asking import (
    Batches,
    Clock,
    Interrupt,
    Job,
    PromptSpool,
    answer_all,
    load_job,
    make_plan,
    make_query_table,
    show_plan,
    show_prompts,
)
from grace.asking.earlier_answers import unused
from grace.config import FAILED_QUERIES, INTERRUPTED, OK, Settings, one_line
from grace.engines import make_engine
from grace.runs.lock import RunLock
from grace.runs.outputs import Reporter, run_log, write_results, write_start
from grace.runs.profile import write_profile
from grace.runs.prompt_examples import write_examples
from grace.runs.resume import Recalled, as_before, finished, remember, take_over
from grace.runs.settings_differences import refuse_differences
from grace.runs.summary import show_summary
from grace.serving import engine_settings
from grace.store import Store
from grace.types import Engine, Forecast

#: Prompts up to which a server's costs are foreseen.
FORESEEN = 20_000

log = logging.getLogger("grace")


@dataclass(frozen=True)
class Outcome:
    """Where the results are and the command's exit code."""

    folder: Path
    code: int


async def run(
    settings: Settings,
    console: Console,
    interrupt: Interrupt | None = None,
    clock: Clock | None = None,
    report: Reporter | None = None,
) -> Outcome:
    """Run a study × experiment × model with these settings; `report` writes its report."""
    clock = clock or Clock()
    with clock.time("load"):
        job = load_job(settings, to_ask=True)
    if settings.dry_run:
        return await show_dry_run(job, console)
    folder = settings.folder
    with leaving_nothing_empty(folder), RunLock(folder) as held, run_log(folder):
        if held.notice:
            log.warning("%s", held.notice)
            console.print(held.notice, markup=False, highlight=False)
        refuse_differences(job)
        if before := finished(job):
            manifest = write_again(job, before, clock, console, report)
        else:
            with interrupt or Interrupt() as signals:
                manifest = await ask_and_write(job, clock, console, signals, report)
    show_what_came_out(folder, job, manifest, console)
    if settings.profile:
        write_profile(clock, folder, manifest, console)
    return Outcome(folder, _code(manifest, settings, console))


async def ask_and_write(
    job: Job, clock: Clock, console: Console, interrupt: Interrupt, report: Reporter | None
) -> dict[str, Any]:
    """Start the engine, make the plan, ask what the store does not know, write the tables."""
    with PromptSpool() as spool:
        async with started(job, clock, console) as engine:
            with clock.time("plan"):
                query_table, work, tokens = await make_query_table(job, engine, spool)
            with Store.open(job.store_path) as store:
                with clock.time("plan"):
                    store.adopt(engine.info)
                    todo = work.only(~query_table.answered(store, engine.info))
                    left = unused(store, query_table, engine.info)
                if len(todo):
                    with clock.time("load"):
                        await engine.ready()
                known, cost = len(work) - len(todo), foresee(engine, todo)
                plan = make_plan(
                    job, query_table, engine.info, tokens.both, known, cost, left, chat=engine.chat
                )
                write_start(job, plan, query_table, store, clock)
                remember(job, query_table, plan, chat=engine.chat)
                await write_examples(job, query_table, spool, engine)
                show_plan(plan, job.settings, console)
                log.info("plan: %s", plan)
                with clock.time("compute"):
                    limit = job.settings.max_failures
                    ended = await answer_all(engine, store, todo, console, interrupt, limit)
                plan = replace(plan, info=engine.info)
                return write_results(job, query_table, plan, store, clock, ended, report)


def foresee(engine: Engine, work: Batches) -> Forecast | None:
    """What the work will cost, unless there is so much that finding out takes minutes."""
    return engine.forecast(work) if 0 < len(work) <= FORESEEN else None


def write_again(
    job: Job, before: Recalled, clock: Clock, console: Console, report: Reporter | None
) -> dict[str, Any]:
    """Write the tables of a run whose every answer is in the store."""
    plan = before.plan(job, known=before.query_table.mine_count())
    show_plan(plan, job.settings, console)
    nothing = not before.query_table.mine.any()
    why = "There is nothing for this shard to ask" if nothing else "All of it was answered before"
    console.print(f"{why}; writing the tables.")
    take_over(job, before, plan)
    with Store.open(job.store_path) as store:
        return write_results(job, before.query_table, plan, store, clock, "complete", report)


def show_what_came_out(
    folder: Path, job: Job, manifest: Mapping[str, Any], console: Console
) -> None:
    """Print the summary. All is written by now: what goes wrong here costs nothing but itself."""
    try:
        show_summary(folder, job.settings, job.spec, manifest, console)
    except Exception as error:  # the tables are there
        log.warning("no summary", exc_info=True)
        why = one_line(f"{type(error).__name__}: {error}", 200)
        console.print(
            f"The summary cannot be shown ({why}); the results are in {folder}.",
            markup=False,
            highlight=False,
        )


@asynccontextmanager
async def started(job: Job, clock: Clock, console: Console) -> AsyncIterator[Engine]:
    """The job's engine, closed at the end; a managed one has its server around it."""
    async with AsyncExitStack() as stack:
        with clock.time("load"):
            settings = await stack.enter_async_context(engine_settings(job.settings, console))
            engine = await make_engine(as_before(job.settings), settings)
        stack.push_async_callback(engine.close)
        yield engine


@contextmanager
def leaving_nothing_empty(folder: Path) -> Iterator[None]:
    """Take away the folders made for a run that failed before it had anything to keep."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        if made and not (folder / "manifest.json").exists():
            with suppress(OSError):
                (folder / "run.log").unlink(missing_ok=True)
                for path in made:
                    path.rmdir()
        raise


async def show_dry_run(job: Job, console: Console) -> Outcome:
    """Show the plan and one prompt of each question, and write nothing."""
    with PromptSpool() as spool:
        async with started(job, Clock(), console) as engine:
            query_table, work, tokens = await make_query_table(job, engine, spool)
            cost = foresee(engine, work)
            plan = make_plan(job, query_table, engine.info, tokens.both, 0, cost, chat=engine.chat)
            show_plan(plan, job.settings, console)
            await show_prompts(job, query_table, spool, engine, console)
    return Outcome(job.settings.folder, OK)


def _code(manifest: Mapping[str, Any], settings: Settings, console: Console) -> int:
    """The exit code, and what to do next where something is left to do."""
    if manifest["status"] == "interrupted":
        console.print("Interrupted. Run the same command again to go on.")
        return INTERRUPTED
    if manifest["status"] == "failing":
        console.print(
            f"Stopped: {settings.max_failures} queries in a row failed (max_failures). Mend the "
            "cause and run the same command again; it asks what is missing."
        )
        return FAILED_QUERIES
    return FAILED_QUERIES if manifest["counts"]["failed"] else OK
