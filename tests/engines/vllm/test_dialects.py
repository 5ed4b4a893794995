"""Servers that show no token ids: what they leave open stays open, and nothing else is claimed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

import grace
from grace.engines.vllm import VllmEngine
from grace.engines.vllm.bounds_from_texts import bound_texts
from grace.errors import ConfigError
from grace.types import Form, Generation, Message, Option, OptionScores, Prompt, Query, Sampling
from tests.engines.vllm.dialects import DIALECTS, Silent, TextServer
from tests.engines.vllm.test_engine import MODEL, Tiny, ask, local, scored, settings
from tests.runs.test_run import run

WORDS = (
    Option("was", "was"), Option("wasnt", "wasn't"), Option("a", "a", ("A",)), Option("b", "b"),
)  # fmt: skip


@pytest.mark.parametrize("family", ["llama-byte", "gemma-piece", "opt-base"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_exact_mass_lies_within_the_bounds(dialect: str, family: str, tiny: Tiny) -> None:
    queries = [*scored(2), *scored(3, WORDS)]
    with DIALECTS[dialect](tiny(family)) as server:
        found = ask(queries, server)
    for ours, exact in zip(found, local(tiny(family), queries), strict=True):
        assert isinstance(ours, OptionScores)
        assert isinstance(exact, OptionScores)
        assert ours.method == "bounded"
        for bounded, point in zip(ours.options, exact.options, strict=True):
            # Sums are rounded here and there: a little room.
            assert bounded.log_mass_low - 1e-4 <= point.log_mass <= bounded.log_mass_high + 1e-4
            if not math.isnan(bounded.log_mass):
                assert bounded.log_mass == pytest.approx(point.log_mass, abs=1e-4)


def prompt(*options: Option) -> Prompt:
    forms = tuple(tuple(Form(s, ()) for s in option.spellings) for option in options)
    return Prompt(Query((Message("user", "?"),), options), "?", (), forms)


def bounds(row: Mapping[str, float], *options: Option) -> list[tuple[float, float]]:
    found = bound_texts(prompt(*options), {t: math.log(p) for t, p in row.items()})
    return [(math.exp(o.log_mass_low), math.exp(o.log_mass_high)) for o in found.options]


def test_bounds_by_hand() -> None:
    row = {"yes": 0.5, "1": 0.1, "was": 0.2, " x": 0.1}
    yes, ten = bounds(row, Option("yes", "yes"), Option("10", "10%"))
    assert yes == pytest.approx((0.5, 0.5))
    assert ten == pytest.approx((0.0, 0.2))  # "1" may go on, and a tenth is not shown
    was, wasnt = bounds(row, Option("was", "was"), Option("wasnt", "wasn't"))
    assert was == pytest.approx((0.0, 0.2))  # all of it may go on to "wasn't"
    assert wasnt == pytest.approx((0.0, 0.3))
    (both,) = bounds(row, Option("yes", "yes", ("Yes",)))
    assert both == pytest.approx((0.5, 0.6))


def test_where_no_space_is_shown_a_token_may_have_one() -> None:
    """A "yes" that is printed could be " yes"."""
    (yes,) = bounds({"yes": 0.5, "x": 0.4}, Option("yes", "yes"))
    assert yes == pytest.approx((0.0, 0.6))


@given(st.dictionaries(st.sampled_from(["a", "ab", "b", "abc", "c"]), st.floats(0.01, 0.19)))
def test_bounds_are_bounds(row: dict[str, float]) -> None:
    for low, high in bounds(row, Option("a", "a"), Option("ab", "ab"), Option("c", "c", ("C",))):
        assert 0 <= low <= high <= 1


def test_a_run_says_that_its_numbers_are_bounded(tiny: Tiny, tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    with DIALECTS["TGI"](tiny("llama-byte")) as server:
        words = ("pilot=2", "model.name=tiny", "engine=vllm", f"engine.endpoints=[{server.url}]")
        output = run(*words, cwd=folder)
    result = grace.load(folder / "outputs/1/2/tiny")
    assert "bounded" in output
    assert result.manifest["engine"]["method"] == "bounded"
    rows = result.responses
    assert set(rows["method"]) == {"bounded"}
    assert rows[["prob_low", "prob_high"]].notna().all().all()
    assert rows["prob"].isna().any()


def test_raw_answers_are_asked_for_in_plain_words(tiny: Tiny) -> None:
    query = Query((Message("user", "Is it?"),), sampling=Sampling(0.7, 0.9, 20, 5))
    with TextServer(tiny("llama-byte")) as server:
        (answer,) = ask([query], server)
    assert isinstance(answer, Generation)
    assert answer.text == "a text"


def test_a_server_without_probabilities_is_refused_for_scores(tiny: Tiny) -> None:
    with Silent(tiny("llama-byte")) as server, pytest.raises(ConfigError, match="no probabilities"):
        ask(scored(1), server)


def test_a_started_turn_is_refused(tiny: Tiny) -> None:
    with TextServer(tiny("llama-byte")) as server, pytest.raises(ConfigError, match="started turn"):
        ask(scored(1, answer_prefix="Answer:"), server)


def test_equal_options_of_other_questions_are_other_prompts(tiny: Tiny) -> None:
    async def keys(server: TextServer) -> set[str]:
        engine = await VllmEngine(MODEL, settings(server)).start()
        found = await engine.prepare(scored(5))
        await engine.close()
        return {p.key for p in found if isinstance(p, Prompt)}

    with TextServer(tiny("llama-byte")) as server:
        assert len(asyncio.run(keys(server))) == 5
