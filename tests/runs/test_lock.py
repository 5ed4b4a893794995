"""One run a folder, whatever happened to the run before."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from grace.runs import lock
from grace.runs import lock_owner as owner
from grace.runs.lock import KERNEL_NAME, LOCK_NAME, LockError, RunLock
from grace.runs.lock_owner import Owner, scheduled
from tests.places import ROOT

HOST = socket.gethostname()
SELF = Owner.here()
NO_PROCESS = 2**22 + 1  # above the largest number that Linux gives


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PAUSE", 0.01)


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a program that knows the lock."""
    header = (
        "import fcntl, os, resource, sys, time\n"
        "from grace.runs import lock\nfrom grace.runs.lock import *\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", header + program, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


HOLD = """
with RunLock(sys.argv[1]) as held:
    print(held.notice or "free", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """Another process that has the folder by now."""
    process = start(HOLD, folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "free\n"
    return process


def refusal(folder: Path) -> str:
    """What the user is told where the folder cannot be had: one line with its name."""
    with pytest.raises(LockError) as error, RunLock(folder):
        pass
    told = str(error.value)
    assert str(folder) in told
    assert "\n" not in told
    assert {p.name for p in folder.iterdir()} <= {LOCK_NAME, KERNEL_NAME}
    return told


def write(folder: Path, owner: Owner) -> Path:
    path = folder / LOCK_NAME
    path.write_text(json.dumps(asdict(owner)))
    return path


def test_a_free_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "new one"
    for _ in range(2):
        with RunLock(folder) as held:
            assert held.notice == ""
            assert {p.name for p in folder.iterdir()} == {LOCK_NAME, KERNEL_NAME}
            owner = Owner.parse((folder / LOCK_NAME).read_bytes())
            assert owner is not None
            assert (owner.pid, owner.host) == (os.getpid(), HOST)
            assert owner.command == " ".join(sys.argv)
        assert list(folder.iterdir()) == []


def test_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    other = hold(tmp_path)
    told = refusal(tmp_path)
    assert f"process {other.pid} on {HOST}, since 20" in told
    other.communicate()
    with RunLock(tmp_path) as held:
        assert held.notice == ""
        assert f"process {os.getpid()} " in refusal(tmp_path)


def test_what_a_killed_run_left_is_taken_over(tmp_path: Path) -> None:
    other = hold(tmp_path)
    other.kill()
    other.communicate()
    with RunLock(tmp_path) as held:
        assert f"process {other.pid} on {HOST}" in held.notice
        assert f"process {os.getpid()} " in refusal(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("owner", "taken"),
    [
        (replace(SELF, pid=NO_PROCESS), True),
        (replace(SELF, started="1"), True),  # our number, given out again
        (SELF, False),
        (replace(SELF, host="node7", boot="of another"), False),
        (replace(SELF, host="node7", boot=""), False),
        (replace(SELF, boot="before"), True),  # the machine was started again
        (replace(SELF, pids="of another container"), True),
        (replace(SELF, pids="of another container", host="another"), True),
    ],
    ids=["dead", "reused", "alive", "host", "macOS", "reboot", "container", "pod"],
)
def test_owners_that_hold_no_kernel_lock(tmp_path: Path, owner: Owner, taken: bool) -> None:
    path = write(tmp_path, owner)
    if taken:
        with RunLock(tmp_path) as held:
            assert str(owner) in held.notice
        assert not path.exists()
        return
    told = refusal(tmp_path)
    assert str(owner) in told
    assert (str(path) in told) == (owner.host != HOST)  # told how, where it must be believed
    assert Owner.parse(path.read_bytes()) == owner


def test_a_machine_without_a_name_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost.localdomain")
    write(tmp_path, replace(Owner.here(), boot="of which one?"))
    assert "cannot be seen" in refusal(tmp_path)


def test_a_kernel_lock_that_is_held_is_believed(tmp_path: Path) -> None:
    write(tmp_path, replace(SELF, pids="of another container", pid=NO_PROCESS))
    with (tmp_path / KERNEL_NAME).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert f"process {NO_PROCESS}" in refusal(tmp_path)
    with RunLock(tmp_path) as held:
        assert held.notice


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"x"', "{}", '{"pid": 1}', "\udcff", json.dumps(asdict(SELF))[:-9]]
)
def test_a_lock_that_does_not_say_whose_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / LOCK_NAME
    path.write_text(text, errors="surrogateescape")
    assert "delete that file" in refusal(tmp_path)
    path.unlink()
    path.mkdir()
    assert "cannot be locked" in refusal(tmp_path)


def refuse(number: int) -> Callable[..., Any]:
    """A system call that this file system does not have."""

    def call(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize(
    ("owner", "told"),
    [
        (SELF, "another run has this folder"),
        (replace(SELF, pid=NO_PROCESS), None),
        (replace(SELF, started="1"), None),
        (replace(SELF, pids="of another container"), "cannot be seen"),
    ],
    ids=["alive", "dead", "reused", "container"],
)
def test_without_kernel_locks_the_process_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, owner: Owner, told: str | None
) -> None:
    monkeypatch.setattr(fcntl, "flock", refuse(number))
    write(tmp_path, owner)
    if told:
        assert told in refusal(tmp_path)
    else:
        with RunLock(tmp_path) as held:
            assert held.notice


def test_a_lock_taken_from_us_by_hand_is_not_ours_to_remove(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        (tmp_path / LOCK_NAME).unlink()
        assert "another run on this machine has this folder" in refusal(tmp_path)
        (tmp_path / KERNEL_NAME).unlink()
        other = hold(tmp_path)
    assert f"process {other.pid} " in refusal(tmp_path)
    other.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_child_does_not_give_the_folder_free(tmp_path: Path) -> None:
    program = """
with RunLock(sys.argv[1]) as held:
    if os.fork() == 0:
        held.release()
        os._exit(0)
    os.wait()
    print("still" if held.path.exists() else "gone")
"""
    assert start(program, tmp_path).communicate()[0] == "still\n"


def test_where_no_lock_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(LockError, match="cannot be locked") as error, RunLock(folder):
            pass
        assert str(folder) in str(error.value)
    full = """
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    RunLock(sys.argv[1]).__enter__()
except LockError as error:
    print(error, os.listdir(sys.argv[1]))
"""
    told = start(full, tmp_path / "run").communicate()[0]
    assert "cannot be locked: File too large []" in told


RACE = """
# Each round all try at one moment; who has it ends without a word, and leaves a stale lock.
folder, rounds, many = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.modules["grace.runs.lock"].PAUSE = 0.02
lock.PAUSE = 0.02
for number in range(rounds):
    moment = time.monotonic() + 0.05
    for _ in range(many):
        if os.fork() == 0:
            while time.monotonic() < moment:
                pass
            try:
                RunLock(folder).__enter__()
            except LockError:
                os._exit(1)
            time.sleep(0.25)  # longer than the others look
            os._exit(0)
    ends = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(many)]
    print(ends.count(0), ends.count(1), flush=True)
