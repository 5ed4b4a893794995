"""What a config.json says that capacity cannot count, found before anything is counted.

A layer of which nothing is known would else count as one that keeps every token: a number that
looks right. So encoders are refused, keys of layouts that are not read, and any list with one
entry for each layer whose entries differ and whose name is not known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from grace.errors import ConfigError

#: vLLM keeps a latent vector for these alone, whatever else has a kv_lora_rank.
LATENT_TYPES = ("deepseek_v2", "deepseek_v3", "deepseek_mtp", "glm4_moe_lite", "kimi_k2",
                "pangu_ultra_moe")  # fmt: skip
#: Keys of architectures whose cache is not counted here, and what they are.
_UNKNOWN = {
    "compress_ratios": "compressed attention",
    "index_topk": "sparse attention with an index",
    "block_configs": "blocks of different kinds",
    "encoder_layers": "an encoder beside the decoder",
    "num_encoder_layers": "an encoder beside the decoder",
    "global_head_dim": "heads of different sizes",
    "num_global_key_value_heads": "layers with different numbers of heads",
    "swa_num_key_value_heads": "layers with different numbers of heads",
    "swa_head_dim": "heads of different sizes",
    "conv_L_cache": "convolutions",
    "state_size": "a state-space model of a kind that is not known",
    "time_mix_extra_dim": "a state-space model of a kind that is not known",
    "attention_chunk_size_per_layer": "chunks of different sizes",
    "attn_layer_period": "layers with Mamba 1 states between those with attention",
    "linear_attn_config": "linear attention of a kind that is not known",
    "layer_group_size": "groups of layers with linear attention",
    "mixer_types": "layers of kinds that are not known",
    "hybrid_layer_pattern": "layers of kinds that are not known",
    "hybrid_block_size": "layers of kinds that are not known",
    "attention_types": "layers of kinds that are not known",
    "attention_layers": "layers of kinds that are not known",
    "attn_layers": "layers of kinds that are not known",
    "dense_attention_every_n_layers": "block-sparse attention",
    "global_attn_every_n_layers": "layers with and without a window",
    "interleaved_sliding_window": "windows of different widths",
    "num_kv_shared_layers": "layers that share keys and values",
    "use_cla": "layers that share keys and values",
    "mb_per_layer": "layers with Mamba 1 states between those with attention",
    "use_bidirectional_attention": "attention in both directions",
    "type_vocab_size": "an encoder",
}
#: Kinds of models whose layout transformers knows without any key.
_TYPES = ("deepseek_v32", "deepseek_v4", "gemma3n", "gemma3n_text", "jamba", "falcon_h1",
          "kimi_linear", "longcat_flash", "lfm2", "lfm2_moe", "minimax_text_01", "plamo2", "zamba",
          "zamba2", "phi4flash", "gpt_neo", "recurrent_gemma", "rwkv", "rwkv7")  # fmt: skip
#: Where the layers are told by one of these, keys of states belong to them.
_LAYOUTS = ("layer_types", "layers_block_type", "hybrid_override_pattern", "attn_layer_indices",
            "full_attention_interval")  # fmt: skip
_STATES = re.compile(r"(mamba|ssm|mamba2|linear)_(?!conv_bias|proj_bias|bias).+")
#: One entry for each layer, and nothing to do with what is kept of a token.
_HARMLESS = re.compile(
    r"mlp|moe|expert|ffn|rope|intermediate|activation|sparsity|quant|scal|multiplier|token"
)
_ENCODERS = re.compile(
    r"(.*bert.*|.*electra.*|e5|.*ernie-?m?|canine|fnet|funnel|xlm|xlnet|flaubert|mpnet|luke|mluke|"
    r"deberta.*|.*roberta.*|longformer|big_?bird|nystromformer|rembert|roformer|layoutlm.*|esm|new|"
    r"gte|clip.*|siglip.*|vit.*|whisper|wav2vec2.*|hubert|mega|splinter|tapas|yoso|eurobert|t5.*|"
    r"umt5|mt5|bart|mbart|pegasus.*|m2m_100|marian|blenderbot.*)"
)
_NO_DECODER = re.compile(
    r".*For(MaskedLM|SequenceClassification|TokenClassification|QuestionAnswering|MultipleChoice|"
    r"ImageClassification|NextSentencePrediction)$"
)


def refuse(config: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError, naming the key, where this config.json cannot be counted."""
    for problem in _problems(config):
        raise ConfigError(f"{where}: {problem}, which capacity does not count")


def _problems(config: Mapping[str, Any]) -> Iterator[str]:
    kind = str(config.get("model_type", ""))
    for name in config.get("architectures") or ():
        if _NO_DECODER.fullmatch(str(name)):
            yield f"architectures={name} is an encoder or a classifier"
    if config.get("is_encoder_decoder"):
        yield "is_encoder_decoder tells of an encoder beside the decoder"
    for key, what in _UNKNOWN.items():
        value = config.get(key)
        if value and value != "vision":  # a picture's tokens see each other; nothing else is kept
            yield f"{key} tells of {what}"
    if _ENCODERS.fullmatch(kind.lower()) and not config.get("is_decoder"):
        yield f"model_type={kind} is an encoder"
    if config.get("is_causal") is False:
        yield "is_causal=false tells of an encoder"
    if config.get("kv_lora_rank") and kind not in LATENT_TYPES:
        yield f"kv_lora_rank tells of latent attention, of a kind ({kind}) that is not known"
    yield from _layouts(config, kind)
    if kind in _TYPES:
        yield f"model_type={kind} keeps something else than keys and values of each token"


def _layouts(config: Mapping[str, Any], kind: str) -> Iterator[str]:
    if not any(config.get(key) is not None for key in _LAYOUTS):
        for key, value in config.items():
            if value and _STATES.fullmatch(key):
                yield f"{key} tells of layers with a state, and no key says which they are"
    elif config.get("ssm_state_size") and "hybrid_override_pattern" not in config:
        yield "ssm_state_size tells of a state-space model of a kind that is not known"
    kinds = config.get("attn_type_list")
    if kinds and (not isinstance(kinds, list) or any(one != 1 for one in kinds)):
        yield "attn_type_list tells of linear attention in some layers"
    names = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
    count = next((config[name] for name in names if config.get(name)), None)
    for key, value in config.items():
        if isinstance(value, list) and len(value) == count and _differs(key, value):
            yield f"{key} tells of layers that differ"
    if kind.startswith("qwen") and config.get("use_sliding_window"):
        layers = config.get("max_window_layers")
        if layers not in (None, count) and not config.get("layer_types"):
            yield f"max_window_layers={layers} tells of a window in some layers"


def _differs(key: str, value: list[Any]) -> bool:
    """Whether a list of one entry for each layer says that they keep different amounts."""
    if key in (*_LAYOUTS, "architectures") or _HARMLESS.search(key):
        return False
    return len({json.dumps(one, sort_keys=True, default=str) for one in value}) > 1
