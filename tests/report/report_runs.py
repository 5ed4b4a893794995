"""Runs to report on: large ones, and one whose stimuli are hostile."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import grace
from grace.config.resources import shipped

#: Ends a script, begins one, runs one, turns the line around, and holds no text at all.
HOSTILE = (
    "</script><script>window.hacked=1;alert(1)</script><img src=x onerror=window.hacked=1>"
    "\"'><svg onload=window.hacked=1> \u202eright to left\u202c {{ 7*7 }} &amp; \u0007 $x^2$ "
    "<style>*{display:none}</style><!-- https://example.com/a.png ]]>"
)
LONG = "word " * 200_000  # 1 MB


def large(model: Path, folder: Path, study: str, rows: int) -> Path:
    """A run of so many trials that share few prompts, so that it is quick."""
    path = shipped("data") / f"study{study}.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False).head(12)
    many = pd.concat([table] * (rows // len(table) + 1), ignore_index=True).head(rows)
    many[many.columns[0]] = [str(i + 1) for i in range(rows)]  # participants
    return _run(many, model, folder, study)


def hostile(model: Path, folder: Path) -> Path:
    """A run of study 2 whose stimuli try to break out of the page, or are a million letters."""
    path = shipped("data") / "study2.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False).head(12)
    table.loc[0, "Scenario"] = table["Scenario"][0] + HOSTILE
    table.loc[1, "Scenario"] = table["Scenario"][1] + LONG
    table["Domain"] = HOSTILE + table["Participant_ID"] + table["Domain"]
    return _run(table, model, folder, "2")


def _run(table: pd.DataFrame, model: Path, folder: Path, study: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "stimuli.csv", index=False)
    words = [f"study={study}", "exp=2", f"data={folder / 'stimuli.csv'}", f"output={folder}"]
    run = grace.run_study(*words, f"model.path={model}", "model.name=tiny", "report=true")
    return run.path
