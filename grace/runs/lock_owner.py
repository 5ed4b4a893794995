"""Who has a run folder: a process, on a machine, perhaps for a task of a scheduler's job."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

SLURM, KUBERNETES = "SLURM job", "Kubernetes job"

State = Literal["alive", "gone", "unknown"]


@dataclass(frozen=True)
class Owner:
    """The process that has a folder. What the system does not tell is ""."""

    pid: int
    host: str
    boot: str  # this start of the machine
    pids: str  # the namespace in which the process number holds
    started: str  # when the process started, as the kernel counts
    since: str  # when it took the lock
    command: str = ""
    job: str = ""  # of a scheduler, with its name
    task: str = ""  # of that job
    attempt: float = 0  # at that task

    @classmethod
    def here(cls) -> Self:
        """This process, now."""
        job, task, attempt = scheduled(os.environ)
        return cls(
            pid=os.getpid(),
            host=socket.gethostname(),
            boot=_read("/proc/sys/kernel/random/boot_id"),
            pids=_namespace(),
            started=_start_time(os.getpid()),
            since=datetime.now(UTC).isoformat(sep=" ", timespec="seconds"),
            command=" ".join(sys.argv),
            job=job,
            task=task,
            attempt=attempt,
        )

    @classmethod
    def parse(cls, text: bytes) -> Self | None:
        """The owner named in a note, None where it is unreadable."""
        try:
            found = json.loads(text)
            owner = cls(**{f.name: found[f.name] for f in fields(cls) if f.name in found})
        except (ValueError, TypeError):
            return None
        numbers = isinstance(owner.pid, int) and isinstance(owner.attempt, int | float)
        return owner if numbers else None

    def note(self) -> bytes:
        """What `parse` reads."""
        return json.dumps(asdict(self), indent=1).encode()

    def state(self, here: Owner, *, kernel: bool) -> State:
        """Whether it lives. `kernel`: its lock is free, on a file system that has locks."""
        known = bool(self.boot and here.boot)
        if not (self.boot == here.boot if known else self.host == here.host):
            # Another machine, or this one before it was started again. Many are "localhost".
            again = known and self.host == here.host and not here.host.startswith("localhost")
            return "gone" if again or here.retries(self) else "unknown"
        runs = None
        if self.pids == here.pids and self.started and here.started:
            runs = _start_time(self.pid) == self.started
        if runs is None:
            return "gone" if kernel else "unknown"
        return "alive" if runs else "gone"

    def retries(self, other: Owner) -> bool:
        """Whether this is a later attempt at the same task of the same job.

        SLURM counts its restarts. Kubernetes does not, but means one pod for each index: what
        counts is the container that was started last.
        """
        if not self.job or (self.job, self.task) != (other.job, other.task):
            return False
        counted = self.job.startswith(SLURM)
        return self.attempt > other.attempt if counted else self.attempt >= other.attempt

    def __str__(self) -> str:
        job = f", {self.job}" if self.job else ""
        task = f" task {self.task}" if self.task else ""
        return f"process {self.pid} on {self.host}, since {self.since}{job}{task}"


def scheduled(environment: Mapping[str, str]) -> tuple[str, str, float]:
    """The job, task and attempt that SLURM or Kubernetes tell of; ("", "", 0) without either."""
    if slurm := environment.get("SLURM_ARRAY_JOB_ID") or environment.get("SLURM_JOB_ID"):
        cluster = environment.get("SLURM_CLUSTER_NAME", "")
        restarts = environment.get("SLURM_RESTART_COUNT", "")  # not set before the first
        return (
            f"{SLURM} {slurm}" + (f" of {cluster}" if cluster else ""),
            environment.get("SLURM_ARRAY_TASK_ID", ""),
            int(restarts) if restarts.isdecimal() else 0,
        )
    index = environment.get("JOB_COMPLETION_INDEX", "")
    # The pods of an indexed job are called JOB-INDEX-xxxxx, and their machines JOB-INDEX.
    pod = re.fullmatch(rf"(.+)-{re.escape(index)}(-[a-z0-9]{{5}})?", socket.gethostname())
    name = environment.get("JOB_NAME") or (pod[1] if pod else "")
    return (f"{KUBERNETES} {name}", index, _container_start()) if index and name else ("", "", 0)


def _start_time(pid: int) -> str:
    """A process's start, in ticks since the machine's; "" where it has ended or none can say."""
    # The name, in parentheses, may hold anything; state and start follow it.
    found = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return found[19] if len(found) > 19 and found[0] not in "ZX" else ""


def _container_start() -> float:
    """When the first process of this container was started, seconds since 1970; 0 if untold."""
    boot = re.search(r"^btime (\d+)$", _read("/proc/stat"), re.MULTILINE)
    first = _start_time(1)
    return int(boot[1]) + int(first) / os.sysconf("SC_CLK_TCK") if boot and first else 0.0


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace").strip()
    except OSError:
        return ""
