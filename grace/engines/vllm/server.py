"""What a server is and can do, found out by asking it."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grace.config import ModelSettings
from grace.engines.vllm import bounds_from_texts, logprob_requests
from grace.engines.vllm.chat_template import read_ids
from grace.engines.vllm.endpoint import (
    BadAnswerError,
    Endpoint,
    PassingError,
    RefusedError,
    ServerError,
)
from grace.engines.vllm.printed_tokens import shows_parts
from grace.types import Message, Method

#: Tries of each question of the probe, and seconds between them.
TRIES, PAUSE = 3, 0.5
#: A sign so rare that no tokeniser has it whole.
RARE = "\N{EGYPTIAN HIEROGLYPH D010}"
#: Largest difference (log) between a forced and a plain reading: numeric noise, no more.
CHAIN_TOLERANCE = 0.5


@dataclass(frozen=True)
class Served:
    """A server's model and abilities; the first of the methods that it can is used."""

    name: str  # as the server calls the model
    version: str
    max_length: int | None
    tokenizes: bool
    bos: int | None  # the beginning-of-sequence token that its tokeniser adds, if any
    chat: bool  # whether it renders conversations
    rendered: str  # a hash of a conversation as its chat template has it
    token_ids: bool  # logprob_token_ids
    chains: bool  # several nodes a request, see option_chains.py
    prompt_logprobs: bool
    top_k: int  # most probable tokens it shows by id, 0 for none
    text_top: int  # most probable tokens it shows by text, where it has no ids
    text_bytes: bool = False  # whether these are seen to be made of bytes, see printed_tokens.py

    @property
    def method(self) -> Method:
        """How options are scored here."""
        if self.tokenizes and self.token_ids:
            return "exact"
        return "prompt_logprobs" if self.tokenizes and self.prompt_logprobs else "bounded"


async def check_model(
    endpoint: Endpoint, model: ModelSettings, *, served_as: str = "", patient: bool = True
) -> dict[str, Any]:
    """The server's entry for the model asked for; ServerError if it serves another."""
    try:
        listed = await (
            _patiently(endpoint, "/v1/models") if patient else endpoint.get("/v1/models")
        )
    except RefusedError as error:
        raise ServerError(
            f"{endpoint.url}: asked for its models (/v1/models) it answers {error}; expected "
            "vLLM, or a server with its protocol (docs/endpoints.md)"
        ) from None
    data = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(data, list):
        raise ServerError(
            f"{endpoint.url}: asked for its models (/v1/models) it answers with no list of them; "
            "expected vLLM, or a server with its protocol (docs/endpoints.md)"
        )
    cards = [card for card in data if isinstance(card, dict)]
    names = [name for name in (served_as, model.name, model.id, model.path) if name]
    for card in cards:
        if card.get("id") in names:
            return card
    named = [name for card in cards if isinstance(name := card.get("id"), str) and name]
    served = ", ".join(named) or ("nothing that has a name" if cards else "nothing")
    also = f" ({model.id})" if model.id and model.id != model.name else ""
    raise ServerError(f"{endpoint.url} serves {served}; expected {model.name}{also}")


async def probe(endpoint: Endpoint, card: dict[str, Any]) -> Served:
    """Find out what the server is and can do; `card` is its entry for the model."""
    name = str(card["id"])
    tokens = await _able(endpoint, "/tokenize", {"model": name, "prompt": "a b"})
    ids = _ids(tokens)
    talk = {"model": name, "messages": [{"role": "user", "content": "a"}]}
    length = _length(card) or _length(tokens or {})
    version = await _able(endpoint, "/version", None)
    rendered = await _able(endpoint, "/tokenize", talk)
    if not ids:
        return await _without_ids(endpoint, name, _version(version), length)
    found = Served(
        name=name,
        version=_version(version),
        max_length=length,
        tokenizes=True,
        bos=await _bos(endpoint, name, ids),
        chat=rendered is not None,
        rendered=hashlib.sha256(repr(_ids(rendered)).encode()).hexdigest()[:16],
        token_ids=await _reads(endpoint, name, ids, "ids"),
        chains=await _chains(endpoint, name, ids),
        prompt_logprobs=await _reads(endpoint, name, ids, "prompt"),
        top_k=await _top_k(endpoint, name, ids),
        text_top=0,
    )
    if found.token_ids or found.prompt_logprobs or found.top_k:
        return found
    return await _without_ids(endpoint, name, found.version, length)


