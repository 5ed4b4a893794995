"""What a run asks: the query of each question of each trial, and the prompt it became.

Numbers and keys are held for all, so that a plan may be larger than the memory; queries are
made a portion at a time, and their prompts put into a spool until they are asked.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grace.asking.batches import Batches, Mask, Tokens, cut_work
from grace.asking.job import Job
from grace.asking.prompt_origin import Alike, alike_refusal, differ, located, place_of
from grace.asking.prompt_spool import PORTION, PromptSpool
from grace.asking.timing import timed
from grace.errors import QueryError
from grace.questions import ask, asked_of_each
from grace.store import Store
from grace.types import Engine, EngineInfo, Failure, Prompt, Query

#: Hashes in hexadecimal; b"" where there is none.
Keys = NDArray[np.bytes_]
Numbers = NDArray[np.int32]
HASH = "S64"
#: Keys looked up at a time.
CHUNK = 10_000


@dataclass(frozen=True)
class QueryTable:
    """Which query each question of each trial is, and the key of the prompt it became.

    The n distinct queries are numbered in the order first asked. Tables need no more than
    this and the store.
    """

    asked: NDArray[np.int32]  # (trials, questions of each): the query's number
    queries: Keys  # (n,): their own keys
    seeds: NDArray[np.int64]  # (n,): of a draw, -1 where options are scored
    prompts: Keys  # (n,): the keys of their prompts
    failures: Mapping[int, Failure]  # why the others have none
    mine: Mask  # (n,): whether this run asks it, or another shard
    batches: Numbers  # (n,): the batch of the whole plan that asks it, -1 where none does
    questions: int  # how many of the queries differ in what is asked: further draws ask the same

    def mine_count(self) -> int:
        """How many prompts this run asks: two queries may have the same."""
        return _distinct(self.prompts[self.mine])

    def elsewhere_count(self) -> int:
        """How many are left to other shards."""
        return _distinct(self.prompts[~self.mine & (self.prompts != b"")])

    def chunks(self) -> Iterator[tuple[slice, list[str]]]:
        """The prompts' keys a few at a time, "" where there is none."""
        for start in range(0, len(self.prompts), CHUNK):
            part = slice(start, start + CHUNK)
            yield part, as_texts(self.prompts[part])

    def answered(self, store: Store, info: EngineInfo) -> Mask:
        """Which of the n queries the store has an answer to."""
        found = np.zeros(len(self.prompts), np.bool_)
        for part, keys in self.chunks():
            missing = {"", *store.missing(info, keys)}
            found[part] = [key not in missing for key in keys]
        return found


async def make_query_table(
    job: Job, engine: Engine, spool: PromptSpool
) -> tuple[QueryTable, Batches, Tokens]:
    """Render every question, tokenise every distinct query; what this run asks of it.

    Batches are cut from the whole plan, whatever is known already and whatever the shard, so
    that all of them compute the same batches and get the same last digits.
    """
    register = Register()
    alike = Alike()
    prompts: list[Keys] = []
    failures: dict[int, Failure] = {}
    number = 0
    for queries in register.new(ask_job(job, chat=engine.chat)):
        with timed("tokenise"):
            try:
                made_ready = await engine.prepare(queries)
            except QueryError as error:
                raise located(job, error, chat=engine.chat) from error
        alike.note(found if isinstance(found, Prompt) else None for found in made_ready)
        prepared = list(enumerate(made_ready, start=number))
        number += len(queries)
        failures |= {n: found for n, found in prepared if isinstance(found, Failure)}
        spool.put((n, found) for n, found in prepared if isinstance(found, Prompt))
        made = [found.key if isinstance(found, Prompt) else "" for _, found in prepared]
        prompts.append(np.array(made, HASH))
    refuse_alike(job, alike, spool, chat=engine.chat)
    work, tokens = cut_work(spool, engine)
    keys = np.concatenate(prompts)
    batches = _batch_of_each(keys, work)
    k, n = job.settings.shard_of
    return (
        register.table(job, keys, failures, part_of(batches, k, n), batches),
        work.part(k, n),
        tokens,
    )


def part_of(batches: Numbers, k: int, n: int) -> Mask:
    """Which queries the k-th of n shards asks: every n-th batch is its own."""
    mine: Mask = (batches >= 0) & (batches % n == k - 1)
    return mine


def _batch_of_each(keys: Keys, work: Batches) -> Numbers:
    """The batch that asks each query; queries of one prompt are asked together."""
    number = {key: i for i, key in enumerate(dict.fromkeys(keys.tolist()))}
    each = np.array([number[key] for key in keys.tolist()], np.int32)
    found = np.full(len(number), -1, np.int32)
    sizes = np.diff(work.ends, prepend=0)
    found[each[work.numbers]] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    batches: Numbers = found[each]
    return batches


def refuse_alike(job: Job, alike: Alike, spool: PromptSpool, *, chat: bool) -> None:
    """ConfigError where two rows that differ are the same tokens for this model."""
    for pair in alike.pairs():
        one, other = (prompt.query for prompt in spool.get(pair))
        if differ(one, other):
            places = [place_of(job, query, chat=chat) for query in (one, other)]
            raise alike_refusal(one, other, places)


def ask_job(job: Job, *, chat: bool) -> Iterator[Query]:
    """The queries of a job's trials."""
    settings = job.settings
    return ask(
        job.stimuli.trials, job.spec, settings.exp, job.templates, chat=chat, seed=settings.seed
    )


class Register:
    """Numbers each distinct query as it first comes."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._asked = array("i")
        self._seeds = array("q")
        self._questions = 0

    def new(self, queries: Iterable[Query]) -> Iterator[list[Query]]:
        """Those that are new, in portions."""
        portion = []
        for query in queries:
            number = self._numbers.setdefault(query.key, len(self._numbers))
            self._asked.append(number)
            if number == len(self._seeds):
                self._seeds.append(query.sampling.seed if query.sampling else -1)
                self._questions += query.replicate == 0
                portion.append(query)
            if len(portion) == PORTION:
                yield portion
                portion = []
        if portion:
            yield portion

    def table(
        self,
        job: Job,
        prompts: Keys,
        failures: Mapping[int, Failure],
        mine: Mask,
        batches: Numbers,
    ) -> QueryTable:
        """The table of all that came, with what became of each query."""
        of_each = len(asked_of_each(job.spec, job.settings.exp))
        return QueryTable(
            np.array(self._asked, np.int32).reshape(-1, of_each),
            np.array(list(self._numbers), HASH),
            np.array(self._seeds, np.int64),
            prompts,
            failures,
            mine,
            batches,
            self._questions,
        )


def as_texts(keys: Keys) -> list[str]:
    """Keys as the store takes them."""
    found: list[Any] = keys.astype(str).tolist()
    return found


def _distinct(keys: Keys) -> int:
    return len(np.unique(keys))
