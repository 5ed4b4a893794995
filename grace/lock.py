"""One run a folder: a second one is refused and told who has it.

The lock is a file that names its owner, and on which the owner holds a kernel lock. The file
keeps out runs on other machines, whose word must be taken for it. On this machine the kernel
lock tells a living owner from a dead one: it ends with its process, however that ends. The
process's start time, kept in the file, tells it from another with the same number.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from grace.errors import GraceError

LOCK_NAME = "run.lock"
#: Another run may be taking or leaving the lock just now: look so often, so many seconds apart.
LOOKS, PAUSE = 4, 0.1

_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_NO_KERNEL_LOCK = _UNSUPPORTED | {errno.ENOLCK, errno.EINVAL}
_NO_HARD_LINK = _UNSUPPORTED | {errno.EPERM, errno.EMLINK}

State = Literal["alive", "gone", "unknown"]


class LockError(GraceError):
    """A run folder that another run has, or that cannot be locked."""


@dataclass(frozen=True)
class Owner:
    """The process that has a folder. What the system does not tell is ""."""

    pid: int
    host: str
    boot: str  # this start of the machine
    pids: str  # the namespace in which the process number holds
    started: str  # when the process started, as the kernel counts
    since: str  # when it took the lock

    @classmethod
    def here(cls) -> Self:
        """This process, now."""
        return cls(
            pid=os.getpid(),
            host=socket.gethostname(),
            boot=_read("/proc/sys/kernel/random/boot_id"),
            pids=_namespace(),
            started=_start_time(os.getpid()),
            since=datetime.now(UTC).isoformat(sep=" ", timespec="seconds"),
        )

    @classmethod
    def parse(cls, text: bytes) -> Self | None:
        """The owner named in a lock file, None where it is unreadable."""
        try:
            owner = cls(**json.loads(text))
        except (ValueError, TypeError):
            return None
        return owner if isinstance(owner.pid, int) else None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class RunLock:
    """Holds a run folder for this process; to be used in a `with` statement.

    `notice` says from whom it was taken over, "" where the folder was free.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.path = self.folder / LOCK_NAME
        self.notice = ""
        self._file = -1
        self._pid = 0

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._draft() as draft:
                self._take(draft)
        except OSError as error:
            raise LockError(f"{self.folder}: cannot be locked: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give the folder free. A forked child, or a lock removed by hand, changes nothing."""
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            if os.getpid() == self._pid and self._is_at_path(self._file):
                self.path.unlink()
        self._close()

    @contextlib.contextmanager
    def _draft(self) -> Iterator[Path]:
        """A complete, locked lock file under another name: the lock is never half written."""
        draft = self.path.with_name(f"{LOCK_NAME}.{os.getpid()}-{secrets.token_hex(4)}")
        try:
            self._create(draft)
            yield draft
        except BaseException:
            self._close()
            raise
        finally:
            draft.unlink(missing_ok=True)

    def _create(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._close()
        self._file, self._pid = file, os.getpid()
        _kernel_lock(file)
        os.write(file, json.dumps(asdict(Owner.here()), indent=1).encode())

    def _take(self, draft: Path) -> None:
        refusal = ""
        for look in range(LOOKS):
            if look:
                time.sleep(PAUSE)
            if self._put(draft):
                return
            with contextlib.suppress(FileNotFoundError), _opened(self.path) as found:
                owner = Owner.parse(os.read(found, 65536))
                state = _state(owner, found) if owner else "unknown"
                # Still the file that was judged: nobody else was quicker.
                if state == "gone" and self._is_at_path(found):
                    draft.replace(self.path)
                    self.notice = f"{self.folder}: taken over from a run that is gone ({owner})"
                    return
                if state != "gone":
                    refusal = self._refusal(owner, state)
        raise LockError(refusal or f"{self.folder}: cannot be locked: others come and go")

    def _put(self, draft: Path) -> bool:
        """Make the draft the lock, unless there is one. Atomic on network file systems too."""
        try:
            os.link(draft, self.path)
        except FileExistsError:
            return self._is_at_path(self._file)  # a reply lost on the way, and asked again
        except OSError as error:
            if error.errno not in _NO_HARD_LINK:
                raise
            with contextlib.suppress(FileExistsError):
                self._create(self.path)
                return True
            return False
        return True

    def _refusal(self, owner: Owner | None, state: State) -> str:
        if owner is None:
            return (
                f"{self.folder}: {self.path} does not say which run has this folder; "
                "if you are certain that none has, delete that file"
            )
        if state == "alive":
            return (
                f"{self.folder}: another run has this folder ({owner}); "
                "wait for it or stop it, or keep this run apart with tag=NAME"
            )
        return (
            f"{self.folder}: another run has this folder ({owner}), and whether it still runs "
            f"cannot be seen from {socket.gethostname()}; if you are certain that it does not, "
            f"delete {self.path}"
        )

    def _is_at_path(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self.path.stat())
        except FileNotFoundError:
            return False

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The file open for as long as its kernel lock is to be held."""
    try:
        file = os.open(path, os.O_RDWR)  # NFS locks only what is open for writing
    except PermissionError:
        file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def _state(owner: Owner, file: int) -> State:
    """Whether an owner lives. Where it is gone, we hold the kernel lock on its file."""
    here = Owner.here()
    known = bool(owner.boot and here.boot)
    if not (owner.boot == here.boot if known else owner.host == here.host):
        # Another machine, or this one before it was started again. Many are "localhost".
        again = known and owner.host == here.host and not here.host.startswith("localhost")
        return "gone" if again and _kernel_lock(file) is not False else "unknown"
    free = _kernel_lock(file)
    if free is False:
        return "alive"
    runs = _runs(owner, here)
    if runs is None:
        return "unknown" if free is None else "gone"
    return "alive" if runs else "gone"


def _kernel_lock(file: int) -> bool | None:
    """Lock an open file: False where another process has it, None where there is no such lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_KERNEL_LOCK | {errno.EBADF}:
            raise
        return None
    return True


def _runs(owner: Owner, here: Owner) -> bool | None:
    """Whether the owner's process runs, None where that cannot be told from here."""
    if owner.pids != here.pids:
        return None
    if owner.started and here.started:
        return _start_time(owner.pid) == owner.started
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return None
    return None  # it may be another with the same number


def _start_time(pid: int) -> str:
    """A process's start, in ticks since the machine's; "" where it has ended or none can say."""
    # The name, in parentheses, may hold anything; state and start follow it.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


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
