"""`python -m grace.doctor log=FILE`: say why a server does not start or answers wrongly."""

from __future__ import annotations

from typing import Any

from grace.config import OK, TROUBLE, DoctorSettings, main, read_as
from grace.config.manual.commands import DOCTOR


def read(config: dict[str, Any]) -> DoctorSettings:
    """The settings of one configuration."""
    return read_as(DoctorSettings, config)


def job(config: dict[str, Any]) -> int:
    """Look, show and write; TROUBLE where something is wrong."""
    import asyncio

    from rich.console import Console

    from grace.serving.doctor import examine, plan, show, write

    settings = read(config)
    given: frozenset[str] = getattr(config, "given", frozenset())
    looked_at = plan(settings, given)
    if settings.dry_run:
        print("\n".join(looked_at))
        return OK
    found = asyncio.run(examine(settings, given))
    console = Console(emoji=False)
    show(found, looked_at, console)
    path = write(found, settings)
    console.print(f"Written to {path}", markup=False, highlight=False, soft_wrap=True)
    return TROUBLE if found else OK


if __name__ == "__main__":
    main(job, DOCTOR, "doctor", read=read)
