"""The engine a run's settings ask for. Heavy imports wait until an engine is chosen."""

from __future__ import annotations

from grace.config import LocalSettings, ModelSettings, VllmSettings
from grace.config.missing_library import not_installed
from grace.types import Engine


async def make_engine(model: ModelSettings, engine: LocalSettings | VllmSettings) -> Engine:
    """Start an engine; ConfigError where what it needs is not installed."""
    try:
        if isinstance(engine, LocalSettings):
            from grace.engines.local import LocalEngine

            return LocalEngine(model, engine)
        from grace.engines.vllm import VllmEngine

        return await VllmEngine(model, engine).start()
    except ImportError as error:
        extra = "local" if isinstance(engine, LocalSettings) else "vllm"
        raise not_installed(error, f"engine={extra}", extra) from error
