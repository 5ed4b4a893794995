"""What memory depends on in a model: read from config.json, or from its file in conf/model/.

Both use the names of config.json. What vLLM keeps in another way than is known here (compressed
attention, convolutions, encoders) is refused: a number that looks right would be worse than none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grace.config import ModelSettings
from grace.errors import ConfigError
from grace.serving.capacity.layers import LATENT, Kind, layer_kinds, window_of
from grace.serving.capacity.refusals import LATENT_TYPES, refuse

#: What transformers takes where a published config.json leaves it out.
_GEMMA_3 = {"vocab_size": 262_208, "num_attention_heads": 8, "num_key_value_heads": 4,
            "head_dim": 256, "num_hidden_layers": 26, "hidden_size": 2304,
            "intermediate_size": 9216, "sliding_window": 4096,
            "max_position_embeddings": 131_072}  # fmt: skip
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "gemma3_text": _GEMMA_3,
    "gemma3": _GEMMA_3,
    "gpt_bigcode": {"multi_query": True},
}


@dataclass(frozen=True)
class State:
    """A Mamba 2 or gated delta layer: the shape of what it keeps of a sequence."""

    heads: int
    head_dim: int
    size: int  # of the state, for each element of a head
    inner: int  # channels of the convolution that belong to the heads
    groups: int  # further 2 · groups · width channels
    width: int
    taps: int  # of the convolution


@dataclass(frozen=True)
class Architecture:
    """The numbers of a model's config.json on which memory depends."""

    model_type: str
    layers: tuple[Kind, ...]
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocab: int  # 0 where it is not said
    window: int  # tokens, of windows or chunks; 0 without
    latent: int  # kv_lora_rank + qk_rope_head_dim of MLA; 0 without
    state: State | None
    dtype: str  # as published
    max_length: int | None  # of requests, where nothing is asked for
    longest: int | None  # that can be asked for
    quantization: str  # the checkpoint's own method: "", "awq", "fp8" ...
    bits: float | None  # of its weights, where that is said
    kv_bytes: float | None  # of a kept number, where the checkpoint says so
    config: Mapping[str, Any] = field(repr=False, hash=False, compare=False)

    @property
    def layer_count(self) -> int:
        """Layers in all."""
        return len(self.layers)


