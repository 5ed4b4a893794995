"""grace.capacity against figures that vLLM logged on cards elsewhere."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from grace.serving.capacity import Row, estimate
from grace.serving.capacity.cards import Card
from tests.places import SHARED
from tests.serving.architectures import CONFIGS, SAME
from tests.serving.test_capacity import settings

CASES = SHARED / "data/capacity_cases.csv"
GIB = 2**30


class Case(NamedTuple):
    """What a public log says, and what it was started with."""

    model: str
    gib: float
    tp: int
    length: int
    share: float | None
    tokens: int
    weights: float | None = None
    kv: float | None = None


#: Some of them, which stay: of 0.9 to 0.16.
OWN = (
    Case("Qwen/Qwen3-8B", 39.49, 1, 40960, 0.9, 136_080, 15.2683, 18.69),
    Case("TechxGenus/Meta-Llama-3-70B-Instruct-AWQ", 44.42, 2, 8192, 0.9, 132_128, 18.55, 20.16),
    Case("Qwen/Qwen3-235B-A22B-FP8", 44.42, 8, 32768, 0.9, 238_208, 27.72, 10.65),
    Case("LGAI-EXAONE/EXAONE-4.0-32B-FP8", 44.42, 1, 4096, 0.95, 42_224, 30.9891, 10.31),
    Case("Qwen/Qwen2.5-1.5B-Instruct", 15.58, 1, 32768, 0.6, 188_512, 2.8871, 5.03),
    Case("facebook/opt-125m", 79.19, 1, 2048, 0.9, 2_010_288),
)


def calculated(case: Case, folder: Path, *more: str) -> Row:
    (folder / "config.json").write_text(json.dumps(CONFIGS[case.model]), encoding="utf-8")
    words = [f"model.path={folder}", f"serve.args.max-model-len={case.length}", *more]
    if case.share is not None:
        words.append(f"serve.args.gpu-memory-utilization={case.share}")
    if case.weights is not None:
        words.append(f"weights_gib={case.weights}")
    wanted, given = settings(*words)
    return estimate(wanted, Card("theirs", case.gib), case.tp, given)[-1]


@pytest.mark.parametrize("case", OWN, ids=lambda case: case.model)
@pytest.mark.parametrize("known", [True, False], ids=["weights as logged", "weights counted"])
def test_tokens_are_as_logged(case: Case, known: bool, tmp_path: Path) -> None:
    row = calculated(case if known else case._replace(weights=None), tmp_path)
    assert row.tp == case.tp
    assert row.tokens == pytest.approx(case.tokens, rel=0.06)
    assert row.tokens_low <= case.tokens <= row.tokens_high
    if case.kv is not None:
        assert row.bytes_per_token == pytest.approx(case.kv * GIB / case.tokens, rel=0.015)


def public() -> list[tuple[Case, str]]:
    """The public cases of which the architecture is known, and the version that logged them."""
    if not CASES.is_file():
        return []
    with CASES.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))

    def number(text: str) -> float | None:
        return float(text) if text.replace(".", "", 1).isdigit() else None

    return [
        (
            Case(
                SAME.get(line["model"], line["model"]), float(line["gpu_gib"]), int(line["tp"]),
                int(line["max_model_len"]), number(line["gpu_memory_utilization"]),
                int(line["kv_tokens_logged"]), number(line["weights_gib_logged"]),
                number(line["kv_gib_logged"]),
            ),
            f"{line['vllm_version']} {line['note']}",
        )
        for line in lines
        if SAME.get(line["model"], line["model"]) in CONFIGS and "CPU" not in line["gpu"]
    ]  # fmt: skip


@pytest.mark.skipif(not CASES.is_file(), reason="the public cases are not here")
def test_of_public_cases_nine_of_ten_are_near(tmp_path: Path) -> None:
    """Where card and weights are known, and vLLM is not of before 0.8 (whose profile grew)."""
    errors = {}
    for case, about in public():
        if case.weights is None or "V0" in about:
            continue
        row = calculated(case, tmp_path)
        tokens = row.tokens_before_0_21 if "old meaning" in about else row.tokens
        errors[case.model, case.gib] = abs(tokens / case.tokens - 1)
    assert len(errors) >= 9
    assert sorted(errors.values())[int(0.9 * len(errors)) - 1] < 0.1, errors
    assert max(errors.values()) < 0.1, errors


@pytest.mark.skipif(not CASES.is_file(), reason="the public cases are not here")
def test_bytes_of_a_token_are_as_logged(tmp_path: Path) -> None:
    seen = 0
    for case, about in public():
        if case.kv is None:
            continue
        row = calculated(case, tmp_path)
        logged = case.kv * GIB / case.tokens
        if "old meaning" in about:  # as if every layer kept every token
            logged *= row.tokens_before_0_21 / row.tokens
        assert row.bytes_per_token == pytest.approx(logged, rel=0.015), case.model
        seen += 1
    assert seen >= 12
