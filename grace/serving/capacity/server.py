"""What the server's arguments make of a model on a card: its numeric type, lengths, blocks."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.config import Settings
from grace.errors import ConfigError
from grace.serving.arguments import (
    KNOWN_VERSION,
    effective,
    known_options,
    unknown_arguments,
)
from grace.serving.capacity.architecture import Architecture
from grace.serving.capacity.cards import GIB, Card
from grace.serving.capacity.kv_cache import Kept

BYTES = {"float32": 4, "float": 4, "bfloat16": 2, "float16": 2, "half": 2}
_ONE = ("fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "int8", "fp8_per_token_head",
        "int8_per_token_head")  # fmt: skip
_UNITS = {"k": 1000, "K": 1024, "m": 10**6, "M": 2**20, "g": 10**9, "G": 2**30}
#: vLLM's own where nothing else is said (0.32).
UTILISATION, LENGTH, GPU_BLOCK, CPU_BLOCK = 0.92, 2048, 16, 128
#: Arguments that change what memory holds in ways that are not counted.
_UNCOUNTED = ("speculative-config", "enable-lora", "pipeline-parallel-size",
              "decode-context-parallel-size", "kv-offloading-size",
              "enable-sleep-mode")  # fmt: skip


@dataclass(frozen=True)
class Server:
    """A server that would be started, as far as memory depends on it."""

    arguments: Mapping[str, Any]
    dtype: str  # computed in
    quantization: str  # asked for, or the checkpoint's; "" without
    utilisation: float  # share of the card's memory
    kv_memory: float | None  # bytes for keys and values, where they are set
    blocks: int | None  # where they are set (num-gpu-blocks-override)
    offload: float  # GiB of weights kept in main memory
    notes: tuple[str, ...]


def read_server(
    settings: Settings, a: Architecture, card: Card, given: frozenset[str] = frozenset()
) -> Server:
    """The server of these settings on that card; `given` are the settings set by hand."""
    arguments = effective(settings, cpu=card.cpu)
    for unset in ("dtype", "max-model-len"):
        # Composed for the bundled model, whose place a folder may have taken meanwhile.
        if settings.model.path and not settings.model.bundled and not _by_hand(unset, given):
            own = settings.model.dtype if unset == "dtype" else settings.model.max_length
            arguments = {k: v for k, v in arguments.items() if k != unset}
            arguments |= {unset: own} if own not in (None, "auto") else {}
    if problems := unknown_arguments(list(arguments), known_options(), KNOWN_VERSION):
        raise ConfigError("; ".join(problems))
    _refuse_lengths(arguments, a)
    share = arguments.get("gpu-memory-utilization", arguments.get("device-memory-utilization"))
    utilisation = UTILISATION if share is None else _share(share)
    kv = arguments.get("kv-cache-memory-bytes")
    kv_memory = None if kv is None else float(whole(kv, "kv-cache-memory-bytes"))
    if card.cpu and kv_memory is None:
        kv_memory = settings.serve.cpu_cache_gib * GIB
    override = arguments.get("num-gpu-blocks-override")
    return Server(
        arguments=arguments,
        dtype=_dtype(arguments, a, card),
        quantization=str(arguments.get("quantization") or a.quantization),
        utilisation=utilisation,
        kv_memory=kv_memory,
        blocks=None if override is None else whole(override, "num-gpu-blocks-override"),
        offload=_offload(arguments.get("cpu-offload-gb")),
        notes=tuple(_notes(arguments)),
    )


def _refuse_lengths(arguments: Mapping[str, Any], a: Architecture) -> None:
    """ConfigError for a length or a block with which vLLM does not start."""
    asked, block = arguments.get("max-model-len"), arguments.get("block-size")
    if asked not in (None, "auto", -1) and os.environ.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN") != "1":
        length = whole(asked, "max-model-len")
        if a.longest and length > a.longest:
            raise ConfigError(
                f"serve.args.max-model-len={asked}: more than the {a.longest} tokens the model was "
                f"made for, which vLLM refuses; expected at most {a.longest}"
            )
    if block is not None and whole(block, "block-size") % 16:
        raise ConfigError(f"serve.args.block-size={block}: expected a multiple of 16")


def kept(server: Server, a: Architecture, card: Card, tp: int, machine: frozenset[str]) -> Kept:
    """How that server keeps keys and values; `machine` are the processor's flags, for the CPU."""
    arguments = server.arguments
    asked = arguments.get("max-model-len")
    length = whole(asked, "max-model-len") if asked not in (None, "auto", -1) else None
    length = length or a.max_length or LENGTH
    block = arguments.get("block-size")
    usual = CPU_BLOCK if card.cpu else _gpu_block(a, card)
    size = usual if block is None else whole(block, "block-size")
    latent_on_cpu = card.cpu and a.latent > 0 and "amx_tile" not in machine
    if latent_on_cpu:
        size = 16  # the only one its kernel has
    number = _kept_bytes(arguments.get("kv-cache-dtype"), a, server.dtype)
    return Kept(
        length=length,
        block=size,
        number_bytes=number,
        state_bytes=_state_bytes(arguments, server.dtype, card, machine),
        in_flight=_in_flight(server, card, length, tp, latent_on_cpu=latent_on_cpu),
        prefix_caching=arguments.get("enable-prefix-caching") is not False,
        multiple=32 if card.cpu else 16,
    )