def read_architecture(model: ModelSettings) -> Architecture:
    """The architecture of a model; ConfigError where neither its folder nor the registry has it."""
    if model.path:
        folder = Path(model.path)
        path = folder if folder.suffix == ".json" else folder / "config.json"
        return from_config(_read(path), str(path))
    if model.architecture is None:
        raise ConfigError(
            f"{model.name}: its architecture is not known; expected model.path=FOLDER with its "
            "config.json, or a block model.architecture in its file in conf/model/"
        )
    return from_config(model.architecture, f"model.architecture of {model.name}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; expected the model's config.json") from error
    except ValueError as error:
        raise ConfigError(
            f"{path}: not JSON ({error}); expected the model's config.json"
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected names with values, as config.json has them")
    return content


def from_config(given: Mapping[str, Any], where: str) -> Architecture:
    """The same of a config.json that has been read; `where` is told in errors."""
    try:
        return _from_config(given, where)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise ConfigError(
            f"{where}: {type(error).__name__}: {error}; expected values as in a model's config.json"
        ) from error


def _from_config(given: Mapping[str, Any], where: str) -> Architecture:
    config = {**given, **(given.get("text_config") or given.get("llm_config") or {})}
    kind = str(config.get("model_type", ""))
    config = {**_DEFAULTS.get(kind, {}), **config}
    refuse(config, where)
    reader = _Reader(config, where)
    heads = reader.number("num_attention_heads", "n_head", "n_heads", "num_heads")
    hidden = reader.number("hidden_size", "n_embd", "d_model")
    count = reader.number("num_hidden_layers", "n_layer", "n_layers", "num_layers")
    if count > MOST_LAYERS:
        raise ConfigError(f"{where}: {count} layers; expected a model's config.json")
    mla = kind in LATENT_TYPES and config.get("kv_lora_rank") is not None
    window = window_of(config)
    quantization = _quantization(given, config)
    found = Architecture(
        model_type=kind,
        layers=(LATENT,) * count if mla else layer_kinds(config, count, window, where),
        heads=heads,
        kv_heads=_kv_heads(config, reader, heads),
        head_dim=reader.number("head_dim", "hidden_size_per_head", "kv_channels",
                               default=hidden // max(heads, 1)),
        hidden=hidden,
        vocab=reader.number("vocab_size", "padded_vocab_size", default=0),
        window=window,
        latent=reader.number("kv_lora_rank") + reader.number("qk_rope_head_dim") if mla else 0,
        state=_state(config, reader, hidden),
        dtype=str(given.get("dtype") or given.get("torch_dtype") or config.get("dtype")
                  or config.get("torch_dtype") or "float32").removeprefix("torch."),
        max_length=_max_length(config),
        longest=_longest(config),
        quantization=quantization[0],
        bits=quantization[1],
        kv_bytes=quantization[2],
        config=config,
    )  # fmt: skip
    if not found.layers or not found.head_dim or not found.kv_heads:
        raise ConfigError(
            f"{where}: no layers or no width of heads; expected a model's config.json"
        )
    if {"mamba", "linear"} & set(found.layers) and found.state is None:
        raise ConfigError(f"{where}: layers with a state whose size is not said")
    return found


#: No number of a config.json is as large.
MOST = 10**9
MOST_LAYERS = 10_000


class _Reader:
    """Whole numbers of a config.json by any of the names they have had."""

    def __init__(self, config: Mapping[str, Any], where: str) -> None:
        self.config, self.where = config, where

    def number(self, *names: str, default: int | None = None) -> int:
        for name in names:
            value = self.config.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST:
                raise ConfigError(f"{self.where}: {name}={value!r}; expected a whole number")
            if value:
                return value
        if default is None:
            raise ConfigError(
                f"{self.where}: {names[0]} is missing; expected the model's config.json"
            )
        return default


def _kv_heads(config: Mapping[str, Any], reader: _Reader, heads: int) -> int:
    if config.get("model_type") == "falcon" and not config.get("new_decoder_architecture"):
        return 1 if config.get("multi_query", True) else heads
    if config.get("multi_query_attention") is False:  # ChatGLM
        return heads
    names = ("n_head_kv", "num_kv_heads", "num_key_value_heads", "multi_query_group_num",
             "num_attention_groups")  # fmt: skip
    one = config.get("multi_query") is True
    if isinstance(parts := config.get("attn_config"), dict):  # MPT, DBRX
        one = one or parts.get("attn_type") == "multiquery_attention"
        heads = _Reader(parts, reader.where).number("kv_n_heads", default=heads)
    return reader.number(*names, default=1 if one else heads)


def _state(config: Mapping[str, Any], reader: _Reader, hidden: int) -> State | None:
    """The state of Mamba 2 or gated delta layers, where there are any."""
    if config.get("linear_num_value_heads"):
        keys = reader.number("linear_num_key_heads")
        width = reader.number("linear_key_head_dim")
        heads, dim = (
            reader.number(f"linear_{name}") for name in ("num_value_heads", "value_head_dim")
        )
        taps = reader.number("linear_conv_kernel_dim")
        return State(heads, dim, width, heads * dim, keys, width, taps)
    names = ("mamba_n_heads", "mamba_num_heads")
    if not any(config.get(name) for name in names):
        return None
    heads = reader.number(*names)
    dim = reader.number("mamba_d_head", "mamba_head_dim")
    size = reader.number("mamba_d_state", "ssm_state_size")
    inner = reader.number("mamba_expand", default=2) * hidden
    if "mamba_num_heads" in config:  # Nemotron-H does not expand the hidden size
        inner = heads * dim
    taps = reader.number("mamba_d_conv", "conv_kernel", default=4)
    groups = reader.number("mamba_n_groups", "n_groups", default=1)
    return State(heads, dim, size, inner, groups, size, taps)


def _quantization(
    given: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[str, float | None, float | None]:
    """The checkpoint's method, the bits of its weights, the bytes of a kept number; "" without."""
    found = next(
        (
            part
            for name in ("quantization_config", "compression_config")
            for part in (given.get(name), config.get(name))
            if isinstance(part, dict)
        ),
        None,
    )
    if found is None:
        return "", None, None
    method = str(found.get("quant_method") or found.get("quantization") or "").lower()
    scheme = found.get("kv_cache_scheme")
    kept = 1.0 if isinstance(scheme, dict) and scheme.get("num_bits") == 8 else None
    bits = found.get("bits") or found.get("w_bit")
    for group in (found.get("config_groups") or {}).values():
        bits = bits or (group.get("weights") or {}).get("num_bits")
    if found.get("load_in_4bit"):
        bits = 4
    return method, float(bits) if bits else None, kept


def _max_length(config: Mapping[str, Any]) -> int | None:
    """Tokens of a request where nothing is asked for, as vLLM derives them."""
    made_for = _made_for(config)
    short = config.get("original_max_position_embeddings")
    return int(short) if made_for and short and _rope(config)[0] == "longrope" else made_for


def _longest(config: Mapping[str, Any]) -> int | None:
    """Tokens above which vLLM refuses to start; None where nothing is said."""
    made_for, stated = _made_for(config), config.get("model_max_length")
    return max(made_for, stated) if made_for and isinstance(stated, int) else made_for


def _rope(config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """How positions are stretched: the name of the way, and its numbers."""
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    return str(rope.get("rope_type") or rope.get("type") or "default"), rope


def _made_for(config: Mapping[str, Any]) -> int | None:
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length",
             "max_sequence_length", "max_target_positions")  # fmt: skip
    known = [int(config[name]) for name in names if isinstance(config.get(name), int)]
    if not known:
        return None
    kind, rope = _rope(config)
    found = min(known)
    if kind in ("linear", "dynamic", "yarn") and "gemma3" not in str(config.get("model_type")):
        if kind == "yarn" and rope.get("original_max_position_embeddings"):
            found = int(rope["original_max_position_embeddings"])
        found = int(found * float(rope.get("factor") or 1))
    return found
