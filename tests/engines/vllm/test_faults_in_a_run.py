"""A whole run against a server that spoils a third of its answers: nothing shows."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import grace
from tests.engines.vllm.server import ModelServer
from tests.runs.test_run import run

FAULTS = ["reset", "cut", "503", "503", "429", "nan", "missing", "stall", "model"]


@pytest.mark.parametrize("study", ["1", "2"])
@pytest.mark.full
def test_tables_equal_those_of_an_undisturbed_run(
    study: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    rng = random.Random(study)

    def spoil(path: str, body: dict[str, Any], number: int) -> str | None:
        # The probe at the start takes the server as it is; it is let through.
        return rng.choice(FAULTS) if number > 12 and rng.random() < 0.3 else None

    words: tuple[str, ...] = (
        f"study={study}",
        "exp=2",
        "pilot=4",
        "model.name=tiny",
        "engine=vllm",
    )
    words += ("engine.timeout=1", "engine.deadline=120", "engine.max_concurrency=4")
    with ModelServer(tiny("llama-byte")) as calm:
        run(*words, f"engine.endpoints=[{calm.url}]", "output=calm", cwd=tmp_path)
    with ModelServer(tiny("llama-byte"), fault=spoil) as wild:
        run(*words, f"engine.endpoints=[{wild.url}]", "output=wild", cwd=tmp_path)
    for name in ("trials.csv", "responses.csv"):
        one, other = (tmp_path / o / study / "2" / "tiny" / name for o in ("calm", "wild"))
        assert one.read_bytes() == other.read_bytes()
    manifest = grace.load(tmp_path / "wild" / study / "2" / "tiny").manifest
    assert manifest["counts"]["failed"] == 0


def test_no_key_appears_in_anything_a_run_leaves(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRACE_API_KEY", "qz-secret-key")
    with ModelServer(tiny("llama-byte"), key="qz-secret-key") as server:
        words = ("pilot=2", "model.name=tiny", "engine=vllm", f"engine.endpoints=[{server.url}]")
        output = run(*words, cwd=tmp_path)
    assert "qz-secret-key" not in output
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 6
    assert not [path for path in files if b"qz-secret-key" in path.read_bytes()]
