"""The store keeps what it is given, exactly, and says plainly when it cannot."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.store import Counts, Store
from grace.store.store import CHUNK, COMMIT_ANSWERS
from grace.types import (
    METHODS,
    Failure,
    Form,
    FormScore,
    Generation,
    Message,
    Option,
    OptionScore,
    OptionScores,
    Prompt,
    Query,
    Sampling,
)
from tests.store.answers import INFO, drawn, exact, failed, fill, scored

# What may be in them: any text that Python can hold, any number that a float can be.

texts = st.text(st.characters(exclude_categories=()), max_size=30)
ids = st.lists(st.integers(0, 2**31), min_size=1, max_size=5).map(tuple)
numbers = st.floats(allow_nan=True, allow_infinity=True)
flags = st.lists(texts, max_size=3).map(tuple)
messages = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts)


@st.composite
def score_pairs(draw: st.DrawFn) -> tuple[Prompt, OptionScores]:
    options, forms, scores = [], [], []
    for number in range(draw(st.integers(1, 4))):
        written = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
        value = draw(st.none() | st.integers() | numbers)
        option = Option(f"{number}{draw(texts)}", written[0], tuple(written[1:]), value)
        own = [Form(text, draw(ids)) for text in option.spellings]
        measured = tuple(
            FormScore(form.text, form.ids, tuple(draw(numbers) for _ in form.ids))
            for form in own[: draw(st.integers(0, len(own)))]
        )
        four = [draw(numbers) for _ in range(4)]
        options.append(option)
        forms.append(tuple(own))
        scores.append(
            OptionScore(option.name, four[0], draw(st.integers(0, 9)), four[1], measured, *four[2:])
        )
    query = Query(
        tuple(draw(st.lists(messages, max_size=3))),
        tuple(options),
        answer_prefix=draw(texts),
        spaced=draw(st.booleans()),
    )
    prompt = Prompt(query, draw(texts), draw(ids), tuple(forms), draw(flags))
    method = draw(st.sampled_from(METHODS))
    return prompt, OptionScores(tuple(scores), method, draw(flags))


@st.composite
def text_pairs(draw: st.DrawFn) -> tuple[Prompt, Generation]:
    unit = st.floats(0, 1)
    sampling = Sampling(draw(unit), draw(unit), draw(st.integers(1, 999)), draw(st.integers(0)))
    query = Query((draw(messages),), sampling=sampling, replicate=draw(st.integers(0, 99)))
    counts = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6))
    answer = Generation(draw(texts), draw(texts), *counts, draw(flags))
    return Prompt(query, draw(texts), draw(ids), flags=draw(flags)), answer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for many examples, each of which has an engine of its own."""
    with Store.open(tmp_path_factory.mktemp("shared") / "answers.sqlite") as store:
        yield store


# Exactness


@settings(max_examples=80, deadline=None)
@given(pair=score_pairs() | text_pairs())
def test_what_comes_out_is_what_went_in(
    shared: Store, pair: tuple[Prompt, OptionScores | Generation]
) -> None:
    prompt, answer = pair
    info = replace(INFO, revision=str(next(fresh)))
    assert shared.add(info, prompt, answer, seconds=0.25)
    (record,) = shared.records(info, [prompt.key])
    assert exact(record.answer) == exact(answer)
    assert record.seconds == 0.25


fresh = itertools.count()


@settings(max_examples=80, deadline=None)
@given(pair=score_pairs() | text_pairs())
def test_a_prompt_comes_back_with_its_query(shared: Store, pair: tuple[Prompt, Any]) -> None:
    prompt, answer = pair
    shared.add(replace(INFO, revision=str(next(fresh))), prompt, answer)
    ((key, found),) = shared.prompts([prompt.key])
    assert found.key == key == prompt.key
    # Another prompt of the same key may have been first: of these only the tokens are equal.
    if found.text == prompt.text and found.query.messages == prompt.query.messages:
        assert found.context == prompt.context
        assert [[f.ids for f in o] for o in found.forms] == [
            [f.ids for f in o] for o in prompt.forms
        ]


@pytest.mark.parametrize(
    "text",
    [
        "\ud83d\ude00",  # two lone surrogates, which are not the character they would make
        "\U0001f600",
        "a\x00b",
        "\u202eright to left\u202c {{ jinja }} {% raw %}",
        "=1+1\r\n\t'; DROP TABLE answers; --",
        "é" * 500_000,
    ],
    ids=["surrogates", "emoji", "NUL", "marks", "SQL", "1 MB"],
)
def test_text_of_any_kind(path: Path, text: str) -> None:
    prompt, answer = drawn(1, text)
    prompt = replace(prompt, text=text, query=replace(prompt.query, answer_prefix=text))
    with Store.open(path) as store:
        store.add(INFO, prompt, answer)
        store.fail(INFO, "a query", Failure(text))
    with Store.open(path) as store:
        assert list(store.answers(INFO, [prompt.key])) == [(prompt.key, answer)]
        assert list(store.prompts([prompt.key])) == [(prompt.key, prompt)]
        assert dict(store.failures(INFO)) == {"a query": Failure(text)}


# What it holds


def test_the_first_answer_stays(path: Path) -> None:
    prompt, answer = scored(1)
    other = scored(1, shift=-0.5)[1]
    with Store.open(path) as store:
        assert store.add(INFO, prompt, answer)
        assert not store.add(INFO, prompt, other)
        store.flush()
        assert not store.add(INFO, prompt, other)
        assert exact(dict(store.answers(INFO, [prompt.key]))[prompt.key]) == exact(answer)


