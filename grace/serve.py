"""`python -m grace.serve model=gemma-9b`: start the server that a run of that model expects."""

from __future__ import annotations

from typing import Any

from grace.config import BAD_INPUT, OK, main
from grace.config.manual.commands import SERVE


def job(config: dict[str, Any]) -> int:
    """Check, start, wait, stop on Ctrl-C; returns the exit code."""
    import asyncio
    import sys

    from rich.console import Console

    from grace.config import read_settings
    from grace.serving import prepare

    settings = read_settings(config)
    launch = prepare(settings, strict=not settings.dry_run)
    for note in launch.notes:
        print(f"note: {note}", file=sys.stderr)
    print(launch.line, flush=True)
    if settings.dry_run:
        return OK
    try:
        return asyncio.run(_serve(launch, settings.serve.ready_within, Console(emoji=False)))
    except KeyboardInterrupt:
        print("\nStopped.")
        return OK


async def _serve(launch: Any, within: float, console: Any) -> int:
    """Serve until stopped; BAD_INPUT where the server ends by itself."""
    from grace.serving.process import serving

    async with serving(launch, within, console) as server:
        console.print(
            f"    python -m grace.run model={launch.name} engine=vllm "
            f"engine.endpoints={launch.url}/v1\nCtrl-C stops it.",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
        code = await server.ended()
        console.print(f"vLLM ended by itself with code {code}: {server.why()}", markup=False)
        console.print(f"Its log: {server.log}", markup=False, soft_wrap=True)
    return BAD_INPUT


if __name__ == "__main__":
    main(job, SERVE, "serving", one_at_a_time=True)
