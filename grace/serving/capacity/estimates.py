"""Rows: what a model takes and holds on one, two, four ... of a card, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from grace.config import CapacitySettings, Settings
from grace.errors import ConfigError
from grace.serving.arguments import wrong_dtype
from grace.serving.capacity.architecture import Architecture, read_architecture
from grace.serving.capacity.cards import GIB, Card
from grace.serving.capacity.kv_cache import Pool, make_pool
from grace.serving.capacity.server import Server, batch, kept, processor, read_server
from grace.serving.capacity.weights import Weights, known, weigh, weights_of

Verdict = Literal["fits", "tight", "does not fit", "not on this card"]
#: What a card holds beside weights, keys and values (activations, CUDA, its graphs), in GiB: 0.6
#: to 2.5 in public logs of 0.8 to 0.26; and what the interval of tokens allows for.
OVERHEAD, UNCERTAIN = 1.4, 1.0
#: The same where vLLM computes 8,192 tokens and more at a time, as it does by default on cards of
#: 70 GiB and more other than the A100.
LARGE_BATCH, LARGE_OVERHEAD = 8192, 2.0
#: The CPU's overhead is not the card's: vLLM takes what it is told for keys and values.
CPU_OVERHEAD = 1.0


@dataclass(frozen=True)
class Row:
    """One tensor-parallel size; memory is of one card, tokens are of all together."""

    tp: int
    gpu: str
    gpu_gib: float
    dtype: str
    weights_gib: float
    overhead_gib: float
    kv_gib: float
    bytes_per_token: float
    block_size: int
    blocks: int
    blocks_per_request: int
    tokens: int
    tokens_low: int
    tokens_high: int
    tokens_before_0_21: int  # as vLLM logged before, where layers differ
    bytes_per_token_before_0_21: float
    max_length: int
    concurrency: float
    verdict: Verdict
    why: str

    @property
    def good(self) -> bool:
        """Whether it can be started."""
        return self.verdict in ("fits", "tight")


@dataclass(frozen=True)
class Case:
    """A model with a server on a card: all that rows are made of."""

    a: Architecture
    card: Card
    server: Server
    weights: Weights
    machine: frozenset[str]


def estimate(
    settings: Settings,
    card: Card,
    count: int = 1,
    given: frozenset[str] = frozenset(),
    machine: frozenset[str] | None = None,
) -> tuple[Row, ...]:
    """A row for each tensor-parallel size up to `count` that divides the model's heads.

    `given` are the names of settings set by hand (`Composed.given`), `machine` the processor's
    flags where it is the CPU. ConfigError where the model is not known.
    """
    case = make_case(settings, card, count, given, machine)
    return tuple(row(case, tp) for tp in sizes(case.a, count))


def make_case(
    settings: Settings,
    card: Card,
    count: int,
    given: frozenset[str] = frozenset(),
    machine: frozenset[str] | None = None,
) -> Case:
    """Read the model, the arguments and the weights of these settings."""
    a = read_architecture(settings.model)
    server = read_server(settings, a, card, given)
    if wrong := wrong_dtype(settings.model, server.arguments):
        raise ConfigError(wrong)
    weights = _weights(settings, a, server, asked_tp(settings, given) or count)
    flags = processor() if machine is None else machine
    return Case(a, card, server, weights, flags)


def asked_tp(settings: Settings, given: frozenset[str]) -> int | None:
    """The tensor-parallel size that was asked for by hand."""
    if not {"serve.args.tensor-parallel-size", "serve.args.tensor_parallel_size"} & given:
        return None
    value = settings.serve.args.get("tensor-parallel-size")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"serve.args.tensor-parallel-size={value}: expected a whole number")
    return value


def sizes(a: Architecture, count: int) -> list[int]:
    """Tensor-parallel sizes that share out the attention heads and a state's heads evenly."""
    state = a.state.heads if a.state else 0
    return [
        tp for tp in range(1, count + 1)
        if a.heads % tp == 0 and state % tp == 0
        and (tp % a.kv_heads == 0 or a.kv_heads % tp == 0 or a.latent)
    ]  # fmt: skip


