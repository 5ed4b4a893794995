"""Tiny random models of the families Grace meets, built afresh: a second each, no download.

A family is a tokeniser (byte-level or SentencePiece-like, percentages of one token or many,
merges across boundaries, with or without BOS, with or without a chat template) and an
architecture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GraniteConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

TEXT = [
    "How likely is it that exactly 2 of the 3 letters have a stamp? 0% 10% 20% 30% 40% 50%",
    "60% 70% 80% 90% 100% yes no Yes No was wasn't terrible bad good amazing good enough",
    "It was terrible. It was bad. It was good. It was amazing. It wasn't bad at all, Laura.",
    "Laura tells you on the phone: 'I have looked at 1 of the 3 letters.' Answer:no Answer:no",
    "Question: is it so? Answer:no Question: and now? Answer:no Question: why? Answer:no",
] * 20 + [f"{percent}%" for percent in range(0, 101, 10)] * 20

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    "{{ '<|im_start|>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' }}"
    "{{ m['content'] | trim + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>model\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}"
    "{{ '<|im_start|>' + m['content'] + '<|im_end|>' }}{% else %}{{ m['content'] + eos_token }}"
    "{% endif %}{% endfor %}"
)
SPECIALS = ["<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>"]


@dataclass(frozen=True)
class Family:
    """What to build."""

    name: str
    tokens: str  # "byte" (digits apart), "whole" (percentages whole), "piece", "glue"
    bos: bool
    template: str | None
    arch: str


FAMILIES = [
    Family("llama-byte", "byte", bos=False, template=CHATML, arch="llama"),
    Family("qwen-whole", "whole", bos=False, template=CHATML, arch="qwen3"),
    Family("gemma-piece", "piece", bos=True, template=GEMMA, arch="gemma2"),
    Family("mistral-piece", "piece", bos=True, template=MISTRAL, arch="mistral"),
    Family("phi-piece", "piece", bos=True, template=CHATML, arch="phi3"),
    Family("granite-byte", "byte", bos=True, template=CHATML, arch="granite"),
    Family("opt-base", "glue", bos=True, template=None, arch="opt"),
    Family("llama-base-no-bos", "byte", bos=False, template=None, arch="llama"),
    Family("mamba-base", "byte", bos=False, template=None, arch="mamba"),
]


def build(family: Family, folder: Path) -> Path:
    """Write the family's model into the folder, as Hugging Face models are."""
    torch.manual_seed(sum(family.name.encode()))
    tokenizer = build_tokenizer(family)
    model = AutoModelForCausalLM.from_config(_config(family.arch, len(tokenizer)))
    for parameter in model.parameters():  # random enough that options differ a lot
        parameter.data = parameter.data.normal_(0, 0.15) if parameter.dim() > 1 else parameter.data
    model.float().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_tokenizer(family: Family) -> PreTrainedTokenizerFast:
    """A tokeniser trained on a few sentences."""
    inner = Tokenizer(BPE(unk_token="<unk>", byte_fallback=family.tokens == "piece"))
    alphabet: list[str] = []
    if family.tokens == "piece":
        inner.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
        inner.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        )
        alphabet = sorted({c for line in TEXT for c in line if c != " "} | {"▁", "\n", ":"})
    else:
        inner.pre_tokenizer = pre_tokenizers.Sequence(_splits(family.tokens))
        inner.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=700, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(TEXT, trainer)
    if family.bos:
        start = inner.token_to_id("<s>")
        inner.post_processor = TemplateProcessing(
            single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", start)]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>" if family.bos else None,
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
    )
    tokenizer.chat_template = family.template
    return tokenizer


def _splits(kind: str) -> list[pre_tokenizers.PreTokenizer]:
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind == "byte")
    if kind == "byte":
        return [pre_tokenizers.Digits(individual_digits=True), byte_level]
    # Only white space cuts: "100%" becomes one token, and ":" merges with what follows.
    return [pre_tokenizers.Split(Regex(r" ?\S+|\s"), "isolated"), byte_level]


def _config(arch: str, vocabulary: int) -> object:
    size = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "max_position_embeddings": 2048,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    attention = {"intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
    match arch:
        case "llama":
            return LlamaConfig(**size, **attention)
        case "qwen3":
            return Qwen3Config(**size, **attention, head_dim=8)
        case "gemma2":  # soft-capping, and a window shorter than most prompts
            return Gemma2Config(
                **size, **attention, head_dim=8, sliding_window=24, query_pre_attn_scalar=8
            )
        case "mistral":
            return MistralConfig(**size, **attention, sliding_window=None)
        case "phi3":
            return Phi3Config(**size, **attention)
        case "granite":
            return GraniteConfig(**size, **attention, logits_scaling=2.0, attention_multiplier=0.3)
        case "opt":
            return OPTConfig(**size, ffn_dim=64, num_attention_heads=4, word_embed_proj_dim=32)
        case "mamba":
            return MambaConfig(
                **{k: v for k, v in size.items() if k != "max_position_embeddings"},
                state_size=4,
            )
    raise ValueError(arch)
