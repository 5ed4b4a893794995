"""A server for the time of one run: `engine.managed=true`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console

from grace.config import LocalSettings, Settings, StartedSettings, VllmSettings


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
        given = engine.model_dump() | {"managed": False, "endpoints": (f"{launch.url}/v1",)}
        yield StartedSettings(**given, served_as=launch.served_as, arguments=dict(launch.telling))
