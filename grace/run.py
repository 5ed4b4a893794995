"""`python -m grace.run study=1 exp=2 model=smollm2-135m`: run an experiment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grace.asking.timing import Clock
from grace.config.command_line import main
from grace.config.manual.commands import RUN
from grace.errors import GraceError


def job(config: dict[str, Any]) -> int:
    """Run one configuration; returns the exit code."""
    import asyncio

    from rich.console import Console

    from grace.asking.interrupt import Interrupt
    from grace.config.settings import read_settings
    from grace.runs.runner import run

    clock = Clock.of_process()
    interrupt = Interrupt(may_exit=True)
    return asyncio.run(run(read_settings(config), Console(emoji=False), interrupt, clock)).code


def report_over_all(configs: Sequence[dict[str, Any]]) -> str | None:
    """One report over the runs of a sweep, where two or more have one of their own."""
    from grace.config.settings import read_settings
    from grace.report import NAME
    from grace.report.write import report_folders

    finished = [read_settings(config) for config in configs]
    folders = dict.fromkeys(
        one.folder for one in finished if one.report and not one.dry_run and not one.shard
    )
    if len(folders) < 2:
        return None
    place = Path(os.path.commonpath(list(folders))) / NAME
    try:
        return f"One report over all: {report_folders(list(folders), place)}"
    except GraceError as error:
        return f"No report over all: {error}"


if __name__ == "__main__":
    main(job, RUN, together=report_over_all)
