"""Published config.json values of models that are in public logs of vLLM."""

from __future__ import annotations

from typing import Any

LLAMA = {"model_type": "llama", "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
QWEN = {"model_type": "qwen2", "use_sliding_window": False, "sliding_window": 32768,
        "torch_dtype": "bfloat16", "vocab_size": 151936}  # fmt: skip


def config(base: dict[str, Any], *numbers: int, **more: Any) -> dict[str, Any]:
    """Layers, hidden, intermediate, heads, heads of keys and values, and what else there is."""
    names = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
             "num_key_value_heads")  # fmt: skip
    return {**base, **dict(zip(names, numbers, strict=True)), **more}


QWEN3 = {**QWEN, "model_type": "qwen3", "head_dim": 128, "tie_word_embeddings": False}
CONFIGS: dict[str, dict[str, Any]] = {
    "Qwen/Qwen3-8B": config(QWEN3, 36, 4096, 12288, 32, 8),
    "Qwen/Qwen3-14B": config(QWEN3, 40, 5120, 17408, 40, 8),
    "Qwen/Qwen3-235B-A22B-FP8": config(
        {**QWEN3, "model_type": "qwen3_moe"}, 94, 4096, 12288, 64, 4, num_experts=128,
        moe_intermediate_size=1536, mlp_only_layers=[],
        quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]},
    ),
    "Qwen/Qwen2.5-0.5B-Instruct": config(QWEN, 24, 896, 4864, 14, 2, tie_word_embeddings=True),
    "Qwen/Qwen2.5-1.5B-Instruct": config(QWEN, 28, 1536, 8960, 12, 2, tie_word_embeddings=True),
    "Qwen/Qwen2.5-VL-7B-Instruct": config(
        {**QWEN, "model_type": "qwen2_5_vl"}, 28, 3584, 18944, 28, 4, vocab_size=152064,
        tie_word_embeddings=False,
    ),
    "meta-llama/Llama-3.1-8B-Instruct": config(
        LLAMA, 32, 4096, 14336, 32, 8, vocab_size=128256, max_position_embeddings=131072
    ),
    "TechxGenus/Meta-Llama-3-70B-Instruct-AWQ": config(
        LLAMA, 80, 8192, 28672, 64, 8, vocab_size=128256, torch_dtype="float16",
        quantization_config={"quant_method": "awq", "bits": 4, "group_size": 128},
    ),
    "LGAI-EXAONE/EXAONE-4.0-32B-FP8": config(
        {"model_type": "exaone4", "torch_dtype": "bfloat16"}, 64, 5120, 27392, 40, 8, head_dim=128,
        vocab_size=102400, sliding_window=4096, sliding_window_pattern="LLLG",
        tie_word_embeddings=False, quantization_config={"quant_method": "fp8"},
    ),
    "facebook/opt-125m": {
        "model_type": "opt", "num_hidden_layers": 12, "hidden_size": 768, "ffn_dim": 3072,
        "num_attention_heads": 12, "word_embed_proj_dim": 768, "vocab_size": 50272,
        "max_position_embeddings": 2048, "torch_dtype": "float16",
    },
    "ibm-granite/granite-4.0-h-350m": config(
        {"model_type": "granitemoehybrid", "torch_dtype": "bfloat16"}, 32, 768, 2048, 12, 4,
        head_dim=64, attn_layer_indices=[10, 13, 17, 27], shared_intermediate_size=2048,
        num_local_experts=0, mamba_n_heads=48, mamba_d_head=32, mamba_d_state=128, mamba_d_conv=4,
        mamba_n_groups=1, mamba_expand=2, vocab_size=100352, tie_word_embeddings=True,
    ),
    "MiniMax-M2.7-AWQ": config(
        {"model_type": "minimax_m2", "torch_dtype": "bfloat16"}, 62, 3072, 1536, 48, 8,
        head_dim=128, num_local_experts=256, vocab_size=200064, tie_word_embeddings=False,
        quantization_config={"quant_method": "awq", "bits": 4},
    ),
}  # fmt: skip
#: Names under which the same architecture stands in the logs.
SAME = {
    "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8": "Qwen/Qwen3-235B-A22B-FP8",
    "Llama-3.1-8B fine-tune (models/final_dpo)": "meta-llama/Llama-3.1-8B-Instruct",
}
