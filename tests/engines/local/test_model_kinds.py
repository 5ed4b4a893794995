"""What is no causal language model is refused, and so are weights that are not its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoTokenizer

import grace
from grace.engines.local.batch_cutting import Batch
from grace.engines.local.forward import Reader
from grace.engines.local.model_kinds import returns_all
from grace.engines.local.probe import logprobs, probe_prompts
from grace.errors import GraceError
from grace.scoring import prompt_nodes
from grace.types import Message, Prompt, Query, Sampling

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}
XLM = {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 128}
ENCODERS = {
    "bert": SMALL,
    "roberta": SMALL,
    "electra": SMALL | {"embedding_size": 32},
    "xlm-roberta": SMALL,
    "data2vec-text": SMALL,
    "bert-generation": SMALL,
    "xlm": XLM,
    "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64},
}


def made(kind: str, std: float = 0.12, **settings: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](vocab_size=300, **settings)
    model = AutoModelForCausalLM.from_config(config).float().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, std)
    return model


@pytest.mark.parametrize(
    ("kind", "std"), [*((kind, 0.12) for kind in ENCODERS), ("bert", 0.02), ("xlnet", 0.02)]
)
def test_what_looks_ahead_is_refused(kind: str, std: float) -> None:
    with pytest.raises(grace.GraceError, match="not a causal language model"):
        Reader(made(kind, std, **ENCODERS[kind]), 64, kind)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_the_same_as_a_decoder_is_read(kind: str) -> None:
    """What counts is what a model does, not what it is called."""
    assert Reader(made(kind, **SMALL, is_decoder=True), 64).way in ("packed", "plain")


def test_a_run_with_an_encoder_leaves_nothing(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny("llama-base-no-bos"))
    model = AutoModelForCausalLM.from_config(
        CONFIG_MAPPING["bert"](vocab_size=len(tokenizer), **SMALL)
    )
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(grace.GraceError, match="not a causal language model"):
        grace.score(str(tmp_path), ["Warm? Answer:"], ["yes", "no"])


def copied(source: Path, to: Path, **config: Any) -> Path:
    """The model's folder with other entries in its config.json."""
    folder = shutil.copytree(source, to)
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | config))
    return folder


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_hidden_layers": 3}, "do not hold model.layers.2"),
        ({"num_hidden_layers": 1}, "hold model.layers.1"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "does not say the next token"),
        ({"architectures": ["BertForMaskedLM"]}, "does not say the next token"),
        ({"hidden_size": 64}, "could not be loaded|do not hold"),
        ({"vocab_size": 20}, "do not belong together"),
        ({"model_type": "no-such"}, "could not be loaded"),
        ({"model_type": "t5"}, "could not be loaded|encoder"),
        ({"num_attention_heads": 5}, "could not be loaded|do not hold"),
    ],
)
def test_weights_that_are_not_the_configuration_s(
    config: dict[str, Any], message: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied(tiny("llama-byte"), tmp_path / "other", **config)
    with pytest.raises(grace.GraceError, match=message):
        grace.score(str(folder), ["Warm?"], ["yes", "no"])


def without_head(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def with_nan(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 3] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def with_biases(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.self_attn.q_proj.bias"] = torch.ones(32)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])


def pointer(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")


def without(*names: str) -> Callable[[Path], None]:
    def away(folder: Path) -> None:
        for name in names:
            (folder / name).unlink(missing_ok=True)

    return away


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ')


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_head, "do not hold lm_head.weight"),
        (with_biases, "hold model.layers.0.self_attn.q_proj.bias"),
        (with_nan, "model.layers.1.mlp.up_proj.weight hold NaN"),
        (cut_short, "could not be loaded"),
        (pointer, "could not be loaded"),
        (without("model.safetensors"), "could not be loaded"),
        (without("tokenizer.json", "tokenizer_config.json"), "could not be loaded"),
        (broken_config, "could not be loaded"),
        (broken_tokenizer, "could not be loaded"),
    ],
)
def test_a_broken_folder_is_told_in_a_sentence(
    spoil: Callable[[Path], None], message: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny("llama-byte"), tmp_path / "broken")
    spoil(folder)
    with pytest.raises(GraceError, match=message) as told:
        grace.score(str(folder), ["Warm?"], ["yes", "no"])
    assert "\n" not in str(told.value)


def plain_text(model: torch.nn.Module, context: tuple[int, ...], n: int) -> list[int]:
    """The most probable tokens, each from a pass over all before it."""
    ids = list(context)
    for _ in range(n):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(context) :]


