"""The vLLM engine against real small servers: exactness, fall-backs, faults."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from grace.config.settings import LocalSettings, ModelSettings, VllmSettings
from grace.engines.local import LocalEngine
from grace.engines.vllm import VllmEngine
from grace.errors import GraceError
from grace.types import (
    Answer,
    Engine,
    Failure,
    Generation,
    Message,
    Option,
    OptionScores,
    Prompt,
    Query,
    Sampling,
)
from tests.engines.vllm.server import ModelServer

Tiny = Callable[[str], Path]
PERCENT = tuple(Option(str(p), f"{p}%") for p in range(0, 101, 10))
WORDS = (Option("was", "was", ("Was",)), Option("wasnt", "wasn't"), Option("good", "good enough"))
MODEL = ModelSettings(name="tiny")


def scored(n: int = 6, options: Sequence[Option] = PERCENT, **query: Any) -> list[Query]:
    long = "Laura tells you on the phone: 'I have looked at 1 of the 3 letters.' "
    return [
        Query(
            (Message("user", f"{long}How likely is it that {i} is it?"),), tuple(options), **query
        )
        for i in range(n)
    ]


def settings(*servers: ModelServer, **changes: Any) -> VllmSettings:
    given = {"timeout": 10.0, "deadline": 30.0} | changes
    return VllmSettings(kind="vllm", endpoints=tuple(s.url for s in servers), **given)


async def answers(engine: Engine, queries: Sequence[Query]) -> list[Answer]:
    prepared = await engine.prepare(queries)
    found: dict[str, Answer] = {}
    async for part in engine.answer(engine.batches([p for p in prepared if isinstance(p, Prompt)])):
        found |= {prompt.key: answer for prompt, answer in part}
    return [p if isinstance(p, Failure) else found[p.key] for p in prepared]


def ask(queries: Sequence[Query], *servers: ModelServer, **changes: Any) -> list[Answer]:
    async def work() -> list[Answer]:
        engine = await VllmEngine(MODEL, settings(*servers, **changes)).start()
        try:
            return await answers(engine, queries)
        finally:
            await engine.close()

    return asyncio.run(work())


def local(folder: Path, queries: Sequence[Query]) -> list[Answer]:
    model = ModelSettings(name="tiny", path=str(folder))
    return asyncio.run(answers(LocalEngine(model, LocalSettings(kind="local")), queries))


def masses(answer: Answer) -> list[float]:
    assert isinstance(answer, OptionScores), answer
    return [math.exp(option.log_mass) for option in answer.options]


FAMILIES = ["llama-byte", "qwen-whole", "gemma-piece", "mistral-piece", "opt-base"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("options", [PERCENT, WORDS], ids=["percent", "words"])
@pytest.mark.parametrize("query", [{}, {"answer_prefix": "Answer:", "spaced": True}], ids=str)
def test_prompts_and_scores_equal_the_local_engine(
    family: str, options: Sequence[Option], query: dict[str, Any], tiny: Tiny
) -> None:
    queries = scored(5, options, **query)
    folder = tiny(family)
    model = ModelSettings(name="tiny", path=str(folder))
    ours = asyncio.run(LocalEngine(model, LocalSettings(kind="local")).prepare(queries))
    with ModelServer(folder) as server:

        async def prepare() -> list[Prompt | Failure]:
            engine = await VllmEngine(MODEL, settings(server)).start()
            return await engine.prepare(queries)

        theirs = asyncio.run(prepare())
        for one, other in zip(ours, theirs, strict=True):
            assert isinstance(one, Prompt)
            assert isinstance(other, Prompt)
            assert one.context == other.context
            assert one.forms == other.forms
            assert one.flags == other.flags
        for answer, right in zip(ask(queries, server), local(folder, queries), strict=True):
            assert masses(answer) == pytest.approx(masses(right), rel=1e-4)


def test_a_refused_system_turn_is_merged(tiny: Tiny) -> None:
    turns = (Message("system", "Be brief."), Message("user", "So?"))
    folder = tiny("gemma-piece")
    with ModelServer(folder) as server:
        (ours,) = ask([Query(turns, WORDS)], server)
        (theirs,) = local(folder, [Query(turns, WORDS)])
    assert masses(ours) == pytest.approx(masses(theirs), rel=1e-4)


@pytest.mark.parametrize(
    ("lacks", "method"),
    [
        ({"allowed_token_ids"}, "exact"),
        ({"logprob_token_ids"}, "prompt_logprobs"),
        ({"logprob_token_ids", "prompt_logprobs"}, "bounded"),
    ],
)
def test_the_right_fall_back_is_taken(lacks: set[str], method: str, tiny: Tiny) -> None:
    folder = tiny("llama-byte")
    queries = scored(3)
    with ModelServer(folder, lacks=frozenset(lacks)) as server:
        found = ask(queries, server)
    for ours, exact in zip(found, local(folder, queries), strict=True):
        assert isinstance(ours, OptionScores)
        assert ours.method == method
        if method != "bounded":
            assert masses(ours) == pytest.approx(masses(exact), rel=1e-4)
            continue
        assert isinstance(exact, OptionScores)
        for option, truth in zip(ours.options, exact.options, strict=True):
            assert option.log_mass_low <= truth.log_mass + 1e-6
            assert truth.log_mass <= option.log_mass_high + 1e-6
            if not math.isnan(option.log_mass):
                assert option.log_mass == pytest.approx(truth.log_mass, abs=1e-4)
        assert any(math.isnan(option.log_mass) for option in ours.options)


def test_a_server_without_ids_is_not_read_by_ids(tiny: Tiny) -> None:
    with (
        ModelServer(tiny("llama-byte"), lacks=frozenset({"tokenize"})) as server,
        pytest.raises(GraceError, match="shows no probabilities"),
    ):
        ask(scored(1), server)
    # Ids that print alike must not be told apart by their text: no id, no exact reading.
    with ModelServer(tiny("llama-byte"), lacks=frozenset({"token_labels"})) as server:
        (answer,) = ask(scored(1), server)
    assert isinstance(answer, OptionScores)
    assert answer.method == "prompt_logprobs"


def test_another_model_is_refused(tiny: Tiny) -> None:
    with (
        ModelServer(tiny("llama-byte"), name="llama-405b") as server,
        pytest.raises(GraceError, match="serves llama-405b; expected tiny"),
    ):
        ask(scored(1), server)


def test_no_server_is_one_sentence() -> None:
    engine = VllmEngine(MODEL, VllmSettings(kind="vllm", endpoints=("http://127.0.0.1:9/v1",)))
    with pytest.raises(GraceError, match=r"127\.0\.0\.1:9.*is the server up"):
        asyncio.run(engine.start())


@pytest.mark.parametrize("url", ["ftp://host/v1", "host:8000", "http://", "http://me:pw@host/v1"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(GraceError, match=r"engine\.endpoints"):
        VllmEngine(MODEL, VllmSettings(kind="vllm", endpoints=(url,)))


def test_redirects_are_not_followed(tiny: Tiny) -> None:
    with (
        ModelServer(tiny("llama-byte"), fault=lambda *_: "redirect") as server,
        pytest.raises(GraceError, match="redirects"),
    ):
        ask(scored(1), server)


def test_the_key_comes_from_the_environment(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer(tiny("llama-byte"), key="qz-secret") as server:
        with pytest.raises(GraceError, match="GRACE_API_KEY") as caught:
            ask(scored(1), server)
        assert "qz-secret" not in str(caught.value)
        monkeypatch.setenv("GRACE_API_KEY", "qz-secret")
        (answer,) = ask(scored(1), server)
    assert isinstance(answer, OptionScores)


def test_raw_answers_send_every_setting(tiny: Tiny) -> None:
    drawn = Sampling(0.7, 0.9, 5, 1234)
    queries = [Query((Message("user", "So?"),), (), drawn)]
    with ModelServer(tiny("llama-byte")) as server:
        (answer,) = ask(queries, server)
        sent = [body for path, body in server.requests if path.endswith("chat/completions")]
    assert answer == Generation("seed 1234, temperature 0.7", "stop", 7, 5)
    wanted = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 5, "seed": 1234, "top_k": 0}
    assert sent[0].items() >= wanted.items()
    with ModelServer(tiny("opt-base")) as server:
        (answer,) = ask(queries, server)
        assert isinstance(answer, Generation)
        assert (answer.finish_reason, answer.flags) == ("length", ("truncated",))


def test_a_context_too_long_is_missing_with_its_reason(tiny: Tiny) -> None:
    queries = [*scored(1), Query((Message("user", "letters " * 900),), PERCENT)]
    with ModelServer(tiny("llama-byte"), max_length=600) as server:
        good, bad = ask(queries, server)
    assert isinstance(good, OptionScores)
    assert isinstance(bad, Failure)
    assert "600" in bad.reason


FAULTS = ["reset", "cut", "503", "429", "408", "nan", "missing", "stall"]


@pytest.mark.parametrize("fault", ["reset", "nan", "all"])
@pytest.mark.full
def test_a_third_of_all_answers_spoiled_changes_nothing(fault: str, tiny: Tiny) -> None:
    rng = random.Random(fault)
    folder = tiny("llama-byte")
    queries = scored(12)
    started = False

    def spoil(path: str, body: dict[str, Any], number: int) -> str | None:
        if not started or rng.random() > 0.3:
            return None
        return rng.choice([*FAULTS, "model"] if fault == "all" else [fault])

    with ModelServer(folder, fault=spoil) as server:

        async def work() -> list[Answer]:
            nonlocal started
            changes = {"timeout": 1.0, "deadline": 120.0, "max_concurrency": 2}
            engine = await VllmEngine(MODEL, settings(server, **changes)).start()
            started = True
            try:
                return await answers(engine, queries)
            finally:
                await engine.close()

        found = asyncio.run(work())
    for ours, exact in zip(found, local(folder, queries), strict=True):
        assert masses(ours) == pytest.approx(masses(exact), rel=1e-4)


@pytest.mark.full
def test_a_fault_that_stays_is_a_failure_with_its_reason(tiny: Tiny) -> None:
    def spoil(path: str, body: dict[str, Any], number: int) -> str | None:
        return "nan" if path.endswith("completions") and len(body.get("prompt", ())) > 3 else None

    with ModelServer(tiny("llama-byte"), fault=spoil) as server:
        found = ask(scored(4), server, deadline=1.0)
    assert all(isinstance(answer, Failure) for answer in found)
    assert all("nan" in answer.reason for answer in found if isinstance(answer, Failure))


def test_minus_9999_means_no_probability_at_all(tiny: Tiny) -> None:
    started = False

    def spoil(path: str, body: dict[str, Any], number: int) -> str | None:
        return "infinity" if started and path.endswith("completions") else None

    async def work(server: ModelServer) -> list[Answer]:
        nonlocal started
        engine = await VllmEngine(MODEL, settings(server)).start()
        started = True
        try:
            return await answers(engine, scored(1))
        finally:
            await engine.close()

    with ModelServer(tiny("llama-byte"), lacks=frozenset(), fault=spoil) as server:
        (answer,) = asyncio.run(work(server))
    assert isinstance(answer, OptionScores)
    assert all(option.log_mass <= 0 for option in answer.options)
    assert any(option.log_mass == -math.inf for option in answer.options)


@pytest.mark.full
def test_endpoints_share_the_work_and_take_over(tiny: Tiny) -> None:
    folder = tiny("llama-byte")
    queries = scored(64)
    dead = False

    def dies(path: str, body: dict[str, Any], number: int) -> str | None:
        return "reset" if dead else None

    with ModelServer(folder) as one, ModelServer(folder, fault=dies) as two:
        ask(queries, one, two)
        for server in (one, two):
            assert sum(path == "/v1/completions" for path, _ in server.answered) > 5
        dead = False

        async def work() -> list[Answer]:
            nonlocal dead
            engine = await VllmEngine(MODEL, settings(one, two)).start()
            prepared = await engine.prepare(queries)
            dead = True
            prompts = [p for p in prepared if isinstance(p, Prompt)]
            found: dict[str, Answer] = {}
            async for part in engine.answer(engine.batches(prompts)):
                found |= {prompt.key: answer for prompt, answer in part}
            return [found[p.key] for p in prompts]

        found = asyncio.run(work())
    assert all(isinstance(answer, OptionScores) for answer in found)
