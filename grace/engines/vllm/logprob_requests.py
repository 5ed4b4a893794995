"""Requests that read next-token probabilities, and what their answers must hold.

Every id that was asked for must come back with a number, or the answer counts as none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from grace.engines.vllm.problems import BadAnswerError

#: vLLM's limit on `logprob_token_ids`, and what it writes for minus infinity.
MOST_IDS = 128
MINUS_INFINITY = -9999.0

Ids = tuple[int, ...]


def chain_body(
    model: str,
    contexts: Sequence[Ids],
    wanted: Sequence[int],
    length: int = 1,
    forced: int | None = None,
) -> dict[str, Any]:
    """From each context `length` tokens, with the log-probabilities of exactly `wanted`.

    More than one token are made to be `forced` each time.
    """
    body: dict[str, Any] = {
        "model": model,
        "prompt": [list(ids) for ids in contexts],
        "max_tokens": length,
        "temperature": 0.0,
        "logprobs": len(wanted),
        "logprob_token_ids": list(wanted),
        "return_tokens_as_token_ids": True,
    }
    return body if forced is None else body | {"allowed_token_ids": [forced], "ignore_eos": True}


def read_chains(
    answer: Any, contexts: int, wanted: Sequence[int], length: int = 1, forced: int | None = None
) -> list[list[dict[int, float]]]:
    """For each context and step the log-probability of every wanted id."""
    found = []
    for choice in _choices(answer, contexts):
        rows = [token_values(row) for row in _rows(choice, "top_logprobs", length)]
        for row in rows:
            missing = [token for token in wanted if token not in row]
            if missing:
                raise BadAnswerError(f"the server left out token ids {missing[:5]}")
        if length > 1:
            taken = _rows(choice, "tokens", length)[: length - 1]
            if any(token != f"token_id:{forced}" for token in taken):
                raise BadAnswerError("the server went on with another token than it was to")
        found.append([{token: row[token] for token in wanted} for row in rows])
    return found


def prompt_body(model: str, ids: Ids) -> dict[str, Any]:
    """A whole sequence, with the log-probability of each of its tokens."""
    return {
        "model": model,
        "prompt": list(ids),
        "max_tokens": 1,
        "temperature": 0.0,
        "prompt_logprobs": 0,
    }


def read_prompt(answer: Any, ids: Ids, start: int) -> list[float]:
    """The log-probabilities of ids[start:], each given all before it."""
    (choice,) = _choices(answer, 1)
    rows = choice.get("prompt_logprobs")
    if not isinstance(rows, list) or len(rows) != len(ids):
        raise BadAnswerError("the server's prompt_logprobs do not fit the prompt")
    values = []
    for place in range(start, len(ids)):
        row = rows[place] or {}
        entry = row.get(str(ids[place])) if isinstance(row, dict) else None
        if not isinstance(entry, dict) or "logprob" not in entry:
            raise BadAnswerError(f"the server left out token id {ids[place]} of the prompt")
        values.append(checked(entry["logprob"]))
    return values


def top_body(model: str, contexts: Sequence[Ids], k: int) -> dict[str, Any]:
    """One token from each context, with the k most probable."""
    return {
        "model": model,
        "prompt": [list(ids) for ids in contexts],
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": k,
        "return_tokens_as_token_ids": True,
    }


def read_top(answer: Any, contexts: int) -> list[dict[int, float]]:
    """For each context the log-probabilities of the most probable ids."""
    return [
        token_values(_rows(choice, "top_logprobs", 1)[0]) for choice in _choices(answer, contexts)
    ]


def token_values(entries: Any) -> dict[int, float]:
    """Log-probabilities by token id; a text in an id's place is no answer."""
    if not isinstance(entries, dict):
        raise BadAnswerError("the server's log-probabilities are no table")
    values = {}
    for name, value in entries.items():
        head, _, number = name.partition(":")
        if head != "token_id" or not number.isdecimal():
            raise BadAnswerError(f"the server names token {name!r} by its text, not its id")
        values[int(number)] = checked(value)
    return values


def checked(value: Any) -> float:
    """A log-probability, or the answer is none: NaN, text, above zero."""
    if type(value) not in (int, float) or math.isnan(value) or value > 1e-3:
        raise BadAnswerError(f"the server gave {value!r} as a log-probability")
    return -math.inf if value <= MINUS_INFINITY else min(float(value), 0.0)


def _choices(answer: Any, n: int) -> list[dict[str, Any]]:
    """The answer's n choices by their index."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or len(choices) != n:
        raise BadAnswerError(f"the server gave no {n} choices")
    numbers = [c.get("index", 0) if isinstance(c, dict) else None for c in choices]
    if set(numbers) != set(range(n)):
        raise BadAnswerError("the server's choices are not numbered as asked")
    return sorted(choices, key=lambda choice: int(choice.get("index", 0)))


def _rows(choice: dict[str, Any], name: str, length: int) -> list[Any]:
    """One entry a step of a choice's log-probabilities."""
    logprobs = choice.get("logprobs") or {}
    rows = logprobs.get(name) if isinstance(logprobs, dict) else None
    if not isinstance(rows, list) or len(rows) < length or any(row is None for row in rows):
        raise BadAnswerError("the server's answer has no log-probabilities, or too few")
    return rows[:length]
