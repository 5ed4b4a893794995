"""Texts drawn together are those drawn alone, and those of a loop without any cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GraniteMoeHybridConfig

from grace.engines.local.batch_cutting import Batch
from grace.engines.local.forward import Reader
from grace.engines.local.sampling import draw_texts
from grace.types import Form, Generation, Message, Option, Prompt, Query, Sampling

STOPS = frozenset({1, 9, 10, 11, 12, 13, 14, 15})  # so that texts end at many lengths
CONTEXTS = [tuple(range(20, 20 + n)) for n in (3, 40, 41, 70)] + [(25, *range(60, 90))]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def model(folder: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(folder).eval()


def text_prompt(context: tuple[int, ...], seed: int, most: int) -> Prompt:
    sampling = Sampling(0.9, 0.95, most, seed)
    return Prompt(Query((Message("user", ""),), (), sampling, replicate=seed), "", context)


PROMPTS = [text_prompt(c, 10 * i + j, 12 + j) for i, c in enumerate(CONTEXTS) for j in range(i + 1)]


def without_cache(stock: torch.nn.Module, prompt: Prompt) -> list[int]:
    """The whole sequence through the model for every token, and the draw by its definition."""
    sampling = prompt.query.sampling
    assert sampling
    uniforms = np.random.default_rng(sampling.seed).random(sampling.max_tokens)
    text: list[int] = []
    for uniform in uniforms:
        with torch.no_grad():
            logits = stock(torch.tensor([[*prompt.context, *text]])).logits[0, -1]
        p = torch.softmax(logits.double() / sampling.temperature, -1).numpy()
        order = np.argsort(-p, kind="stable")
        size = int(np.searchsorted(np.cumsum(p[order]), sampling.top_p)) + 1
        cdf = np.cumsum(p[order[:size]])
        token = int(order[np.searchsorted(cdf, uniform * cdf[-1], side="right")])
        if token in STOPS:
            break
        text.append(token)
    return text


def drawn(folder: Path, batch: list[Prompt], max_tokens: int = 1024) -> list[Generation]:
    reader = Reader(AutoModelForCausalLM.from_pretrained(folder).eval(), max_tokens)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [prompt for prompt in batch if not prompt.query.options]
    with torch.inference_mode():
        reading = reader.read(Batch(tuple(batch)))
        decoder = reader.decoder(reading, texts, pad=1)
        return draw_texts(decoder, tokenizer, texts, STOPS)


@pytest.mark.parametrize("family", ["llama-byte", "gemma-piece", "opt-base", "mamba-base"])
def test_texts_are_those_of_whole_sequences(family: str, tiny: Callable[[str], Path]) -> None:
    folder = tiny(family)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    expected = [without_cache(model(folder), prompt) for prompt in PROMPTS]
    assert len({len(text) for text in expected}) > 4  # some end early, some are cut
    found = drawn(folder, PROMPTS)
    assert [g.n_tokens for g in found] == [len(text) for text in expected]
    assert [g.text for g in found] == [
        tokenizer.decode(text, skip_special_tokens=True) for text in expected
    ]
    for prompt, text in zip(PROMPTS, found, strict=True):
        assert prompt.query.sampling
        cut = text.n_tokens == prompt.query.sampling.max_tokens
        assert text.finish_reason == ("length" if cut else "stop")


@pytest.mark.parametrize("family", ["llama-byte", "gemma-piece"])
def test_neighbours_change_no_text(family: str, tiny: Callable[[str], Path]) -> None:
    together = drawn(tiny(family), PROMPTS)
    assert drawn(tiny(family), PROMPTS[::-1])[::-1] == together
    assert drawn(tiny(family), PROMPTS, max_tokens=16) == together
    alone = [drawn(tiny(family), [prompt])[0] for prompt in PROMPTS[:4]]
    assert alone == together[:4]


def test_a_scored_context_is_not_computed_again_for_its_texts(
    tiny: Callable[[str], Path],
) -> None:
    folder = tiny("llama-byte")
    reader = Reader(AutoModelForCausalLM.from_pretrained(folder).eval(), 1024)
    assert reader.packed
    option = Option("a", "a")
    scored = Prompt(Query((), (option,)), "", CONTEXTS[3], ((Form("a", (30, 31)),),))
    before = reader.packed.tokens
    reading = reader.read(Batch((scored, text_prompt(CONTEXTS[3], 1, 5))))
    assert reader.packed.tokens - before == len(CONTEXTS[3]) + 1  # the option's inner node
    assert reading.nodes[0].keys() == {(), (30,)}
    assert reading.contexts
    assert list(reading.contexts.index) == [CONTEXTS[3]]


@pytest.mark.parametrize("kinds", [("attention", "attention"), ("mamba", "attention")])
def test_hybrids_are_packed_only_without_a_state_that_is_passed_on(kinds: tuple[str, str]) -> None:
    torch.manual_seed(3)
    config = GraniteMoeHybridConfig(
        vocab_size=200, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, layer_types=list(kinds),
        num_local_experts=0, num_experts_per_tok=0, shared_intermediate_size=64,
        mamba_n_heads=8, mamba_d_head=8, mamba_d_state=8, mamba_n_groups=1, logits_scaling=3.0,
    )  # fmt: skip
    hybrid = AutoModelForCausalLM.from_config(config).eval()
    stock = AutoModelForCausalLM.from_config(deepcopy(config)).eval()
    stock.load_state_dict(hybrid.state_dict())
    reader = Reader(hybrid, 1024)
    assert reader.way == ("plain" if "mamba" in kinds else "packed"), reader.why
    prompts = [replace(p, context=p.context[: 9 + i]) for i, p in enumerate(PROMPTS[-4:])]
    with torch.inference_mode():
        reading = reader.read(Batch(tuple(prompts)))
        first = reader.decoder(reading, prompts, pad=1).first()
        for row, prompt in zip(first, prompts, strict=True):
            whole = stock(torch.tensor([prompt.context])).logits[0, -1]
            assert torch.allclose(row, whole, atol=1e-5)


@pytest.mark.parametrize("family", ["llama-byte", "gemma-piece"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_types_differ_by_their_rounding(
    family: str, dtype: torch.dtype, tiny: Callable[[str], Path]
) -> None:
    """Packed and plain agree to a few steps of the type; both differ from float32 more."""
    narrow = AutoModelForCausalLM.from_pretrained(tiny(family), dtype=dtype).eval()
    reader = Reader(narrow, 1024)
    assert reader.packed, reader.why
    options = (Option("a", "a"), Option("b", "b"))
    forms = ((Form("a", (30, 31)),), (Form("b", (30, 32)),))
    prompts = tuple(Prompt(Query((), options), "", c, forms) for c in CONTEXTS)
    for prompt, nodes in zip(prompts, reader.read(Batch(prompts)).nodes, strict=True):
        with torch.no_grad():
            sequence = torch.tensor([[*prompt.context, 30]])
            wide = torch.log_softmax(model(tiny(family))(sequence).logits[0, -1], -1)
        for token in (31, 32):
            error = 0.3 if dtype == torch.bfloat16 else 0.05
            assert nodes[30,][token] == pytest.approx(wide[token].item(), abs=error)
