"""Shards: what is left to do when the answers are there needs no engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import grace
from grace.store import merge


@pytest.fixture
def words(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.chdir(tmp_path)
    few = ["study=2", "exp=2", "pilot=4", "engine.max_batch_tokens=600"]
    return [*few, f"model.path={tiny('llama-byte')}", "model.name=tiny"]


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on an engine that is started fails the test."""

    async def started(*_: object) -> None:
        raise AssertionError("an engine was started")

    return lambda: monkeypatch.setattr("grace.runs.runner.make_engine", started)


def test_the_closing_command_starts_no_engine(
    words: list[str], no_engine: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = grace.run_study(*words, "output=whole")
    for k in (1, 2):
        grace.run_study(*words, f"shard={k}/2")
    merge("outputs/answers.sqlite", [f"outputs/answers-shard{k}of2.sqlite" for k in (1, 2)])
    no_engine()
    joined = grace.run_study(*words)
    assert "All of it was answered before" in capsys.readouterr().out
    for name in ("trials.csv", "responses.csv", "codebook.json", "examples.json"):
        assert (joined.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert joined.manifest["counts"]["answered"] == whole.manifest["counts"]["answered"]
    assert joined.manifest["engine"]["revision"] == whole.manifest["engine"]["revision"]
    grace.run_study(*words)  # and so does the same once more
    part = grace.run_study(*words, "shard=2/2")
    assert part.manifest["status"] == "complete"


def test_a_shard_without_work_starts_no_engine(
    words: list[str], no_engine: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    grace.run_study(*words, "shard=1/500")
    no_engine()
    empty = grace.run_study(*words, "shard=499/500")
    assert "There is nothing for this shard to ask" in capsys.readouterr().out
    assert empty.manifest["counts"]["answered"] == 0
    assert set(empty.responses["flags"]) == {"not_asked"}
    merge("outputs/out.sqlite", list(Path("outputs").glob("answers-shard*.sqlite")))


def test_an_answer_that_is_missing_needs_the_engine(
    words: list[str], no_engine: Callable[[], None]
) -> None:
    grace.run_study(*words, "shard=1/2")
    merge("outputs/answers.sqlite", ["outputs/answers-shard1of2.sqlite"])
    no_engine()
    with pytest.raises(AssertionError, match="an engine was started"):
        grace.run_study(*words)
