"""docs/compare.md: its commands run, and its example prints what it says."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_compare import compare
from tests.test_docs import PAGES, ROOT, blocks

PAGE = ROOT / "docs" / "compare.md"
LINES = sorted(
    {
        line
        for page in PAGES
        for block in blocks(page, "bash")
        for line in block.split("\n")
        if line.startswith("python -m grace.compare ")
    }
)


@pytest.fixture
def place(four_runs: Path, tmp_path: Path) -> Path:
    """A folder in which the examples' paths lead to runs and to the example table."""
    for study, exp in ("11", "12", "21", "22"):
        folder = f"outputs/{study}/{exp}"
        shutil.copytree(four_runs / study / exp / "tiny", tmp_path / folder / "smollm2-135m")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "example-results.csv", tmp_path / "docs")
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_the_commands_run(line: str, place: Path) -> None:
    assert "comparison.json" in compare(*shlex.split(line)[3:], cwd=place)


def test_the_python_runs(place: Path) -> None:
    (code,) = blocks(PAGE, "python")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 4


def test_the_example_prints_what_the_page_shows(place: Path) -> None:
    (line,) = [line for line in LINES if "example-results" in line]
    (shown,) = blocks(PAGE, "text")
    done = subprocess.run(
        [sys.executable, *shlex.split(line)[1:]], cwd=place, capture_output=True, text=True,
        env=os.environ | {"COLUMNS": "90"}, check=True,
    )  # fmt: skip
    assert [row.rstrip() for row in done.stdout.splitlines()] == shown.splitlines()
