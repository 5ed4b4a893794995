"""The trie's masses against their definition, summed over every possible answer."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.errors import ConfigError
from grace.scoring.boundary import place_options
from grace.scoring.trie import assemble, inner_nodes, prompt_nodes
from grace.types import Form, Message, Option, Prompt, Query

DEPTH, VOCABULARY = 3, 3
Path = tuple[int, ...]

paths = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=DEPTH).map(tuple)
weights = st.lists(
    st.floats(0.001, 1), min_size=VOCABULARY**DEPTH, max_size=VOCABULARY**DEPTH
)  # fmt: skip


def language(raw: list[float]) -> dict[Path, float]:
    """A probability for every text of exactly DEPTH tokens."""
    total = math.fsum(raw)
    texts = product(range(VOCABULARY), repeat=DEPTH)
    return {text: weight / total for text, weight in zip(texts, raw, strict=True)}


def begins(texts: dict[Path, float], path: Path) -> float:
    return math.fsum(p for text, p in texts.items() if text[: len(path)] == path)


def make_prompt(options: list[list[Path]]) -> Prompt:
    query = Query(
        (Message("user", ""),), tuple(Option(str(i), str(i)) for i in range(len(options)))
    )
    forms = tuple(tuple(Form(str(ids), ids) for ids in own) for own in options)
    return Prompt(query, "", (0,), forms)


@settings(deadline=None)
@given(st.lists(paths, min_size=1, max_size=8, unique=True), st.data(), weights)
def test_masses_are_those_of_all_answers_that_begin_with_the_option(
    forms: list[Path], data: st.DataObject, raw: list[float]
) -> None:
    owners = [data.draw(st.integers(0, 2), label=f"owner of {form}") for form in forms]
    options = [[f for f, o in zip(forms, owners, strict=True) if o == k] for k in range(3)]
    options = [own for own in options if own]
    texts = language(raw)
    prompt = make_prompt(options)
    nodes = {
        path: {t: math.log(begins(texts, (*path, t)) / begins(texts, path)) for t in children}
        for path, children in prompt_nodes(prompt).items()
    }
    scores = assemble(prompt, nodes)
    # Each text belongs to the longest form it begins with.
    expected = [0.0] * len(options)
    for text, p in texts.items():
        longest = max((f for f in forms if text[: len(f)] == f), key=len, default=None)
        for k, own in enumerate(options):
            expected[k] += p if longest in own else 0
    found = [math.exp(option.log_mass) for option in scores.options]
    assert found == pytest.approx(expected, abs=1e-9)
    assert sum(found) <= 1 + 1e-9
    for option, own in zip(scores.options, options, strict=True):
        assert math.exp(option.logprob) == pytest.approx(begins(texts, own[0]))


@given(st.lists(paths, min_size=1, max_size=10))
def test_every_inner_node_is_read_once_for_just_its_children(forms: list[Path]) -> None:
    nodes = inner_nodes(forms)
    edges = {(path, child) for path, children in nodes.items() for child in children}
    assert edges == {(f[:i], f[i]) for f in forms for i in range(len(f))}
    assert sum(len(children) for children in nodes.values()) == len(edges)


def test_nothing_is_made_up_for_a_node_that_was_not_read() -> None:
    with pytest.raises(KeyError):
        assemble(make_prompt([[(1, 2)]]), {(): {1: -0.5}})


@pytest.mark.parametrize("value", [math.nan, 0.1, math.inf])
def test_what_is_no_log_probability_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="at most 0"):
        assemble(make_prompt([[(1,)]]), {(): {1: value}})


def test_a_prefix_that_keeps_nothing_has_no_mass() -> None:
    scores = assemble(make_prompt([[(1,)], [(1, 2)]]), {(): {1: -0.5}, (1,): {2: 0.0}})
    assert scores.options[0].log_mass == -math.inf
    assert scores.options[1].log_mass == pytest.approx(-0.5)


CONTEXT = (7, 8, 9)


def place(*wholes: list[Path]) -> Prompt:
    options = tuple(Option(str(i), str(i)) for i in range(len(wholes)))
    named = [[(str(ids), ids) for ids in forms] for forms in wholes]
    return place_options(Query((Message("user", ""),), options), "", CONTEXT, named)


def test_options_behind_an_unchanged_context() -> None:
    prompt = place([(7, 8, 9, 1)], [(7, 8, 9, 2, 3)])
    assert prompt.context == CONTEXT
    assert [forms[0].ids for forms in prompt.forms] == [(1,), (2, 3)]
    assert prompt.flags == ()


def test_where_one_option_merges_all_start_before_the_merge() -> None:
    prompt = place([(7, 8, 9, 1)], [(7, 8, 5)])
    assert prompt.context == (7, 8)
    assert [forms[0].ids for forms in prompt.forms] == [(9, 1), (5,)]
    assert prompt.flags == ("boundary_merged",)


def test_a_further_spelling_that_merges_is_left_out() -> None:
    prompt = place([(7, 8, 9, 1), (7, 8, 5)], [(7, 8, 9, 2)])
    assert prompt.context == CONTEXT
    assert [form.ids for form in prompt.forms[0]] == [(1,)]
    assert prompt.flags == ("form_left_out",)


@pytest.mark.parametrize("whole", [CONTEXT, (7, 8)])
def test_an_option_of_no_tokens_is_refused(whole: Path) -> None:
    with pytest.raises(ConfigError, match="no tokens of its own"):
        place([(7, 8, 9, 1)], [whole])


def test_two_options_of_the_same_tokens_are_refused() -> None:
    with pytest.raises(ConfigError, match="same tokens"):
        place([(7, 8, 9, 1)], [(7, 8, 9, 1)])
