"""grace.capacity against a real vLLM on this machine: every block and token. `make test-vllm`.

The models are of every kind of memory there is, and tiny; vLLM makes up their weights. Its
processor decides some of it (a state's numeric type, MLA's block), which capacity must know too.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from grace.serving.arguments import effective
from grace.serving.capacity import estimate
from grace.serving.capacity.cards import Card
from tests.engines.vllm.test_real import PYTHON
from tests.places import SHARED
from tests.serving.test_capacity import settings

pytestmark = pytest.mark.vllm

COMMON = {
    "vocab_size": 1024, "dtype": "float32", "bos_token_id": 1, "eos_token_id": 2,
    "hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
    "hidden_act": "silu", "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
}  # fmt: skip
LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
GEMMA = {
    "model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"], "hidden_activation":
    "gelu_pytorch_tanh", "sliding_window": 512, "query_pre_attn_scalar": 32, "head_dim": 32,
    "tie_word_embeddings": True,
}  # fmt: skip
STATES = {
    "model_type": "granitemoehybrid", "architectures": ["GraniteMoeHybridForCausalLM"],
    "shared_intermediate_size": 256, "num_local_experts": 0, "num_experts_per_tok": 0,
    "mamba_n_heads": 8, "mamba_d_head": 32, "mamba_d_state": 64, "mamba_d_conv": 4,
    "mamba_n_groups": 1, "mamba_expand": 2, "mamba_chunk_size": 256, "mamba_conv_bias": True,
    "position_embedding_type": "nope", "tie_word_embeddings": True,
}  # fmt: skip
LATENT = {
    "model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"], "q_lora_rank": None,
    "num_key_value_heads": 4, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128, "moe_intermediate_size": 64, "n_routed_experts": 4, "n_shared_experts": 1,
    "num_experts_per_tok": 2, "first_k_dense_replace": 3, "n_group": 1, "topk_group": 1,
    "topk_method": "noaux_tc", "scoring_func": "sigmoid", "rope_interleave": True,
}  # fmt: skip
ARGUMENTS: dict[str, Any] = {
    "max-model-len": 4096,
    "max-num-batched-tokens": 512,
    "kv-cache-memory-bytes": 2**28,
}
#: Configurations, and arguments beside the common ones.
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "all": ({**COMMON, **LLAMA, "num_hidden_layers": 3}, {"max-model-len": 1000}),
    "windows": (
        {
            **COMMON, **GEMMA, "num_hidden_layers": 5,
            "layer_types": ["sliding_attention", "full_attention"] * 2 + ["sliding_attention"],
        },
        {"block-size": 64},
    ),
    "states": (
        {
            **COMMON, **STATES, "num_hidden_layers": 7,
            "layer_types": ["mamba", "mamba", "attention"] * 2 + ["mamba"],
        },
        {},
    ),
    "latent": ({**COMMON, **LATENT, "num_hidden_layers": 3}, {}),
}  # fmt: skip
#: Those with logs, which are not ours to ship: as they were started, and what was logged.
LOGGED = {"gemma2": 252_748, "mla": 58_240, "hybrid": 599_186}
TINY = SHARED / "data/samples/tiny_configs"


def test_every_block_and_token_is_vllms(tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("no .venv-vllm: run make setup-vllm")
    wanted = dict(MODELS)
    for name in LOGGED if TINY.is_dir() else ():
        config = json.loads((TINY / f"{name}.json").read_text(encoding="utf-8"))
        wanted[name] = config, {"block-size": 32} if name == "gemma2" else {}
    calculated, asked = {}, []
    for name, (config, more) in wanted.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        words = [f"serve.args.{n}={value}" for n, value in {**ARGUMENTS, **more}.items()]
        given_settings, given = settings(f"model.path={folder}", *words)
        calculated[name] = estimate(given_settings, Card("cpu", 20), 1, given)[0]
        # As grace.serve would start it.
        served = effective(given_settings, cpu=True)
        arguments = {n: served[n] for n in ("block-size",) if n in served}
        arguments |= {**ARGUMENTS, **more}
        asked.append([str(folder), {n.replace("-", "_"): v for n, v in arguments.items()}])
    found = dict(zip(wanted, ask(asked), strict=True))
    for name, theirs in found.items():
        ours = calculated[name]
        same = (ours.blocks, ours.tokens, round(ours.concurrency, 2))
        assert same == (theirs["blocks"], theirs["tokens"], theirs["concurrency"]), (name, theirs)
        assert ours.block_size == theirs["block_size"], name
        if name in LOGGED and name != "hybrid":  # whose state depends on the processor
            assert ours.tokens == LOGGED[name]


def ask(models: list[Any]) -> list[dict[str, Any]]:
    """What vLLM says of each."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    environment.pop("PYTHONPATH", None)
    script = Path(__file__).with_name("ask_vllm_capacity.py")
    done = subprocess.run(
        [PYTHON, script, json.dumps(models)],
        env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    found = [json.loads(line[6:]) for line in done.stdout.splitlines() if line[:6] == "FOUND "]
    assert len(found) == len(models), done.stdout[-3000:] + done.stderr[-3000:]
    return found
