"""Where a run's time goes: a clock that every stage tells when it begins and ends.

A stage within a stage is taken out of the outer one, so that the seconds add up. The stages:

- `start`: the command line and the configuration
- `load`: stimuli, templates, tokeniser and weights, or the server and what it can do
- `tokenise`: prompts put into the chat template and tokenised
- `plan`: questions rendered, repetitions found, batches cut, what the store knows found out
- `compute`: the model at work, or waited for
- `store`: answers written, where that takes longer than the next ones take to compute
- `tables`: tables, codebook and manifest written
- `report`: report.html
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

#: When this was imported, which a command does before all else.
_BEGAN = [perf_counter()]
STAGES = ("start", "load", "tokenise", "plan", "compute", "store", "tables", "report")


class Clock:
    """Seconds spent in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = perf_counter()
        self._lock = threading.Lock()  # weights are loaded in a thread of their own

    @classmethod
    def of_process(cls) -> Clock:
        """One that has run since the process began; of a sweep only the first has."""
        clock = cls()
        if _BEGAN:
            now, clock._began = clock._began, _BEGAN.pop()
            clock._add("start", now - clock._began)
        return clock

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time of the block to the stage, and take it out of the one around it."""
        outer = _stage.get()
        token = _stage.set((self, stage))
        start = perf_counter()
        try:
            yield
        finally:
            _stage.reset(token)
            spent = perf_counter() - start
            self._add(stage, spent)
            if outer is not None and outer[0] is self:
                self._add(outer[1], -spent)

    def _add(self, stage: str, spent: float) -> None:
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

    def breakdown(self) -> dict[str, float]:
        """Seconds by stage until now, what is in none (`other`), and their sum (`total`)."""
        total = perf_counter() - self._began
        known = {stage: self.seconds.get(stage, 0.0) for stage in STAGES}
        return known | {"other": total - sum(known.values()), "total": total}


_stage: ContextVar[tuple[Clock, str] | None] = ContextVar("stage", default=None)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Add the time of the block to a stage of the run that goes on here, if one does."""
    outer = _stage.get()
    if outer is None:
        yield
        return
    with outer[0].time(stage):
        yield
