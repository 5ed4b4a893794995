"""One run a folder: a second one is refused and told who has it.

`run.lock` is a note that names the owner. It keeps out runs on other machines, whose word must
be taken for it. Beside it the owner holds a lock of the system, which tells a living owner on
this machine from a dead one: it ends with its process, however that ends. Where a file system
has no such locks, the note says it alone, by number and start of the process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from pathlib import Path
from typing import Self

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from grace.errors import GraceError
from grace.runs.lock_owner import Owner, State

LOCK_NAME, KERNEL_NAME, SOFT_NAME = "run.lock", ".run.lock", ".run.soft"
#: Another run may be taking or leaving the folder just now: look so often, so many seconds apart.
LOOKS, PAUSE = 4, 0.1

_NO_KERNEL_LOCK = {
    errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL, errno.EBADF
}  # fmt: skip


class LockError(GraceError):
    """A run folder that another run has, or that cannot be locked."""


class RunLock:
    """Holds a run folder for this process; to be used in a `with` statement.

    `notice` says from whom it was taken over, "" where the folder was free.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.path = self.folder / LOCK_NAME
        self.notice = ""
        self._held: BaseFileLock | None = None
        self._owner: Owner | None = None

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._take()
        except OSError as error:
            told = error.strerror or error
            raise LockError(f"{self.folder}: cannot be locked: {told}") from error
        finally:
            if self._owner is None or isinstance(self._held, SoftFileLock):
                self._let_go()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the folder free. A forked child, or a lock removed by hand, changes nothing."""
        if self._owner is None or self._owner.pid != os.getpid():
            return
        note, self._owner = self._owner.note(), None
        with contextlib.suppress(OSError):
            if self.path.read_bytes() == note:
                self.path.unlink()
                self._let_go()
        if self._held:
            self._held.release()

    def _take(self) -> None:
        kernel = self._lock()
        here, owner = Owner.here(), None
        state: State = "unknown"
        for _ in range(LOOKS):
            if self._write(here):
                return
            with contextlib.suppress(FileNotFoundError):
                owner = Owner.parse(self.path.read_bytes())
                state = owner.state(here, kernel=kernel) if owner else "unknown"
                if state == "gone":
                    self.path.unlink()
                    self.notice = f"{self.folder}: taken over from a run that is gone ({owner})"
                    continue
            time.sleep(PAUSE)
        raise LockError(self._refusal(owner, state))

    def _lock(self) -> bool:
        """Take the system's lock on the folder. False where the file system has none.

        There, a file that is there or is not stands in for it, but only while the note is
        judged and written: if it is left by a process that was killed, filelock removes it.
        """
        file, soft = self.folder / KERNEL_NAME, self.folder / SOFT_NAME
        self._held = FileLock(file, LOOKS * PAUSE, 0o666, False, fallback_to_soft=False)
        try:
            self._held.acquire()
        except Timeout:
            owner = Owner.parse(self.path.read_bytes()) if self.path.exists() else None
            raise LockError(self._refusal(owner, "alive")) from None
        except OSError as error:
            if error.errno not in _NO_KERNEL_LOCK:
                raise
            file.unlink(missing_ok=True)
            self._held = SoftFileLock(soft, LOOKS * PAUSE)
            self._held.acquire()
            return False
        return True

    def _write(self, here: Owner) -> bool:
        """Leave the note, unless there is one. Atomic on network file systems too."""
        try:
            file = self.path.open("xb")
        except FileExistsError:
            return False
        try:
            with file:
                file.write(here.note())
        except OSError:
            self.path.unlink()
            raise
        self._owner = here
        return True

    def _refusal(self, owner: Owner | None, state: State) -> str:
        if state == "alive":
            who = f"has this folder ({owner})" if owner else "on this machine has this folder"
            return (
                f"{self.folder}: another run {who}; "
                "wait for it or stop it, or keep this run apart with tag=NAME"
            )
        if owner is None:
            return (
                f"{self.folder}: {self.path} does not say which run has this folder; "
                "if you are certain that none has, delete that file"
            )
        return (
            f"{self.folder}: another run has this folder ({owner}), and whether it still runs "
            f"cannot be seen from {socket.gethostname()}; if you are certain that it does not, "
            f"delete {self.path}"
        )

    def _let_go(self) -> None:
        if self._held is not None and self._held.is_locked:
            with contextlib.suppress(OSError):  # Windows removes no file that is open
                Path(self._held.lock_file).unlink()
            self._held.release()
