"""The plan of a run: what would be asked, before anything is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grace.asking.earlier_answers import Unused
from grace.asking.job import Job
from grace.asking.prompt_spool import PromptSpool
from grace.asking.query_table import QueryTable
from grace.config import ExperimentSpec, Settings
from grace.questions import asked_of_each
from grace.tables.terminal import safe
from grace.types import Engine, EngineInfo, Forecast

#: Rows that are told; more are counted.
TOLD = 8


@dataclass(frozen=True)
class Plan:
    """The numbers of a plan."""

    rows: int
    rows_in_file: int
    answers: int  # questions × trials
    queries: int  # distinct
    questions: int  # of these, with a text drawn again counted once
    tokens: int  # read by asking each query on its own, options included
    distinct_tokens: int  # with every shared beginning read once
    known: int  # queries the store has answered before
    impossible: int  # queries that cannot be asked of this model
    impossible_rows: tuple[int, ...]  # the rows that have one
    elsewhere: int  # queries of other shards
    info: EngineInfo
    method: str  # how numbers are obtained: that of the engine, "sampled", or both
    chat: bool  # whether prompts are written with the model's chat template
    folder: Path
    forecast: Forecast | None  # of what is still to be asked, where known
    unused: tuple[Unused, ...] = ()  # answers of the same model that are not taken


def make_plan(
    job: Job,
    query_table: QueryTable,
    info: EngineInfo,
    tokens: tuple[int, int],
    known: int,
    forecast: Forecast | None = None,
    unused: tuple[Unused, ...] = (),
    *,
    chat: bool,
) -> Plan:
    """The numbers of a query table; `tokens` are all and the distinct ones."""
    return Plan(
        rows=len(job.stimuli.trials),
        rows_in_file=job.rows_in_file,
        answers=query_table.asked.size,
        queries=len(query_table.queries),
        questions=query_table.questions,
        tokens=tokens[0],
        distinct_tokens=tokens[1],
        known=known,
        impossible=len(query_table.failures),
        impossible_rows=_rows_with(job, query_table),
        elsewhere=query_table.elsewhere_count(),
        info=info,
        method=methods(job.spec, info),
        chat=chat,
        folder=job.settings.folder,
        forecast=forecast,
        unused=unused,
    )


def methods(spec: ExperimentSpec, info: EngineInfo) -> str:
    """How an experiment's numbers are obtained: texts are drawn, whatever the engine can."""
    found = [*([info.method] if spec.scored else []), *(["sampled"] if spec.raw else [])]
    return ", ".join(found)


def _rows_with(job: Job, query_table: QueryTable) -> tuple[int, ...]:
    """The rows of which something cannot be asked."""
    if not query_table.failures:
        return ()
    found = np.atleast_1d(np.isin(query_table.asked, list(query_table.failures)).any(axis=1))
    return tuple(t.row for t, holds in zip(job.stimuli.trials, found, strict=True) if holds)


def show_plan(plan: Plan, settings: Settings, console: Console) -> None:
    """Print the plan as a small table."""
    info = plan.info
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    rows = f"{plan.rows:,}"
    if plan.rows < plan.rows_in_file:
        rows += (
            f" of {plan.rows_in_file:,}, spread evenly over {' × '.join(settings.study.factors)}"
        )
    day = info.details.get("date")
    queries = f"{plan.queries:,} distinct, for {plan.answers:,} answers"
    if plan.known:
        queries += f"; {plan.known:,} answered before"
    if plan.elsewhere:
        queries += f"; {plan.elsewhere:,} left to other shards"
    if plan.impossible:
        some = ", ".join(str(row) for row in plan.impossible_rows[:TOLD])
        more = f" and {n - TOLD} more" if (n := len(plan.impossible_rows)) > TOLD else ""
        queries += f"; {plan.impossible:,} that this model cannot be asked (rows {some}{more})"
    for name, value in (
        (
            "study",
            f"{settings.study.name} ({settings.study.title}), experiment {settings.exp.name}",
        ),
        ("rows", rows),
        ("queries", queries),
        ("tokens", f"{plan.tokens:,}, of which {plan.distinct_tokens:,} distinct"),
        ("model", f"{settings.model.name} ({info.model})"),
        ("engine", f"{info.kind} ({info.version}){_details(info)}"),
        ("numeric type", info.dtype),
        *([("date", f"{day}, written by the chat template")] if day else []),
        ("method", plan.method),
        *([("requests", _cost(plan.forecast))] if plan.forecast else []),
        ("results", str(plan.folder)),
    ):
        table.add_row(Text(name, "bold"), Text(value))
    console.print(table)
    if note := settings.study.other_name():
        console.print(f"Note: {note}.", markup=False, highlight=False)
    for left in plan.unused:
        console.print(f"Note: {left}.", markup=False, highlight=False)
    for notice in info.details.get("notices", ()):
        console.print(f"Note: {notice}.", markup=False, highlight=False)


def _cost(forecast: Forecast) -> str:
    return (
        f"{forecast.requests:,}, of {forecast.sent:,} prompt tokens; the server's cache, if "
        f"empty now, saves {forecast.cached:,}"
    )


def _details(info: EngineInfo) -> str:
    shown = [f"{k} {v}" for k, v in info.details.items() if k in ("device", "endpoints")]
    return " on " + ", ".join(shown) if shown else ""


async def show_prompts(
    job: Job, query_table: QueryTable, spool: PromptSpool, engine: Engine, console: Console
) -> None:
    """Print one rendered prompt of each question, its options' tokens and the boundary."""
    shown: set[str] = set()
    of_each = asked_of_each(job.spec, job.settings.exp)
    for asked, number in zip(of_each, query_table.asked[0].tolist(), strict=True):
        question, _ = asked.slot
        if question in shown:
            continue
        shown.add(question)
        over = "".join(f", {name} {value}" for name, value in asked.over.items())
        console.rule(safe(f"question {question}{over}"))
        if number in query_table.failures:
            console.print(f"cannot be asked: {query_table.failures[number].reason}", markup=False)
            continue
        (prompt,) = spool.get([number])
        console.print(prompt.text, markup=False, highlight=False, soft_wrap=True, end="")
        console.print("[bold reverse]◂ the answer begins here[/bold reverse]")
        last = (await engine.spell(prompt.context))[-3:]
        lead = "".join(f"{token!r} " for token in last)
        for option, forms in zip(prompt.query.options, prompt.forms, strict=True):
            for form in forms:
                tokens = " ".join(repr(t) for t in await engine.spell(form.ids))
                console.print(
                    f"  {option.name:>16}   … {lead}‖ {tokens}", markup=False, highlight=False
                )
        if prompt.flags:
            console.print(f"  flags: {', '.join(prompt.flags)}", markup=False)
