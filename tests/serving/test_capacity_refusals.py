"""grace.capacity refuses layouts that it does not know, and counts the odd ones that it does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from grace.errors import ConfigError
from grace.serving.arguments import effective
from grace.serving.capacity.architecture import from_config
from grace.serving.capacity.kv_cache import Kept, make_pool
from grace.serving.capacity.parameters import count_parameters
from tests.runs.test_run import run
from tests.serving.architectures import CONFIGS, config
from tests.serving.test_capacity import everything, settings

SMALL = config({"model_type": "x", "vocab_size": 1000}, 8, 512, 1024, 8, 2)
STATES = {"mamba_n_heads": 8, "mamba_d_head": 32, "mamba_d_state": 64, "mamba_expand": 2}


def each_token(given: dict[str, Any], length: int = 131_072) -> float:
    return make_pool(from_config(given, "x"), Kept(length, 16, 2, (2, 2), 2048), 1).bytes_per_token


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"model_type": "bert"}, "model_type=bert"),
        ({"model_type": "xlm-roberta"}, "model_type=xlm-roberta"),
        ({"model_type": "modernbert"}, "model_type=modernbert"),
        ({"model_type": "electra"}, "model_type=electra"),
        ({"model_type": "deberta-v2"}, "model_type=deberta-v2"),
        ({"model_type": "t5"}, "model_type=t5"),
        ({"architectures": ["NewForMaskedLM"]}, "architectures=NewForMaskedLM"),
        ({"architectures": ["Qwen2ForSequenceClassification"]}, "architectures=Qwen2For"),
        ({"type_vocab_size": 2}, "type_vocab_size"),
        ({"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ({"model_type": "jamba", "attn_layer_period": 8, "mamba_d_state": 16}, "attn_layer_period"),
        ({"attn_type_list": [0, 0, 0, 0, 0, 0, 0, 1]}, "attn_type_list"),
        ({"kv_lora_rank": 512, "model_type": "kimi_linear"}, "kv_lora_rank"),
        ({"linear_attn_config": {"kda_layers": [1, 2]}}, "linear_attn_config"),
        ({"model_type": "falcon_h1", "mamba_d_ssm": 64, **STATES}, "mamba_d_ssm"),
        ({"model_type": "falcon_h1", **STATES}, "mamba_n_heads"),
        ({"model_type": "deepseek_v4"}, "model_type=deepseek_v4"),
        ({"model_type": "gemma3n_text"}, "model_type=gemma3n_text"),
        ({"linear_num_value_heads": 8}, "linear_num_value_heads"),
        ({"num_kv_shared_layers": 4}, "num_kv_shared_layers"),
        ({"layers_of_tomorrow": ["a", "b"] * 4}, "layers_of_tomorrow"),
        ({"layers_of_tomorrow": [0] * 7 + [1]}, "layers_of_tomorrow"),
        ({"layer_types": ["full_attention", "odd"] * 4}, "layer_types has odd"),
        ({"layer_types": ["full_attention"] * 3}, "layer_types has 3"),
        ({"sliding_window": 64, "sliding_window_pattern": 4}, "sliding_window_pattern"),
        (
            {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 64,
             "max_window_layers": 4},
            "max_window_layers=4",
        ),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_by_its_key(
    more: dict[str, Any], key: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**SMALL, **more}), encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(key)) as refused:
        everything(f"model.path={tmp_path}", "gpu=h100", "weights_gib=1")
    assert "config.json" in str(refused.value)
    assert "which capacity does not count" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "more",
    [
        {"attn_type_list": [1] * 8},
        {"no_rope_layers": [1, 1, 1, 0] * 2},  # SmolLM3: every layer keeps every token
        {"mlp_layer_types": ["dense", "sparse"] * 4},
        {"layer_types": ["attention"] * 8, **STATES},  # Granite without a Mamba layer
        {"num_kv_shared_layers": 0, "use_cla": False, "is_causal": True},
        {"anything": list(range(5))},
    ],
)
def test_what_changes_nothing_is_counted(more: dict[str, Any]) -> None:
    assert each_token({**SMALL, **more}) == 2 * 8 * 2 * 64 * 2


def test_an_encoder_ends_the_command_with_1(tmp_path: Path) -> None:
    bert = config({"model_type": "bert", "architectures": ["BertForMaskedLM"],
                   "vocab_size": 30522}, 12, 768, 3072, 12, 12)  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(bert), encoding="utf-8")
    said = run(f"model.path={tmp_path}", "gpu=h100", cwd=tmp_path, module="grace.capacity", code=1)
    assert said.startswith("error: ")
    assert "architectures=BertForMaskedLM" in said


LLAMA_4: dict[str, Any] = {
    "model_type": "llama4", "text_config": config(
        {"model_type": "llama4_text", "attention_chunk_size": 8192, "no_rope_layers": [],
         "num_local_experts": 16, "vocab_size": 202_048, "head_dim": 128,
         "interleave_moe_layer_step": 1, "intermediate_size_mlp": 16384},
        48, 5120, 8192, 40, 8,
    ),
}  # fmt: skip


def test_every_fourth_layer_of_llama_4_keeps_every_token() -> None:
    a = from_config(LLAMA_4, "x")
    assert a.layers == ("chunk", "chunk", "chunk", "full") * 12
    parts = count_parameters(a)
    assert parts is not None
    assert parts.total / 1e9 == pytest.approx(107.8, abs=0.1)
    # The whole layers' 49,152 bytes, and 36 chunks of 8,192 tokens with those on the way.
    chunks = 36 * 4096 * (8192 + 2048)
    assert each_token(LLAMA_4) == pytest.approx(49_152 + chunks / 131_072, rel=1e-3)


def test_maverick_has_experts_in_every_other_layer() -> None:
    text = {**LLAMA_4["text_config"], "num_local_experts": 128, "interleave_moe_layer_step": 2}
    parts = count_parameters(from_config({"text_config": text}, "x"))
    assert parts is not None
    assert parts.total / 1e9 == pytest.approx(400, rel=0.01)


def test_starcoder_has_one_head_of_keys_and_values() -> None:
    starcoder = {
        "model_type": "gpt_bigcode", "multi_query": True, "n_embd": 6144, "n_head": 48,
        "n_layer": 40, "n_inner": 24576, "n_positions": 8192, "vocab_size": 49152,
    }  # fmt: skip
    assert each_token(starcoder, 8192) == 20_480
    assert each_token({**starcoder, "multi_query": False}, 8192) == 48 * 20_480
    parts = count_parameters(from_config(starcoder, "x"))
    assert parts is not None
    assert parts.total == 15_517_456_384  # as published


def test_gemma_3_is_read_as_published(tmp_path: Path) -> None:
    """Its makers leave out what transformers takes by default."""
    text = {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240,
            "num_hidden_layers": 34, "sliding_window": 1024}  # fmt: skip
    a = from_config({"model_type": "gemma3", "text_config": text}, "x")
    assert (a.vocab, a.heads, a.kv_heads, a.head_dim) == (262_208, 8, 4, 256)
    assert a.layers.count("full") == 5
    parts = count_parameters(a)
    assert parts is not None
    assert parts.total / 1e9 == pytest.approx(3.88, abs=0.01)


def test_nemotron_h_has_feed_forward_layers_of_their_own() -> None:
    pattern = "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"
    nemotron = config(
        {"model_type": "nemotron_h", "hybrid_override_pattern": pattern, "vocab_size": 131_072,
         "ssm_state_size": 128, "mamba_num_heads": 128, "mamba_head_dim": 64, "n_groups": 8,
         "conv_kernel": 4, "head_dim": 128, "tie_word_embeddings": False},
        52, 4096, 21504, 32, 8,
    )  # fmt: skip
    parts = count_parameters(from_config(nemotron, "x"))
    assert parts is not None
    assert parts.total / 1e9 == pytest.approx(8.1, abs=0.05)


@pytest.mark.parametrize(
    ("given", "each"),
    [
        ({"model_type": "mpt", "n_heads": 32, "n_layers": 32, "d_model": 4096}, 32 * 2 * 4096 * 2),
        (
            {"model_type": "dbrx", "n_heads": 48, "n_layers": 40, "d_model": 6144,
             "attn_config": {"kv_n_heads": 8}},
            40 * 2 * 8 * 128 * 2,
        ),
        (
            {"model_type": "chatglm", "num_layers": 28, "num_attention_heads": 32,
             "hidden_size": 4096, "kv_channels": 128, "multi_query_attention": True,
             "multi_query_group_num": 2, "padded_vocab_size": 65024},
            28_672,
        ),
    ],
)  # fmt: skip
def test_older_names_are_read(given: dict[str, Any], each: int) -> None:
    assert each_token(given, 4096) == each


def test_a_missing_vocabulary_matters_only_to_the_weights(tmp_path: Path) -> None:
    given = {name: value for name, value in SMALL.items() if name != "vocab_size"}
    (tmp_path / "config.json").write_text(json.dumps(given), encoding="utf-8")
    words = (f"model.path={tmp_path}", "gpu=h100")
    with pytest.raises(ConfigError, match=r"take cannot be counted \(vocab_size is missing\)"):
        everything(*words)
    assert everything(*words, "weights_gib=1")["fits"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("model=llama-8b gpu_gib=200 serve.args.max-model-len=500000", "vLLM refuses"),
        ("model=llama-8b gpu=h100 serve.args.max_model_len=131073", "at most 131072"),
        ("model=gemma-9b gpu=a100-40 serve.args.block-size=7", "expected a multiple of 16"),
        ("model=llama-8b gpu=a100-40 serve.args.quantizaton=fp8", "did you mean quantization?"),
        ("model=llama-8b gpu=a100-40 serve.args.max_modellen=9", "did you mean max-model-len?"),
    ],
)
def test_what_vllm_refuses_is_refused(words: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        everything(*words.split())
    assert everything("model=llama-8b", "gpu_gib=200", "serve.args.max-model-len=131072")["fits"]


def test_stretched_positions_make_longer_requests_possible(tmp_path: Path) -> None:
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}
    given = {**SMALL, "max_position_embeddings": 40_960, "rope_scaling": yarn}
    assert from_config(given, "x").longest == 131_072
    short = {**SMALL, "max_position_embeddings": 131_072, "original_max_position_embeddings": 4096,
             "rope_scaling": {"type": "longrope"}}  # fmt: skip
    assert (from_config(short, "x").max_length, from_config(short, "x").longest) == (4096, 131_072)


def test_a_state_is_not_given_graces_small_block(tmp_path: Path) -> None:
    def block(given: dict[str, Any], *words: str) -> object:
        (tmp_path / "config.json").write_text(json.dumps(given), encoding="utf-8")
        wanted, _ = settings(f"model.path={tmp_path}", *words)
        return effective(wanted, cpu=True).get("block-size")

    states = {**SMALL, "layer_types": ["mamba", "attention"] * 4, **STATES}
    assert block(SMALL) == 32
    assert block(states) is None
    assert block(states, "serve.args.block-size=64") == 64


def test_the_old_meaning_has_its_bytes_too(tmp_path: Path) -> None:
    name = "ibm-granite/granite-4.0-h-350m"
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[name]), encoding="utf-8")
    (row,) = everything(f"model.path={tmp_path}", "gpu=l4", "weights_gib=0.7")["rows"]
    kept = row["tokens_before_0_21"] * row["bytes_per_token_before_0_21"]
    assert kept == pytest.approx(row["kv_gib"] * 2**30, rel=0.01)
    assert row["bytes_per_token_before_0_21"] > row["bytes_per_token"]


def test_one_stated_rate_is_taken_and_the_other_is_the_data_sheets(tmp_path: Path) -> None:
    words = ("model=smollm2-135m", "gpu=a100-40", "study=1", "exp=1", "pilot=8",
             f"output={tmp_path}")  # fmt: skip
    said = everything(*words, "prompt_rate=5000")["workload"]["rate"]
    assert said.startswith("at 5,000 tokens read (the stated)")
    assert "generate_rate= states the other" in said


def test_another_kind_of_file_is_not_made_a_folder(tmp_path: Path) -> None:
    words = ("model=qwen3-8b", "gpu=l4", "output=sub/x.txt")
    said = run(*words, cwd=tmp_path, module="grace.capacity", code=1)
    assert "ends in .json" in said
    assert not list(tmp_path.iterdir())
