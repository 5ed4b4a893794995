"""From the bundled model's GGUF file to a folder that transformers and vLLM load.

The file is a Llama's, and says all there is to know: the tokeniser's pieces and merges, the chat
template, the 4-bit weights. They are written out with the `gguf` package's own dequantisation,
which needs neither torch nor transformers, and does not change when those do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# llama.cpp's names of a layer's weights, and transformers'.
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OUTSIDE = {"token_embd": "embed_tokens", "output_norm": "norm"}
Array = npt.NDArray[np.float32]
SPECIAL = 3  # llama.cpp's token type "control"


def write_model(source: Path, folder: Path) -> None:
    """Write float32 weights, settings and tokeniser of the GGUF file `source` into `folder`."""
    from gguf import GGUFReader
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    reader = GGUFReader(source)
    said = {name: field.contents() for name, field in reader.fields.items()}
    weights = folder / "model.safetensors"
    try:
        save_file(_weights(reader, said), weights, metadata={"format": "pt"})
    except SafetensorError as error:  # which a full disk is to it
        raise OSError(str(error)) from error
    weights.chmod(0o644)  # a cache may be shared; the folder keeps out whom it should
    pieces = said["tokenizer.ggml.tokens"]
    texts = {
        "chat_template.jinja": said["tokenizer.chat_template"],
        "config.json": _json(_config(said)),
        "generation_config.json": _json(_ends(said)),
        "tokenizer.json": _json(_tokenizer(said)),
        "tokenizer_config.json": _json(
            {
                "bos_token": pieces[said["tokenizer.ggml.bos_token_id"]],
                "eos_token": pieces[said["tokenizer.ggml.eos_token_id"]],
                "pad_token": pieces[said["tokenizer.ggml.padding_token_id"]],
                "unk_token": pieces[said["tokenizer.ggml.unknown_token_id"]],
                "tokenizer_class": "PreTrainedTokenizerFast",
            }
        ),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _weights(reader: Any, said: dict[str, Any]) -> dict[str, Array]:
    """Each weight by transformers' name; the embedding serves as the output layer too."""
    from gguf import dequantize

    heads = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}
    weights = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
        *block, kind, _ = tensor.name.split(".")  # blk.3.attn_q.weight
        if kind in heads:
            values = _halves(values, said[heads[kind]])
        name = f"layers.{block[1]}.{LAYER[kind]}" if block else OUTSIDE[kind]
        weights[f"model.{name}.weight"] = np.ascontiguousarray(values)
    return weights


def _halves(values: Array, heads: int) -> Array:
    """Undo llama.cpp's order of a head's rows, (heads × size, inputs).

    Rows that rotate together lie side by side there, and half a head apart in transformers.
    """
    rows, inputs = values.shape
    pairs = values.reshape(heads, rows // heads // 2, 2, inputs)
    return pairs.swapaxes(1, 2).reshape(rows, inputs)


def _ends(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "bos_token_id": said["tokenizer.ggml.bos_token_id"],
        "eos_token_id": said["tokenizer.ggml.eos_token_id"],
        "pad_token_id": said["tokenizer.ggml.padding_token_id"],
    }


def _config(said: dict[str, Any]) -> dict[str, Any]:
    """The shape of the model, as transformers' Llama wants it told."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "hidden_act": "silu",
        "hidden_size": said["llama.embedding_length"],
        "intermediate_size": said["llama.feed_forward_length"],
        "num_hidden_layers": said["llama.block_count"],
        "num_attention_heads": said["llama.attention.head_count"],
        "num_key_value_heads": said["llama.attention.head_count_kv"],
        "head_dim": said["llama.rope.dimension_count"],
        "max_position_embeddings": said["llama.context_length"],
        "rms_norm_eps": said["llama.attention.layer_norm_rms_epsilon"],
        "rope_parameters": {
            "rope_theta": said["llama.rope.freq_base"],
            "rope_type": "default",
        },
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "vocab_size": said["llama.vocab_size"],
        **_ends(said),
        "unk_token_id": said["tokenizer.ggml.unknown_token_id"],
    }


def _tokenizer(said: dict[str, Any]) -> dict[str, Any]:
    """A byte-level BPE tokeniser in the format of the library `tokenizers`."""
    pieces, types = said["tokenizer.ggml.tokens"], said["tokenizer.ggml.token_type"]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    bytes_ = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": piece, **plain, "special": True}
            for number, (piece, kind) in enumerate(zip(pieces, types, strict=True))
            if kind == SPECIAL
        ],
        "normalizer": None,
        "pre_tokenizer": {**bytes_, "add_prefix_space": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": which, "type_id": n}} for n, which in enumerate("AB")],
            "special_tokens": {},
        },
        "decoder": {**bytes_, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {piece: number for number, piece in enumerate(pieces)},
            "merges": [merge.split(" ") for merge in said["tokenizer.ggml.merges"]],
        },
    }
