"""Everything a run asks: each question of each trial, and the prompt that answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grace.job import Job
from grace.questions import Asked, ask, distinct
from grace.types import Engine, Failure, Prompt, Query


@dataclass(frozen=True)
class Sheet:
    """What is asked, and the prompt's key (or why there is none) of each distinct query.

    Tables need no more than this and the store. `prompts` are those that can be asked, each
    once; there are none in a sheet that was read back from a finished run. `mine` are the
    keys this run asks: all of them, or its shard's.
    """

    asked: tuple[Asked, ...]
    keys: Mapping[Query, str | Failure]
    prompts: tuple[Prompt, ...]
    mine: frozenset[str]

    @property
    def prompt_keys(self) -> list[str]:
        """One key for each query that can be asked, in the order first needed."""
        return [key for key in self.keys.values() if isinstance(key, str)]

    @property
    def impossible(self) -> list[Failure]:
        """Why the others cannot."""
        return [key for key in self.keys.values() if isinstance(key, Failure)]


async def make_sheet(job: Job, engine: Engine) -> tuple[Sheet, list[list[Prompt]]]:
    """Render every question and tokenise every distinct query; the batches of this run.

    Batches are cut from the whole plan, whatever is known already and whatever the shard, so
    that all of them compute the same batches and get the same last digits.
    """
    asked = ask_job(job, chat=engine.chat)
    queries = distinct(asked)
    prepared = await engine.prepare(queries)
    keys = {
        query: found if isinstance(found, Failure) else found.key
        for query, found in zip(queries, prepared, strict=True)
    }
    prompts = {found.key: found for found in prepared if isinstance(found, Prompt)}
    batches = cut_shard(engine.batches(list(prompts.values())), job.settings.shard_of)
    mine = frozenset(prompt.key for batch in batches for prompt in batch)
    return Sheet(tuple(asked), keys, tuple(prompts.values()), mine), batches


def ask_job(job: Job, *, chat: bool) -> list[Asked]:
    """All questions of a job's trials."""
    settings = job.settings
    return ask(
        job.stimuli.trials, job.spec, settings.exp, job.templates, chat=chat, seed=settings.seed
    )


def cut_shard(batches: list[list[Prompt]], shard: tuple[int, int]) -> list[list[Prompt]]:
    """Every n-th batch, from the k-th on: neighbours share prefixes, and sizes even out."""
    k, n = shard
    return batches[k - 1 :: n]


def left_of(batches: Sequence[Sequence[Prompt]], missing: set[str]) -> list[list[Prompt]]:
    """What of each batch is not answered yet."""
    left = [[prompt for prompt in batch if prompt.key in missing] for batch in batches]
    return [batch for batch in left if batch]
