"""Whether a model's weights, keys and values have room on this machine: grace.capacity's answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grace.config import ModelSettings, Settings
from grace.errors import ConfigError
from grace.serving import checks, machine
from grace.serving.capacity import Card, Row, estimate, read_architecture
from grace.serving.capacity.cards import of_driver
from grace.serving.capacity.estimates import sizes
from grace.serving.doctor.finding import Finding
from grace.serving.machine import Gpu


def of_limits(model: ModelSettings, arguments: Mapping[str, Any]) -> Iterator[Finding]:
    """What the model's config.json does not allow, whatever it is to run on."""
    try:
        a = read_architecture(model)
    except ConfigError:  # nothing is known of the model's layers
        return
    tp, length = arguments.get("tensor-parallel-size"), arguments.get("max-model-len")
    if isinstance(tp, int) and tp > 1 and tp not in (allowed := sizes(a, tp)):
        yield _not_shared(model, tp, allowed)
    stretched = os.environ.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN") == "1"
    if isinstance(length, int) and a.longest and length > a.longest and not stretched:
        cause = f"serve.args.max-model-len={length} exceeds the {a.longest} tokens it was made for"
        yield Finding(
            "len-over-config", cause, f"serve.args.max-model-len={a.longest}", place=model.name
        )


def _not_shared(model: ModelSettings, tp: int, allowed: Sequence[int]) -> Finding:
    remedy = f"serve.args.tensor-parallel-size={allowed[-1] if allowed else 1}"
    cause = (
        f"the attention heads cannot be shared out among {tp} cards; expected one of "
        f"{', '.join(map(str, allowed))}"
    )
    return Finding("tp-heads", cause, remedy, place=model.name)


def of_memory(
    settings: Settings,
    arguments: Mapping[str, Any],
    cards: Sequence[Gpu],
    given: frozenset[str],
    *,
    cpu: bool,
) -> Iterator[Finding]:
    """What is too little: of cards, of memory for the weights, for keys and values."""
    cache = settings.serve.cpu_cache_gib if cpu else None
    parts = checks.cards_wanted(arguments)
    problem = checks.memory_problem(settings.model, arguments, cards, cache)
    if problem is None:
        yield from _of_capacity(settings, arguments, cards, given, cpu=cpu)
    elif cpu:
        remedy = "serve.cpu_cache_gib=1, a smaller model, or a machine with more memory"
        yield Finding("ram-cpu", problem, remedy, place="this machine")
    elif not cards:
        remedy = "a machine with a GPU; without one the CPU build of vLLM (make setup-vllm)"
        yield Finding("no-gpu", problem, remedy, place="nvidia-smi")
    elif parts > len(cards):
        remedy = f"serve.args.tensor-parallel-size={len(cards)}"
        yield Finding("too-few-gpus", problem, remedy, place="nvidia-smi")
    else:
        yield Finding("oom-load", problem, _more_cards(parts), place="nvidia-smi")


def _more_cards(parts: int) -> str:
    return (
        f"serve.args.tensor-parallel-size={2 * parts} with as many cards, a quantised checkpoint "
        "or larger cards (grace.capacity says which)"
    )


def _of_capacity(
    settings: Settings,
    arguments: Mapping[str, Any],
    cards: Sequence[Gpu],
    given: frozenset[str],
    *,
    cpu: bool,
) -> Iterator[Finding]:
    card = Card("cpu", machine.available_memory()) if cpu else None
    if card is None and cards:
        card = of_driver(cards[0].name, cards[0].total)
    if card is None:
        return
    tp = int(arguments.get("tensor-parallel-size", 1))
    try:
        rows = estimate(settings, card, tp, given)
    except ConfigError:  # nothing is known of the model's layers
        return
    row = next((row for row in rows if row.tp == tp), None)
    if row is None:
        yield _not_shared(settings.model, tp, [row.tp for row in rows])
    elif row.verdict == "does not fit":
        yield _too_little(row, cpu=cpu)


def _too_little(row: Row, *, cpu: bool) -> Finding:
    place = "this machine" if cpu else "nvidia-smi"
    if not cpu and row.weights_gib > row.gpu_gib:
        return Finding("oom-load", row.why, _more_cards(row.tp), place=place)
    more = "serve.cpu_cache_gib=4" if cpu else "serve.args.gpu-memory-utilization=0.95"
    length = (row.tokens // row.block_size - 1) * row.block_size  # vLLM keeps a block for itself
    if row.kv_gib > 0 and length > 0:
        remedy = f"serve.args.max-model-len={length}, or {more}"
        return Finding("kv-too-small", row.why, remedy, place=place)
    remedy = f"raise {more}, or serve.args.tensor-parallel-size={2 * row.tp} with as many cards"
    return Finding("kv-none", row.why, remedy, place=place)
