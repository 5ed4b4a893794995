"""What must hold of grace.capacity whatever the model and the card."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from grace.errors import ConfigError
from grace.serving.capacity.architecture import from_config
from grace.serving.capacity.kv_cache import Kept, Pool, make_pool
from grace.serving.capacity.weights import weigh
from tests.serving.architectures import CONFIGS

FEW = budget(max_examples=80, deadline=None)


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Models with plain attention, windows on some layers, or states on most."""
    kind = draw(st.sampled_from(["plain", "windows", "states", "latent"]))
    layers, kv = draw(st.integers(2, 24)), draw(st.sampled_from([1, 2, 4, 8]))
    config = {
        "model_type": "llama", "num_hidden_layers": layers, "num_attention_heads": 16,
        "num_key_value_heads": kv, "hidden_size": 16 * 64, "head_dim": 64, "vocab_size": 100,
        "intermediate_size": 256,
    }  # fmt: skip
    if kind == "windows":
        types = draw(st.lists(st.sampled_from(["full_attention", "sliding_attention"]),
                              min_size=layers, max_size=layers))  # fmt: skip
        config |= {"layer_types": types, "sliding_window": draw(st.integers(1, 5000))}
    elif kind == "states":
        some = draw(st.sets(st.integers(0, layers - 1), min_size=1, max_size=layers))
        size = draw(st.sampled_from([16, 64, 128]))
        config |= {"attn_layer_indices": sorted(some), "mamba_n_heads": 16, "mamba_d_head": 64,
                   "mamba_d_state": size, "mamba_expand": 1}  # fmt: skip
    elif kind == "latent":
        config |= {"model_type": "deepseek_v3", "kv_lora_rank": 512, "qk_rope_head_dim": 64}
    return config


KEPT = st.builds(
    Kept,
    length=st.integers(1, 20_000),
    block=st.sampled_from([16, 32, 64, 128]),
    number_bytes=st.sampled_from([1.0, 2.0, 4.0]),
    state_bytes=st.sampled_from([(2.0, 2.0), (2.0, 4.0)]),
    in_flight=st.sampled_from([512, 4096, 16_384]),
    prefix_caching=st.booleans(),
)
MEMORY = st.integers(0, 2**36)


def pool(config: dict[str, Any], kept: Kept, tp: int = 1) -> Pool:
    return make_pool(from_config(config, "x"), kept, tp)


@FEW
@given(configs(), KEPT, MEMORY, MEMORY)
def test_more_memory_never_holds_fewer_tokens(
    config: dict[str, Any], kept: Kept, one: int, other: int
) -> None:
    found = pool(config, kept)
    less, more = sorted((one, other))
    assert found.blocks(less) <= found.blocks(more)
    assert found.tokens(found.blocks(less)) <= found.tokens(found.blocks(more))


@FEW
@given(configs(), KEPT, MEMORY)
def test_blocks_are_whole_and_fit(config: dict[str, Any], kept: Kept, memory: int) -> None:
    found = pool(config, kept)
    blocks = found.blocks(memory)
    assert isinstance(blocks, int)
    assert isinstance(found.block_bytes, int)
    assert blocks * found.block_bytes <= memory < (blocks + 1) * found.block_bytes
    assert found.block % min(16, kept.block) == 0
    assert found.tokens(blocks) == int(blocks / found.request_blocks * kept.length)


@FEW
@given(configs(), KEPT, st.sampled_from([1, 2, 4, 8]), MEMORY)
def test_more_cards_never_hold_fewer_tokens(
    config: dict[str, Any], kept: Kept, tp: int, memory: int
) -> None:
    """Each has its own part of the heads; where there are too few, they are copied."""
    if "attn_layer_indices" in config:
        return  # a smaller state changes the block, and with it what is rounded
    one, many = pool(config, kept), pool(config, kept, tp)
    parts = 1 if config["model_type"] == "deepseek_v3" else min(tp, config["num_key_value_heads"])
    assert one.block_bytes == many.block_bytes * parts
    assert one.request_blocks == many.request_blocks
    assert many.blocks(memory) >= one.blocks(memory) * parts


@FEW
@given(configs(), KEPT, st.integers(1, 5000))
def test_a_longer_request_never_takes_fewer_blocks(
    config: dict[str, Any], kept: Kept, more: int
) -> None:
    longer = Kept(**{**vars(kept), "length": kept.length + more})
    assert pool(config, kept).request_blocks <= pool(config, longer).request_blocks


@FEW
@given(configs(), KEPT)
def test_a_window_never_takes_more_than_the_whole_and_a_block(
    config: dict[str, Any], kept: Kept
) -> None:
    if "layer_types" not in config:
        return
    whole = {**config, "layer_types": ["full_attention"] * config["num_hidden_layers"]}
    found, plain = pool(config, kept), pool(whole, kept)
    assert found.request_blocks <= (plain.request_blocks + 1) * found.groups


NAMES = sorted({name for config in CONFIGS.values() for name in config} | {
    "kv_lora_rank", "qk_rope_head_dim", "layer_types", "hybrid_override_pattern",
    "n_routed_experts", "full_attention_interval", "linear_num_value_heads", "rope_scaling",
    "text_config", "dtype",
    "vision_config", "num_experts_per_tok", "first_k_dense_replace", "q_lora_rank",
})  # fmt: skip
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4),
    st.sampled_from(["bfloat16", "deepseek_v3", "gemma3", "LLLG", "M*"]),
    st.lists(st.one_of(st.integers(0, 40), st.text(max_size=3)), max_size=3),
    st.dictionaries(
        st.sampled_from(["bits", "quant_method", "type", "factor", "depth", "hidden_size"]),
        st.one_of(st.integers(), st.text(max_size=3), st.none()), max_size=3,
    ),
)  # fmt: skip


@FEW
@given(
    st.sampled_from(sorted(CONFIGS)),
    st.dictionaries(st.sampled_from(NAMES), JUNK, max_size=3),
    st.sampled_from([1, 2]),
)
def test_whatever_a_config_says_is_counted_or_refused(
    name: str, junk: dict[str, Any], tp: int
) -> None:
    try:
        a = from_config({**CONFIGS[name], **junk}, "config.json")
    except ConfigError:
        return
    weights = weigh(a, "bfloat16", a.quantization)
    assert weights is None or 0 < weights.share(tp) <= weights.total
    found = make_pool(a, Kept(4096, 16, 2, (2, 2), 4096), tp)
    assert found.tokens(found.blocks(2**33)) >= 0
    assert found.bytes_per_token > 0
