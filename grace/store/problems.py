"""What can go wrong with a store, in one sentence each: the file, what is wrong, what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grace.errors import GraceError

_ELSEWHERE = "or give another place with store=PATH"
_SAFE = "what was committed is safe"
_LOCKED = "another process keeps the store locked; wait for it or stop it, then run again"
NOT_OURS = "this is no answer store (or its beginning is destroyed); give another with store=PATH"

#: By the beginning of SQLite's own name for it.
_SENTENCES = {
    "SQLITE_FULL": f"the disk is full; free some space and run again, {_ELSEWHERE} ({_SAFE})",
    "SQLITE_IOERR": "the disk refuses ({error}): it, your quota or a limit on file sizes may "
    f"be exhausted; mend that and run again, {_ELSEWHERE} ({_SAFE})",
    "SQLITE_READONLY": f"the store cannot be written to; change its permissions, {_ELSEWHERE}",
    "SQLITE_CANTOPEN": "the store, or a file beside it, can be neither opened nor made; "
    f"change the folder's permissions, {_ELSEWHERE}",
    "SQLITE_PERM": f"the store may not be used; change its permissions, {_ELSEWHERE}",
    "SQLITE_PROTOCOL": "this file system cannot lock files; give another place with store=PATH",
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_NOTADB": NOT_OURS,
}


class StoreError(GraceError):
    """A store that cannot be opened, read or written."""


class StoreConflictError(StoreError):
    """Two stores disagree on what an engine answered; none of it was written."""


@contextmanager
def sentences(path: Path) -> Iterator[None]:
    """SQLite's errors become sentences. Those of Python's module are a programmer's."""
    try:
        yield
    except sqlite3.Error as error:
        if not error_name(error):
            raise
        raise StoreError(_sentence(error, path)) from error


def damaged(path: Path, detail: str) -> str:
    """The sentence for a store that cannot be trusted any more."""
    detail = " ".join(detail.split())
    return f"{path}: the store is damaged ({detail}); move it away, or bring back a copy of it"


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process is in the way, which passes."""
    return error_name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def error_name(error: sqlite3.Error) -> str:
    """SQLite's name for an error, "" for those that Python raises by itself."""
    return getattr(error, "sqlite_errorname", "") or ""


def _sentence(error: sqlite3.Error, path: Path) -> str:
    name = error_name(error)
    if name.startswith("SQLITE_CORRUPT"):
        return damaged(path, str(error))
    for start, sentence in _SENTENCES.items():
        if name.startswith(start):
            return f"{path}: {sentence.format(error=error)}"
    return f"{path}: the store cannot be used: {error}"
