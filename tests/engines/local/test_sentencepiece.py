"""A model whose tokeniser is a SentencePiece file alone, as the first Llamas were published."""

from __future__ import annotations

import json
from pathlib import Path

import sentencepiece
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import grace
from grace.config.command_line import compose
from grace.config.settings import read_settings
from grace.engines.local.load import load_tokenizer
from grace.engines.local.model_files import find_source

SENTENCES = ["is the sky blue ? answer yes or no", "nine of ten say yes , one says no"] * 20


def published(folder: Path) -> sentencepiece.SentencePieceProcessor:
    """Write such a model; its tokeniser as SentencePiece itself loads it."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_prefix=str(folder / "tokenizer"), vocab_size=60,
        model_type="bpe", unk_id=0, bos_id=1, eos_id=2, pad_id=-1, minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.vocab").unlink()
    marks = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "LlamaTokenizer", **marks}), encoding="utf-8"
    )
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    config = LlamaConfig(vocab_size=60, num_attention_heads=2, num_key_value_heads=2, **size)
    LlamaForCausalLM(config).save_pretrained(folder)
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


def test_its_tokens_are_sentencepieces_own(tmp_path: Path) -> None:
    """transformers reads the file with sentencepiece and protobuf, which it does not ask for."""
    inner = published(tmp_path)
    settings = read_settings(compose(["study=1", f"model.path={tmp_path}", "model=smollm2-135m"]))
    tokenizer = load_tokenizer(find_source(settings.model))
    for text in SENTENCES[:2]:
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == inner.encode(text)
    table = grace.score(
        str(tmp_path), ["is the sky blue ?"], ["yes", "no"], False, ["model.chat=false"]
    )
    assert table["mass"].between(0, 1).all()
