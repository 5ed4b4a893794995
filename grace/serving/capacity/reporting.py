"""All that grace.capacity says of a model: rows, variants, the smallest set of cards, a server."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from grace.config import CapacitySettings
from grace.errors import ConfigError
from grace.serving import machine
from grace.serving.capacity.cards import ALONE, CARDS, GIB, Card, find_card, of_driver
from grace.serving.capacity.estimates import (
    Case,
    Row,
    asked_tp,
    make_case,
    quantised,
    row,
    sizes,
)
from grace.serving.capacity.running import beside
from grace.version import __version__

#: Quantisation that vLLM's usual recipes make, and the compute capability its kernels need.
VARIANTS = {"awq": 7.5, "gptq": 7.5, "fp8": 8.9}
#: Where no card is named and none is here.
USUAL = "a100-40"
#: Cards of one machine, at most, for the smallest set.
MOST_CARDS = 8


def report(settings: CapacitySettings, given: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Everything, as capacity.json holds it; `given` are the settings set by hand."""
    card, here = which_card(settings)
    wanted = asked_tp(settings, given)
    count = settings.count or wanted or here or 1
    case = make_case(settings, card, count, given)
    rows = _rows(case, count, wanted)
    deciding = [r for r in rows if r.tp == wanted] if wanted else rows
    fits = any(r.good for r in deciding)
    found: dict[str, Any] = {
        "grace": __version__,
        "model": settings.model.name,
        "id": settings.model.id,
        "gpu": card.name,
        "gpu_gib": card.gib,
        "count": count,
        "dtype": case.server.dtype,
        "quantization": case.server.quantization or None,
        "utilisation": case.server.utilisation,
        "parameters": case.weights.counted.total if case.weights.counted else None,
        "fits": fits,
        "rows": [asdict(r) for r in rows],
        "variants": _variants(case, count),
        "smallest": _smallest(settings, case, count, given),
        "server": beside(settings, given, rows),
        "notes": _notes(settings, case),
    }
    if {"study", "exp"} & given:
        from grace.serving.capacity.workload import workload

        found["workload"] = workload(settings, case, deciding)
    return found


def which_card(settings: CapacitySettings) -> tuple[Card, int | None]:
    """The card in question, and how many of it are here where nobody named one."""
    name, gib = settings.gpu, settings.gpu_gib
    if name is not None and name.strip().lower() == "cpu":
        return Card("cpu", gib or _main_memory()), None
    if name is not None:
        return find_card(name, gib), None
    if gib is not None:
        return Card(f"a card of {gib:g} GiB", gib), None
    if cards := machine.gpus():
        return of_driver(cards[0].name, cards[0].total), len(cards)
    return find_card(USUAL), None


def _main_memory() -> float:
    try:
        import os

        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    except (AttributeError, ValueError, OSError):
        raise ConfigError("gpu=cpu: this machine's memory is not told; expected gpu_gib=") from None


def _rows(case: Case, count: int, wanted: int | None) -> list[Row]:
    allowed = sizes(case.a, count)
    if wanted is not None and wanted > count:
        raise ConfigError(
            f"serve.args.tensor-parallel-size={wanted}: expected no more than count={count}"
        )
    if wanted is not None and wanted not in allowed:
        heads = f"{case.a.heads} attention heads and {case.a.kv_heads} of keys and values"
        raise ConfigError(
            f"serve.args.tensor-parallel-size={wanted}: does not divide {heads}; expected one of "
            f"{', '.join(map(str, sizes(case.a, 16)))}"
        )
    return [row(case, tp) for tp in allowed]


def _variants(case: Case, count: int) -> list[dict[str, Any]]:
    """The rows of the model quantised, as a checkpoint made for it would be."""
    found = []
    own = case.server.quantization
    for name, needed in VARIANTS.items():
        capability = case.card.capability
        if own.startswith(name) or case.card.cpu or (capability or 99) < needed:
            continue
        if (other := quantised(case, name)) is None:
            continue
        if not case.card.bfloat16 and not case.a.model_type.startswith(("gemma2", "gemma3")):
            other = replace(other, server=replace(other.server, dtype="float16"))
        found += [{"quantization": name, **asdict(row(other, tp))} for tp in sizes(case.a, count)]
    return found


def _smallest(
    settings: CapacitySettings, case: Case, count: int, given: frozenset[str]
) -> dict[str, Any] | None:
    """The set of cards of one machine with the least memory on which the model fits.

    Tight sets count only where nothing fits.
    """
    best: tuple[tuple[bool, float, int], Row] | None = None
    for card in CARDS:
        other = make_case(settings, card, count, given, case.machine)
        for tp in sizes(case.a, 1 if card.name in ALONE else MOST_CARDS):
            found = row(other, tp)
            rank = (found.verdict == "tight", tp * card.gib, tp)
            if found.good and (best is None or rank < best[0]):
                best = rank, found
    if best is None:
        return None
    found = best[1]
    return {"gpu": found.gpu, "count": found.tp, "gib": round(found.tp * found.gpu_gib, 2),
            "verdict": found.verdict, "tokens": found.tokens}  # fmt: skip


def _notes(settings: CapacitySettings, case: Case) -> list[str]:
    found = list(case.server.notes)
    if case.weights.note:
        found.append(case.weights.note)
    if settings.model.path and str(settings.serve.args.get("dtype")) not in (
        "auto", "None", case.server.dtype
    ):  # fmt: skip
        found.append(
            f"grace.serve starts this folder in {settings.serve.args['dtype']} unless "
            f"serve.args.dtype={case.server.dtype} is given"
        )
    if len(set(case.a.layers)) > 1 or "window" in case.a.layers:
        found.append(
            "layers keep different amounts: tokens are requests at once × their greatest length, "
            "as vLLM logs since 0.21 (tokens_before_0_21 as it did before)"
        )
    return found
