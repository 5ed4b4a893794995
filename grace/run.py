"""`python -m grace.run study=1 exp=2 model=smollm2-135m`: run an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grace.asking import Clock
from grace.config import main
from grace.config.manual.commands import RUN


def job(config: dict[str, Any]) -> int:
    """Run one configuration; returns the exit code."""
    import asyncio

    from rich.console import Console

    from grace.asking import Interrupt
    from grace.config import read_settings
    from grace.report import report_run
    from grace.runs import run

    clock = Clock.of_process()
    interrupt, console = Interrupt(may_exit=True), Console(emoji=False)
    work = run(read_settings(config), console, interrupt, clock, report_run)
    return asyncio.run(work).code


def together(configs: Sequence[dict[str, Any]]) -> str | None:
    """One report over the runs of a sweep."""
    from grace.config import read_settings
    from grace.report import report_over_all

    return report_over_all([read_settings(config) for config in configs])


if __name__ == "__main__":
    main(job, RUN, together=together)
