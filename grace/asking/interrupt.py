"""Being interrupted: what is in flight is finished, what there is is written, then it ends.

Ctrl-C once waits for the answers in flight; twice ends at once. SIGTERM (a cluster's scheduler,
Kubernetes) is followed by SIGKILL before long, so that all must be over within ten seconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

from grace.config import INTERRUPTED

#: After SIGTERM: seconds for the answers in flight, and for everything.
PATIENCE, TERM_LIMIT = 4.0, 9.0
#: After a second Ctrl-C: seconds to let go of files and servers.
LAST_SECONDS = 1.5


class Interrupt:
    """Whether a run was asked to stop, and until when it may wait for answers in flight.

    `may_exit` lets it end the whole process where it does not end in time by itself; that is
    for a command, and never for a caller's interpreter.
    """

    def __init__(self, *, may_exit: bool = False) -> None:
        self.may_exit = may_exit
        self.stop = False
        self._until: float | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def out_of_time(self) -> bool:
        """Whether answers in flight are not to be waited for any longer."""
        return self._until is not None and time.monotonic() >= self._until

    def listen(self) -> None:
        """Take the signals from here on. Before this nothing is in flight, and they end it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # only the main thread is sent signals
                self._before[number] = signal.signal(number, self._first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _first(self, number: int, _frame: FrameType | None) -> None:
        self.stop = True
        if number == signal.SIGTERM:
            self._until = time.monotonic() + PATIENCE
            self._exit_after(TERM_LIMIT)
        else:
            print("Finishing the answers in flight; Ctrl-C again stops at once.", file=sys.stderr)
        for caught in (signal.SIGINT, signal.SIGTERM):
            signal.signal(caught, self._second)

    def _second(self, _number: int, _frame: FrameType | None) -> None:
        self._exit_after(LAST_SECONDS)
        raise KeyboardInterrupt

    def _exit_after(self, seconds: float) -> None:
        """End the process even where a thread is still computing; the store bears it."""
        if self.may_exit:
            timer = threading.Timer(seconds, _leave)
            timer.daemon = True
            timer.start()


def _leave() -> None:
    print("Interrupted. Run the same command again to go on.", file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)
