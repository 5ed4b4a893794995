"""The clock of a run: stages within stages add up, threads and sweeps included."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.asking.timing import STAGES, Clock, timed
from tests.runs.test_run import model, run

#: A stage, the ticks it takes by itself, and the stages within it.
Block = tuple[str, int, list["Block"]]
blocks: st.SearchStrategy[Block] = st.recursive(
    st.tuples(st.sampled_from(STAGES), st.integers(0, 9), st.just([])),
    lambda inner: st.tuples(st.sampled_from(STAGES), st.integers(0, 9), st.lists(inner)),
)


class Ticks:
    """A time that goes on when it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def ticks() -> Iterator[Ticks]:
    found = Ticks()
    with patch("grace.asking.timing.perf_counter", found):
        yield found


@given(outer=blocks)
def test_each_stage_has_its_own_time_and_none_twice(ticks: Ticks, outer: Block) -> None:
    own: Counter[str] = Counter()
    clock = Clock()
    start = ticks.now

    def spend(block: Block) -> None:
        stage, spent, within = block
        own[stage] += spent
        with timed(stage):
            ticks.now += spent
            for one in within:
                spend(one)

    with clock.time(outer[0]):
        spend(outer)
    ticks.now += 2
    assert {stage: spent for stage, spent in clock.seconds.items() if spent} == +own
    found = clock.breakdown()
    assert found["total"] == ticks.now - start
    assert found["other"] == 2


def test_a_stage_in_a_thread_is_taken_out_of_the_one_that_waits(ticks: Ticks) -> None:
    def work() -> None:
        with timed("load"):
            ticks.now += 5

    clock = Clock()
    with clock.time("compute"):
        ticks.now += 1
        asyncio.run(asyncio.to_thread(work))
    assert clock.seconds == {"compute": 1, "load": 5}


def test_outside_a_run_nothing_is_timed() -> None:
    with timed("store"):
        pass
    assert Clock().seconds == {}


def test_profile_says_where_time_went(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    words = ["study=2", "exp=2", "pilot=6", *model(tiny("llama-byte"))]
    output = run(*words, "profile=true", cwd=tmp_path)
    folder = tmp_path / "outputs/2/2/tiny"
    found = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
    seconds = found["seconds"]
    assert list(seconds) == [*STAGES, "other", "total"]
    assert sum(seconds.values()) == pytest.approx(2 * seconds["total"], abs=0.01)
    assert all(seconds[stage] > 0 for stage in ("start", "load", "plan", "compute", "tables"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert found["distinct_tokens"] == manifest["plan"]["distinct_tokens"]
    assert "Where time went" in output
    again = run(*words, cwd=tmp_path)  # another profile= is no other run
    assert "All of it was answered before" in again
    assert "Where time went" not in again
