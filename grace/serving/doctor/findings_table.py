"""Findings on the screen and in doctor.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grace.config import DoctorSettings, one_line
from grace.serving.doctor.finding import Finding
from grace.tables import write_json
from grace.version import __version__

#: Characters of a line that the screen shows.
SHOWN = 300


def show(found: Sequence[Finding], looked_at: Sequence[str], console: Console) -> None:
    """Print what was found, the gravest first, or that nothing was."""
    if not found:
        for what in looked_at:
            console.print(Text(f"Nothing is wrong: {what}"), soft_wrap=True)
        return
    table = Table(box=box.SIMPLE, show_edge=False, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for finding in found:
        table.add_row(Text(finding.id, style="bold red"), Text(finding.cause))
        table.add_row("what helps", Text(finding.remedy))
        seen = (finding.place, one_line(finding.line, SHOWN))
        table.add_row("seen in", Text("\n".join(filter(None, seen))), end_section=True)
    console.print(table)


def write(found: Sequence[Finding], settings: DoctorSettings) -> Path:
    """Write doctor.json; its path."""
    output = Path(settings.output)
    path = output if output.suffix == ".json" else output / settings.model.name / "doctor.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"grace": __version__, "findings": [asdict(finding) for finding in found]})
    return path
