"""How many parameters a model has, counted from its architecture.

They are counted in three parts, because each is stored and cut in its own way: matrices of the
layers (which quantisation makes smaller and tensor parallelism cuts), the vocabulary's (cut, and
left in 16 bits), and what every card keeps whole (norms, routers, MLA's way down).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grace.serving.capacity.architecture import Architecture


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters."""

    matrices: int
    vocabulary: int
    whole: int
    kv: int  # those of the matrices that make keys and values

    @property
    def total(self) -> int:
        """All of them."""
        return self.matrices + self.vocabulary + self.whole


def count_parameters(a: Architecture) -> Parameters | None:
    """The parameters of a decoder; None where its config does not say how wide it is."""
    c = a.config
    inner = c.get("intermediate_size") or c.get("ffn_dim") or c.get("n_inner")
    inner = inner or c.get("ffn_hidden_size")
    if inner is None and a.model_type in ("gpt2", "gpt_bigcode"):
        inner = 4 * a.hidden
    if not isinstance(inner, int) or not a.vocab:
        return None
    if a.model_type == "qwen":  # the first Qwen counts both halves of its gate
        inner //= 2
    matrices = kv = whole = 0
    pattern = str(c.get("hybrid_override_pattern") or "")
    if set(pattern) - set("M*-"):
        return None  # Nemotron-H with experts
    matrices += 2 * a.hidden * inner * pattern.count("-")  # layers of their own, without a gate
    for number, kind in enumerate(a.layers):
        if kind in {"mamba", "linear"}:
            matrices += _state_layer(a, kind)
        elif kind == "mla":
            cut, kept = _latent_attention(a)
            matrices, whole = matrices + cut, whole + kept
        else:
            own = 2 * a.hidden * a.kv_heads * a.head_dim
            matrices += 2 * a.hidden * a.heads * a.head_dim + own
            kv += own
        cut, kept = (0, 0) if pattern else _feed_forward(c, a.hidden, inner, number)
        matrices, whole = matrices + cut, whole + kept + _NORMS.get(a.model_type, 2) * a.hidden
        if a.model_type.startswith("qwen3"):
            whole += 2 * a.head_dim
    rest = whole + a.hidden + _biases(a, inner) + _vision(c.get("vision_config"))
    return Parameters(matrices, _vocabulary(a), rest, kv)


#: Norms of a layer, where they are not two.
_NORMS = {"gemma2": 4, "gemma3": 4, "gemma3_text": 4, "opt": 4, "gpt2": 4, "gpt_bigcode": 4}


#: Feed-forward parts of two matrices.
_NO_GATE = ("opt", "gpt2", "gpt_bigcode", "gpt_neox", "falcon", "phi")


def _feed_forward(c: Mapping[str, Any], hidden: int, inner: int, number: int) -> tuple[int, int]:
    """A layer's feed-forward part: what is cut, and what every card keeps (its router)."""
    dense = (2 if c.get("model_type") in _NO_GATE else 3) * hidden
    experts = next(
        (int(c[name]) for name in ("n_routed_experts", "num_local_experts", "num_experts",
                                   "moe_num_experts") if c.get(name)), 0,
    )  # fmt: skip
    shared = c.get("shared_intermediate_size") or c.get("shared_expert_intermediate_size") or 0
    if c.get("model_type") == "granitemoehybrid":
        return dense * shared + experts * dense * inner, experts * hidden
    if c.get("model_type") in ("llama4", "llama4_text") and experts:  # one expert is shared
        if (number + 1) % int(c.get("interleave_moe_layer_step") or 1):
            return dense * int(c.get("intermediate_size_mlp") or inner), 0
        return dense * inner * (experts + 1), experts * hidden
    if not experts or number < int(c.get("first_k_dense_replace") or 0):
        return dense * inner, 0
    if number in (c.get("mlp_only_layers") or ()):
        return dense * inner, 0
    each = int(c.get("moe_intermediate_size") or inner)
    shared += int(c.get("n_shared_experts") or 0) * each
    return dense * (each * experts + shared), experts * hidden