async def cache_block(endpoint: Endpoint) -> int | None:
    """Tokens of a block of its prefix cache, as its metrics say; None where it has none."""
    try:
        text = await endpoint.text("/metrics")
    except (PassingError, RefusedError, ServerError):
        return None
    found = re.search(r"^vllm:cache_config_info\{(?P<labels>.*)\}", text, re.M)
    labels = dict(re.findall(r'(\w+)="([^"]*)"', found["labels"])) if found else {}
    size = labels.get("block_size", "")
    on = labels.get("enable_prefix_caching") == "True"
    return int(size) if on and size.isdecimal() and int(size) else None


def _ids(tokens: Any) -> tuple[int, ...]:
    """The ids of a /tokenize answer, none where it is of another kind."""
    try:
        return read_ids(tokens)
    except BadAnswerError:
        return ()


async def _bos(endpoint: Endpoint, name: str, ids: tuple[int, ...]) -> int | None:
    """What the tokeniser puts before "a b" of its own accord."""
    body = {"model": name, "prompt": "a b", "add_special_tokens": False}
    plain = _ids(await _able(endpoint, "/tokenize", body))
    places = range(1, len(ids) - len(plain) + 1)  # it may put something behind, too
    return ids[0] if plain and any(ids[n : n + len(plain)] == plain for n in places) else None


def _length(answer: Mapping[str, Any]) -> int | None:
    """The longest sequence that a server says it takes, where it says a length."""
    found = answer.get("max_model_len")
    return found if type(found) is int and 0 < found < 2**31 else None


def _version(answer: Any) -> str:
    known = isinstance(answer, dict) and isinstance(answer.get("version"), (str, int, float))
    return f"vllm {answer['version']}" if known else "unknown"


async def _without_ids(endpoint: Endpoint, name: str, version: str, length: int | None) -> Served:
    """A server that takes and shows texts alone."""
    chat, top = True, await _text_top(endpoint, name, chat=True)
    said = [] if isinstance(top, int) else [f"/v1/chat/completions: {top}"]
    if not isinstance(top, int):
        chat, top = False, await _text_top(endpoint, name, chat=False)
    if not isinstance(top, int):
        said.append(f"/v1/completions: {top}")
        raise ServerError(
            f"{endpoint.url} answers neither /v1/chat/completions nor /v1/completions "
            f"({'; '.join(said)}); expected vLLM, or a server with its protocol"
        )
    return Served(
        name=name, version=version, max_length=length,
        tokenizes=False, bos=None, chat=chat, rendered="", token_ids=False, chains=False,
        prompt_logprobs=False, top_k=0, text_top=top,
        text_bytes=await _text_bytes(endpoint, name, top, chat=chat),
    )  # fmt: skip


async def _text_bytes(endpoint: Endpoint, name: str, top: int, *, chat: bool) -> bool:
    """Whether it shows a part of a rare character: a tokeniser made of bytes does."""
    if not top:
        return False
    asked = f"Repeat this sign three times, and nothing else: {RARE}"
    said = (Message("user", asked), Message("assistant", RARE), Message("user", asked))
    path, body = bounds_from_texts.first_token_body(name, said, f"{RARE} " * 8, top, chat=chat)
    try:
        row = bounds_from_texts.read_first_token(await _patiently(endpoint, path, body))
    except (RefusedError, PassingError):
        return False
    return any(shows_parts(token) for token in row)


