"""The SQLite file beneath the store: opened safely, and plain about what is wrong.

A file that is not ours is never written to. One that is damaged, or made by a newer Grace, is
refused before anything is read from it. The file is touched through SQLite alone: closing it
any other way would drop the locks this process holds on it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grace.store.journal import network_file_system
from grace.store.problems import NOT_OURS, StoreError, damaged, is_busy, sentences
from grace.store.schema import APPLICATION_ID, AS_READ, MIGRATIONS, read_mark, write_mark

#: Seconds to wait for another process that is writing.
PATIENCE = 60.0
#: No SQLite file is shorter than a page.
SMALLEST = 512
#: SQLite's page cache: the memory a store takes, however large it is.
CACHE_KIB = 65536


class Database:
    """One connection to a sound store file of our format; a new file becomes an empty store."""

    def __init__(self, path: Path, *, read_only: bool = False, patience: float = PATIENCE) -> None:
        self.path = path
        self._place = path.absolute()  # wherever the process goes from here
        self.read_only = read_only
        self._patience = patience
        self._unwatched = False
        _check_place(path, read_only=read_only)
        with sentences(path):
            self._connection = self._open()
            try:
                self._check_content()
                if not read_only:
                    self._choose_journal()
                    self._migrate()
                self.journal = self._journal_mode()
                self._identity = self._look()
            except BaseException:
                self._connection.close()
                raise

    def rows(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a short query: no cursor stays open to hold up a writer."""
        with sentences(self.path):
            found = self._connection.execute(sql, tuple(parameters)).fetchall()
        if self._unwatched and self._look() != self._identity:
            raise StoreError(f"{self.path}: the store is being written to; read it later")
        return found

    def write(self, sql: str, rows: Iterable[Sequence[Any]] = ((),)) -> int:
        """Run a statement for each row of values, in a transaction; how many rows changed."""
        return self._connection.executemany(sql, rows).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all of a block or nothing; wait for whoever is writing."""
        with sentences(self.path):
            if self._look()[:2] != self._identity[:2]:
                raise StoreError(
                    f"{self.path}: the store was moved or deleted while in use; "
                    "put it back and run again"
                )
            with _transaction(self._connection):
                yield

    def close(self) -> None:
        """Let go of the file; the last to do so in WAL mode leaves a single file."""
        with sentences(self.path):
            self._connection.close()

    def _look(self) -> tuple[int, ...]:
        """Which file is at our path; with size and time, whether it has changed."""
        try:
            found = self._place.stat()
        except OSError:
            return ()
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def _open(self) -> sqlite3.Connection:
        address = self._place.as_uri()
        if not self.read_only:
            return self._reach(f"{address}?mode=rwc")
        try:
            return self._reach(f"{address}?mode=ro")
        except sqlite3.OperationalError as error:
            # In WAL mode even a reader needs two files beside the store. Where they cannot
            # be made and are not there, nobody has it open: read it as a file that stays.
            name = error.sqlite_errorname
            if not name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
                raise
            if self._place.with_name(f"{self.path.name}-wal").exists():
                raise StoreError(
                    f"{self.path}: a run has this store open, or was killed; reading it now "
                    "needs permission to write beside it: copy it with its -wal file to a "
                    "place of your own"
                ) from error
            self._unwatched = True
            return self._reach(f"{address}?mode=ro&immutable=1")

    def _reach(self, address: str) -> sqlite3.Connection:
        """Connect, and read once: SQLite opens the file no sooner."""
        connection = sqlite3.connect(
            address,
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,  # but one at a time
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.execute("PRAGMA synchronous=FULL")  # a commit outlives the machine
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_content(self) -> None:
        mark = read_mark(self._connection)
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if mark.application_id != APPLICATION_ID:
            if tables or mark.version or mark.application_id:
                raise StoreError(f"{self.path}: {NOT_OURS}")
            if self.read_only:
                raise StoreError(f"{self.path}: the store is empty")
            return
        ours = len(MIGRATIONS)
        if mark.version > ours:
            raise StoreError(
                f"{self.path}: this store was written by a newer Grace (format "
                f"{mark.version}, known here up to {ours}); update Grace or use another store"
            )
        if self.read_only:
            self._read_as_ours(mark.version)
        (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise StoreError(damaged(self.path, found))

    def _read_as_ours(self, version: int) -> None:
        """Read an older format as if it were ours, where nothing has to be written for that."""
        steps = range(version, len(MIGRATIONS))
        if not all(step in AS_READ for step in steps):
            raise StoreError(
                f"{self.path}: this store was written by an older Grace (format {version}, now "
                f"{len(MIGRATIONS)}); run its command again, which brings it up to date"
            )
        for step in steps:
            AS_READ[step](self._connection)

    def _migrate(self) -> None:
        """Bring the store to our format, all steps or none."""
        if read_mark(self._connection).version == len(MIGRATIONS):
            return
        with _transaction(self._connection):
            # Looked at again under the lock: another process may have been quicker.
            for step in MIGRATIONS[read_mark(self._connection).version :]:
                step(self._connection)
            write_mark(self._connection, len(MIGRATIONS))

    def _choose_journal(self) -> None:
        """WAL where it is safe and the file system can do it, else a rollback journal."""
        wanted = "delete" if network_file_system(self.path) else "wal"
        deadline = time.monotonic() + self._patience
        while self._journal_mode() != wanted:
            try:
                self._connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()
            except sqlite3.OperationalError as error:
                # SQLite does not itself wait for others when the journal changes.
                if is_busy(error) and time.monotonic() < deadline:
                    time.sleep(0.02)
                    continue
                if wanted == "delete":
                    raise
            return  # WAL may have been refused, and what it was before is safe

    def _journal_mode(self) -> str:
        return str(self._connection.execute("PRAGMA journal_mode").fetchone()[0])


def _check_place(path: Path, *, read_only: bool) -> None:
    """Refuse what can be no store; make the folder of a new one."""
    if "\0" in str(path):
        raise StoreError(f"{path!r}: a file's name holds no NUL")
    try:
        if not os.path.lexists(path):
            if read_only:
                raise StoreError(f"{path}: there is no such store")
            path.parent.mkdir(parents=True, exist_ok=True)
            return
        size = path.stat().st_size
        if not path.is_file():
            raise StoreError(f"{path}: expected a store, which is a file, and found none")
        if 0 < size < SMALLEST:  # SQLite would take it for a new file
            raise StoreError(f"{path}: {NOT_OURS}")
        if not os.access(path, os.R_OK if read_only else os.R_OK | os.W_OK):
            do = "read" if read_only else "write"
            raise StoreError(f"{path}: no permission to {do} this store; give another")
    except OSError as error:
        raise StoreError(f"{path}: no store can be here: {error.strerror}") from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors make SQLite roll back by itself
            connection.execute("ROLLBACK")
        raise
