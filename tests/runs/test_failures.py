"""Queries that fail, servers that fail altogether, and disks that are full."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import grace
import grace.runs.runner
from grace.config.command_line import compose
from grace.config.settings import read_settings
from grace.engines.make import make_engine
from grace.types import Answered, Failure, Prompt
from tests.runs.test_run import model, run

Tiny = Callable[[str], Path]
Fails = Callable[[Prompt], bool]


class Failing:
    """An engine whose answers are failures where `fails` says so."""

    def __init__(self, engine: Any, fails: Fails) -> None:
        self.engine, self.fails = engine, fails
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    async def answer(
        self, batches: Sequence[Sequence[Prompt]]
    ) -> AsyncIterator[Sequence[Answered]]:
        async for answered in self.engine.answer(batches):
            self.asked += [prompt.key for prompt, _ in answered]
            yield [
                (prompt, Failure("the server says 500", 4) if self.fails(prompt) else answer)
                for prompt, answer in answered
            ]


@pytest.fixture
def failing(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, Failing]]:
    monkeypatch.chdir(tmp_path)

    def go(fails: Fails, *words: str) -> tuple[int, Failing]:
        engines = []

        async def make(*settings: Any) -> Any:
            engines.append(Failing(await make_engine(*settings), fails))
            return engines[-1]

        monkeypatch.setattr(grace.runs.runner, "make_engine", make)
        settings = read_settings(compose([*model(tiny("llama-byte")), *words]))
        return asyncio.run(grace.runs.runner.run(settings, Console(quiet=True))).code, engines[-1]

    return go


FOLDER = Path("outputs/1/2/tiny")


def test_failures_are_missing_counted_and_asked_again(failing: Callable[..., Any]) -> None:
    code, first = failing(lambda prompt: int(prompt.key, 16) % 3 == 0, "pilot=6")
    assert code == 3
    result = grace.load(FOLDER)
    failed = {key for key in first.asked if int(key, 16) % 3 == 0}
    assert result.manifest["counts"]["failed"] == len(failed) > 0
    assert result.manifest["counts"]["failures"] == {"the server says 500": len(failed)}
    assert result.manifest["status"] == "failures"
    missing = result.responses[result.responses["prob"].isna()]
    assert (missing["flags"] == "failed: the server says 500").all()
    assert len(result.responses) == 6 * 46
    code, second = failing(lambda prompt: False, "pilot=6")
    assert code == 0
    assert set(second.asked) == failed
    again = grace.load(FOLDER)
    assert again.manifest["counts"]["failed"] == 0
    assert again.responses["prob"].notna().all()


def test_a_run_stops_when_all_is_failing(failing: Callable[..., Any]) -> None:
    words = ("max_failures=5", "engine.max_batch_tokens=16", "pilot=12")
    code, engine = failing(lambda prompt: True, *words)
    assert code == 3
    assert len(engine.asked) == 5
    manifest = grace.load(FOLDER).manifest
    assert manifest["status"] == "failing"
    assert (manifest["counts"]["failed"], manifest["counts"]["not_asked"]) == (5, 55)
    code, engine = failing(lambda prompt: False, *words)
    assert (code, len(engine.asked)) == (0, 60)


def limited(size: int, module: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that can write no file beyond a size, as on a full disk."""
    return subprocess.run(
        [sys.executable, "-m", module, *words], cwd=cwd, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)), check=False,
    )  # fmt: skip


@pytest.mark.full
def test_a_full_disk_is_one_sentence_and_loses_nothing(tiny: Tiny, tmp_path: Path) -> None:
    words = ["pilot=30", "engine.max_batch_tokens=16", *model(tiny("llama-byte"))]
    for size in (20_000, 60_000, 120_000):
        done = limited(size, "grace.run", *words, cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("error: ") == 1
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    run(*words, cwd=tmp_path)
    folder = tmp_path / FOLDER
    before = (folder / "responses.csv").read_bytes()
    done = limited(50_000, "grace.tables", str(FOLDER), cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "responses.csv").read_bytes() == before
    assert not [path.name for path in folder.iterdir() if "partial" in path.name]
