"""A real vLLM on the CPU with the bundled model in float32: `make test-vllm`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

import grace
from grace.config.settings import ModelSettings, VllmSettings
from grace.engines.vllm import VllmEngine
from grace.serving.machine import free_port
from grace.types import Forecast, Message, Prompt, Query
from tests.engines.vllm.test_engine import PERCENT
from tests.places import ROOT
from tests.runs.test_run import command, run

pytestmark = pytest.mark.vllm
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
#: Nothing is compiled first, which would take longer than all that is asked here.
SOON = ("serve.args.enforce-eager=true",)


class Serving:
    """`python -m grace.serve` of the bundled model, running. A start takes a minute."""

    def __init__(self, folder: Path) -> None:
        if not PYTHON.exists():
            pytest.skip("no .venv-vllm: run make setup-vllm")
        self.folder, self.log = folder, folder / "log"
        self.port = free_port("127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start it, again on the same port, and wait until it answers."""
        words = [f"serve.python={PYTHON}", f"serve.log={self.log}", f"serve.args.port={self.port}"]
        self.process = subprocess.Popen(
            command(*words, *SOON, "serve.args.max-model-len=4096", module="grace.serve"),
            cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if "Ready at" in line:
                return
        raise AssertionError(said + self.log.read_text()[-3000:])

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()

    def kill(self) -> None:
        """The server and all it started, at once."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        for process in [psutil.Process(self.process.pid), *family]:
            process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The one server of all tests but that of a managed run."""
    with Serving(tmp_path_factory.mktemp("vllm")) as serving:
        yield serving
        assert serving.interrupt() == 0


@pytest.fixture
def server(serving: Serving) -> str:
    """Its URL, without /v1."""
    return serving.url


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        content: dict[str, Any] = json.load(answer)
        return content


def counted(url: str) -> dict[str, float]:
    """What the server has counted so far."""
    text = urllib.request.urlopen(f"{url}/metrics", timeout=10).read().decode()
    names = ("prompt_tokens_total", "prefix_cache_hits_total", "generation_tokens_total")
    found = {name: re.search(rf"^vllm:{name}{{[^\n]*}} (\S+)", text, re.M) for name in names}
    return {name: float(match[1]) for name, match in found.items() if match}


@pytest.mark.parametrize("study", ["1", "2"])
def test_every_probability_equals_the_local_engine(study: str, server: str, tmp_path: Path) -> None:
    words = (f"study={study}", "exp=2", "pilot=10")
    endpoint = ("engine=vllm", f"engine.endpoints=[{server}/v1]", "tag=vllm")
    output = run(*words, *endpoint, cwd=tmp_path)
    assert re.search(r"method +exact", output)
    assert re.search(r"requests +\d+, of [\d,]+ prompt tokens", output)
    theirs = grace.load(tmp_path / f"outputs/{study}/2/smollm2-135m-vllm")
    run(*words, cwd=tmp_path)
    ours = grace.load(tmp_path / f"outputs/{study}/2/smollm2-135m")
    one, other = ours.responses, theirs.responses
    assert one["option"].tolist() == other["option"].tolist()
    assert one["n_tokens"].tolist() == other["n_tokens"].tolist()
    for column in ("prob", "logprob", "mass"):
        assert np.abs(one[column] - other[column]).max() < 1e-4, column
    assert set(other["method"]) == {"exact"}


def test_the_cache_saves_what_the_forecast_says(server: str) -> None:
    """Prompts that nobody has asked yet, so that the cache knows nothing of them."""
    texts = [
        f"Of {n} days in {place}, how many had rain? " * 6 for n in range(3, 9) for place in "ABC"
    ]
    queries = [
        Query((Message("user", f"{t} Exactly {k}?"),), PERCENT) for t in texts for k in (1, 2)
    ]

    async def work() -> tuple[Forecast, dict[str, float]]:
        settings = VllmSettings(kind="vllm", endpoints=(f"{server}/v1",))
        engine = await VllmEngine(ModelSettings(name="smollm2-135m"), settings).start()
        prompts = [p for p in await engine.prepare(queries) if isinstance(p, Prompt)]
        batches = engine.batches(prompts)
        before = counted(server)
        async for _ in engine.answer(batches):
            pass
        after = counted(server)
        await engine.close()
        plan = engine.forecast(batches)
        assert plan is not None
        return plan, {name: after[name] - before[name] for name in before}

    plan, found = asyncio.run(work())
    assert found["prompt_tokens_total"] == plan.sent
    assert found["generation_tokens_total"] == plan.generated
    # Sequences of one step may be computed side by side that were planned one after another.
    assert found["prefix_cache_hits_total"] == pytest.approx(plan.cached, rel=0.03)


def test_a_server_killed_in_a_run_and_started_again_changes_nothing(
    serving: Serving, tmp_path: Path
) -> None:
    """Nothing but the last digits, which depend on what a server computes side by side."""
    words = ["study=1", "exp=2", "pilot=14", "engine=vllm", "engine.max_concurrency=4"]
    words += [f"engine.endpoints=[{serving.url}/v1]"]
    store = tmp_path / "wild" / "answers.sqlite"
    wild = subprocess.Popen(
        command(*words, "output=wild"),
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    while answered(store) < 10:
        assert wild.poll() is None
        time.sleep(0.05)
    serving.kill()
    assert wild.poll() is None, "it was over before the server was killed"
    serving.start()
    output, _ = wild.communicate(timeout=300)
    assert wild.returncode == 0, output
    run(*words, "output=calm", cwd=tmp_path)
    for name in ("trials.csv", "responses.csv"):
        one, other = (
            pd.read_csv(tmp_path / o / "1/2/smollm2-135m" / name) for o in ("calm", "wild")
        )
        pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=0, atol=1e-4)


def answered(store: Path) -> int:
    """Answers in a store that another process writes."""
    if not store.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        try:
            number: int = database.execute("SELECT count(*) FROM answers").fetchone()[0]
        except sqlite3.OperationalError:
            return 0
    return number


def test_a_managed_run(tmp_path: Path) -> None:
    words = ("model=smollm2-135m", "engine=vllm", "engine.managed=true", "pilot=2")
    output = run(*words, *SOON, f"serve.python={PYTHON}", cwd=tmp_path)
    assert "Ready at http://127.0.0.1:" in output
    assert grace.load(tmp_path / "outputs/1/2/smollm2-135m").manifest["counts"]["failed"] == 0


def test_capacity_is_what_the_server_has(server: str, tmp_path: Path) -> None:
    words = ("gpu=cpu", f"url={server}", "serve.args.max-model-len=4096")
    run(*words, cwd=tmp_path, module="grace.capacity")
    found = json.loads((tmp_path / "outputs/smollm2-135m/capacity.json").read_text("utf-8"))
    (row,) = found["rows"]
    for name in ("blocks", "tokens", "concurrency"):
        assert found["server"][name] == pytest.approx(row[name], abs=1e-6), name


def test_preflight(server: str, tmp_path: Path) -> None:
    words = ("model=smollm2-135m", "engine=vllm", f"engine.endpoints=[{server}/v1]")
    output = run(*words, cwd=tmp_path, module="grace.check")
    assert re.search(r"beginning +no beginning-of-sequence token", output)  # which SmolLM2 has not
    assert re.search(r"probabilities differ by up to [0-9.e-]+", output)


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
