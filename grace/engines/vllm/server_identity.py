"""Which model a server serves, as far as that can be known from outside; part of the store's key.

A server says by which name it was started (`root`, `parent` of an adapter). Where it runs on this
machine, a folder's files and the hub's cache can be looked at; where this run started it, the
arguments are known. Two endpoints, and one that was away, are also compared by a few numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from grace.config import ModelSettings, StartedSettings, VllmSettings
from grace.engines.hub import cached_commit
from grace.engines.vllm import logprob_requests
from grace.engines.vllm.chat_template import read_ids
from grace.engines.vllm.endpoint import Endpoint
from grace.engines.vllm.problems import BadAnswerError, PassingError, RefusedError, ServerError

#: What the numbers are compared on, and how far (log) those of one model may be apart: more than
#: any numeric type's noise.
SENTENCE = "How likely is it that two of the three letters have a stamp?"
APART = 1.0

Numbers = Mapping[int, float]


def identity(
    cards: Sequence[Mapping[str, Any]], urls: Sequence[str], model: ModelSettings, own: VllmSettings
) -> str:
    """What the endpoints' entries for the model, and this machine, tell of it; "" for nothing."""
    told = {_root(card, url, model) for card, url in zip(cards, urls, strict=True)}
    parts = sorted(told - {""})
    if isinstance(own, StartedSettings):
        given = dict(own.arguments)
        if given.get("dtype") in (model.dtype, "auto"):
            given.pop("dtype")
        parts += [f"started with {json.dumps(given, sort_keys=True)}"] if given else []
    return "; ".join(parts)


def _root(card: Mapping[str, Any], url: str, model: ModelSettings) -> str:
    root, parent = card.get("root"), card.get("parent")
    if not isinstance(root, str) or not root:
        return ""
    told = root
    if on_this_machine(url):
        if (Path(root) / "config.json").is_file():
            from grace.engines.local.model_files import folder_hash, weights_hash

            told = f"weights {weights_hash(Path(root))}, files {folder_hash(Path(root))[0]}"
        elif commit := cached_commit(root, model.revision):
            told = f"{root} at {commit}"
    return f"{told} on {parent}" if isinstance(parent, str) and parent else told


def on_this_machine(url: str) -> bool:
    """Whether an endpoint is reached by the loopback address."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


async def numbers(endpoint: Endpoint, name: str) -> Numbers:
    """A few log-probabilities by which to tell one model from another; none where it has no ids."""
    try:
        body = {"model": name, "prompt": SENTENCE}
        ids = read_ids(await endpoint.post("/tokenize", body))
        wanted = sorted(set(ids))[:8]
        answer = await endpoint.post(
            "/v1/completions", logprob_requests.chain_body(name, [ids], wanted)
        )
        return logprob_requests.read_chains(answer, 1, wanted)[0][0]
    except (BadAnswerError, PassingError, RefusedError, ServerError):
        return {}


def differ(before: Numbers, now: Numbers) -> bool:
    """Whether two readings are of different models; unknown ones are not."""
    if not before or not now:
        return False
    return before.keys() != now.keys() or any(
        abs(before[token] - now[token]) > APART for token in before
    )