@pytest.mark.parametrize("part", ["kind", "version", "model", "revision", "dtype"])
def test_another_engine_is_asked_again(path: Path, part: str) -> None:
    prompt, answer = scored(1)
    changed: dict[str, Any] = {part: "other"}
    other = replace(INFO, **changed)
    with Store.open(path) as store:
        store.add(INFO, prompt, answer)
        assert store.missing(other, [prompt.key]) == [prompt.key]
        assert store.add(other, prompt, answer)
        assert store.engines() == [INFO, other]


def test_method_and_details_do_not_make_another_engine(path: Path) -> None:
    prompt, answer = scored(1)
    with Store.open(path) as store:
        store.add(replace(INFO, details={"path": Path("/here"), "way": None}), prompt, answer)
        same = replace(INFO, method="bounded", details={"endpoints": 2})
        assert store.missing(same, [prompt.key]) == []
        assert [engine.details for engine in store.engines()] == [{"path": "/here", "way": None}]


def test_answers_stream_in_the_order_of_the_keys(path: Path) -> None:
    keys = fill(path, 3 * CHUNK)
    random.Random(1).shuffle(keys)
    asked = ["none", *keys[::2], keys[0]]
    taken = 0

    def counting() -> Iterator[str]:
        nonlocal taken
        for key in asked:
            taken += 1
            yield key

    with Store.open(path, read_only=True) as store:
        found = store.answers(INFO, counting())
        next(found)
        assert taken <= CHUNK  # a stream: the rest is not even asked for
        assert [keys[0], *(key for key, _ in found)] == asked[1:]
        assert store.missing(INFO, ["b", *keys, "a", "b"]) == ["b", "a", "b"]
        assert store.counts(INFO).answers == len(keys)


def test_failures_until_there_is_an_answer(path: Path) -> None:
    prompt, failure = failed(1, "it timed out")
    key = prompt.key
    with Store.open(path) as store:
        store.add(INFO, prompt, Failure("before"))
        store.add(INFO, prompt, failure)
        assert store.missing(INFO, [key]) == [key]
    with Store.open(path) as store:
        store.add(INFO, *failed(1, "it timed out again"))
        (record,) = store.failure_records(INFO, [key])
        assert (record.failure.reason, record.count) == ("it timed out again", 3)
        assert list(store.prompts([key]))  # of use to who wants to know why
        assert (store.counts(INFO).answers, store.counts(INFO).failures) == (0, 1)

        assert store.add(INFO, *scored(1))
        assert not store.add(INFO, prompt, failure)
        assert not store.fail(INFO, key, failure)
        assert list(store.failures(INFO)) == []
        assert store.missing(INFO, [key]) == []


def test_all_failures_page_by_page(path: Path) -> None:
    names = [f"query {n:04}" for n in range(2 * CHUNK + 10)]
    with Store.open(path) as store:
        for name in names:
            store.fail(INFO, name, Failure(name))
        assert dict(store.failures(INFO)) == {name: Failure(name) for name in names}


def test_an_answer_to_another_question_does_not_get_in(path: Path) -> None:
    prompt, answer = scored(1)
    with Store.open(path) as store:
        for wrong in (replace(answer, options=answer.options[::-1]), drawn(1)[1]):
            with pytest.raises(ValueError, match="options"):
                store.add(INFO, prompt, wrong)
        assert store.missing(INFO, [prompt.key]) == [prompt.key]


def test_rivals_that_asked_the_same(path: Path) -> None:
    """Neither knew of the other when it asked: the first to commit stays."""
    prompt, answer = scored(1)
    with Store.open(path) as ours, Store.open(path) as theirs:
        assert ours.add(INFO, prompt, answer)
        assert theirs.add(INFO, *scored(1, shift=-1e-6))
        assert ours.add(INFO, *scored(2))
        assert theirs.add(INFO, *failed(2))
        ours.flush()
        theirs.flush()
        assert exact(list(theirs.answers(INFO, [prompt.key]))) == exact([(prompt.key, answer)])
        assert theirs.counts(INFO) == ours.counts(INFO) == Counts(scores=2)


# When it commits


def committed(path: Path) -> int:
    """What a process that came now would find."""
    with Store.open(path, read_only=True) as store:
        counts = store.counts(INFO)
        return counts.answers + counts.failures


def test_a_commit_when_many_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace.store.store.COMMIT_SECONDS", math.inf)
    with Store.open(path) as store:
        for number in range(COMMIT_ANSWERS + 3):
            store.add(INFO, *scored(number))
        assert committed(path) == COMMIT_ANSWERS
        assert store.flush() == 3
        assert store.flush() == 0
        assert committed(path) == COMMIT_ANSWERS + 3


def test_a_commit_after_a_second(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("grace.store.write_buffer.time.monotonic", lambda: now)
    with Store.open(path) as store:
        assert not store.due()
        store.add(INFO, *scored(1))
        now += 0.9
        store.add(INFO, *failed(2))
        assert (store.due(), store.tick(), committed(path)) == (False, 0, 0)
        now += 0.2
        assert (store.due(), store.tick(), committed(path)) == (True, 2, 2)
        assert not store.due()


def test_what_came_together_is_committed_together(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.store.store.COMMIT_SECONDS", math.inf)
    batch = [scored(number) for number in range(COMMIT_ANSWERS + 50)]
    with Store.open(path) as store:
        assert store.add_batch(INFO, batch[:100]) == 100
        assert committed(path) == 0
        assert store.add_batch(INFO, batch) == len(batch) - 100
        assert committed(path) == len(batch)
