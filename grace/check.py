"""`python -m grace.check model=gemma-9b`: see whether a model is ready for a run."""

from __future__ import annotations

from typing import Any

from grace.config import BAD_INPUT, OK, main
from grace.config.manual.commands import CHECK


def job(config: dict[str, Any]) -> int:
    """Look at model and server; 1 where something is red."""
    import asyncio

    from rich.console import Console

    from grace.config import read_settings
    from grace.runs import is_ready

    ready = asyncio.run(is_ready(read_settings(config), Console(emoji=False)))
    return OK if ready else BAD_INPUT


if __name__ == "__main__":
    main(job, CHECK)
