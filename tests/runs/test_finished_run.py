"""A run's folder opened again: wherever it is, whatever became of the files it was made from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from grace.errors import ConfigError
from grace.runs import recall_plan, reopen


@pytest.fixture
def copied(four_runs: Path, tmp_path: Path) -> Path:
    """A run's folder and its store, taken elsewhere."""
    shutil.copytree(four_runs / "2/2/tiny", tmp_path / "outputs/2/2/tiny")
    shutil.copy(four_runs / "answers.sqlite", tmp_path / "outputs")
    return tmp_path / "outputs/2/2/tiny"


def with_stimuli(folder: Path, **values: str) -> Path:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["stimuli"] |= values
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_the_stimuli_that_come_with_grace_are_found_where_grace_is_now(copied: Path) -> None:
    there = len(recall_plan(reopen(copied)).query_table.asked)
    moved = with_stimuli(copied, file="/a/grace/that/is/gone/data/study2.csv")
    assert len(recall_plan(reopen(moved)).query_table.asked) == there == 72


def test_other_stimuli_than_the_run_had_are_no_stand_in(copied: Path) -> None:
    changed = with_stimuli(copied, file="/gone/data/study2.csv", sha256="0" * 64)
    with pytest.raises(ConfigError, match="changed since the run: stimuli "):
        recall_plan(reopen(changed))
