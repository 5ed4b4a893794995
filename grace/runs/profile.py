"""Where a run's time went: `profile=true` writes profile.json and prints it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from grace.asking import Clock
from grace.tables import write_json


def write_profile(
    clock: Clock, folder: Path, manifest: Mapping[str, Any], console: Console
) -> None:
    """Write profile.json into the run's folder and print it."""
    seconds = clock.breakdown()
    plan = manifest["plan"]
    content = {
        "seconds": {stage: round(spent, 4) for stage, spent in seconds.items()},
        "queries": plan["queries"],
        "tokens": plan["tokens"],
        "distinct_tokens": plan["distinct_tokens"],
    }
    path = folder / "profile.json"
    write_json(path, content)
    table = Table("stage", "seconds", "share", title="Where time went", title_justify="left")
    for stage, spent in seconds.items():
        table.add_row(stage, f"{spent:.2f}", f"{spent / seconds['total']:.0%}")
    console.print(table)
    console.print(f"  {path}", markup=False, highlight=False, soft_wrap=True)
