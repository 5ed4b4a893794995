"""The summary a person reads at the end of a run: mass, means per cell, what to doubt."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from rich.console import Console
from rich.text import Text

from grace.config import ExperimentSpec, ExpSettings, Settings
from grace.questions.parsing.statuses import count_answers, shown_reasons
from grace.tables import CellTable, cell_tables, print_table
from grace.tables.cells import headings, level_text
from grace.tables.terminal import Row

#: Rows of means that are shown at a terminal, of so many variants, at least so many of each.
ROWS, VARIANTS, FEWEST = 60, 20, 4
#: Reasons that are listed; how many more there are is said.
REASONS = 5


def low_mass_advice(exp: ExpSettings, *, chat: bool | None) -> str:
    """What to do about options with little probability; a start of the answer may be there."""
    start = "exp.answer_prefix='Answer:' to start its turn"
    if prefix := exp.answer_prefix:
        start = f"another start of its turn than {prefix!r} (exp.answer_prefix)"
    elif chat is False and (prefix := exp.base_answer_prefix):
        start = f"another start of its answer than {prefix!r} (exp.base_answer_prefix)"
    return (
        "The model would rather say something else than one of the options, often a sentence. "
        f"Try a larger instruction-tuned model, {start}, or another wording in prompts/; report "
        "mass beside every result."
    )


def show_summary(
    folder: Path,
    settings: Settings,
    spec: ExperimentSpec,
    manifest: Mapping[str, Any],
    console: Console,
) -> None:
    """Print mass by question, means by design cell, failures and the files' paths."""
    study = settings.study
    if spec.raw:
        _show_parsed(folder, spec, console)
    if spec.scored:
        advice = low_mass_advice(settings.exp, chat=manifest["plan"].get("chat"))
        _show_mass(folder, spec, advice, console)
    wanted = [*study.factors, *(name for heading in headings(spec) for name in heading.columns)]
    trials = pd.read_parquet(folder / "trials.parquet", columns=list(dict.fromkeys(wanted)))
    for table in cell_tables(trials, study, spec):
        _show_cells(table, console)
    _show_failures(manifest["counts"], settings, console)
    if manifest["no_report"]:
        console.print("[yellow]no report.html[/yellow]: ", end="")
        console.print(manifest["no_report"], markup=False, highlight=False)
    console.print("\nResults:")
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            console.print(f"  {path}", markup=False, highlight=False, soft_wrap=True)


def _show_mass(folder: Path, spec: ExperimentSpec, advice: str, console: Console) -> None:
    """Mass by question. The rows of its first option stand for an answer's: all have the same."""
    firsts = [
        [("question", "==", name), ("option", "==", question.options[0].option(forms=True).name)]
        for name, question in spec.scored.items()
    ]
    mass = pd.read_parquet(
        folder / "responses.parquet", columns=["question", "mass", "flags"], filters=firsts
    )
    rows = []
    for question, group in mass.groupby("question", sort=False):
        low = int(group["flags"].str.contains("low_mass").sum())
        values = group["mass"].dropna()
        numbers = (_show(values.mean()), _show(values.median()), _show(values.min()))
        rows.append(Row((str(question),), (*numbers, f"{low} of {len(values)}")))
    title = "Mass: how much probability the options hold together"
    print_table(console, title, ("question",), ("mean", "median", "lowest", "low_mass"), rows)
    low, known = int(mass["flags"].str.contains("low_mass").sum()), mass["mass"].count()
    if low:
        told = Text(f"low_mass: {low} of {known} answers. {advice}")
        told.stylize("yellow", 0, len("low_mass"))
        console.print(told)


def _show_parsed(folder: Path, spec: ExperimentSpec, console: Console) -> None:
    """How many raw answers were read, and what the others lack. An answer counts once."""
    path = folder / "trials.parquet"
    columns = [name for name in pq.read_schema(path).names if name.endswith("parse_status")]
    fields = [name for q in spec.raw.values() if q.parse for name in q.parse.fields]
    counts = count_answers(pd.read_parquet(path, columns=columns), fields)
    ok = int(counts.get("ok", 0))
    console.print(f"Parsed: {ok:,} of {counts.sum():,} raw answers were read in full.")
    for line in shown_reasons(counts, REASONS):
        console.print(f"  {line}", markup=False, highlight=False)


def _show_cells(table: CellTable, console: Console) -> None:
    """Means by cell, of every variant; of many cells the first, and how many more there are."""
    if table.why:
        console.print(f"{table.title}: {table.why}.", markup=False, highlight=False)
        return
    counted = table.counted()
    rows_with_counts = zip(table.rows, counted.rows, strict=True)
    variants = [list(own) for _, own in groupby(rows_with_counts, key=lambda pair: pair[0].over)]
    most = max(FEWEST, ROWS // len(variants))
    rows = [
        Row(
            tuple(level_text(level) for level in (*row.over, *row.levels)),
            (f"{row.trials}", *map(str, answers), *map(_show, row.means)),
            ends=row is own[:most][-1][0],
        )
        for own in variants[:VARIANTS]
        for row, answers in own[:most]
    ]
    left_out = len(table.rows) - len(rows)
    more = f"and {left_out:,} more; trials.csv has all of them" if left_out else ""
    keys, numbers = (*table.overs, *table.factors), ("rows", *counted.names, *table.labels)
    print_table(console, table.title, keys, numbers, rows, more)


def _show_failures(counts: Mapping[str, Any], settings: Settings, console: Console) -> None:
    if counts["failed"]:
        console.print(f"[red]{counts['failed']} queries failed[/red]; their cells are missing:")
        for line in shown_reasons(pd.Series(counts["failures"]), REASONS, "queries"):
            console.print(f"  {line}", markup=False, highlight=False)
    if counts["failed"]:
        console.print("Run the same command again to ask them again.")
    if counts["not_asked"] and settings.shard:
        console.print(
            f"{counts['not_asked']} queries are not in this store: run the other shards, then "
            f"python -m grace.merge {settings.output}/answers.sqlite STORES, and then this "
            "command without shard="
        )
    elif counts["not_asked"]:
        console.print(f"{counts['not_asked']} queries were not asked yet; run the command again.")


def _show(value: float) -> str:
    return "missing" if pd.isna(value) else f"{value:.3g}"