def _latent_attention(a: Architecture) -> tuple[int, int]:
    """DeepSeek's attention: what is cut, and the ways down, which every card keeps."""
    c = a.config
    rank, rope = int(c["kv_lora_rank"]), int(c["qk_rope_head_dim"])
    nope, value = int(c.get("qk_nope_head_dim") or 0), int(c.get("v_head_dim") or 0)
    query = int(c.get("q_lora_rank") or 0)
    up = a.heads * (nope + rope)
    cut = rank * a.heads * (nope + value) + a.heads * value * a.hidden
    cut += (query or a.hidden) * up
    return cut, a.hidden * (query + rank + rope) + query + rank


def _state_layer(a: Architecture, kind: str) -> int:
    s = a.state
    assert s is not None
    both = s.inner + 2 * s.groups * s.width
    if kind == "linear":  # gated delta: also a gate as wide as the values, and two numbers a head
        return a.hidden * (both + s.inner + 2 * s.heads) + both * s.taps + s.inner * a.hidden
    per_head = 3 * s.heads  # A, D and the bias of the step
    return (
        a.hidden * (s.inner + both + s.heads)
        + both * (s.taps + 1)
        + per_head
        + s.inner * (1 + a.hidden)
    )


def _vocabulary(a: Architecture) -> int:
    """Embeddings, positions that are learned, and the output layer unless it is the same."""
    c = a.config
    width = int(c.get("word_embed_proj_dim") or a.hidden)
    tied = c.get("tie_word_embeddings", a.model_type in _TIED)
    found = a.vocab * width * (1 if tied else 2)
    if width != a.hidden:
        found += 2 * width * a.hidden
    if a.model_type in ("opt", "gpt2", "gpt_bigcode"):
        found += (int(c.get("max_position_embeddings") or c.get("n_positions") or 0)
                  + 2 * (a.model_type == "opt")) * a.hidden  # fmt: skip
    return found


#: Where config.json leaves out that the output layer is the embedding's (transformers' values).
_TIED = (
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3_text",
    "opt",
    "gpt2",
    "gpt_bigcode",
    "cohere",
    "cohere2",
    "falcon",
)


def _vision(c: Any) -> int:
    """An encoder of pictures, roughly: its layers alone, which are left in 16 bits."""
    if not isinstance(c, dict):
        return 0
    layers = int(c.get("depth") or c.get("num_hidden_layers") or 0)
    hidden, inner = int(c.get("hidden_size") or 0), int(c.get("intermediate_size") or 0)
    return layers * (4 * hidden * hidden + (3 if "out_hidden_size" in c else 2) * hidden * inner)


def _biases(a: Architecture, inner: int) -> int:
    """Biases, where they add up to something."""
    if a.model_type in ("opt", "gpt2", "gpt_bigcode"):
        final = a.hidden if a.config.get("do_layer_norm_before", True) else -a.hidden
        own = 2 * a.kv_heads * a.head_dim
        return a.layer_count * (3 * a.hidden + own + inner) + final
    if a.model_type.startswith("qwen2"):
        return a.layer_count * (a.heads + 2 * a.kv_heads) * a.head_dim
    return 0


def active_share(a: Architecture, parts: Parameters) -> float:
    """The share of the parameters that a token goes through: all, unless there are experts."""
    c = a.config
    experts = int(
        c.get("n_routed_experts") or c.get("num_local_experts") or c.get("num_experts") or 0
    )
    chosen = int(c.get("num_experts_per_tok") or 0)
    if not experts or not chosen:
        return 1.0
    each = 3 * a.hidden * int(c.get("moe_intermediate_size") or c.get("intermediate_size") or 0)
    layers = a.layer_count - int(c.get("first_k_dense_replace") or 0)
    idle = layers * each * (experts - chosen)
    return max(0.01, 1 - idle / parts.total)
