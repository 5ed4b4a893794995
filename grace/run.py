"""`python -m grace.run study=1 exp=2 model=smollm2-135m`: run an experiment."""

from __future__ import annotations

from typing import Any

from grace.clock import Clock
from grace.command import main


def job(config: dict[str, Any]) -> int:
    """Run one configuration; returns the exit code."""
    import asyncio

    from rich.console import Console

    from grace.interrupt import Interrupt
    from grace.runner import run
    from grace.settings import read_settings

    clock = Clock.of_process()
    interrupt = Interrupt(may_exit=True)
    return asyncio.run(run(read_settings(config), Console(emoji=False), interrupt, clock)).code


if __name__ == "__main__":
    main(job)
