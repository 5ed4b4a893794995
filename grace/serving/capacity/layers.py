"""What each layer of a model keeps of the tokens it has read.

All of it; a latent vector for each token (MLA); the last tokens only (a window or a chunk); or one
state of fixed size (Mamba, gated delta). config.json lists the layers, or gives a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from grace.errors import ConfigError

Kind = Literal["full", "mla", "window", "chunk", "mamba", "linear"]

FULL: Kind = "full"
LATENT: Kind = "mla"
WINDOW: Kind = "window"

_KINDS: Mapping[str, Kind] = {
    "full_attention": "full",
    "attention": "full",
    "sliding_attention": "window",
    "chunked_attention": "chunk",
    "mamba": "mamba",
    "linear_attention": "linear",
}
#: A whole layer every so many, where config.json does not list them (transformers' rule).
_EVERY = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6, "cohere2": 4, "gpt_oss": 2, "exaone4": 4}


def window_of(config: Mapping[str, Any]) -> int:
    """Tokens that layers with a window or a chunk keep; 0 where no layer has one."""
    if str(config.get("model_type")).startswith("qwen") and not config.get("use_sliding_window"):
        return 0
    found = int(config.get("sliding_window") or config.get("attention_chunk_size") or 0)
    if found < 0:
        raise ValueError(f"a window of {found} tokens")
    return found


def layer_kinds(config: Mapping[str, Any], count: int, window: int, where: str) -> tuple[Kind, ...]:
    """What each of `count` layers keeps; ConfigError where that is not known."""
    if named := config.get("layer_types") or config.get("layers_block_type"):
        key = "layer_types" if config.get("layer_types") else "layers_block_type"
        kinds = _named(named, count, f"{where}: {key}")
        return kinds if window else _without_window(kinds)
    if states := _with_states(config, count):
        return states
    if not window:
        return (FULL,) * count
    if config["model_type"] in ("llama4", "llama4_text"):
        return _llama_4(config, count, where)
    every = config.get("sliding_window_pattern") or config.get("_sliding_window_pattern")
    every = len(every) if isinstance(every, str) else every or _EVERY.get(config["model_type"])
    if every and config["model_type"] not in _EVERY:
        raise ConfigError(
            f"{where}: sliding_window_pattern={every} of a kind of model that is not known, which "
            "capacity does not count"
        )
    if every:
        return _pick(((i + 1) % every > 0 for i in range(count)), "window", "full")
    return (WINDOW,) * count


def _llama_4(config: Mapping[str, Any], count: int, where: str) -> tuple[Kind, ...]:
    """Layers with rotated positions keep a chunk, those without (every fourth) every token."""
    every = int(config.get("no_rope_layer_interval") or 4)
    rotated = config.get("no_rope_layers") or [(i + 1) % every for i in range(count)]
    if len(rotated) != count:
        raise ConfigError(f"{where}: no_rope_layers has {len(rotated)} entries for {count} layers")
    return _pick(map(bool, rotated), "chunk", "full")


def _named(named: Iterable[Any], count: int, where: str) -> tuple[Kind, ...]:
    names = [str(name) for name in named]
    unknown = sorted(set(names) - _KINDS.keys())
    if unknown or len(names) != count:
        found = ", ".join(unknown) or f"{len(names)} layer types for {count} layers"
        raise ConfigError(f"{where} has {found}, which capacity does not count")
    return tuple(_KINDS[name] for name in names)


def _without_window(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """A window of no width is none."""
    return tuple("full" if kind in {"window", "chunk"} else kind for kind in kinds)


def _with_states(config: Mapping[str, Any], count: int) -> tuple[Kind, ...]:
    """The layers of hybrids that give a rule; nothing where it is no hybrid."""
    if pattern := config.get("hybrid_override_pattern"):  # Nemotron-H; others keep nothing
        return _pick((letter == "M" for letter in pattern if letter in "M*"), "mamba", "full")
    if (some := config.get("attn_layer_indices")) is not None:  # Bamba
        return _pick((i in some for i in range(count)), "full", "mamba")
    if every := config.get("full_attention_interval"):  # Qwen3-Next
        return _pick(((i + 1) % every > 0 for i in range(count)), "linear", "full")
    return ()


def _pick(chosen: Iterable[bool], yes: Kind, no: Kind) -> tuple[Kind, ...]:
    return tuple(yes if one else no for one in chosen)
