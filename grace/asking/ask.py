"""Asking: answers go into the store as they come, until all are there or something stops it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Literal

from rich.console import Console

from grace.asking.batches import Batches
from grace.asking.interrupt import Interrupt
from grace.asking.progress import Ticker
from grace.asking.timing import timed
from grace.store import Store
from grace.types import Answered, Engine, EngineInfo, Failure, Prompt

log = logging.getLogger("grace")

Ended = Literal["complete", "interrupted", "failing"]
#: Seconds without a new answer after which those that wait are committed.
QUIET = 0.05
#: The share of the time that may go into committing each answer by itself.
COMMITTING = 0.25


async def answer_all(
    engine: Engine,
    store: Store,
    todo: Batches,
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
        async with (
            aclosing(engine.answer(batches)) as answers,  # type: ignore[type-var]
            aclosing(_storing(answers, engine, store, interrupt)) as stored,
        ):
            async for answered in stored:
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
) -> AsyncGenerator[Sequence[Answered]]:
    """Pass answers on once the store has them; end where there is no time left.

    The next ones are computed meanwhile.
    """
    keeper = Keeper(store)
    coming = asyncio.ensure_future(_next(answers))
    try:
        while not interrupt.out_of_time:
            done, _ = await asyncio.wait({coming}, timeout=QUIET)
            if not done:
                store.flush()
            while not done and not interrupt.out_of_time:
                done, _ = await asyncio.wait({coming}, timeout=QUIET)
            if not done or (answered := coming.result()) is None:
                break
            coming = asyncio.ensure_future(_next(answers))
            await _meanwhile(coming, partial(keeper.keep, engine.info, answered))
            yield answered
    finally:
        coming.cancel()
        await asyncio.wait({coming}, timeout=1)
        if coming.done() and not coming.cancelled():
            coming.exception()  # what ended the asking is told already
    with timed("store"):
        store.flush()


class Keeper:
    """Puts answers into the store, and commits them where that takes little of the time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._start, self._spent = time.monotonic(), 0.0

    def keep(self, info: EngineInfo, answered: Sequence[Answered]) -> None:
        """Keep these, and commit if the disk is fast enough."""
        self._store.add_batch(info, answered)
        before = time.monotonic()
        if self._spent <= COMMITTING * (before - self._start):
            self._store.flush()
            self._spent += time.monotonic() - before


async def _meanwhile(coming: asyncio.Future[Any], action: Callable[[], None]) -> None:
    """Do it in a thread while something else is under way; what it takes longer is storing."""
    doing = asyncio.ensure_future(asyncio.to_thread(action))
    try:
        await asyncio.wait({doing, coming}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        with timed("store"):
            await asyncio.wait({doing})  # come what may: nobody else may use the store yet
    doing.result()


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
