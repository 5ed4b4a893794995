"""The packed tree equals sequences of their own, however a plan is cut into batches and passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from grace.engines.local.batch_cutting import PASS_COST, Batch, cut_batches
from grace.engines.local.forward import Reader
from grace.engines.local.token_tree import build_tree
from grace.engines.local.tree_attention import TreeLayout
from grace.scoring.trie import NodeLogprobs, prompt_nodes
from grace.types import Form, Message, Option, Prompt, Query, Sampling

Ids = tuple[int, ...]
TEXT = Sampling(0.7, 0.9, 5, 1)

ids = st.lists(st.integers(5, 8), max_size=6).map(tuple)
#: Contexts that share beginnings of any length, now and then a whole context, some of them long.
trunks = st.sampled_from([(), (5,), (5, 6, 7, 8) * 10, (5, 6) * 40])
contexts = st.builds(lambda a, b, c, d: (*a, *b, *c, d), trunks, ids, ids, st.integers(5, 8))
option_lists = st.lists(ids.filter(bool), min_size=1, max_size=4, unique=True)
prompt_lists = st.lists(st.tuples(contexts, option_lists), min_size=1, max_size=7)


def make_prompt(context: Ids, options: Sequence[Ids]) -> Prompt:
    forms = tuple((Form(str(i), option),) for i, option in enumerate(options))
    query = Query(
        (Message("user", ""),),
        tuple(Option(str(i), str(i)) for i in range(len(options))),
        None if options else TEXT,
    )
    return Prompt(query, "", context, forms)


def distinct_tokens(prompts: Sequence[Prompt]) -> int:
    """Nodes of the trie of all that is read, by its definition."""
    nodes = set()
    for prompt in prompts:
        for path in prompt_nodes(prompt) or [()]:
            whole = prompt.context + path
            nodes |= {whole[:n] for n in range(1, len(whole) + 1)}
    return len(nodes)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Models this small only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def load(folder: Path) -> tuple[torch.nn.Module, Reader]:
    """A model that nothing of Grace's touches, and the reader of another of the same weights."""
    stock = AutoModelForCausalLM.from_pretrained(folder).eval()
    return stock, Reader(AutoModelForCausalLM.from_pretrained(folder).eval(), max_tokens=1024)


@cache
def after(model: torch.nn.Module, sequence: Ids) -> torch.Tensor:
    """The log-probabilities of what comes after a sequence of its own."""
    with torch.no_grad():
        return torch.log_softmax(model(torch.tensor([sequence])).logits[0, -1].double(), -1)


def expected(model: torch.nn.Module, prompt: Prompt) -> NodeLogprobs:
    return {
        path: {child: after(model, prompt.context + path)[child].item() for child in children}
        for path, children in prompt_nodes(prompt).items()
    }


def assert_close(found: NodeLogprobs, wanted: NodeLogprobs) -> None:
    assert found.keys() == wanted.keys()
    for path, children in wanted.items():
        assert found[path] == pytest.approx(children, abs=1e-4), path


@pytest.mark.parametrize("family", ["llama-byte", "gemma-piece", "opt-base", "granite-byte"])
@given(
    plan=prompt_lists,
    in_pass=st.sampled_from([3, 50, 1024]),
    in_batch=st.sampled_from([1, 40, 200]),
)
@settings(max_examples=8, deadline=None)
def test_any_plan_cut_in_any_way_gives_what_sequences_give(
    family: str,
    tiny: Callable[[str], Path],
    plan: list[tuple[Ids, list[Ids]]],
    in_pass: int,
    in_batch: int,
) -> None:
    model, reader = load(tiny(family))
    assert reader.packed, reader.why
    reader.packed.max_tokens = in_pass
    for batch in cut_batches([make_prompt(*made) for made in plan], in_batch, 3):
        for prompt, nodes in zip(batch.prompts, reader.read(batch).nodes, strict=True):
            assert_close(nodes, expected(model, prompt))