"""


@pytest.mark.parametrize("kernel", [True, False])
def test_of_many_at_once_one_gets_it(tmp_path: Path, kernel: bool) -> None:
    without = "def no(*_): raise OSError(37, 'no locks available')\nfcntl.flock = no\n"
    program = RACE if kernel else without + RACE
    told, _ = start(program, tmp_path, 5, 6).communicate()
    assert told.splitlines() == ["1 5"] * 5


ELSEWHERE: dict[str, Any] = {"host": "node7", "boot": "of another"}
ARRAY = {"SLURM_ARRAY_JOB_ID": "70", "SLURM_JOB_ID": "73", "SLURM_ARRAY_TASK_ID": "3"}
SINGLE = {"SLURM_JOB_ID": "73", "SLURM_CLUSTER_NAME": "alpha"}
AGAIN = {"SLURM_RESTART_COUNT": "1"}
POD = {"JOB_NAME": "shards", "JOB_COMPLETION_INDEX": "3"}
#: What the scheduler told the killed run and the next one, and whether that is its retry.
ATTEMPTS = {
    "requeued task": (ARRAY, ARRAY | AGAIN, True),
    "its second requeue": (ARRAY | AGAIN, ARRAY | {"SLURM_RESTART_COUNT": "2"}, True),
    "requeued job": (SINGLE, SINGLE | AGAIN, True),
    "same attempt": (ARRAY, ARRAY, False),
    "both restarted": (ARRAY | AGAIN, ARRAY | AGAIN, False),
    "earlier attempt": (ARRAY | AGAIN, ARRAY, False),
    "another task": (ARRAY, ARRAY | AGAIN | {"SLURM_ARRAY_TASK_ID": "4"}, False),
    "another job": (ARRAY, ARRAY | AGAIN | {"SLURM_ARRAY_JOB_ID": "71"}, False),
    "task and job": (ARRAY, {"SLURM_JOB_ID": "70"} | AGAIN, False),
    "another cluster": (SINGLE, SINGLE | AGAIN | {"SLURM_CLUSTER_NAME": "beta"}, False),
    "no job": ({}, {}, False),
    "no job before": ({}, ARRAY | AGAIN, False),
    "pod": (POD, POD, True),
    "another index": (POD, POD | {"JOB_COMPLETION_INDEX": "4"}, False),
    "another job's pod": (POD, POD | {"JOB_NAME": "merge"}, False),
    "a job without index": ({"JOB_NAME": "shards"}, {"JOB_NAME": "shards"}, False),
    "another scheduler": ({"SLURM_JOB_ID": "3"}, {"JOB_NAME": "3", "JOB_COMPLETION_INDEX": "3"}, 0),
}


@pytest.mark.parametrize(("before", "now", "taken"), ATTEMPTS.values(), ids=ATTEMPTS)
def test_a_retry_elsewhere_takes_over_and_nobody_else(
    before: dict[str, str],
    now: dict[str, str],
    taken: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, "_container_start", iter([5000.0, 5000.5, 5001.0]).__next__)
    job, task, attempt = scheduled(before)
    write(tmp_path, replace(SELF, **ELSEWHERE, job=job, task=task, attempt=attempt))
    for name, value in now.items():
        monkeypatch.setenv(name, value)
    if taken:
        with RunLock(tmp_path) as held:
            assert "process" in held.notice
            assert f"on node7, since {SELF.since}, {job}" in held.notice
            assert f"task {task}" in held.notice or not task
        return
    told = refusal(tmp_path)
    assert "on node7" in told
    assert job in told
    assert "cannot be seen" in told


def test_the_pod_that_was_started_first_does_not_take_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "_container_start", lambda: 5000.0)
    for name, value in POD.items():
        monkeypatch.setenv(name, value)
    later = replace(Owner.here(), **ELSEWHERE, attempt=5000.5)
    write(tmp_path, later)
    assert "on node7" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("host", "job"), [("big-run-3", "big-run"), ("big-run-3-x7k2p", "big-run"), ("node7", "")]
)
def test_a_pod_is_known_by_its_name(host: str, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    found, task, started = scheduled({"JOB_COMPLETION_INDEX": "3"})
    assert (found, task) == ((f"Kubernetes job {job}", "3") if job else ("", ""))
    assert not job or 1.5e9 < started <= time.time()


def test_a_retry_on_this_machine_is_refused_while_the_first_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ARRAY.items():
        monkeypatch.setenv(name, value)
    other = hold(tmp_path)
    monkeypatch.setenv(*next(iter(AGAIN.items())))
    assert f"process {other.pid} on {HOST}" in refusal(tmp_path)
    other.kill()
    other.communicate()
    with RunLock(tmp_path) as held:
        assert "SLURM job 70 task 3" in held.notice


def test_notes_of_other_versions_are_understood() -> None:
    old = {name: asdict(SELF)[name] for name in ("pid", "host", "boot", "pids", "started", "since")}
    assert Owner.parse(json.dumps(old).encode()) == replace(SELF, command="")
    assert Owner.parse(json.dumps(asdict(SELF) | {"mood": "good"}).encode()) == SELF


WINDOWS = """
import importlib, pkgutil, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix_ipc"):
    sys.modules[name] = None
import grace
for module in pkgutil.walk_packages(grace.__path__, "grace."):
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        if error.name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty"):
            print(module.name, error)
from grace.runs.lock import RunLock
from tests.places import ROOT
with RunLock(sys.argv[1]):
    print("locked")
"""


def test_grace_is_imported_and_locks_without_what_only_unix_has(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "locked\n", done.stderr
