"""The files of `python -m grace.stats`: data, codebook, formulas, and an R script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from grace.errors import GraceError
from grace.stats.models import MixedModel, left_out, obstacles, suggested
from grace.stats.own_study import without_a_model
from grace.stats.r_script import r_script
from grace.stats.rows import Rows
from grace.tables import write_json, write_text
from grace.tables.write import codebook, writing

#: What every analysis of these data must keep in mind; written into each file that is read.
CAUTION = (
    "A deterministic model gives one prompt one answer, however many participants the stimuli "
    "name: such trials are one row. What a conclusion generalises to are items (and models, where "
    "there are several); participants are no random effect, and n_trials is no weight."
)


def write_stats(folder: Path, rows: Rows) -> list[Path]:
    """Write all files; returns their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GraceError(f"{folder}: cannot be made ({error.strerror})") from error
    models = suggested(rows)
    with writing(folder / "stats", rows.columns) as table:
        table.add(_values(rows.frame))
    title = f"{rows.title}: data for mixed models"
    write_json(
        folder / "stats_codebook.json",
        codebook(title, {"stats": rows.columns}) | {"caution": CAUTION, "notes": rows.notes},
    )
    write_json(folder / "formulas.json", formulas(rows, models))
    write_text(folder / "stats.R", r_script(rows, models, CAUTION))
    names = ("stats.csv", "stats.parquet", "stats_codebook.json", "formulas.json", "stats.R")
    return [folder / name for name in names]


def formulas(rows: Rows, models: Sequence[MixedModel]) -> dict[str, Any]:
    """Each suggested model: its outcome and family, its rows, and how it is written where."""
    return {
        "title": rows.title,
        "caution": CAUTION,
        "without_a_model": list(without_a_model(rows)),
        "models": [
            {
                "name": model.name,
                "outcome": model.outcome,
                "family": model.family,
                "rows": {name: list(values) for name, values in model.where.items()},
                "why_these_rows": model.why_where,
                "categorical": list(model.categorical),
                "cannot_be_fitted": list(obstacles(model, rows.frame)),
                "rows_left_out": list(left_out(model, rows.frame)),
                **model.calls(len(rows.models)),
                "contrasts": [
                    {"name": c.name, "high": dict(c.high), "low": dict(c.low)}
                    for c in model.contrasts
                ],
            }
            for model in models
        ],
    }


def _values(frame: pd.DataFrame) -> Mapping[str, list[Any]]:
    """A frame as columns of plain values, None where a value is missing."""
    return {
        str(name): [None if pd.isna(value) else value for value in column.tolist()]
        for name, column in frame.items()
    }
