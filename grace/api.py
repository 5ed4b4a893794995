"""Scoring options and running studies from Python."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence, Set
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from grace.asking.prompt_origin import Alike, alike_refusal, differ
from grace.config import INTERRUPTED, Settings, read_settings
from grace.config.argument_kinds import found
from grace.config.command_line import compose
from grace.config.overrides import quoted
from grace.config.printable import writable
from grace.config.resources import expand
from grace.config.validation_messages import shown
from grace.engines import make_engine
from grace.errors import ConfigError, QueryError
from grace.runs import Run, load
from grace.scoring import distributions as scores
from grace.types import (
    Answer,
    Engine,
    Failure,
    Message,
    Option,
    OptionScores,
    Prompt,
    Query,
    mass,
)

T = TypeVar("T")
Conversation = str | Sequence[Mapping[str, str]]

_engines: dict[tuple[str, ...], Engine] = {}


def score(
    model: str | os.PathLike[str],
    prompts: Iterable[Conversation],
    options: Iterable[str],
    forms: bool = False,
    overrides: Iterable[str] = (),
) -> pd.DataFrame:
    """The exact probability of every option after every prompt.

    `model` is a name of the registry ("smollm2-135m") or the folder of a Hugging Face model;
    `prompts` are strings (a user turn) or message lists ({"role", "content"}); `forms` counts
    spellings such as "Yes", "YES" and " yes" as "yes"; `overrides` are settings as on the
    command line ("engine.device=cuda").

    One row a prompt × option: `prompt` (as given; a message list's contents joined by empty
    lines), `option`, `logprob` (natural log, the sum over the option's tokens, as written),
    `prob` (share among the options, from the disjoint masses), `mass` (of the prompt: the
    probability of all options together), `n_tokens`, `method`, `flags`. What could not be
    had is NaN and `flags` says why. Masses: see
    docs/scores.md.
    """
    asked = [
        conversation(prompt, f"prompts, number {n}") for n, prompt in _each("prompts", prompts)
    ]
    texts = [_text(f"options, number {n}", option) for n, option in _each("options", options)]
    if not texts or len(set(texts)) < len(texts):
        raise ConfigError(f"options {texts!r}: expected at least one, each once")
    if not all(texts):
        raise ConfigError("options: an empty option has no probability; expected some text")
    if not isinstance(forms, (bool, np.bool_)):
        raise ConfigError(f"forms: {found(forms)}, expected True or False")
    words = [word for _, word in _each("overrides", overrides)]
    choices = tuple(Option(text, text, surface_forms(text) if forms else ()) for text in texts)
    queries = [Query(messages, choices) for messages in asked]
    answers = run_sync(_score(_settings(model, words), queries)) if queries else []
    rows = [
        row for query, answer in zip(queries, answers, strict=True) for row in _rows(query, answer)
    ]
    names = ("prompt", "option", "logprob", "prob", "mass", "n_tokens", "method", "flags")
    return pd.DataFrame(rows, columns=list(names))


def run_study(*overrides: str, **settings: Any) -> Run:
    """Run a study as the command does, with the same words: "study=1", "pilot=10".

    Settings without a dot in their name may be given as arguments too: pilot=10. Raises
    GraceError where the command would exit with 1, and KeyboardInterrupt where it was
    interrupted. Failed queries are missing values; the manifest counts them.
    """
    from rich.console import Console

    from grace.report import report_run
    from grace.runs import run

    words = [*overrides, *(f"{name}={_word(name, value)}" for name, value in settings.items())]
    checked = read_settings(compose(words))
    outcome = run_sync(run(checked, Console(emoji=False), report=report_run))
    if outcome.code == INTERRUPTED:
        raise KeyboardInterrupt
    if checked.dry_run:
        raise ConfigError("dry_run=true leaves no results; use the command for a dry run")
    return load(outcome.folder)


def _word(name: str, value: Any) -> str:
    """A setting's value as it is written on the command line."""
    if value is None:
        return "null"
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (str, os.PathLike, Integral, Real)):
        return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    raise ConfigError(f"{name}: {found(value)}, expected text or a number")


def _each(name: str, values: Any) -> Iterator[tuple[int, Any]]:
    """The members of a list, array, column or generator, numbered from 1."""
    if isinstance(values, str):
        raise ConfigError(f"{name}: found one string, expected a list of {name}")
    unordered = isinstance(values, (bytes, Mapping, Set, pd.DataFrame))
    if unordered or not isinstance(values, Iterable) or getattr(values, "ndim", 1) != 1:
        raise ConfigError(f"{name}: {found(values)}, expected a list of {name}")
    yield from enumerate(values, 1)


