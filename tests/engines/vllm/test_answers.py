"""What a server may answer: every kind is a final answer, asked again, or one sentence."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from grace.config.settings import ModelSettings, StartedSettings, VllmSettings
from grace.engines.vllm import VllmEngine
from grace.engines.vllm.endpoint import api_key, endpoint_urls
from grace.engines.vllm.generate import read_text
from grace.engines.vllm.problems import BadAnswerError
from grace.engines.vllm.server import _length
from grace.engines.vllm.server_identity import differ, identity
from grace.errors import ConfigError, GraceError
from grace.store.encode import decode_answer, decode_shape, encode_answer
from grace.types import Generation, Message, Prompt, Query, Sampling
from tests.engines.vllm.server import ModelServer
from tests.engines.vllm.test_engine import ask, scored

Tiny = Callable[[str], Path]
MODEL = ModelSettings(name="tiny")
DRAWN = Prompt(Query((Message("user", "?"),), sampling=Sampling(0.7, 0.9, 20, 5)), "?", (1, 2))


def read(reason: Any = "stop", **message: Any) -> Generation:
    answer = {
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 20},
    }
    return read_text(answer, DRAWN, chat=True)


@pytest.mark.parametrize(
    ("reason", "message", "text", "flags", "trace"),
    [
        ("stop", {"content": "yes"}, "yes", (), ""),
        ("length", {"content": "ye"}, "ye", ("truncated",), ""),
        (
            "length",
            {"content": None, "reasoning": "Let me see"},
            "",
            ("truncated", "unfinished_thoughts"),
            "Let me see",
        ),
        (
            "length",
            {"content": None, "reasoning_content": "Let me"},
            "",
            ("truncated", "unfinished_thoughts"),
            "Let me",
        ),
        ("length", {"content": None}, "", ("truncated", "unfinished_thoughts"), ""),
        ("length", {}, "", ("truncated", "unfinished_thoughts"), ""),
        ("stop", {"content": None, "reasoning": "so"}, "", ("unfinished_thoughts",), "so"),
        ("stop", {"content": "", "reasoning": "so"}, "", ("unfinished_thoughts",), "so"),
        ("stop", {"content": "yes", "reasoning": "so"}, "yes", (), "so"),
        ("stop", {"content": "yes", "reasoning": None, "reasoning_content": "so"}, "yes", (), "so"),
        ("stop", {"content": ""}, "", (), ""),
        (
            "stop",
            {"content": [{"type": "text", "text": "ye"}, {"type": "text", "text": "s"}]},
            "yes",
            (),
            "",
        ),
        ("stop", {"content": None, "refusal": "I cannot."}, "I cannot.", ("refused",), ""),
        (
            "stop",
            {
                "content": [
                    {"type": "reasoning", "text": "It was bad."},
                    {"type": "text", "text": "It was good."},
                ]
            },
            "It was good.",
            (),
            "It was bad.",
        ),
        (
            "stop",
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "bad"}]},
                    {"type": "output_text", "text": "good"},
                    {"type": "tool_use"},
                ]
            },
            "good",
            (),
            "bad",
        ),
        (
            "length",
            {"content": [{"type": "reasoning", "summary": [{"text": "It was"}]}]},
            "",
            ("truncated", "unfinished_thoughts"),
            "It was",
        ),
        (
            "stop",
            {"content": [{"text": "ye"}, {"text": "s"}, {"type": "note", "text": "x"}]},
            "yes",
            (),
            "",
        ),
        ("stop", {"content": [{"type": "refusal", "refusal": "No."}]}, "No.", ("refused",), ""),
        (
            "stop",
            {"content": "yes", "reasoning_details": [{"text": "h"}, {"text": "m"}]},
            "yes",
            (),
            "hm",
        ),
        ("eos", {"content": "yes"}, "yes", (), ""),
        ("eos_token", {"content": "yes"}, "yes", (), ""),
        ("end_turn", {"content": "yes"}, "yes", (), ""),
        ("stop_sequence", {"content": "yes"}, "yes", (), ""),
        ("STOP", {"content": "yes"}, "yes", (), ""),
        ("MAX_TOKENS", {"content": "ye"}, "ye", ("truncated",), ""),
        ("max_tokens", {"content": None}, "", ("truncated", "unfinished_thoughts"), ""),
        ("who knows", {"content": "ye"}, "ye", ("truncated",), ""),
        ("SAFETY", {"content": None}, "", ("filtered",), ""),
        ("tool_use", {"content": None}, "", ("tool_call",), ""),
        ("refusal", {"content": "No."}, "No.", ("refused",), ""),
        ("content_filter", {"content": None}, "", ("filtered",), ""),
        ("tool_calls", {"content": None, "tool_calls": [{}]}, "", ("tool_call",), ""),
    ],
)
def test_final_answers(
    reason: str, message: dict[str, Any], text: str, flags: tuple[str, ...], trace: str
) -> None:
    found = read(reason, **message)
    assert (found.text, found.flags, found.trace) == (text, flags, trace)
    assert (found.finish_reason, found.n_prompt_tokens, found.n_tokens) == (reason, 7, 20)
    encoded = encode_answer(found)
    assert decode_answer(encoded, decode_shape("generation", encoded.shape)) == found


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": []},
        {"choices": [1]},
        {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]},
        {"choices": [{"message": None, "finish_reason": "length"}]},
        {"choices": [{"message": {"content": "x"}, "finish_reason": None}]},
        {"choices": [{"message": {"content": "x"}, "finish_reason": "abort"}]},
        {"choices": [{"message": {"content": [{"type": "image"}]}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]},
        [],
        "text",
        None,
    ],
)
def test_no_answers(answer: Any) -> None:
    with pytest.raises(BadAnswerError):
        read_text(answer, DRAWN, chat=True)


@pytest.mark.parametrize("count", [10**30, 2**63, 2**31, -1, True, 1.5, "7", None, [1]])
def test_a_count_that_is_none_is_not_believed(count: Any) -> None:
    answer = {
        "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": count, "completion_tokens": count},
    }
    found = read_text(answer, DRAWN, chat=True)
    assert (found.n_prompt_tokens, found.n_tokens) == (2, 0)


def test_a_cut_trace_is_asked_for_once(tiny: Tiny) -> None:
    class Thinking(ModelServer):
        def chat(self, body: dict[str, Any]) -> dict[str, Any]:
            message = {"role": "assistant", "content": None, "reasoning": "First, I"}
            choice = {"index": 0, "message": message, "finish_reason": "length"}
            return {"choices": [choice], "usage": None}

    with Thinking(tiny("llama-byte")) as server:
        (found,) = ask([DRAWN.query], server)
        asked = [path for path, _ in server.answered if path == "/v1/chat/completions"]
    assert isinstance(found, Generation)
    assert (found.text, found.trace) == ("", "First, I")
    assert len(asked) == 1


# A server that is none


@contextmanager
def answering(status: int, body: str, **only: str) -> Iterator[str]:
    """A server that answers everything alike; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = only.get(self.path.split("/")[-1], body).encode()
            self.send_response(status if text == body.encode() else 200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}/v1"
    finally:
        http.shutdown()
        http.server_close()


