"""What is wrong with a server that runs: found by asking it, as a run would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from grace.config import DoctorSettings, VllmSettings
from grace.engines.vllm.chat_template import read_ids
from grace.engines.vllm.endpoint import Endpoint, endpoint_urls
from grace.engines.vllm.problems import BadAnswerError, PassingError, RefusedError, ServerError
from grace.errors import ConfigError
from grace.serving.doctor.finding import Finding
from grace.serving.doctor.logs import find_cause
from grace.serving.doctor.probabilities import of_options, of_tokens
from grace.serving.doctor.slowness import of_speed
from grace.types import Message

#: Seconds an answer may take, and rows of the study whose prompts are measured.
PATIENCE, ROWS = 60.0, 20
#: Tokens beside the prompt where options are scored: the longest option.
OPTION = 16


async def of_server(settings: DoctorSettings, url: str, *, model_given: bool) -> list[Finding]:
    """All that is wrong, the gravest first."""
    async with _endpoint(url) as endpoint:
        cards, problem = await _served(endpoint)
        if problem:
            return [problem]
        found = list(_wrong_model(settings, cards, endpoint.url)) if model_given else []
        if found or not cards:
            return found
        name = str(_card(settings, cards)["id"])
        chat, problem = await _chat(endpoint, name, settings.model.chat if model_given else None)
        found += [problem] if problem else []
        found += await _context(settings, endpoint, _card(settings, cards), chat=chat)
        found += await of_tokens(endpoint, name)
        if not found:
            engine = VllmSettings(kind="vllm", endpoints=(endpoint.url,), deadline=PATIENCE)
            found += await of_options(settings.model, name, engine, chat=chat)
        return found + await of_speed(endpoint)


@asynccontextmanager
async def _endpoint(url: str) -> AsyncIterator[Endpoint]:
    try:
        (checked,) = endpoint_urls((url,))
        endpoint = Endpoint(checked, timeout=PATIENCE, most=4)
    except ConfigError as error:
        raise ConfigError(str(error).replace("engine.endpoints: ", "url=")) from error
    try:
        yield endpoint
    finally:
        await endpoint.close()


async def _served(endpoint: Endpoint) -> tuple[list[dict[str, Any]], Finding | None]:
    """The models a server names, or why it names none."""
    place = f"{endpoint.root}/v1/models"
    try:
        listed = await endpoint.get("/v1/models")
    except ServerError as error:
        if "refuses access" in str(error):
            cause = "the server was started with a key and the request has none, or another"
            remedy = "export GRACE_API_KEY=… as in the server's environment"
            return [], Finding("api-key", cause, remedy, str(error), place)
        return [], _no_server(str(error), place)
    except (PassingError, RefusedError) as error:
        return [], _no_server(str(error), place)
    data = listed.get("data") if isinstance(listed, dict) else None
    cards = [card for card in data or () if isinstance(card, dict) and card.get("id")]
    if cards:
        return cards, None
    return [], _no_server("it names no models", place)


def _no_server(said: str, place: str) -> Finding:
    return Finding(
        "unreachable",
        "no vLLM answers there",
        "url=http://HOST:PORT as grace.serve printed it; grace.doctor log=FILE says why it ended",
        said,
        place,
    )


def _wrong_model(
    settings: DoctorSettings, cards: Sequence[Mapping[str, Any]], url: str
) -> Iterator[Finding]:
    model = settings.model
    wanted = [name for name in (model.name, model.id, model.path) if name]
    served = [str(card["id"]) for card in cards]
    if not set(wanted) & set(served):
        yield Finding(
            "wrong-model",
            f"the server has {', '.join(served)} and not {model.name}",
            f"model.name={served[0]} if that is the same model, else engine.endpoints=URL of "
            f"another server, or serve.args.served-model-name={model.name} where it is started",
            ", ".join(served),
            f"{url}/models",
        )


def _card(settings: DoctorSettings, cards: Sequence[dict[str, Any]]) -> dict[str, Any]:
    model = settings.model
    wanted = (model.name, model.id, model.path)
    return next((card for card in cards if card["id"] in wanted), cards[0])


async def _chat(endpoint: Endpoint, name: str, asked: bool | None) -> tuple[bool, Finding | None]:
    """Whether it renders conversations, and what is wrong if it cannot."""
    if asked is False:
        return False, None
    body = {"model": name, "messages": [{"role": "user", "content": "a"}]}
    try:
        await endpoint.post("/tokenize", body)
    except (RefusedError, PassingError, ServerError) as error:
        known = find_cause(str(error))
        if known and known.id == "no-chat-template":
            place = f"{endpoint.root}/tokenize"
            return False, Finding(known.id, known.cause, known.remedy, str(error), place)
        return False, None
    return True, None


async def _context(
    settings: DoctorSettings, endpoint: Endpoint, card: Mapping[str, Any], *, chat: bool
) -> list[Finding]:
    """Whether the longest prompt of the study's first rows goes into the server's context."""
    length = card.get("max_model_len")
    if not isinstance(length, int):
        return []
    messages = _longest(settings, chat=chat)
    name = str(card["id"])
    text = "\n\n".join(message.content for message in messages)
    talk = [{"role": "user", "content": text}]
    body = {"model": name, "messages": talk} if chat else {"model": name, "prompt": text}
    try:
        tokens = len(read_ids(await endpoint.post("/tokenize", body)))
    except (RefusedError, PassingError, ServerError, BadAnswerError):
        return []
    answer = settings.exp.max_tokens if settings.exp.name == "1" else OPTION
    if tokens + answer <= length:
        return []
    needed = -(-(tokens + answer) // 64) * 64
    return [
        Finding(
            "context-too-small",
            f"a prompt of study {settings.study.name} takes {tokens} tokens and its answer "
            f"{answer}; the server reads {length}",
            f"serve.args.max-model-len={needed} where it is started",
            f"max_model_len={length}",
            f"{endpoint.root}/v1/models",
        )
    ]


def _longest(settings: DoctorSettings, *, chat: bool) -> tuple[Message, ...]:
    from grace.asking.preflight import sample
    from grace.asking.query_table import ask_job

    queries = ask_job(sample(settings, ROWS), chat=chat)
    return max(
        (query.messages for query in queries),
        key=lambda messages: sum(len(message.content) for message in messages),
    )
