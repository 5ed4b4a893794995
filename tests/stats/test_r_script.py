"""The R of Grace, where R is: the script written for a run, and the pages that show R."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import grace
from tests.docs.test_docs import PAGES, blocks
from tests.runs.test_run import model, run

pytestmark = pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not here")


def r(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["Rscript", *words], cwd=cwd, capture_output=True, text=True, check=False)


def test_every_piece_of_r_in_the_docs_is_r(tmp_path: Path) -> None:
    for page in PAGES:
        for n, code in enumerate(blocks(page, "r")):
            path = tmp_path / f"{page.stem}{n}.R"
            path.write_text(code, encoding="utf-8")
            done = r("-e", f"invisible(parse('{path.name}', encoding = 'UTF-8'))", cwd=tmp_path)
            assert done.returncode == 0, f"{page.name}: {done.stderr}"


@pytest.mark.parametrize("study", ["1", "2"])
def test_the_script_of_a_run_runs(study: str, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    if r("-e", "library(lme4)", cwd=tmp_path).returncode:
        pytest.skip("lme4 is not here")
    folder = grace.run_study(
        f"study={study}", "exp=2", f"output={tmp_path}", *model(tiny("llama-byte"))
    ).path
    run(str(folder), module="grace.stats", cwd=tmp_path)
    done = r("stats.R", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("95% intervals") >= 2  # of each of two models
    assert "***" not in done.stdout