def refused(url: str) -> str:
    async def start() -> None:
        await VllmEngine(MODEL, VllmSettings(kind="vllm", endpoints=(url,), timeout=5)).start()

    with pytest.raises(GraceError) as error:
        asyncio.run(start())
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_what_is_nested_too_deeply_is_one_sentence(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.engines.vllm.server.PAUSE", 0)
    for status in (200, 400):
        with answering(status, text) as url:
            assert url in refused(url)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (429, {"error": {"message": "slow down"}}, "HTTP 429: slow down"),
        (400, {"error": {"message": "bad seed"}}, "HTTP 400: bad seed"),
        (413, {"detail": "too large"}, "HTTP 413"),
        (
            200,
            {"error": {"message": "out of memory"}},
            "the server answers with an error: out of memory",
        ),
        (
            200,
            {"object": "error", "error": "no model"},
            "the server answers with an error: no model",
        ),
    ],
)
def test_what_a_server_says_is_told(
    status: int, body: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.engines.vllm.server.PAUSE", 0)
    with answering(status, json.dumps(body), models=json.dumps({"data": [{"id": "tiny"}]})) as url:
        told = refused(url)
    assert f": {said}" in told


@pytest.mark.parametrize("length", [-1, 0, True, 10**30, "4096", None, 1.5])
def test_a_length_that_is_none_is_not_believed(length: Any) -> None:
    assert _length({"max_model_len": length}) is None
    assert _length({"max_model_len": 4096}) == 4096


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 405, 422, 429, 500, 503])
@pytest.mark.parametrize("body", ["", "<html>", "{}", "[]", "5", "null", '{"data": [1]}', "\x00é"])
def test_a_server_that_is_none_is_one_sentence(
    status: int, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.engines.vllm.server.PAUSE", 0)
    with answering(status, body) as url:
        assert url in refused(url) or status in (302, 401, 403)


@pytest.mark.parametrize("body", ["", "<html>", "{}", "[]", '{"tokens": "x"}', '{"choices": [1]}'])
def test_one_that_only_lists_the_model_is_one_sentence(
    body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.engines.vllm.server.PAUSE", 0)
    with answering(200, body, models=json.dumps({"data": [{"id": "tiny"}]})) as url:
        assert url in refused(url)


def test_a_model_without_a_name_is_not_the_one_asked_for() -> None:
    with answering(200, '{"data": [{"id": null}]}') as url:
        assert refused(url) == f"{url} serves nothing that has a name; expected tiny"


# Where to ask


@pytest.mark.parametrize(
    ("given", "urls"),
    [
        ([" http://a:1/v1/ "], ["http://a:1/v1"]),
        (["http://a:1/v1", "http://a:1/v1/", "http://a:1"], ["http://a:1/v1"]),
        (["http://a:1", "http://b:1/v1"], ["http://a:1", "http://b:1/v1"]),
        (["http://a:1/v1/chat/completions"], ["http://a:1/v1"]),
        (["http://a:1/v1/models"], ["http://a:1/v1"]),
        (["http://[::1]:8000/v1"], ["http://[::1]:8000/v1"]),
        ([""], ["http://localhost:8000/v1"]),
    ],
)
def test_endpoints_as_people_write_them(given: list[str], urls: list[str]) -> None:
    assert list(endpoint_urls(tuple(given))) == urls


@pytest.mark.parametrize(
    "url",
    ["a:1/v1", "localhost:8000", "//a/v1", "http://", "http://a:x/v1", "http://a:99999", "http://[",
     "http://a b/v1", "ftp://a/v1", "http://u:p@a/v1", "http://a/v1?key=1", "http://a/v1#x"],
)  # fmt: skip
def test_endpoints_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError, match=r"engine\.endpoints"):
        endpoint_urls((url,))


def test_a_key_that_cannot_be_sent_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_API_KEY", "  qz-good \n")
    assert api_key() == "qz-good"
    monkeypatch.setenv("GRACE_API_KEY", "qz-sécret")
    with pytest.raises(ConfigError, match="no key has") as error:
        api_key()
    assert "qz" not in str(error.value)


# Which model it is


def own(**arguments: Any) -> StartedSettings:
    return StartedSettings(kind="vllm", endpoints=("http://h:1/v1",), arguments=arguments)


def test_what_a_server_says_it_serves_is_in_the_key(tiny: Tiny, tmp_path: Path) -> None:
    here, away = "http://127.0.0.1:1/v1", "http://node7:1/v1"
    plain = VllmSettings(kind="vllm")
    folder = str(tiny("llama-byte"))
    assert identity([{"id": "tiny"}], [away], MODEL, plain) == ""
    assert identity([{"id": "tiny", "root": "lab/a"}], [away], MODEL, plain) == "lab/a"
    assert identity([{"root": "l", "parent": "b"}], [away], MODEL, plain) == "l on b"
    known = identity([{"root": folder}], [here], MODEL, plain)
    assert known.startswith("weights ")
    assert folder not in known
    assert identity([{"root": folder}], [away], MODEL, plain) == folder
    other = identity([{"root": str(tiny("qwen-whole"))}], [here], MODEL, plain)
    assert other != known
    both = identity([{"root": "b"}, {"root": "a"}], [away, away], MODEL, plain)
    assert both == identity([{"root": "a"}, {"root": "b"}], [away, away], MODEL, plain) == "a; b"
    assert identity([{}], [here], MODEL, own(dtype="auto")) == ""
    assert "fp8" in identity([{}], [here], MODEL, own(quantization="fp8"))


def test_two_models_by_one_name_are_told_apart(tiny: Tiny) -> None:
    other = ModelServer(tiny("granite-byte")).model
    with ModelServer(tiny("llama-byte")) as one, ModelServer(tiny("llama-byte")) as two:
        two.model = other
        with pytest.raises(ConfigError, match="gives other probabilities"):
            ask(scored(1), one, two)
    assert not differ({}, {1: -1.0})
    assert not differ({1: -1.0}, {1: -1.3})
    assert differ({1: -1.0}, {1: -3.0})


@pytest.mark.full
def test_a_server_that_comes_back_with_another_model_is_noticed(tiny: Tiny) -> None:
    other = ModelServer(tiny("granite-byte")).model
    lost: list[int] = []

    def fault(path: str, body: dict[str, Any], number: int) -> str | None:
        if path == "/v1/completions" and number > 30 and not lost:
            lost.append(number)
            server.model = other
            return "reset"
        return None

    with ModelServer(tiny("llama-byte"), fault=fault) as server:
        found = ask(scored(40), server, deadline=2.0, max_concurrency=1)
    failed = [a for a in found if not hasattr(a, "options")]
    assert lost
    assert failed
    assert "gives other probabilities than when the run began" in str(failed[0])
