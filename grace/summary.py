"""The summary a person reads at the end of a run: mass, means per cell, what to doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from grace.settings import Settings
from grace.study import ExperimentSpec

LOW_MASS_ADVICE = (
    "The model would rather say something else than one of the options, often a sentence. "
    "Try a larger instruction-tuned model, exp.answer_prefix='Answer:' to start its turn, or "
    "another wording in prompts/; report mass beside every result."
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
        _show_parsed(folder, console)
    else:
        _show_mass(folder, spec, console)
    path = folder / "trials.parquet"
    headings = cell_columns(spec, pq.read_schema(path).names)
    wanted = [*study.factors, *(name for _, columns in headings for name in columns)]
    trials = pd.read_parquet(path, columns=list(dict.fromkeys(wanted)))
    for heading, columns in headings:
        _show_cells(trials, study.factors, heading, columns, console)
    _show_failures(manifest["counts"], settings, console)
    if manifest["no_report"]:
        console.print("[yellow]no report.html[/yellow]: ", end="")
        console.print(manifest["no_report"], markup=False, highlight=False)
    console.print("\nResults:")
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            console.print(f"  {path}", markup=False, highlight=False, soft_wrap=True)


def cell_columns(spec: ExperimentSpec, there: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The columns whose means by cell say most, by heading: reductions, else probabilities."""
    found: list[tuple[str, list[str]]] = []
    reduced = set()
    for reduction in spec.reductions:
        question = spec.questions.get(reduction.question)
        if question is None:
            continue
        reduced.add(reduction.question)
        states = question.over[reduction.over]
        names = [reduction.means.format(**{reduction.over: state}) for state in states]
        found.append((reduction.question, [*names, reduction.coherence]))
    for name, question in spec.questions.items():
        if question.parse is not None:
            found.append((name, [f for f in question.parse.fields if f in there]))
        elif name not in reduced and question.wide.prob:
            prob = question.wide.prob
            over = question.variants()[0]
            options = [o.option(forms=True).name for o in question.options]
            found.append((name, [prob.format(option=o, **over) for o in options]))
    return found


def _show_mass(folder: Path, spec: ExperimentSpec, console: Console) -> None:
    """Mass by question. The rows of its first option stand for an answer's: all have the same."""
    firsts = [
        [("question", "==", name), ("option", "==", question.options[0].option(forms=True).name)]
        for name, question in spec.questions.items()
    ]
    mass = pd.read_parquet(
        folder / "responses.parquet", columns=["question", "mass", "flags"], filters=firsts
    )
    table = Table(
        title="Mass: how much probability the options hold together", title_justify="left"
    )
    for name in ("question", "mean", "median", "lowest", "low_mass"):
        table.add_column(name, justify="left" if name == "question" else "right")
    for question, group in mass.groupby("question", sort=False):
        low = int(group["flags"].str.contains("low_mass").sum())
        values = group["mass"]
        table.add_row(
            str(question),
            _show(values.mean()),
            _show(values.median()),
            _show(values.min()),
            f"{low} of {len(group)}",
        )
    console.print(table)
    low = int(mass["flags"].str.contains("low_mass").sum())
    if low:
        console.print(f"[yellow]low_mass[/yellow]: {low} of {len(mass)} answers. {LOW_MASS_ADVICE}")


def _show_parsed(folder: Path, console: Console) -> None:
    responses = pd.read_parquet(folder / "responses.parquet", columns=["parse_status"])
    status = responses["parse_status"].fillna("no answer").value_counts()
    fields = responses["parse_status"].size
    ok = int(status.get("ok", 0))
    console.print(f"Parsed: {ok} of {fields} fields come from answers in the asked format.")
    for reason, count in status.drop("ok", errors="ignore").head(5).items():
        console.print(f"  {count} × {reason}", markup=False, highlight=False)


def _show_cells(
    trials: pd.DataFrame,
    factors: Sequence[str],
    heading: str,
    columns: list[str],
    console: Console,
) -> None:
    """Means by cell; of a text column, the share of each value."""
    numbers: dict[str, pd.Series[float]] = {}
    for name in columns:
        if pd.api.types.is_numeric_dtype(trials[name]):
            numbers[name] = trials[name]
            continue
        for value in sorted(trials[name].dropna().unique()):
            numbers[f"{name}={value}"] = (trials[name] == value).where(trials[name].notna())
    if not numbers:
        return
    frame = pd.DataFrame(numbers).astype(float)
    groups = trials.groupby(list(factors), sort=True).groups
    table = Table(title=f"Means by cell: {heading}", title_justify="left")
    for name in (*factors, "rows", *numbers):
        table.add_column(name.replace("prob_", "").replace("p_state_", "p"), justify="right")
    for cell, index in groups.items():
        levels = cell if isinstance(cell, tuple) else (cell,)
        means = frame.loc[index].mean()
        table.add_row(*(str(v) for v in levels), str(len(index)), *(_show(v) for v in means))
    console.print(table)


def _show_failures(counts: Mapping[str, Any], settings: Settings, console: Console) -> None:
    if counts["failed"]:
        console.print(f"[red]{counts['failed']} queries failed[/red]; their cells are missing:")
        for reason, count in list(counts["failures"].items())[:5]:
            console.print(f"  {count} × {reason}", markup=False, highlight=False)
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
