"""A real vLLM on the CPU with the bundled model in float32: `make test-vllm`."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import grace
from grace.engines.local.bundled import bundled_model
from tests.test_run import run

pytestmark = pytest.mark.vllm
ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running server, without /v1."""
    if not PYTHON.exists():
        pytest.skip("no .venv-vllm: run make setup-vllm")
    folder, _ = bundled_model()
    port = free_port()
    log = tmp_path_factory.mktemp("vllm") / "log"
    words = ["--model", str(folder), "--served-model-name", "smollm2-135m", "--dtype", "float32"]
    words += ["--block-size", "32", "--max-model-len", "4096", "--generation-config", "vllm"]
    words += ["--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as out:
        process = subprocess.Popen(
            [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", *words],
            stdout=out, stderr=subprocess.STDOUT,
            env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "2", "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise AssertionError(log.read_text()[-3000:])
            try:
                urllib.request.urlopen(f"{url}/health", timeout=2)
                break
            except OSError:
                time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        content: dict[str, Any] = json.load(answer)
        return content


def computed_tokens(url: str) -> float:
    """Tokens the server has computed: of prompts but for those in its cache, and generated."""
    text = urllib.request.urlopen(f"{url}/metrics", timeout=10).read().decode()

    def total(name: str) -> float:
        found = re.search(rf"^vllm:{name}{{[^\n]*}} (\S+)", text, re.M)
        assert found, name
        return float(found[1])

    return (
        total("prompt_tokens_total")
        - total("prefix_cache_hits_total")
        + total("generation_tokens_total")
    )


@pytest.mark.parametrize("study", ["1", "2"])
def test_every_probability_equals_the_local_engine(study: str, server: str, tmp_path: Path) -> None:
    words = (f"study={study}", "exp=2", "pilot=10")
    before = computed_tokens(server)
    endpoint = ("engine=vllm", f"engine.endpoints=[{server}/v1]", "tag=vllm")
    output = run(*words, *endpoint, cwd=tmp_path)
    assert re.search(r"method +exact", output)
    theirs = grace.load(tmp_path / f"outputs/{study}/2/smollm2-135m-vllm")
    run(*words, cwd=tmp_path)
    ours = grace.load(tmp_path / f"outputs/{study}/2/smollm2-135m")
    one, other = ours.responses, theirs.responses
    assert one["option"].tolist() == other["option"].tolist()
    assert one["n_tokens"].tolist() == other["n_tokens"].tolist()
    for column in ("prob", "logprob", "mass"):
        assert np.abs(one[column] - other[column]).max() < 1e-4, column
    assert set(other["method"]) == {"exact"}
    # The cache did its work: every distinct token was computed, and few of them again.
    plan = theirs.manifest["plan"]
    computed = computed_tokens(server) - before
    assert 0.95 * plan["distinct_tokens"] < computed < 6 * plan["distinct_tokens"]


@pytest.mark.parametrize("study", ["1", "2"])
def test_raw_answers_come_back(study: str, server: str, tmp_path: Path) -> None:
    words = (f"study={study}", "exp=1", "pilot=3", "exp.max_tokens=20", "engine=vllm")
    run(*words, f"engine.endpoints=[{server}/v1]", cwd=tmp_path)
    result = grace.load(tmp_path / f"outputs/{study}/1/smollm2-135m")
    assert result.trials["response"].str.len().gt(0).all()
    assert set(result.trials["finish_reason"]) <= {"stop", "length"}
    assert result.manifest["counts"]["failed"] == 0


def test_structured_chat_and_completion_answers_come_back(server: str) -> None:
    talk = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "Is it so?"}]}
    choice = post(
        f"{server}/v1/chat/completions",
        talk | {"structured_outputs": {"choice": ["yes", "no"]}, "max_tokens": 5},
    )
    assert choice["choices"][0]["message"]["content"] in ("yes", "no")
    text = {"model": "smollm2-135m", "prompt": "The sky is", "max_tokens": 3}
    assert post(f"{server}/v1/completions", text)["choices"][0]["text"]


def test_another_model_than_the_served_is_refused(server: str, tmp_path: Path) -> None:
    output = run(
        "model=gemma-9b", f"engine.endpoints=[{server}/v1]", "pilot=1", cwd=tmp_path, code=1
    )
    assert "serves smollm2-135m; expected gemma-9b" in output