def row(case: Case, tp: int) -> Row:
    """What one of `tp` cards takes, what all hold, and whether that is enough."""
    kv = _kv_bytes(case, tp, 0)
    pool = make_pool(case.a, kept(case.server, case.a, case.card, tp, case.machine), tp)
    blocks = _blocks(case, pool, kv)
    low, high = (_blocks(case, pool, _kv_bytes(case, tp, more)) for more in (UNCERTAIN, -UNCERTAIN))
    verdict, why = _verdict(case, pool, tp, blocks, low, kv)
    return Row(
        tp=tp,
        gpu=case.card.name,
        gpu_gib=case.card.gib,
        dtype=case.server.dtype,
        weights_gib=round(_share(case, tp), 4),
        overhead_gib=_overhead(case, 0),
        kv_gib=round(max(kv, 0) / GIB, 4),
        bytes_per_token=round(pool.bytes_per_token, 3),
        block_size=pool.block,
        blocks=blocks,
        blocks_per_request=pool.request_blocks,
        tokens=pool.tokens(blocks),
        tokens_low=pool.tokens(low),
        tokens_high=pool.tokens(high),
        tokens_before_0_21=pool.tokens_by_block(blocks),
        bytes_per_token_before_0_21=round(pool.block_bytes * pool.groups / pool.block, 3),
        max_length=pool.length,
        concurrency=round(pool.concurrency(blocks), 6),
        verdict=verdict,
        why=why,
    )


def quantised(case: Case, quantization: str) -> Case | None:
    """The same model, quantised otherwise; None where its size cannot be counted."""
    weights = weigh(case.a, case.server.dtype, quantization)
    if weights is None:
        return None
    return replace(case, server=replace(case.server, quantization=quantization), weights=weights)


def _weights(settings: Settings, a: Architecture, server: Server, tp: int) -> Weights:
    counted = weigh(a, server.dtype, server.quantization)
    stated = settings.weights_gib if isinstance(settings, CapacitySettings) else None
    if stated is not None:
        return known(stated, counted, a, tp)
    found = weights_of(settings.model, {**server.arguments, "dtype": server.dtype})
    if found is None or (found.counted is None and counted is None and found.a is None):
        what = f" with quantization {server.quantization}" if server.quantization else ""
        why = "" if a.vocab else " (vocab_size is missing)"
        raise ConfigError(
            f"{settings.model.name}: what its weights take{what} cannot be counted{why}; "
            "expected weights_gib=NUMBER"
        )
    return found


def _overhead(case: Case, more: float) -> float:
    usual = LARGE_OVERHEAD if batch(case.server, case.card) >= LARGE_BATCH else OVERHEAD
    return max(0.0, (CPU_OVERHEAD if case.card.cpu else usual) + more)


def _share(case: Case, tp: int) -> float:
    return max(0.0, case.weights.share(tp) - case.server.offload)


def _kv_bytes(case: Case, tp: int, more: float) -> float:
    """Memory of one card for keys and values, at so many GiB more overhead."""
    if case.server.kv_memory is not None:
        return case.server.kv_memory
    budget = case.card.gib * case.server.utilisation
    return (budget - _share(case, tp) - _overhead(case, more)) * GIB


def _blocks(case: Case, pool: Pool, kv: float) -> int:
    return pool.blocks(kv) if case.server.blocks is None else case.server.blocks


def _verdict(
    case: Case, pool: Pool, tp: int, blocks: int, low: int, kv: float
) -> tuple[Verdict, str]:
    card, server = case.card, case.server
    if server.dtype == "bfloat16" and not card.bfloat16:
        return (
            "not on this card",
            f"bfloat16 needs compute capability 8.0; {card.name} has {card.capability}",
        )
    for problem in _too_little(case, pool, tp, blocks, kv):
        return "does not fit", problem
    if "fp8" in server.quantization and not card.fp8:
        return "not on this card", (
            f"FP8 needs compute capability 8.9; {card.name} has {card.capability} (vLLM would keep "
            "weights in FP8 and compute in 16 bits)"
        )
    if not card.cpu and kv < card.gib * GIB / 10:
        return "tight", "less than a tenth of the card is left for keys and values"
    if not pool.holds_one(low):
        return "tight", "with 1 GiB more overhead not one request of the greatest length is held"
    return "fits", ""


def _too_little(case: Case, pool: Pool, tp: int, blocks: int, kv: float) -> Iterator[str]:
    weights, overhead = _share(case, tp), _overhead(case, 0)
    if case.server.kv_memory is not None:
        need = weights + overhead + kv / GIB
        if need > case.card.gib:
            yield (
                f"{need:.1f} GiB of weights, overhead, keys and values; there are "
                f"{case.card.gib:.1f}"
            )
    elif kv <= 0:
        share = case.card.gib * case.server.utilisation
        yield f"weights and overhead take {weights + overhead:.1f} GiB of {share:.1f} on each card"
    if not pool.holds_one(blocks):
        yield (
            f"{blocks:,} blocks, and one request of {pool.length:,} tokens takes "
            f"{pool.request_blocks:,} and one more"
        )
