"""Settings in; whether model and server are ready for such a run, shown as a table, out."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grace.asking import Clock, Finding, PromptSpool, make_query_table, show_prompts
from grace.asking.preflight import preflight, sample
from grace.config import Settings
from grace.runs.runner import started

#: Marks that can be told apart without colour.
MARKS = {"green": "✓", "amber": "!", "red": "✗"}
ROWS = 20


async def is_ready(settings: Settings, console: Console) -> bool:
    """Start the engine, look at a few rows, show what was found; False where something is red."""
    few = sample(settings, ROWS)
    with PromptSpool() as spool:
        async with started(few, Clock(), console) as engine:
            query_table, work, _ = await make_query_table(few, engine, spool)
            await show_prompts(few, query_table, spool, engine, console)
            prompts = spool.get(sorted(work.numbers.tolist()))
            findings = await preflight(few, engine, prompts)
    show(findings, console)
    return all(finding.colour != "red" for finding in findings)


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print what was found, each with what to do about it."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for name in ("", "what", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        colour = "yellow" if finding.colour == "amber" else finding.colour
        mark = Text(f"{MARKS[finding.colour]} {finding.colour}", style=f"bold {colour}")
        table.add_row(mark, Text(finding.name), Text(finding.found), Text(finding.advice))
    console.print()
    console.print(table)
