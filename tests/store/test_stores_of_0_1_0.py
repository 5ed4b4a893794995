"""Stores of version 0.1.0: they open, and what they hold is found where it may be."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grace.asking.earlier_answers import differing
from grace.store import Store, merge
from grace.store.schema import MIGRATIONS
from grace.types import UNCHANGED_SINCE, EngineInfo
from tests.store.answers import exact, scored
from tests.store.test_files import run_sql

#: Written by version 0.1.0: three scores, a text and a failure of each of four engines.
GIVEN = Path(__file__).with_name("stores") / "0.1.0.sqlite"
FOLDER = EngineInfo(
    "local", "transformers 5.23.0, torch 2.13.0+cpu", "/models/tiny", "ab" * 32, "float32", "exact"
)
BUNDLED = replace(FOLDER, model="HuggingFaceTB/SmolLM2-135M-Instruct", revision="cd" * 32)
HUB = replace(FOLDER, model="lab/tiny", revision="")
SERVER = EngineInfo("vllm", "vllm 0.32.0", "lab/served", "", "auto", "exact")
KEYS = [scored(n)[0].key for n in range(4)]
#: When the answers of the store given came.
LONG_AGO, LATER = 1.0, 4e9


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copy(GIVEN, tmp_path / "answers.sqlite"))


def now(since: float | None, config: str = "c" * 64) -> EngineInfo:
    """The engine of a folder as this version knows it."""
    details: dict[str, Any] = {} if since is None else {UNCHANGED_SINCE: since}
    return replace(FOLDER, config=config, details=details)


def format_of(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[60:64], "big")


def test_it_can_be_read_without_being_changed(old: Path) -> None:
    before = old.read_bytes()
    with Store.open(old, read_only=True) as store:
        assert len(store.engines()) == 4
        assert len(list(store.answers(BUNDLED, KEYS))) == 3
        assert store.counts(SERVER).answers == 4
        assert not store.knows(now(LONG_AGO))
    assert old.read_bytes() == before
    assert format_of(old) == 1


def test_the_bundled_model_finds_its_answers(old: Path) -> None:
    with Store.open(old) as store:
        assert not store.adopt(BUNDLED)  # there is nothing to be taken over
        found = dict(store.answers(BUNDLED, KEYS))
        assert exact(found[KEYS[1]]) == exact(scored(1, shift=-1 / 10)[1])
        assert store.missing(BUNDLED, KEYS) == [KEYS[3]]
    assert format_of(old) == len(MIGRATIONS)


def test_a_folder_finds_its_answers_if_its_files_are_older_than_they(old: Path) -> None:
    with Store.open(old) as store:
        assert store.missing(now(LONG_AGO), KEYS) == KEYS
        assert store.adopt(now(LONG_AGO))
        assert not store.adopt(now(LONG_AGO))  # done already
        assert store.missing(now(LONG_AGO), KEYS) == [KEYS[3]]
        assert store.missing(FOLDER, KEYS) == [KEYS[3]]  # for the tables of a run of then
        store.add(now(LONG_AGO), *scored(3))
    with Store.open(old, read_only=True) as store:
        assert store.missing(now(None), KEYS) == store.missing(FOLDER, KEYS) == []
        # An answer is an answer of one configuration: no other one takes it over as well.
        assert store.missing(now(LONG_AGO, "d" * 64), KEYS) == KEYS
    with Store.open(old) as store:
        assert not store.adopt(now(LONG_AGO, "d" * 64))


@pytest.mark.parametrize(
    "info", [now(LATER), now(None), replace(now(LONG_AGO), revision="ef" * 32)]
)
def test_otherwise_it_does_not(old: Path, info: EngineInfo) -> None:
    with Store.open(old) as store:
        assert not store.adopt(info)
        assert store.missing(info, KEYS) == KEYS
        assert store.missing(FOLDER, KEYS) == [KEYS[3]]
        assert store.of_others(info, [*KEYS, "another"]) == [
            (replace(FOLDER, details={"device": "cpu", "chat": True}), 3)
        ]


def test_what_was_asked_since_stays(old: Path) -> None:
    """Answers of both versions in one store: the newer engine's own win."""
    with Store.open(old) as store:
        store.add(now(LATER), *scored(0, shift=-5))
        store.add(now(LATER), *scored(3, shift=-5))
        assert store.adopt(now(LONG_AGO))
        found = dict(store.answers(now(LONG_AGO), KEYS))
        assert list(found) == KEYS
        assert exact(found[KEYS[0]]) == exact(scored(0, shift=-5)[1])
        assert exact(found[KEYS[1]]) == exact(scored(1)[1])
        assert len(store.engines()) == 4
        assert store.counts(FOLDER) == store.counts(now(LONG_AGO))


def test_shards_of_then_and_now_merge(old: Path, tmp_path: Path) -> None:
    taken = Path(shutil.copy(old, tmp_path / "taken.sqlite"))
    with Store.open(taken) as store:
        store.adopt(now(LONG_AGO))
        store.add(now(LONG_AGO), *scored(3))
    out = tmp_path / "out.sqlite"
    merge(out, [old])
    with Store.open(out, read_only=True) as store:
        assert store.missing(now(None), KEYS) == KEYS
        assert store.missing(FOLDER, KEYS) == [KEYS[3]]
    merge(out, [taken, old])
    with Store.open(out) as store:
        assert store.missing(now(None), KEYS) == []
        assert store.adopt(now(LONG_AGO))
        assert store.missing(FOLDER, KEYS) == []
        assert len(store.engines()) == 4
    assert merge(tmp_path / "again.sqlite", [out, taken]).failures == 4
    with Store.open(tmp_path / "again.sqlite", read_only=True) as store:
        assert store.missing(FOLDER, KEYS) == store.missing(now(None), KEYS) == []


def test_several_may_open_and_adopt_it_at_once(old: Path) -> None:
    wrong: list[BaseException] = []

    def opened() -> None:
        try:
            with Store.open(old) as store:
                store.adopt(now(LONG_AGO))
                store.add(now(LONG_AGO), *scored(3))
                assert store.missing(now(LONG_AGO), KEYS) == []
        except BaseException as error:  # noqa: BLE001 told below
            wrong.append(error)

    threads = [threading.Thread(target=opened) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    with Store.open(old, read_only=True) as store:
        assert store.counts(now(None)).answers == 5


def test_a_damaged_alias_does_not_open(old: Path) -> None:
    run_sql(old, "PRAGMA user_version=2")  # of a format that it is not
    with Store.open(old) as store, pytest.raises(Exception, match="store cannot be used"):
        store.missing(now(None), KEYS)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (FOLDER, now(None), "did not note the model's configuration"),
        (now(None), now(None, "d" * 64), "configuration, tokeniser or server was another"),
        (HUB, replace(HUB, revision="a" * 40), "did not note the model's revision"),
        (replace(HUB, revision="a" * 40), replace(HUB, revision="b" * 40), "aaaaaaaaaaaa, now bbb"),
        (FOLDER, replace(FOLDER, dtype="bfloat16"), "in float32, not bfloat16"),
        (SERVER, replace(SERVER, version="vllm 0.33.0"), "vllm 0.32.0, this is vllm 0.33.0"),
    ],
)
def test_why_answers_are_not_taken(before: EngineInfo, after: EngineInfo, words: str) -> None:
    assert words in differing(before, after)