RECURRENT = {
    "rwkv": {"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
}


@pytest.mark.parametrize("kind", RECURRENT)
def test_texts_of_unequal_contexts_are_those_of_each_alone(kind: str) -> None:
    model = made(kind, 0.3, **RECURRENT[kind])
    draw = np.random.default_rng(5).integers(0, 300, 60).tolist()
    contexts = [tuple(draw[:n]) for n in (5, 17, 17, 40)]
    reader = Reader(model, 64)
    assert reader.way == "plain"
    queries = [Query((Message("user", ""),), (), Sampling(0, 1, 6, 0)) for _ in contexts]
    prompts = [Prompt(q, "", c) for q, c in zip(queries, contexts, strict=True)]
    with torch.inference_mode():
        decoder = reader.decoder(reader.read(Batch(tuple(prompts))), prompts, pad=0)
        texts: list[list[int]] = [[] for _ in prompts]
        rows = list(range(len(prompts)))
        logits = decoder.first()
        for step in range(6):
            drawn = logits.argmax(-1)
            for row, token in zip(rows, drawn.tolist(), strict=True):
                texts[row].append(token)
            if step == 3:
                decoder.keep([0, 2, 3])
                drawn, rows = drawn[[0, 2, 3]], [0, 2, 3]
            logits = decoder.step(drawn)
    whole = [plain_text(model, context, 6) for context in contexts]
    assert [texts[i] for i in (0, 2, 3)] == [whole[i] for i in (0, 2, 3)]
    assert texts[1] == whole[1][:4]
    assert len({tuple(text) for text in whole}) > 1


def test_a_model_that_takes_padding_for_text_is_not_given_any() -> None:
    assert Reader(made("rwkv", 0.3, **RECURRENT["rwkv"]), 64).manner == "by length"
    assert Reader(made("mamba", 0.3, **RECURRENT["mamba"]), 64).manner == "padded"


LLAMA = {**SMALL, "num_key_value_heads": 2}


def swallowing(model: torch.nn.Module) -> torch.nn.Module:
    """The model with a forward that takes `logits_to_keep` and does nothing with it."""
    own = model.forward

    def forward(*given: Any, **named: Any) -> Any:
        named.pop("logits_to_keep", None)
        return own(*given, **named)

    model.forward = forward
    return model


def first_instead(model: torch.nn.Module) -> torch.nn.Module:
    """The model with a forward that keeps the wrong end."""
    own = model.forward

    def forward(*given: Any, logits_to_keep: int = 0, **named: Any) -> Any:
        out = own(*given, **named)
        out.logits = out.logits[:, : logits_to_keep or None]
        return out

    model.forward = forward
    return model


def without_it(model: torch.nn.Module) -> torch.nn.Module:
    """The model with a forward that does not know the argument."""
    own = model.forward

    def forward(
        input_ids: Any = None, attention_mask: Any = None, position_ids: Any = None,
        past_key_values: Any = None, use_cache: bool = False,
    ) -> Any:  # fmt: skip
        return own(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids,
            past_key_values=past_key_values, use_cache=use_cache,
        )  # fmt: skip

    model.forward = forward
    return model


@pytest.mark.parametrize("change", [swallowing, first_instead, without_it])
@pytest.mark.parametrize("kind", ["mamba", "llama"])
def test_scores_and_texts_are_those_of_a_full_pass(
    kind: str, change: Callable[[torch.nn.Module], torch.nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a forward makes of `logits_to_keep`: the last tokens are read, and no others."""
    model = made(kind, 0.3, **(LLAMA if kind == "llama" else RECURRENT[kind]))
    if kind == "llama":
        monkeypatch.setattr("grace.engines.local.forward.Packed", no_packed)
    prompts = probe_prompts(300)
    scored = prompts[:2]
    right = [
        {path: logprobs(model, p.context + path)[-1] for path in prompt_nodes(p)} for p in scored
    ]
    text = plain_text(model, prompts[2].context, 4)
    reader = Reader(change(model), 64)
    assert reader.way == "plain"
    for nodes, known in zip(reader.read(Batch(scored)).nodes, right, strict=True):
        for path, children in nodes.items():
            for token, value in children.items():
                assert value == pytest.approx(known[path][token].item(), abs=1e-4)
    drawn = (replace(prompts[2], query=Query((Message("user", ""),), (), Sampling(0, 1, 4, 0))),)
    with torch.inference_mode():
        decoder = reader.decoder(reader.read(Batch(drawn)), drawn, pad=0)
        tokens = [int((logits := decoder.first()).argmax())]
        while len(tokens) < 4:
            logits = decoder.step(logits.argmax(-1))
            tokens.append(int(logits.argmax()))
    assert tokens == text


def no_packed(*_: Any) -> None:
    raise ValueError("not this one")


def test_a_class_that_swallows_what_is_to_be_kept() -> None:
    """xLSTM, whose forward returns all logits whatever it is asked for."""
    size = {"embedding_dim": 32, "num_blocks": 2, "num_heads": 4, "chunk_size": 16}
    kernels = {
        "chunkwise_kernel": "chunkwise--native_autograd",
        "sequence_kernel": "native_sequence__native",
        "step_kernel": "native",
    }
    model = made("xlstm", 0.3, hidden_size=32, num_hidden_layers=2, **size, **kernels)
    reader = Reader(model, 64)
    (prompt, *_) = probe_prompts(300)
    (nodes,) = reader.read(Batch((prompt,))).nodes
    for path, children in nodes.items():
        known = logprobs(model, prompt.context + path)[-1]
        for token, value in children.items():
            assert value == pytest.approx(known[token].item(), abs=1e-4)


def test_its_answers_of_before_have_another_name() -> None:
    """0.1.0 read such a model at the wrong tokens, and its stores are still open."""
    assert returns_all(CONFIG_MAPPING["xlstm"]())
    assert not any(returns_all(CONFIG_MAPPING[kind]()) for kind in ("llama", "mamba", "rwkv"))


def test_a_model_that_remembers_is_refused() -> None:
    model = made("llama", **LLAMA)
    own, calls = model.forward, []

    def forward(*given: Any, **named: Any) -> Any:
        calls.append(1)
        out = own(*given, **named)
        out.logits = out.logits * (1 + 0.1 * len(calls))
        return out

    model.forward = forward
    with pytest.raises(grace.GraceError, match=r"not a causal|other numbers when the same text"):
        Reader(model, 64)