def _text(place: str, value: Any) -> str:
    if not isinstance(value, str):
        quoted = f'; write "{value}"' if isinstance(value, Integral) else ""
        raise ConfigError(f"{place}: {found(value)}, expected text{quoted}")
    if writable(value) != value:
        raise ConfigError(f"{place}: {found(value)}, expected text in UTF-8")
    return str(value)


def surface_forms(text: str) -> tuple[str, ...]:
    """Spellings that count as the text: other case, and a space before."""
    cases = (text, text[:1].upper() + text[1:], text.upper(), text.lower())
    return tuple(dict.fromkeys((*cases, *(f" {case}" for case in cases))))


def conversation(prompt: Conversation, place: str = "prompt") -> tuple[Message, ...]:
    """A prompt as messages; ConfigError for what is neither text nor messages."""
    if isinstance(prompt, str):
        return (Message("user", _text(place, prompt)),)
    if isinstance(prompt, Mapping):
        raise ConfigError(
            f"{place}: found one message, expected a list of messages or text "
            "(of one conversation: [[…]])"
        )
    if not isinstance(prompt, (list, tuple)):
        raise ConfigError(f"{place}: {found(prompt)}, expected text or a list of messages")
    if not prompt:
        raise ConfigError(f"{place}: found no message, expected one or more")
    messages = []
    for turn in prompt:
        role, content = (
            (turn.get("role"), turn.get("content")) if isinstance(turn, Mapping) else (None, None)
        )
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise ConfigError(
                f"{place}: message {shown(turn)}: expected a role (system, user, assistant) and "
                "content"
            )
        messages.append(Message(role, _text(place, content)))
    return tuple(messages)


def _settings(model: str | os.PathLike[str], overrides: Sequence[str]) -> Settings:
    if not isinstance(model, (str, os.PathLike)) or isinstance(os.fspath(model), bytes):
        raise ConfigError(f"model: {found(model)}, expected a name or the folder of a model")
    name = os.fspath(model)
    if os.path.isdir(expand(name)):  # noqa: PTH112  (Path's fails on a long name)
        folder = os.path.realpath(expand(name))
        return read_settings(compose([f"model.path={quoted(folder)}", *overrides]))
    return read_settings(compose([f"model={name}", *overrides]))


async def _score(settings: Settings, queries: Sequence[Query]) -> list[Answer]:
    from grace.runs.resume import model_stamp

    stamp = repr(model_stamp(settings.model))  # files may change while a notebook is open
    key = (settings.model.model_dump_json(), settings.engine.model_dump_json(), stamp)
    engine = _engines.get(key)
    if engine is None:
        engine = await make_engine(settings.model, settings.engine)
        if settings.engine.kind == "local":  # a connection belongs to the loop that made it
            _engines.clear()
            _engines[key] = engine
    prepared = await _prepare(engine, queries)
    distinct = {p.key: p for p in prepared if isinstance(p, Prompt)}
    known: dict[str, Answer] = {}
    async for answered in engine.answer(engine.batches(list(distinct.values()))):
        known |= {prompt.key: answer for prompt, answer in answered}
    if key not in _engines:
        await engine.close()
    return [p if isinstance(p, Failure) else known[p.key] for p in prepared]


async def _prepare(engine: Engine, queries: Sequence[Query]) -> list[Prompt | Failure]:
    """The prompts; ConfigError names the one that cannot be asked, from 1."""
    try:
        prepared = await engine.prepare(queries)
    except QueryError as error:
        number = next((i for i, q in enumerate(queries, 1) if q == error.query), 0)
        raise ConfigError(f"prompt {number}: {error}" if number else str(error)) from error
    alike = Alike()
    alike.note(made if isinstance(made, Prompt) else None for made in prepared)
    for pair in alike.pairs():
        one, other = (queries[i] for i in pair)
        if differ(one, other):
            raise alike_refusal(one, other, [f"prompt {i + 1}" for i in pair])
    return prepared


def _rows(query: Query, answer: Answer) -> list[tuple[Any, ...]]:
    prompt = "\n\n".join(message.content for message in query.messages)
    if not isinstance(answer, OptionScores):
        reason = f"failed: {answer.reason}" if isinstance(answer, Failure) else "no scores"
        nan = float("nan")
        return [(prompt, o.name, nan, nan, nan, pd.NA, "", reason) for o in query.options]
    masses = np.array([option.log_mass for option in answer.options])
    probs = scores.softmax(masses)
    total = mass(answer)
    flags = "; ".join(answer.flags)
    return [
        (prompt, o.name, o.logprob, float(p), total, o.n_tokens, answer.method, flags)
        for o, p in zip(answer.options, probs, strict=True)
    ]


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in a thread of its own where a loop runs (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    result: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            result.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001  (carried to the caller)
            errors.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return result[0]
