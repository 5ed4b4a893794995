"""The stores of shards become one, or nothing is written."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from grace.errors import ConfigError
from grace.store import Store, StoreConflictError, StoreError, merge
from grace.store.agreement import default_tolerance, disagreement, largest_difference
from grace.types import FormScore, OptionScore, OptionScores
from tests.store.answers import INFO, drawn, exact, failed, fill, scored, sentence


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
    for ours, theirs in (  # of two tokens: half of it each
        (known_by_mass(-3.0, nan), known_by_mass(-2.0, nan)),
        (known_by_mass(nan, -3.0), known_by_mass(nan, -2.0)),
    ):
        assert largest_difference(ours, theirs) == 0.5


def test_a_name_that_no_file_can_have_is_one_sentence(tmp_path: Path) -> None:
    long = tmp_path / ("a" * 300)
    for out, source in ((tmp_path / "out.sqlite", long), (long, long)):
        with pytest.raises(StoreError, match="a: "):
            merge(out, [source])
    assert not list(tmp_path.iterdir())


def test_a_shard_is_no_store_to_merge_into(tmp_path: Path) -> None:
    """The shell makes of `merge outputs/answers-shard*.sqlite` the first shard and the others."""
    shards = [tmp_path / f"answers-shard{k}of2.sqlite" for k in (1, 2)]
    for n, shard in enumerate(shards):
        fill(shard, 5, start=20 * n)
    before = [shard.read_bytes() for shard in shards]
    with pytest.raises(ConfigError, match=r"one of the shards.*such as .*/answers\.sqlite$"):
        merge(shards[0], shards[1:])
    assert [shard.read_bytes() for shard in shards] == before
    out = tmp_path / "answers.sqlite"
    assert merge(out, shards).answers == 10
    assert merge(out, shards).known == 10  # a whole that is there may grow
