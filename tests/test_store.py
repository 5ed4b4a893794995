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

from grace.store import Counts, Store, StoreConflictError, StoreError, merge
from grace.store.compare import default_tolerance, disagreement, largest_difference
from grace.store.store import CHUNK, COMMIT_ANSWERS
from grace.types import (
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
from tests.answers import INFO, drawn, exact, failed, fill, scored, sentence

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
    method = draw(st.sampled_from(["exact", "prompt_logprobs", "bounded"]))
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
    other = replace(INFO, **{part: "other"})
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
    monkeypatch.setattr("grace.store.waiting.time.monotonic", lambda: now)
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


# Two stores into one


def test_shards_merge(tmp_path: Path) -> None:
    shards = [tmp_path / f"{n}.sqlite" for n in range(12)]
    keys = [key for n, shard in enumerate(shards) for key in fill(shard, 30, start=20 * n)]
    out = tmp_path / "out.sqlite"
    merged = merge(out, [*shards, out, shards[0]])
    assert merged.answers == len(set(keys)) == 250
    assert merged.known == 12 * 30 + 30 - 250
    assert merge(out, [out]).known == 0  # there is nothing to compare
    with Store.open(out, read_only=True) as store:
        for number, (key, answer) in enumerate(store.answers(INFO, dict.fromkeys(keys))):
            assert exact(answer) == exact(scored(number)[1])
            assert dict(store.prompts([key])) == {key: scored(number)[0]}


def test_conflicts_stop_a_merge(tmp_path: Path) -> None:
    a, b, out = (tmp_path / name for name in "abo")
    keys = fill(a, 10)
    fill(b, 10, start=5, shift=0.01)
    with pytest.raises(StoreConflictError) as error:
        merge(out, [a, b])
    told = sentence(error, out)
    assert "5 answers" in told
    assert keys[5] in told
    assert keys[9] not in told  # only the first few
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("o")] == []

    fill(out, 1, start=99)
    with pytest.raises(StoreConflictError):
        merge(out, [a, b])
    with Store.open(out, read_only=True) as store:
        assert store.counts(INFO).answers == 1

    assert merge(out, [a, b], tolerance=0.02).answers == 15
    with Store.open(out, read_only=True) as store:  # the first stays
        assert exact([r for _, r in store.answers(INFO, keys)]) == exact(
            [scored(n)[1] for n in range(10)]
        )


def test_the_tolerance_is_that_of_the_numeric_type(tmp_path: Path) -> None:
    for dtype, apart in (("float32", 0.002), ("float16", 0.2), ("bfloat16", 1.1), ("auto", 1.1)):
        info = replace(INFO, dtype=dtype)
        files = [tmp_path / f"{dtype}{n}" for n in range(3)]
        for file, shift in zip(files, (0, apart, apart / 3), strict=True):
            with Store.open(file) as store:
                store.add(info, *scored(1, shift))
        merge(tmp_path / f"{dtype} near", [files[0], files[2]])
        with pytest.raises(StoreConflictError, match="apart"):
            merge(tmp_path / f"{dtype} far", files[:2])


def test_texts_must_be_equal(tmp_path: Path) -> None:
    for name, text in (("a", "one"), ("b", "two")):
        with Store.open(tmp_path / name) as store:
            store.add(INFO, *drawn(1, text))
    with pytest.raises(StoreConflictError, match="different texts"):
        merge(tmp_path / "out", [tmp_path / "a", tmp_path / "b"])


def test_merging_failures(tmp_path: Path) -> None:
    a, b, out = (tmp_path / name for name in "abo")
    with Store.open(a) as store:
        for number in (1, 2, 3):
            store.add(INFO, *failed(number, "in a"))
    with Store.open(b) as store:
        store.add(INFO, *failed(1, "in b, later"))
        store.add(INFO, *scored(2))
    for sources in ([a, b], [b, a], [a, b, a]):
        merged = merge(out, sources)
        assert merged.failures == 2
        with Store.open(out, read_only=True) as store:
            reasons = {f.reason for _, f in store.failures(INFO)}
            assert reasons == {"in b, later", "in a"}
            assert store.counts(INFO).answers == 1
        out.unlink()


def test_nothing_is_made_of_a_source_that_cannot_be_read(tmp_path: Path) -> None:
    fill(tmp_path / "a", 3)
    for bad in (tmp_path / "none", tmp_path):
        with pytest.raises(StoreError) as error:
            merge(tmp_path / "out", [tmp_path / "a", bad])
        sentence(error, bad)
        assert not (tmp_path / "out").exists()


def test_how_far_answers_are_apart() -> None:
    ours, theirs = scored(1)[1], scored(1, shift=0.25)[1]
    assert largest_difference(ours, theirs) == pytest.approx(0.25)
    assert disagreement(ours, theirs, 0.3) == ""
    assert "0.25" in disagreement(ours, theirs, 0.2)
    assert default_tolerance("fp8") == default_tolerance("bfloat16")

    nan, inf = math.nan, math.inf

    def having(value: float) -> OptionScores:
        form = FormScore("yes", (5,), (value,))
        return OptionScores((OptionScore("yes", value, 1, value, (form,)),), "bounded")

    def known_by_mass(low: float, mass: float) -> OptionScores:
        return OptionScores((OptionScore("yes", nan, 2, mass, (), low, -1.0),), "bounded")

    for a, b, difference in ((nan, nan, 0), (-inf, -inf, 0), (nan, -1, inf), (-inf, -1, inf)):
        assert largest_difference(having(a), having(b)) == difference
    assert "different options" in disagreement(ours, having(-1), 9)
    for a, b in (((-3.0, nan), (-2.0, nan)), ((nan, -3.0), (nan, -2.0))):
        assert largest_difference(known_by_mass(*a), known_by_mass(*b)) == 0.5  # per token
