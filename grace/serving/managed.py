"""A server for the time of one run: `engine.managed=true`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console

from grace.settings import LocalSettings, Settings, VllmSettings


@asynccontextmanager
async def engine_settings(
    settings: Settings, console: Console
) -> AsyncIterator[LocalSettings | VllmSettings]:
    """The engine's settings; where it is managed, with the endpoint of a server just started."""
    engine = settings.engine
    if not (isinstance(engine, VllmSettings) and engine.managed):
        yield engine
        return
    from grace.serving.launch import prepare
    from grace.serving.process import serving

    launch = prepare(settings, any_port=True)
    async with serving(launch, settings.serve.ready_within, console):
        yield engine.model_copy(update={"endpoints": (f"{launch.url}/v1",)})
