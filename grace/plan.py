"""The plan of a run: what would be asked, before anything is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from grace.questions import Asked
from grace.settings import Settings
from grace.trie import prompt_nodes
from grace.types import Engine, EngineInfo, Failure, Prompt, Query


@dataclass(frozen=True)
class Sheet:
    """Everything asked, and the prompt (or why there is none) of each distinct query."""

    asked: tuple[Asked, ...]
    prompts: dict[Query, Prompt | Failure]

    @property
    def askable(self) -> list[Prompt]:
        """The prompts that can be asked, in the order first needed."""
        return [p for p in self.prompts.values() if isinstance(p, Prompt)]


@dataclass(frozen=True)
class Plan:
    """The numbers of a plan."""

    rows: int
    rows_in_file: int
    answers: int  # questions × trials
    queries: int  # distinct
    tokens: int  # read by asking each query on its own, options included
    distinct_tokens: int  # with every shared beginning read once
    known: int  # queries the store has answered before
    impossible: int  # queries that cannot be asked of this model
    info: EngineInfo
    folder: Path


def make_plan(
    sheet: Sheet, info: EngineInfo, settings: Settings, rows: tuple[int, int], known: int
) -> Plan:
    """Count what the sheet asks; `rows` are those to run and those in the file."""
    total, distinct = count_tokens(sheet.askable)
    return Plan(
        rows=rows[0],
        rows_in_file=rows[1],
        answers=len(sheet.asked),
        queries=len(sheet.prompts),
        tokens=total,
        distinct_tokens=distinct,
        known=known,
        impossible=len(sheet.prompts) - len(sheet.askable),
        info=info,
        folder=settings.folder,
    )


def count_tokens(prompts: Sequence[Prompt]) -> tuple[int, int]:
    """Tokens of all prompts one by one, and of the tree they form together."""
    total = distinct = 0
    previous: tuple[int, ...] = ()
    for prompt in sorted(prompts, key=lambda p: p.context):
        inner = max(len(prompt_nodes(prompt)) - 1, 0)
        shared = 0
        for a, b in zip(previous, prompt.context, strict=False):
            if a != b:
                break
            shared += 1
        total += len(prompt.context) + inner
        distinct += len(prompt.context) - shared + inner
        previous = prompt.context
    return total, distinct


def show_plan(plan: Plan, settings: Settings, console: Console) -> None:
    """Print the plan as a small table."""
    info = plan.info
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    rows = f"{plan.rows:,}"
    if plan.rows < plan.rows_in_file:
        rows += (
            f" of {plan.rows_in_file:,}, spread evenly over {' × '.join(settings.study.factors)}"
        )
    queries = f"{plan.queries:,} distinct, for {plan.answers:,} answers"
    if plan.known:
        queries += f"; {plan.known:,} answered before"
    if plan.impossible:
        queries += f"; {plan.impossible:,} that this model cannot be asked"
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
        ("method", info.method if settings.exp.name != "1" else "sampled"),
        ("results", str(plan.folder)),
    ):
        table.add_row(f"[bold]{name}[/bold]", value)
    console.print(table)


def _details(info: EngineInfo) -> str:
    shown = [f"{k} {v}" for k, v in info.details.items() if k in ("device", "endpoints")]
    return " on " + ", ".join(shown) if shown else ""


async def show_prompts(sheet: Sheet, engine: Engine, console: Console) -> None:
    """Print one rendered prompt of each question, its options' tokens and the boundary."""
    shown: set[str] = set()
    for asked in sheet.asked:
        if asked.question in shown:
            continue
        shown.add(asked.question)
        prompt = sheet.prompts[asked.query]
        over = "".join(f", {name} {value}" for name, value in asked.over.items())
        console.rule(f"question {asked.question}{over}")
        if isinstance(prompt, Failure):
            console.print(f"cannot be asked: {prompt.reason}", markup=False)
            continue
        console.print(prompt.text, markup=False, highlight=False, end="")
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