async def _text_top(endpoint: Endpoint, name: str, *, chat: bool) -> int | str:
    """How many tokens it shows by text, at most 20; what it says where it does not answer."""
    answers, said = False, "no answer"
    for k in (20, 5, 0):
        path, body = bounds_from_texts.first_token_body(
            name, [Message("user", "a")], "a", k, chat=chat
        )
        if k == 0:
            body = {key: v for key, v in body.items() if key not in ("logprobs", "top_logprobs")}
        try:
            answer = await _patiently(endpoint, path, body)
            answers = answers or bounds_from_texts.is_answer(answer)
            return len(bounds_from_texts.read_first_token(answer))
        except (RefusedError, PassingError) as error:
            said = str(error)
    return 0 if answers else said


async def _reads(endpoint: Endpoint, name: str, ids: tuple[int, ...], how: str) -> bool:
    """Whether a real reading of that kind comes back whole."""
    wanted = sorted({ids[0], ids[-1], ids[0] + 1})
    try:
        if how == "ids":
            answer = await endpoint.post(
                "/v1/completions", logprob_requests.chain_body(name, [ids], wanted)
            )
            logprob_requests.read_chains(answer, 1, wanted)
        else:
            answer = await endpoint.post("/v1/completions", logprob_requests.prompt_body(name, ids))
            logprob_requests.read_prompt(answer, ids, 1)
    except (RefusedError, PassingError):
        return False
    return True


async def _chains(endpoint: Endpoint, name: str, ids: tuple[int, ...]) -> bool:
    """Whether a forced step shows the same numbers as a request of its own."""
    forced = ids[0]
    wanted = sorted({ids[0], ids[-1], ids[0] + 1})
    try:
        joined = logprob_requests.read_chains(
            await endpoint.post(
                "/v1/completions", logprob_requests.chain_body(name, [ids], wanted, 2, forced)
            ),
            1, wanted, 2, forced,
        )[0]  # fmt: skip
        apart = logprob_requests.read_chains(
            await endpoint.post(
                "/v1/completions", logprob_requests.chain_body(name, [ids, (*ids, forced)], wanted)
            ),
            2,
            wanted,
        )
    except (RefusedError, PassingError):
        return False
    return all(
        abs(joined[step][token] - apart[step][0][token]) < CHAIN_TOLERANCE
        for step in range(2)
        for token in wanted
    )


async def _top_k(endpoint: Endpoint, name: str, ids: tuple[int, ...]) -> int:
    for k in (20, 5):
        try:
            answer = await endpoint.post(
                "/v1/completions", logprob_requests.top_body(name, [ids], k)
            )
            return min(k, len(logprob_requests.read_top(answer, 1)[0]))
        except (RefusedError, PassingError):
            continue
    return 0


async def _able(endpoint: Endpoint, path: str, body: dict[str, Any] | None) -> Any:
    """The answer, or nothing where the server does not know the request, or what it says."""
    try:
        answer = await _patiently(endpoint, path, body)
        return answer if isinstance(answer, dict) else None
    except (RefusedError, BadAnswerError, ServerError):
        return None  # a gateway answers what it does not know with a page, or forbids it
    except PassingError as error:
        if "HTTP 5" in str(error):  # some servers fail where they should refuse
            return None
        raise ServerError(f"{endpoint.url}: {error}") from None


async def _patiently(endpoint: Endpoint, path: str, body: dict[str, Any] | None = None) -> Any:
    """A few tries: a server under load is not one that cannot."""
    for left in range(TRIES - 1, -1, -1):
        try:
            return await (endpoint.post(path, body) if body else endpoint.get(path))
        except PassingError as error:
            if left == 0:
                if body is None and path == "/v1/models":
                    raise ServerError(
                        f"{endpoint.url}: {error}; is the server up? (docs/endpoints.md)"
                    ) from None
                raise
            await asyncio.sleep(PAUSE)
    raise AssertionError("the loop returns or raises")