def processor() -> frozenset[str]:
    """What this machine's processor can do; nothing where that cannot be read (macOS)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return frozenset(flags[1].split()) if flags else frozenset()


def whole(value: Any, name: str) -> int:
    """A whole number as vLLM takes it: 4096, 4k, 4K."""
    text = str(value).strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmMgG]?)", text)
    found = int(float(match[1]) * _UNITS.get(match[2], 1)) if match else 0
    if isinstance(value, bool) or found < 1:
        raise ConfigError(f"serve.args.{name}={value}: expected a whole number, 1 or more")
    return found


def _by_hand(name: str, given: frozenset[str]) -> bool:
    return f"serve.args.{name}" in given or f"serve.args.{name.replace('-', '_')}" in given


def _share(value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = 0
    if isinstance(value, bool) or not 0 < share <= 1:
        raise ConfigError(
            f"serve.args.gpu-memory-utilization={value}: expected a number above 0, at most 1"
        )
    return share


def _offload(value: Any) -> float:
    """GiB of weights that stay in main memory."""
    try:
        found = float(value or 0)
    except (TypeError, ValueError):
        found = -1
    if isinstance(value, bool) or not 0 <= found < 10**6:
        raise ConfigError(f"serve.args.cpu-offload-gb={value}: expected a number of GiB")
    return found


def _dtype(arguments: Mapping[str, Any], a: Architecture, card: Card) -> str:
    """What vLLM computes in: as asked, or as published where that can be, float32 cut down."""
    asked = str(arguments.get("dtype", "auto"))
    if asked != "auto":
        if asked not in BYTES:
            raise ConfigError(f"serve.args.dtype={asked}: expected one of auto, {', '.join(BYTES)}")
        return {"half": "float16", "float": "float32"}.get(asked, asked)
    published = a.dtype if a.dtype in ("bfloat16", "float16") else "bfloat16"
    if published == "bfloat16" and not card.bfloat16:
        return "float32" if a.model_type.startswith(("gemma2", "gemma3")) else "float16"
    if published == "float16" and a.model_type.startswith(("gemma2", "gemma3")):
        return "bfloat16"
    return published


def _kept_bytes(asked: Any, a: Architecture, dtype: str) -> float:
    """Bytes of a number of keys and values."""
    name = str(asked or "auto")
    if name == "auto":
        return a.kv_bytes or BYTES[dtype]
    if name in _ONE:
        return 1
    if name in BYTES:
        return BYTES[name]
    expected = ", ".join(("auto", "bfloat16", "float16", *_ONE))
    raise ConfigError(
        f"serve.args.kv-cache-dtype={name}: capacity does not count it; expected one of {expected}"
    )


def _state_bytes(
    arguments: Mapping[str, Any], dtype: str, card: Card, machine: frozenset[str]
) -> tuple[float, float]:
    """Bytes of a number of a convolution's and of a state's memory."""
    asked = str(arguments.get("mamba-cache-dtype") or "auto")
    convolution = BYTES.get(asked, BYTES[dtype])
    state = str(arguments.get("mamba-ssm-cache-dtype") or "auto")
    if card.cpu and "avx512_bf16" in machine:
        state = "float32"
    return convolution, BYTES.get(state, convolution)


def _in_flight(server: Server, card: Card, length: int, tp: int, *, latent_on_cpu: bool) -> int:
    """Tokens that may be computed and not yet settled: two batches of them on a GPU."""
    arguments = server.arguments
    tokens = batch(server, card, tp)
    if arguments.get("max-num-batched-tokens") is None:
        if arguments.get("enable-chunked-prefill") is False:
            tokens = max(tokens, length)
        sequences = arguments.get("max-num-seqs")
        if sequences is not None:
            tokens = min(tokens, whole(sequences, "max-num-seqs") * length)
    if latent_on_cpu:
        tokens = max(length, 2048)
    return tokens * (1 if card.cpu or arguments.get("async-scheduling") is False else 2)


def batch(server: Server, card: Card, tp: int = 1) -> int:
    """Tokens computed at a time, at most: as asked, or vLLM's own for the card."""
    asked = server.arguments.get("max-num-batched-tokens")
    if asked is not None:
        return whole(asked, "max-num-batched-tokens")
    if card.cpu:
        return 2048 * tp
    if card.gib >= 160:
        return 16384
    return 8192 if card.gib >= 70 and not card.name.startswith("a100") else 2048


def _gpu_block(a: Architecture, card: Card) -> int:
    """Tokens of a block: 16, and 64 where MLA has kernels of its own."""
    return 64 if a.latent and (card.capability or 0) >= 9.0 else GPU_BLOCK


def _notes(arguments: Mapping[str, Any]) -> list[str]:
    found = [
        f"serve.args.{name} changes what memory holds, and is not counted"
        for name in _UNCOUNTED
        if arguments.get(name) not in (None, False, 1)
    ]
    copies = arguments.get("data-parallel-size")
    if copies not in (None, 1):
        found.append(f"each row is one of {copies} copies (data-parallel-size)")
    return found
