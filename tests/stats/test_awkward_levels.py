"""Levels of factors that a CSV, R or a missing value may change: none leaves an analysis unsaid."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grace.stats.fit import prepare
from grace.stats.models import complete, left_out, obstacles, suggested
from grace.stats.rows import Rows, read_rows
from tests.runs.test_run import model, run

Tiny = Callable[[str], Path]
STUDY = """\
name: marks
title: Marks
data: data/marks.csv
key: [id]
item: sentence
factors: [noun, group, fits, minutes]
columns:
  id: {meaning: "the row"}
  sentence: {meaning: "its number", optional: true}
  noun: {meaning: "a feature", allowed: ["+animate", "-animate"]}
  group: {meaning: "which drug", optional: true}
  fits: {meaning: "whether it fits"}
  minutes: {meaning: "minutes", type: integer, optional: true}
experiments:
  "2":
    questions:
      warm:
        template: marks/warm.j2
        options: ["yes", "no"]
        wide: {prob: "prob_{option}"}
"""
TEMPLATE = """\
{% block user %}
{{ id }} {{ sentence }} {{ noun }} {{ group }} {{ fits }} {{ minutes }}?
{% endblock %}
"""
ROWS = 36
GROUPS = ("", "ctl", "drug")


def _csv() -> str:
    lines = ["id,sentence,noun,group,fits,minutes"]
    for n in range(ROWS):
        noun, fits = ("+animate", "-animate")[n % 2], "TF"[n // 2 % 2]
        sentence, minutes = f"0{n % 6}", "" if n in (5, 17) else n % 7
        lines.append(f"{n},{'' if n == 8 else sentence},{noun},{GROUPS[n % 3]},{fits},{minutes}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def folder(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("marks")
    for name, text in (
        ("conf/study/marks.yaml", STUDY),
        ("prompts/marks/warm.j2", TEMPLATE),
        ("data/marks.csv", _csv()),
    ):
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text, encoding="utf-8")
    run("study=marks", "exp=2", *model(tiny("llama-byte")), cwd=where)
    return where / "outputs/marks/2/tiny"


@pytest.fixture(scope="module")
def said(folder: Path) -> str:
    return run(str(folder), module="grace.stats", cwd=folder)


@pytest.fixture(scope="module")
def rows(folder: Path) -> Rows:
    return read_rows([folder])


def test_an_empty_cell_of_a_factor_is_a_level_and_a_missing_item_is_none(rows: Rows) -> None:
    (one,) = suggested(rows)
    assert one.levels["group"] == GROUPS
    assert set(rows.frame["item"].dropna()) == {f"0{k}" for k in range(6)}
    assert rows.frame["item"].isna().sum() == 1
    assert obstacles(one, rows.frame) == ()
    kept = prepare(one, rows.frame)
    assert len(kept.frame) == len(complete(one, rows.frame)) == ROWS - 3
    assert kept.n_missing == 0
    assert (kept.frame["group"] == "").sum() == ROWS / 3


def test_rows_that_no_model_is_of_are_said(folder: Path, said: str, rows: Rows) -> None:
    (one,) = suggested(rows)
    sentences = [
        "1 of 36 rows have no item and are in no model of it",
        "2 of 36 rows have no minutes and are in no model of it",
    ]
    assert list(left_out(one, rows.frame)) == sentences
    for sentence in sentences:
        assert f"{sentence}." in said
    formulas = json.loads((folder / "formulas.json").read_text(encoding="utf-8"))
    assert formulas["models"][0]["rows_left_out"] == sentences


def test_a_missing_answer_is_said_too(rows: Rows) -> None:
    (one,) = suggested(rows)
    frame = rows.frame.assign(prob_yes=np.where(np.arange(ROWS) < 4, np.nan, 0.5))
    assert left_out(one, frame)[-1].startswith("4 of 36 rows have no prob_yes")


def test_r_reads_every_level_as_it_is(folder: Path, said: str, rows: Rows) -> None:
    """The script's own first lines, and then what R has of each factor."""
    assert said
    if shutil.which("Rscript") is None:
        pytest.skip("R is not here")
    script = (folder / "stats.R").read_text(encoding="utf-8")
    head = script.split("# Exact 0 and 1")[0]
    names = ["noun", "group", "fits", "item"]
    counts = "\n".join(f'write.csv(table(d[["{n}"]], useNA = "always"), "{n}.csv")' for n in names)
    (folder / "head.R").write_text(head + counts, encoding="utf-8")
    done = subprocess.run(
        ["Rscript", "head.R"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in names:
        found = pd.read_csv(folder / f"{name}.csv", keep_default_na=False, dtype=str)
        counted = {level: int(n) for level, n in zip(found["Var1"], found["Freq"], strict=True)}
        right = rows.frame[name].fillna("NA").value_counts().to_dict()
        assert {k: n for k, n in counted.items() if n} == right
