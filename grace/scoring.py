"""Scoring options and running studies from Python."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from grace import scores
from grace.command import INTERRUPTED, compose
from grace.engines.make import make_engine
from grace.errors import ConfigError
from grace.results import Run, load
from grace.settings import Settings, read_settings
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
    model: str,
    prompts: Sequence[Conversation],
    options: Sequence[str],
    forms: bool = False,
    overrides: Sequence[str] = (),
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
    if isinstance(prompts, str):
        raise ConfigError("prompts: found one string, expected a list of prompts")
    if not options or len(set(options)) < len(options):
        raise ConfigError(f"options {list(options)!r}: expected at least one, each once")
    if not all(options):
        raise ConfigError("options: an empty option has no probability; expected some text")
    choices = tuple(Option(text, text, surface_forms(text) if forms else ()) for text in options)
    queries = [Query(conversation(prompt), choices) for prompt in prompts]
    answers = run_sync(_score(_settings(model, overrides), queries))
    rows = [
        row for query, answer in zip(queries, answers, strict=True) for row in _rows(query, answer)
    ]
    names = ("prompt", "option", "logprob", "prob", "mass", "n_tokens", "method", "flags")
    return pd.DataFrame(rows, columns=list(names))


def run_study(*overrides: str) -> Run:
    """Run a study as the command does, with the same words: "study=1", "pilot=10".

    Raises GraceError where the command would exit with 1, and KeyboardInterrupt where it
    was interrupted. Failed queries are missing values; the manifest counts them.
    """
    from rich.console import Console

    from grace.runner import run

    settings = read_settings(compose(overrides))
    outcome = run_sync(run(settings, Console(emoji=False)))
    if outcome.code == INTERRUPTED:
        raise KeyboardInterrupt
    if settings.dry_run:
        raise ConfigError("dry_run=true leaves no results; use the command for a dry run")
    return load(outcome.folder)


def surface_forms(text: str) -> tuple[str, ...]:
    """Spellings that count as the text: other case, and a space before."""
    cases = (text, text[:1].upper() + text[1:], text.upper(), text.lower())
    return tuple(dict.fromkeys((*cases, *(f" {case}" for case in cases))))


def conversation(prompt: Conversation) -> tuple[Message, ...]:
    """A prompt as messages; ConfigError for what is neither text nor messages."""
    if isinstance(prompt, str):
        return (Message("user", prompt),)
    messages = []
    for turn in prompt:
        role, content = turn.get("role"), turn.get("content")
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise ConfigError(
                f"message {dict(turn)!r}: expected a role (system, user, assistant) and content"
            )
        messages.append(Message(role, content))  # type: ignore[arg-type]
    return tuple(messages)


def _settings(model: str, overrides: Sequence[str]) -> Settings:
    if Path(model).expanduser().is_dir():
        folder = str(Path(model).expanduser().resolve())
        quoted = "'" + folder.replace("'", "\\'") + "'"
        return read_settings(compose([f"model.path={quoted}", *overrides]))
    return read_settings(compose([f"model={model}", *overrides]))


async def _score(settings: Settings, queries: Sequence[Query]) -> list[Answer]:
    key = (settings.model.model_dump_json(), settings.engine.model_dump_json())
    engine = _engines.get(key)
    if engine is None:
        engine = await make_engine(settings.model, settings.engine)
        if settings.engine.kind == "local":  # a connection belongs to the loop that made it
            _engines.clear()
            _engines[key] = engine
    prepared = await engine.prepare(queries)
    distinct = {p.key: p for p in prepared if isinstance(p, Prompt)}
    found: dict[str, Answer] = {}
    async for answered in engine.answer(engine.batches(list(distinct.values()))):
        found |= {prompt.key: answer for prompt, answer in answered}
    if key not in _engines:
        await engine.close()
    return [p if isinstance(p, Failure) else found[p.key] for p in prepared]


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
