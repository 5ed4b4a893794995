"""docs/report.md is true: its commands run, its words are the report's, its figure exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grace.report.verdict import UNKNOWN, WORDS
from tests.figure_runs import EXPECTED
from tests.test_docs import ROOT, blocks
from tests.test_run import run

PAGE = ROOT / "docs" / "report.md"


@pytest.fixture
def outputs(four_runs: Path, tmp_path: Path) -> Path:
    """The runs that the page's commands name."""
    for name in ("smollm2-135m", "gemma-2b"):
        shutil.copytree(four_runs / "1/2/tiny", tmp_path / "outputs/1/2" / name)
    return tmp_path


def test_the_commands_run(outputs: Path) -> None:
    lines = [line for block in blocks(PAGE, "bash") for line in block.splitlines() if line]
    assert len(lines) == 3
    written = [
        run(*words[3:], cwd=outputs, module=words[2]).splitlines()
        for words in map(shlex.split, lines)
    ]
    assert written[1] == ["both.html"]
    folder = "outputs/1/2/smollm2-135m"
    assert written[0] == [f"{folder}/report.html"]
    assert f"{folder}/figures/bets.pdf" in written[2]
    assert all((outputs / path).stat().st_size > 1000 for lines in written for path in lines)


def test_the_python_runs(outputs: Path) -> None:
    (code,) = blocks(PAGE, "python")
    subprocess.run([sys.executable, "-c", code], cwd=outputs, check=True, capture_output=True)
    assert (outputs / "bets.pdf").read_bytes().startswith(b"%PDF-")


def test_the_words_and_figures_are_all_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    words = re.findall(r"^\| ([A-Z][^|]*\.) \| ", text, re.M)
    assert words == [*(word for _, word, _ in WORDS), UNKNOWN]
    shares = re.findall(r"\| ([\d.]+) or more", text)
    assert [float(share) for share in shares] == [least for least, _, _ in WORDS[:-1]]
    for found in EXPECTED.values():
        for name in found:
            known = "answers-QUESTION" if name.startswith("answers-") else name
            assert f"`{known}`" in text, name
