"""`python -m grace.check model=gemma-9b`: see whether a model is ready for a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grace.config.command_line import BAD_INPUT, OK, main
from grace.config.manual.commands import CHECK

#: Marks that can be told apart without colour.
MARKS = {"green": "✓", "amber": "!", "red": "✗"}
ROWS = 20


def job(config: dict[str, Any]) -> int:
    """Look at model and server; 1 where something is red."""
    import asyncio

    from rich.console import Console

    from grace.config.settings import read_settings

    return asyncio.run(_check(read_settings(config), Console(emoji=False)))


async def _check(settings: Any, console: Any) -> int:
    from grace.asking.plan import show_prompts
    from grace.asking.preflight import preflight, sample
    from grace.asking.prompt_spool import Shelf
    from grace.asking.query_table import make_sheet
    from grace.asking.timing import Clock
    from grace.runs.runner import started

    few = sample(settings, ROWS)
    with Shelf() as shelf:
        async with started(few, Clock(), console) as engine:
            sheet, work, _ = await make_sheet(few, engine, shelf)
            await show_prompts(few, sheet, shelf, engine, console)
            prompts = shelf.get(sorted(work.numbers.tolist()))
            findings = await preflight(few, engine, prompts)
    show(findings, console)
    return BAD_INPUT if any(finding.colour == "red" for finding in findings) else OK


def show(findings: Sequence[Any], console: Any) -> None:
    """Print what was found, each with what to do about it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for name in ("", "what", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        colour = "yellow" if finding.colour == "amber" else finding.colour
        mark = Text(f"{MARKS[finding.colour]} {finding.colour}", style=f"bold {colour}")
        table.add_row(mark, Text(finding.name), Text(finding.found), Text(finding.advice))
    console.print()
    console.print(table)


if __name__ == "__main__":
    main(job, CHECK)
