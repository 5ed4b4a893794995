"""`python -m grace.capacity model=gemma-9b`: say whether a model fits, before it is started."""

from __future__ import annotations

from typing import Any

from grace.config import OK, TROUBLE, CapacitySettings, main, read_as
from grace.config.manual.commands import CAPACITY


def read(config: dict[str, Any]) -> CapacitySettings:
    """The settings of one configuration."""
    return read_as(CapacitySettings, config)


def job(config: dict[str, Any]) -> int:
    """Calculate, show and write; TROUBLE where nothing fits."""
    from rich.console import Console

    from grace.serving.capacity import report, show, write

    settings = read(config)
    given: frozenset[str] = getattr(config, "given", frozenset())
    found = report(settings, given)
    console = Console(emoji=False)
    show(found, console)
    console.print(f"Written to {write(found, settings)}", markup=False, highlight=False)
    return OK if found["fits"] else TROUBLE


if __name__ == "__main__":
    main(job, CAPACITY, "capacity", read=read)
