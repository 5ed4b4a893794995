"""Asking: answers go into the store as they come, until all are there or something stops it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Literal

from rich.console import Console

from grace.clock import timed
from grace.interrupt import Interrupt
from grace.progress import Ticker
from grace.store import Store
from grace.types import Answered, Engine, Failure, Prompt
from grace.work import Work

log = logging.getLogger("grace")

Ended = Literal["complete", "interrupted", "failing"]
#: Seconds without a new answer after which those that wait are committed.
QUIET = 0.05
#: The share of the time that may go into committing each answer by itself.
COMMITTING = 0.25


async def answer_all(
    engine: Engine,
    store: Store,
    todo: Work,
    console: Console,
    interrupt: Interrupt,
    max_failures: int,
) -> Ended:
    """Ask all of it, batch by batch; why it ended.

    Answers that came together are stored together, and committed at once; where the disk is
    too slow for that, when the engine has no others ready, and at least once a second.
    """
    batches = Until(todo, interrupt)
    row = 0  # failures since the last answer
    interrupt.listen()
    with Ticker(len(todo), console) as ticker:
        async with aclosing(engine.answer(batches)) as answers:  # type: ignore[type-var]
            async for answered in _storing(answers, engine, store, interrupt):
                ticker.add(answered)
                for prompt, answer in answered:
                    row = row + 1 if isinstance(answer, Failure) else 0
                    if isinstance(answer, Failure):
                        log.warning("failed: %s: %s", prompt.key, answer.reason)
                if row >= max_failures:
                    return "failing"
    return "interrupted" if batches.cut or interrupt.out_of_time else "complete"


async def _storing(
    answers: AsyncIterator[Sequence[Answered]], engine: Engine, store: Store, interrupt: Interrupt
) -> AsyncIterator[Sequence[Answered]]:
    """Pass answers on once the store has them; end where there is no time left."""
    start, spent = time.monotonic(), 0.0
    while not interrupt.out_of_time:
        coming = asyncio.ensure_future(_next(answers))
        try:
            done, _ = await asyncio.wait({coming}, timeout=QUIET)
            if not done:
                with timed("store"):
                    store.flush()
            while not done and not interrupt.out_of_time:
                done, _ = await asyncio.wait({coming}, timeout=QUIET)
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.wait({coming}, timeout=1)
        if not done or (answered := coming.result()) is None:
            break
        with timed("store"):
            store.add_batch(engine.info, answered)
            before = time.monotonic()
            if spent <= COMMITTING * (before - start):
                store.flush()
                spent += time.monotonic() - before
        yield answered
    with timed("store"):
        store.flush()


async def _next(answers: AsyncIterator[Sequence[Answered]]) -> Sequence[Answered] | None:
    return await anext(answers, None)


class Until:
    """Batches that end early once the run is to stop.

    An engine that takes them one after another, as it has room, thereby finishes those it has
    begun and begins no others.
    """

    def __init__(self, batches: Iterable[Sequence[Prompt]], interrupt: Interrupt) -> None:
        self._batches = batches
        self._interrupt = interrupt
        self.cut = False  # whether it did

    def __iter__(self) -> Iterator[Sequence[Prompt]]:
        for batch in self._batches:
            if self._interrupt.stop:
                self.cut = True
                return
            yield batch
