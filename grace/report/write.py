"""report.html: written after a run from what is at hand, and by the command from a run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grace.asking import QueryTable
from grace.figures import View, view
from grace.report.page import Source, render
from grace.report.prompts_and_tokens import Material, recall, take
from grace.report.trials import pack
from grace.runs import REPORT_FILE, read_examples
from grace.store import Store
from grace.tables import write_text
from grace.types import EngineInfo


def write_report(folder: Path, query_table: QueryTable, info: EngineInfo, store: Store) -> None:
    """Write the report of a run whose plan and store are at hand."""
    source = _source(view(folder), take(query_table, info, store))
    write_text(folder / REPORT_FILE, render([source]))


def report_folders(runs: Sequence[Path], output: Path, style: str | None = None) -> Path:
    """Write one report of finished runs; returns its path."""
    sources = [_source(view(run), recall(run)) for run in runs]
    write_text(output, render(sources, style))
    return output


def _source(found: View, material: Material) -> Source:
    examples, spelling = read_examples(found.run.path)
    return Source(found, examples, pack(found, material, spelling))