@given(plan=prompt_lists, limit=st.sampled_from([1, 30, 100, 1000]), texts=st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_batches_hold_every_prompt_once_within_the_limits(
    plan: list[tuple[Ids, list[Ids]]], limit: int, texts: int
) -> None:
    prompts = [make_prompt(c, o if i % 3 else []) for i, (c, o) in enumerate(plan)]
    batches = cut_batches(prompts, limit, texts)
    given = sorted((p.context, p.key) for p in prompts)
    assert [(p.context, p.key) for batch in batches for p in batch.prompts] == given
    for batch in batches:
        known = batch.trunk[-1] if batch.trunk else 0
        assert list(batch.trunk) == sorted(set(batch.trunk))
        assert len({p.context[:known] for p in batch.prompts}) == 1
        assert all(len(p.context) > known for p in batch.prompts)
        drawn = [p for p in batch.prompts if not p.query.options]
        assert len(drawn) <= texts
        if len(batch.prompts) > 1 and not drawn:
            assert len(build_tree(batch.prompts, known)) <= limit


def test_a_plan_computes_every_distinct_token_once(tiny: Callable[[str], Path]) -> None:
    """But for shared beginnings so short that another pass would cost more."""
    _, reader = load(tiny("llama-byte"))
    assert reader.packed
    reader.packed.max_tokens = 256
    rng = np.random.default_rng(1)

    def draw(n: int) -> Ids:
        return tuple(rng.integers(5, 200, n).tolist())

    system, options = draw(60), [draw(3) for _ in range(9)]
    stories = [draw(90) for _ in range(6)]
    prompts = [make_prompt(system + s + draw(20), options) for s in stories for _ in range(5)]
    batches = cut_batches(prompts, 256, 8)
    assert len(batches) > 4
    reader.packed.forget()
    before = reader.packed.tokens
    for batch in batches:
        reader.read(batch)
    assert reader.packed.tokens - before <= distinct_tokens(prompts) + PASS_COST
    assert sum(len(p.context) for p in prompts) > 2 * distinct_tokens(prompts)


def test_a_batch_has_the_same_last_digits_whatever_was_computed_before(
    tiny: Callable[[str], Path],
) -> None:
    _, reader = load(tiny("llama-byte"))
    assert reader.packed
    trunk = tuple(range(5, 105))
    prompts = [make_prompt((*trunk, 5 + i, *range(5, 60 + i)), [(9, 8), (7,)]) for i in range(8)]
    batches = cut_batches(prompts, 150, 1)
    assert len(batches) > 3
    assert all(batch.trunk for batch in batches)
    reader.packed.forget()
    in_turn = [reader.read(batch).nodes for batch in batches]
    for batch, nodes in reversed(list(zip(batches, in_turn, strict=True))):
        reader.packed.forget()
        assert reader.read(batch).nodes == nodes


@pytest.mark.parametrize("n", [1_000, 4_000, 16_000])
def test_what_attention_looks_at_grows_with_the_tokens(n: int) -> None:
    """Nodes × (path + block), not nodes²: a thousand-fold difference at 200,000 tokens."""
    prompts = [make_prompt((*range(5, 90), i, *range(15)), [(7,)]) for i in range(n // 16)]
    tree = build_tree(prompts)
    assert n * 0.9 < len(tree) < n * 1.1
    pairs = 0
    path = np.empty(0, dtype=np.int64)
    for start in range(0, len(tree), 1024):
        stop = min(start + 1024, len(tree))
        path = tree.ancestors(start)
        layout = TreeLayout(tree, (start, stop), path, {}, torch.device("cpu"), keep=False)
        pairs += sum(b.rows.numel() * b.keys.shape[1] for b in layout.blocks)
    assert pairs <= len(tree) * (int(tree.depth.max()) + 1 + 2 * 64)


def test_a_prompt_longer_than_a_pass_goes_through_in_parts(tiny: Callable[[str], Path]) -> None:
    model, reader = load(tiny("gemma-piece"))
    assert reader.packed
    reader.packed.max_tokens = 64
    rng = np.random.default_rng(2)
    prompt = make_prompt(tuple(rng.integers(5, 200, 333).tolist()), [(8, 9, 10), (8, 11), (12,)])
    (batch,) = cut_batches([prompt], 64, 1)
    assert_close(reader.read(batch).nodes[0], expected(model, prompt))


def test_a_limit_sends_longer_prompts_the_plain_way(tiny: Callable[[str], Path]) -> None:
    """Positions that turn by the whole sequence's length are no path's own."""
    model = AutoModelForCausalLM.from_pretrained(
        tiny("llama-byte"),
        rope_parameters={
            "rope_type": "dynamic", "factor": 4.0, "rope_theta": 10_000.0,
            "original_max_position_embeddings": 64,
        },
        max_position_embeddings=256,
    ).eval()  # fmt: skip
    stock = AutoModelForCausalLM.from_pretrained(tiny("llama-byte"), config=model.config).eval()
    reader = Reader(model, 1024)
    assert reader.packed, reader.why
    assert reader.limit
    for length in (40, 150):
        prompt = make_prompt(tuple(range(5, 5 + length)), [(8, 9), (7,)])
        before = reader.packed.tokens
        assert_close(reader.read(Batch((prompt,))).nodes[0], expected(stock, prompt))
        assert (reader.packed.tokens > before) == (length == 40)
