"""The progress of a run: rate, remaining time and the running mean mass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from grace.types import Answered, Failure, OptionScores, mass

#: Seconds between lines where the output is no terminal (a log file, SLURM).
LOG_EVERY = 15.0


class Ticker:
    """Counts answers; a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int, console: Console) -> None:
        self.total = total
        self.console = console
        self.done = self.failed = 0
        self.mass_sum, self.mass_n = 0.0, 0
        self.started = self._last = time.monotonic()
        self._bar = Progress(
            TextColumn("asking"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[notes]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("asking", total=total, notes="")

    def __enter__(self) -> Ticker:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def add(self, answered: Sequence[Answered]) -> None:
        """Take note of answers that arrived together."""
        for _, answer in answered:
            self.done += 1
            if isinstance(answer, Failure):
                self.failed += 1
            elif isinstance(answer, OptionScores):
                value = mass(answer)
                if value == value:  # noqa: PLR0124  (bounded answers have none)
                    self.mass_sum += value
                    self.mass_n += 1
        self._bar.update(self._task, completed=self.done, notes=self._notes())
        now = time.monotonic()
        if not self.console.is_terminal and now - self._last >= LOG_EVERY:
            self._last = now
            left = (self.total - self.done) / max(self.rate, 1e-9)
            self.console.print(
                f"asked {self.done:,} of {self.total:,}, {self._notes()}, {left:.0f} s left",
                highlight=False,
            )

    @property
    def rate(self) -> float:
        """Answers a second since the start."""
        return self.done / max(time.monotonic() - self.started, 1e-9)

    def _notes(self) -> str:
        notes = f"{self.rate:.1f}/s"
        if self.mass_n:
            notes += f", mean mass {self.mass_sum / self.mass_n:.3g}"
        if self.failed:
            notes += f", {self.failed} failed"
        return notes
