"""What the weights take on each card."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.config import ModelSettings
from grace.errors import ConfigError
from grace.serving.capacity.architecture import Architecture, read_architecture
from grace.serving.capacity.cards import GIB
from grace.serving.capacity.parameters import Parameters, count_parameters
from grace.serving.capacity.server import BYTES

#: Bits of a quantised number with what belongs to it: scales and zeros of groups of 128.
_FOUR_BITS = 4 + (16 + 4) / 128
_BITS = {
    "awq": _FOUR_BITS, "gptq": _FOUR_BITS, "marlin": _FOUR_BITS, "bitsandbytes": 4.25,
    "mxfp4": 4.25, "nvfp4": 4.5, "modelopt_fp4": 4.5, "torchao": 8, "fp8": 8, "int8": 8,
    "fbgemm_fp8": 8, "ptpc_fp8": 8, "modelopt": 8, "compressed-tensors": 8, "experts_int8": 8,
    "gguf": 5, "quark": 8,
}  # fmt: skip
#: Parameters that a model may have at all.
MOST = 10**15
#: How far a figure may be from what was counted and still be the same thing.
_NEAR = math.log(1.25)


@dataclass(frozen=True)
class Weights:
    """Of a model: the GiB of all of them, and of one card's share."""

    total: float
    counted: Parameters | None
    a: Architecture | None
    note: str = ""

    def share(self, tp: int) -> float:
        """One card's part: what is not cut (norms, routers) is on each, few heads are copied."""
        parts = self.counted
        if tp == 1 or parts is None or self.a is None:
            return self.total / tp
        extra = parts.whole * (1 - 1 / tp)
        heads = max(1, self.a.kv_heads / tp) * tp / self.a.kv_heads - 1
        extra += parts.kv / tp * heads
        return self.total * (1 / tp + extra / parts.total)


def weights_of(model: ModelSettings, arguments: Mapping[str, Any]) -> Weights | None:
    """The weights of a model that a server is started with; None where they are not known."""
    dtype = str(arguments.get("dtype", model.dtype))
    asked = str(arguments.get("quantization") or "")
    try:
        a = read_architecture(model)
    except ConfigError:
        a = None
    usual = {"auto": "bfloat16"} if a is None or a.dtype not in BYTES else {"auto": _auto(a)}
    dtype = usual.get(dtype, dtype)
    counted = weigh(a, dtype, asked or a.quantization) if a and dtype in BYTES else None
    if model.weights_gib is not None and not asked:
        return Weights(model.weights_gib, counted.counted if counted else None, a)
    if (
        a is not None
        and not asked
        and dtype in BYTES
        and (stored := on_disk(model, dtype, counted))
    ):
        return stored
    if counted is None and model.parameters is not None:
        each = (bits_of(asked) or 16) / 8 if asked else BYTES.get(dtype, 2)
        return Weights(model.parameters * 1e9 * each / GIB, None, None)
    return counted


def _auto(a: Architecture) -> str:
    """What vLLM makes of a published type: float32 is cut down."""
    return "bfloat16" if a.dtype in ("float32", "float") else a.dtype


def bits_of(quantization: str, bits: float | None = None) -> float | None:
    """Bits of a quantised number; None where the method is not known."""
    name = quantization.lower()
    if bits is not None and bits < 8:
        return bits + (_FOUR_BITS - 4)
    if bits is not None:
        return bits
    return next((found for known, found in _BITS.items() if name.startswith(known)), None)


def weigh(a: Architecture, dtype: str, quantization: str) -> Weights | None:
    """The weights in a numeric type or quantised, counted; None where that cannot be."""
    try:
        parts = count_parameters(a)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):  # no numbers
        parts = None
    if parts is None or not 0 < parts.total < MOST:
        return None
    each = float(BYTES[dtype])
    matrices = each
    if quantization:
        own = a.bits if quantization == a.quantization else None
        bits = bits_of(quantization, own)
        if bits is None:
            return None
        matrices = bits / 8
    rest = parts.vocabulary + parts.whole
    return Weights((parts.matrices * matrices + rest * each) / GIB, parts, a)


def on_disk(model: ModelSettings, dtype: str, counted: Weights | None) -> Weights | None:
    """What the files of a folder hold, in the numeric type computed in; None without files."""
    if model.path is None or not Path(model.path).is_dir():
        return None
    a = read_architecture(model)
    size = _stored(Path(model.path))
    if size is None or a.dtype not in BYTES:
        return None
    if not a.quantization:
        size *= BYTES[dtype] / BYTES[a.dtype]
    parts = counted.counted if counted else None
    if counted and parts and a.config.get("tie_word_embeddings"):
        twice = a.vocab * a.hidden * BYTES[dtype]  # stored, and passed over when loaded
        if abs(size - counted.total * GIB - twice) < 0.02 * size:
            size -= twice
    return Weights(size / GIB, parts, a)


def _stored(folder: Path) -> float | None:
    """Bytes of the weights: as their index says, or of the files."""
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        return float(index["metadata"]["total_size"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        if sizes := [path.stat().st_size for path in folder.glob(pattern)]:
            return float(sum(sizes))
    return None


def known(gib: float, counted: Weights | None, a: Architecture, tp: int) -> Weights:
    """Weights that somebody knows: all of them, or one card's share as vLLM logs it.

    vLLM's log says what one card took. Where a figure is far from what was counted for the whole
    model, and near to what one of `tp` cards gets, it is taken as that, and the note says so.
    """
    parts = counted.counted if counted else None
    if counted and tp > 1:
        far = abs(math.log(gib / counted.total))
        shared = abs(math.log(gib / counted.share(tp)))
        if far > _NEAR and shared < _NEAR:
            note = (
                f"weights_gib={gib:g} is taken as one card's share at tensor-parallel size {tp}: "
                f"all of them take about {counted.total:.0f} GiB"
            )
            return Weights(gib * tp, None, a, note)
    return Weights(gib, parts, a)
