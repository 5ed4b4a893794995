"""The tables of a store, and the steps from each format to the next.

    engines    what computed: one row for each kind, version, model, revision, numeric type, and
               configuration
    aliases    further names of such a row: one of 0.1.0, which noted no configuration
    parts      content that rows share, under its hash: contexts, what is asked, answer shapes
    prompts    a prompt's key, and its two parts
    answers    one row an engine and prompt: scores or a text
    failures   what could not be answered, until it is

Parts are named by a hash of what they hold and not by a number, so that two stores agree on
names and merging is a union.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

#: "GRAC": tells a store from any other SQLite file.
APPLICATION_ID = 0x47524143


class Mark(NamedTuple):
    """What a file says of itself."""

    application_id: int
    version: int


def read_mark(connection: sqlite3.Connection) -> Mark:
    """Whose file it is, and in which format."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return Mark(application_id, version)


def write_mark(connection: sqlite3.Connection, version: int) -> None:
    """Say that the file is a store of this format."""
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={version}")


def _format_1(connection: sqlite3.Connection) -> None:
    # Times are seconds since 1970, UTC. JSON and text that may hold anything are blobs.
    tables = (
        """
        CREATE TABLE engines (
            id INTEGER PRIMARY KEY,
            hash BLOB NOT NULL UNIQUE,
            info BLOB NOT NULL,     -- JSON; method and details are those of the first run
            at REAL NOT NULL
        )
        """,
        """
        CREATE TABLE parts (
            hash BLOB NOT NULL PRIMARY KEY,
            content BLOB NOT NULL   -- deflated JSON
        )
        """,
        """
        CREATE TABLE prompts (
            key TEXT NOT NULL PRIMARY KEY,
            context BLOB NOT NULL,
            asked BLOB NOT NULL
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE answers (
            engine INTEGER NOT NULL,
            key TEXT NOT NULL,
            kind TEXT NOT NULL,     -- "scores" or "generation"
            method TEXT,            -- of scores
            shape BLOB NOT NULL,
            content BLOB NOT NULL,  -- deflated: packed floats of scores, JSON of a text
            seconds REAL,           -- what it took, where known
            at REAL NOT NULL,
            PRIMARY KEY (engine, key)
        )
        """,
        """
        CREATE TABLE failures (
            engine INTEGER NOT NULL,
            key TEXT NOT NULL,
            reason BLOB NOT NULL,
            attempts INTEGER NOT NULL,
            count INTEGER NOT NULL, -- how often it has failed
            at REAL NOT NULL,       -- the last time
            PRIMARY KEY (engine, key)
        ) WITHOUT ROWID
        """,
    )
    for statement in tables:
        connection.execute(statement)


def _format_2(connection: sqlite3.Connection) -> None:
    connection.execute(f"CREATE TABLE {_ALIASES}")


def _format_2_as_read(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute(f"CREATE TEMP TABLE {_ALIASES}")


_ALIASES = "aliases (hash BLOB NOT NULL PRIMARY KEY, engine INTEGER NOT NULL) WITHOUT ROWID"

#: MIGRATIONS[v] brings a store from format v to v + 1. Never change one: add the next.
MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [_format_1, _format_2]
#: The same for one that is only read: what the format adds, beside the file and empty. A step
#: that is not here cannot be done without writing.
AS_READ: dict[int, Callable[[sqlite3.Connection], None]] = {1: _format_2_as_read}
