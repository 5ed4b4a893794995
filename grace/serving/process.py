"""A running vLLM server: started, watched until it is ready, and stopped for certain."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.text import Text

from grace.errors import GraceError
from grace.serving.doctor.log_lines import read_lines
from grace.serving.doctor.logs import find_cause
from grace.serving.launch import Launch
from grace.serving.machine import listens

#: Seconds a server may take to stop before it is killed; runs that are stopped wait less.
GRACE_PERIOD = 8.0
POLL = 0.5
#: Bytes of the end of a log that are read for a cause (many ranks say much) and for a last line.
READ, LAST = 4_000_000, 20_000
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, of Linux


#: No proxy stands between this machine and itself, whatever http_proxy says.
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServingError(GraceError):
    """The server did not start, or ended by itself."""


class Server:
    """One vLLM process and its log. It ends with this process, however that ends (on Linux)."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.log, held = _own_log(launch.log, launch.port)
        environment = os.environ | launch.environment
        if key := os.environ.get("GRACE_API_KEY"):
            environment["VLLM_API_KEY"] = key
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(  # noqa: S603
                launch.command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env=environment, start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )  # fmt: skip
        self._held = held  # for as long as the server lives

    async def ready(self, within: float, progress: Callable[[float, str], None]) -> float:
        """Wait until it answers; seconds it took. `progress` is told seconds and the last line."""
        start = time.monotonic()
        while True:
            passed = time.monotonic() - start
            if (code := self.process.poll()) is not None:
                raise ServingError(
                    f"vLLM ended with code {code} before it was ready: {self.why()} "
                    f"(its log: {self.log})"
                )
            if await asyncio.to_thread(_healthy, self.launch.url):
                if listens(self.process.pid, self.launch.port):
                    return passed
                raise ServingError(
                    f"another server took port {self.launch.port} meanwhile; expected a free one "
                    "(serve.args.port=PORT)"
                )
            if passed > within:
                known = find_cause(self._tail())
                told = f": {known}" if known else ""
                raise ServingError(
                    f"vLLM was not ready within {within:g} s (serve.ready_within){told}; "
                    f"its log: {self.log}"
                )
            progress(passed, self.last_line())
            await asyncio.sleep(POLL)

    async def ended(self) -> int:
        """Wait until it ends by itself; its exit code."""
        while (code := self.process.poll()) is None:
            await asyncio.sleep(POLL)
        return code

    def last_line(self) -> str:
        """The end of its log, without time and place."""
        lines = [line for line in read_lines(self._tail(LAST)) if line.text.strip()]
        return lines[-1].text.strip() if lines else ""

    def why(self) -> str:
        """What made it fail, as its log and its end tell; else the log's last line."""
        if cause := find_cause(self._tail()):
            return str(cause)
        code = self.process.poll()
        if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
            return "it was killed, most likely because the machine's memory was used up"
        if code in (-signal.SIGTERM, 128 + signal.SIGTERM):
            return "it was stopped from outside (SIGTERM)"
        return self.last_line() or "it said nothing"

    def _tail(self, size: int = READ) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - size))
            return log.read().decode("utf-8", "replace")

    def stop(self) -> None:
        """Ask it to end, wait, and kill what is left of it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_PERIOD)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._held.close()


@asynccontextmanager
async def serving(launch: Launch, within: float, console: Console) -> AsyncIterator[Server]:
    """A server that is ready; stopped at the end, whatever happens."""
    server = Server(launch)
    try:
        starting = f"Starting vLLM {launch.version} with {launch.name}; its log: {server.log}"
        console.print(starting, markup=False, highlight=False, soft_wrap=True)
        with console.status("") as status:

            def show(seconds: float, line: str) -> None:
                status.update(Text(f"{seconds:.0f} s: {line[:100]}"))

            seconds = await server.ready(within, show)
        console.print(f"Ready at {launch.url}/v1 after {seconds:.0f} s.", highlight=False)
        yield server
    finally:
        server.stop()


def _own_log(path: Path, port: int) -> tuple[Path, IO[str]]:
    """The log, or one beside it that is named after the port where another server writes it.

    It is held as long as the file that comes with it stays open. ServingError where no log
    can be written.
    """
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.open("a", encoding="utf-8")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another has it, or this file system cannot say
            held.close()
            path = path.with_name(f"{path.stem}-{port}{path.suffix}")
            held = path.open("a", encoding="utf-8")
    except OSError as error:
        raise ServingError(
            f"{path}: the server's log cannot be written ({error.strerror}); give another with "
            "serve.log=FILE"
        ) from error
    return path, held


def _healthy(url: str) -> bool:
    try:
        with _DIRECTLY.open(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _die_with_parent() -> None:
    """In the child, before it becomes vLLM: be ended when the parent is, even by SIGKILL."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
