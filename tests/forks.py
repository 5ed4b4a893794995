"""A command of Grace in a process of its own, begun where the libraries are already loaded.

Hundreds of tests run a command, and loading torch, transformers and pandas takes each three
seconds. So one process loads them and does nothing else; a command is a fork of it that goes on
as `python -m` would. Commands that are killed or started with libraries of their own, or whose
environment says something to a library, are started afresh: see `tests.runs.test_run.run`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.places import ROOT

#: What differs between commands without a library having looked at it while it was loaded.
FREE = ("COLUMNS", "GRACE_", "PYTEST_", "PWD", "SLURM_")
LOADED = """
    hydra matplotlib.backends.backend_agg matplotlib.figure numpy omegaconf openai pandas psutil
    pyarrow.parquet pydantic rich.console rich.live rich.progress scipy.optimize sqlite3 tenacity
    torch transformers.models.auto.modeling_auto transformers.models.auto.tokenization_auto
    transformers.models.llama.modeling_llama transformers.models.llama.tokenization_llama
    grace.engines.local.engine grace.engines.vllm.engine grace.figures grace.report.write
    grace.runs.runner
"""


def _told(environment: Mapping[str, str]) -> dict[str, str]:
    """What libraries are told while they are loaded."""
    return {k: v for k, v in environment.items() if not k.startswith(FREE)}


class Forks:
    """The process that has loaded all, and its commands."""

    def __init__(self) -> None:
        self.told = _told(os.environ)
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forks", str(theirs.fileno())],
                cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._answers = self._socket.makefile("r")

    @property
    def alive(self) -> bool:
        """Whether it can still be asked; memory may have been too short for a fork."""
        return self._process.poll() is None

    def run(
        self, module: str, words: Sequence[str], cwd: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """What `python -m MODULE WORDS` says and its exit code."""
        asked = {
            "module": module, "words": list(words), "cwd": str(cwd), "env": dict(environment),
        }  # fmt: skip
        with self._lock, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            line = json.dumps(asked).encode("utf-8", "surrogateescape") + b"\n"
            socket.send_fds(self._socket, [len(line).to_bytes(8)], [out.fileno(), err.fileno()])
            self._socket.sendall(line)
            answer = self._answers.readline()
            if not answer:
                raise RuntimeError("the process that runs the commands has ended")
            return subprocess.CompletedProcess(words, int(answer), _read(out), _read(err))


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


@cache
def forks() -> Forks:
    """The one of this process, started when first wanted."""
    return Forks()


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a command in this environment may be a fork."""
    return hasattr(os, "fork") and forks().alive and _told(environment) == forks().told


def _serve(connection: socket.socket) -> None:
    """Fork for each command that is asked for, until nobody asks any more."""
    reader = connection.makefile("rb")
    while True:
        size, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
        if not size:
            return
        asked = json.loads(reader.read(int.from_bytes(size)))
        child = os.fork()
        if child == 0:
            reader.close()
            connection.close()
            _become(asked, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.sendall(f"{code}\n".encode())


def _become(asked: dict[str, Any], out: int, err: int) -> None:
    """Go on as `python -m MODULE WORDS`, and end."""
    code = 1
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        os.chdir(str(asked["cwd"]))
        os.environ.clear()
        os.environ.update(asked["env"])
        module = str(asked["module"])
        sys.argv = [module, *asked["words"]]
        sys.path[0] = str(asked["cwd"])
        sys.modules.pop(module, None)
        code = _exit_code(module)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]  # as at an interpreter's end
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _exit_code(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    return 0


def _load() -> None:
    import importlib

    for name in LOADED.split():
        importlib.import_module(name)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _load()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)
