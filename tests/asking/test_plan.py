"""Plans of any size: prompts in the spool, batches by number, and the numbers a plan prints."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import grace
import grace.asking.query_table
import grace.runs.runner
from grace.asking import prompt_spool as shelves
from grace.asking.batches import Batches, cut_work
from grace.asking.prompt_spool import PromptSpool
from grace.config.command_line import compose
from grace.config.settings import read_settings
from grace.errors import GraceError
from grace.types import Form, Message, Option, Prompt, Query
from tests.runs.test_run import model

Tiny = Callable[[str], Path]
OPTIONS = (Option("yes", "yes", ("Yes",), 1.0), Option("no", "no"))
FORMS = ((Form("yes", (5, 6)), Form("Yes", (5, 7))), (Form("no", (8,)),))
#: Few tokens, so that contexts begin alike and some are the same; one that needs 32 bits.
CONTEXTS = st.lists(
    st.lists(st.sampled_from([1, 2, 255, 256, 2**32 - 1]), max_size=5).map(tuple), max_size=30
)


def prompts_of(contexts: Sequence[tuple[int, ...]]) -> list[Prompt]:
    return [
        Prompt(Query((Message("user", f"{n} \ud800 ü"),), OPTIONS), f"<{n}>", ids, FORMS, ("a",))
        for n, ids in enumerate(contexts)
    ]


@given(
    contexts=CONTEXTS,
    kept=st.integers(0, 10_000),
    size=st.integers(1, 9),
    at_once=st.integers(1, 7),
)
def test_a_spool_on_disk_is_as_one_in_memory(
    contexts: list[tuple[int, ...]], kept: int, size: int, at_once: int
) -> None:
    prompts = list(enumerate(prompts_of(contexts)))
    first: dict[str, int] = {}
    for number, prompt in prompts:
        first.setdefault(prompt.key, number)
    expected = sorted(first.values(), key=lambda n: (prompts[n][1].context, prompts[n][1].key))
    for most in (kept, 1_000_000):
        with PromptSpool(most, size) as spool:
            for start in range(0, len(prompts), at_once):
                spool.put(prompts[start : start + at_once])
            portions = list(spool.in_order())
            assert [number for portion in portions for number, _ in portion] == expected
            assert all(prompt == prompts[n][1] for portion in portions for n, prompt in portion)
            assert all(len(portion) == size for portion in portions[:-1])
            backwards = [number for number, _ in reversed(prompts)]
            assert spool.get(backwards) == [prompts[n][1] for n in backwards]
            keys = [prompt.key for prompt in spool.get(backwards)]
            assert keys == [prompts[n][1].key for n in backwards]


@given(contexts=CONTEXTS, size=st.integers(1, 9))
def test_tokens_are_counted_across_portions(contexts: list[tuple[int, ...]], size: int) -> None:
    """Against the set of all beginnings, which are the nodes of the tree."""
    distinct = {prompt.key: prompt for prompt in prompts_of(contexts)}.values()
    inner = 1  # beside the end of the context, options branch behind the token 5
    nodes = {p.context[:n] for p in distinct for n in range(1, len(p.context) + 1)}
    with PromptSpool(2, size) as spool:
        spool.put(enumerate(prompts_of(contexts)))
        work, tokens = cut_work(spool, batches_of(3))
    assert tokens.all == sum(len(p.context) + inner for p in distinct)
    assert tokens.distinct == len(nodes) + inner * len(distinct)
    assert len(work) == len(distinct)


def batches_of(size: int) -> Any:
    """What of an engine cuts batches."""
    return SimpleNamespace(
        batches=lambda prompts: [prompts[i : i + size] for i in range(0, len(prompts), size)]
    )


@given(sizes=st.lists(st.integers(1, 4), max_size=12), n=st.integers(1, 5), data=st.data())
def test_work_is_shared_out_and_cut_down_by_batches(
    sizes: list[int], n: int, data: st.DataObject
) -> None:
    total = sum(sizes)
    order = data.draw(st.permutations(range(total)))
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=total, max_size=total)), bool)
    ends = np.cumsum(sizes, dtype=np.intp)
    batches = [order[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    spool: Any = SimpleNamespace(get=list)  # which gives the numbers themselves for prompts
    work: Any = Batches(spool, np.array(order, np.int32), ends)
    assert list(work) == batches
    for k in range(1, n + 1):
        part = work.part(k, n)
        assert list(part) == batches[k - 1 :: n]
        left = [[number for number in batch if wanted[number]] for batch in batches[k - 1 :: n]]
        assert list(part.only(wanted)) == [batch for batch in left if batch]
        assert len(part.only(wanted)) == sum(map(len, left))


def run_here(*words: str, output: str) -> dict[str, bytes]:
    settings = read_settings(compose([*words, f"output={output}"]))
    outcome = asyncio.run(grace.runs.runner.run(settings, Console(quiet=True)))
    assert outcome.code == 0
    return {path.name: path.read_bytes() for path in outcome.folder.glob("*.csv")}


@pytest.mark.parametrize("exp", ["exp=1", "exp=2"])
@pytest.mark.full
def test_a_plan_larger_than_memory_leaves_the_same_tables(
    exp: str, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words: tuple[str, ...] = (
        exp,
        "pilot=4",
        "engine.max_batch_tokens=1",
        "exp.max_tokens=9",
        "exp.replicates=2",
    )
    words = (*(w for w in words if exp == "exp=1" or "exp." not in w), *model(tiny("llama-byte")))
    whole = run_here(*words, output="whole")
    monkeypatch.setattr(grace.runs.runner, "PromptSpool", partial(PromptSpool, 5, 4))
    monkeypatch.setattr(grace.asking.query_table, "PORTION", 3)
    monkeypatch.setattr(grace.asking.query_table, "CHUNK", 2)
    assert run_here(*words, output="parts") == whole
    plans = [grace.load(f"{name}/1/{exp[-1]}/tiny").manifest["plan"] for name in ("whole", "parts")]
    assert plans[0] == plans[1]
    assert run_here(*words, output="parts") == whole  # and recalled


def test_a_temporary_file_without_room_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def small() -> sqlite3.Connection:
        connection = make()
        connection.execute("PRAGMA max_page_count=8")
        return connection

    make = shelves._temporary
    monkeypatch.setattr(shelves, "_temporary", small)
    contexts = [(1, n) for n in range(1000)]
    with PromptSpool(10) as spool, pytest.raises(GraceError, match="TMPDIR") as caught:
        spool.put(enumerate(prompts_of(contexts)))
    assert "\n" not in str(caught.value)
