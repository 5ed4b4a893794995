"""Merging the stores of shards into one, or refusing to.

Parts and prompts are named by their content, so that they are a union. An answer that is there
already must agree with the one that comes, and stays. Everything is one transaction: where two
stores disagree, nothing is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.errors import ConfigError
from grace.store.agreement import default_tolerance, disagreement
from grace.store.database import Database
from grace.store.encode import EncodedAnswer, decode_engine
from grace.store.problems import StoreConflictError
from grace.store.store import Store
from grace.types import EngineInfo

#: Rows in memory at a time.
PAGE = 256
#: How the store of a part of a run is named.
_SHARD = re.compile(r"(?P<whole>.+)-shard\d+of\d+(?P<ending>\.\w+)?")
#: Conflicts told, and conflicts after which it is pointless to look for more.
TOLD, MANY = 3, 1000


@dataclass
class Merged:
    """What a merge brought."""

    answers: int = 0  # new ones
    known: int = 0  # answers that were there already, and agree
    failures: int = 0  # questions left without an answer


def merge(
    out: Path | str, sources: Sequence[Path | str], *, tolerance: float | None = None
) -> Merged:
    """Bring the answers and failures of some stores into one, new or not.

    Two answers of an engine to one prompt conflict where texts differ, or log-probabilities
    of a token by more than the tolerance (by default that of the numeric type). A conflict error
    names the first few, and nothing is written. A failure that was answered in another store
    is dropped; of two failures the later stays.
    """
    out = Path(out)
    _refuse_shard(out)
    was_there = os.path.exists(out)  # noqa: PTH110  (Path's fails on a long name)
    try:
        with Store.open(out) as store:
            return _merge(store, [Path(source) for source in sources], tolerance)
    except BaseException:
        if not was_there:
            for ending in ("", "-wal", "-shm", "-journal"):
                with suppress(OSError):
                    out.with_name(out.name + ending).unlink()
        raise


def _refuse_shard(out: Path) -> None:
    """Refuse to merge into one of the shards: the store that is merged into was forgotten."""
    shard = _SHARD.fullmatch(out.name)
    if shard and os.path.exists(out):  # noqa: PTH110  (Path's fails on a long name)
        whole = out.with_name(f"{shard['whole']}{shard['ending'] or ''}")
        raise ConfigError(
            f"{out}: it is one of the shards, and the others would be merged into it; expected "
            f"the store to merge into before them, such as {whole}"
        )


def _merge(store: Store, sources: list[Path], tolerance: float | None) -> Merged:
    out = store.database
    merged = Merged()
    conflicts: list[str] = []
    with out.transaction():
        for path in sources:
            if os.path.exists(path) and path.samefile(store.path):  # noqa: PTH110  (as above)
                continue
            with Store.open(path, read_only=True) as source:
                copy = _Copy(source, store, tolerance, merged, conflicts)
                copy.answers()
                copy.failures()
                # Last: a source may still be written to, and answers need their prompts.
                copy.prompts_and_parts()
        if conflicts:
            raise StoreConflictError(_refusal(store.path, conflicts))
        out.write(
            "DELETE FROM failures WHERE EXISTS (SELECT 1 FROM answers WHERE "
            "answers.engine = failures.engine AND answers.key = failures.key)"
        )
    ((merged.failures,),) = out.rows("SELECT count(*) FROM failures")
    return merged


def _refusal(path: Path, conflicts: list[str]) -> str:
    many = len(conflicts)
    count = "an answer" if many == 1 else f"{many} answers"
    if many >= MANY:
        count = f"{MANY} answers or more"
    more = "; ..." if many > TOLD else ""
    told = "; ".join(conflicts[:TOLD])
    return f"{path}: nothing was merged, for the stores disagree on {count}: {told}{more}"


@dataclass
class _Copy:
    """One source on its way into the store that is merged into."""

    source: Store
    store: Store
    tolerance: float | None
    merged: Merged
    conflicts: list[str]

    def __post_init__(self) -> None:
        self._from = self.source.database
        self._to = self.store.database
        self._engines: dict[int, tuple[int, EngineInfo]] = {}

    def answers(self) -> None:
        """Every answer, or why it may not come; gives up after many conflicts."""
        for row in _each(
            self._from,
            "SELECT rowid, engine, key, kind, method, shape, content, seconds, at FROM answers "
            "WHERE rowid > ? ORDER BY rowid LIMIT ?",
            first=0,
        ):
            _, number, key, *content = row
            if len(self.conflicts) >= MANY:
                return
            engine, info = self._engine(number)
            if self._to.write(
                "INSERT INTO answers (engine, key, kind, method, shape, content, seconds, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(engine, key, *content)],
            ):
                self.merged.answers += 1
            elif conflict := self._conflict(engine, info, key, EncodedAnswer(*content[:4])):
                self.conflicts.append(conflict)
            else:
                self.merged.known += 1

    def _conflict(self, engine: int, info: EngineInfo, key: str, comes: EncodedAnswer) -> str:
        (row,) = self._to.rows(
            "SELECT kind, method, shape, content FROM answers WHERE engine = ? AND key = ?",
            (engine, key),
        )
        there = EncodedAnswer(*row)
        if comes == there:
            return ""
        tolerance = self.tolerance
        if tolerance is None:
            tolerance = default_tolerance(info.dtype)
        wrong = disagreement(
            self.store.decode(key, there), self.source.decode(key, comes), tolerance
        )
        return f"{info.model}, {key}, {self.source.path}: {wrong}" if wrong else ""

    def failures(self) -> None:
        """Every failure that is later than what is known of the same question."""
        for (number,) in self._from.rows("SELECT id FROM engines"):
            engine, _ = self._engine(number)
            rows = _each(
                self._from,
                "SELECT key, reason, attempts, count, at FROM failures "
                "WHERE engine = ? AND key > ? ORDER BY key LIMIT ?",
                number,
                first="",
            )
            self._to.write(
                "INSERT INTO failures (engine, key, reason, attempts, count, at) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason, "
                "attempts = excluded.attempts, count = excluded.count, at = excluded.at "
                "WHERE excluded.at > failures.at",
                ((engine, *row) for row in rows),
            )

    def prompts_and_parts(self) -> None:
        """All of what answers refer to."""
        prompts = _each(
            self._from,
            "SELECT key, context, asked FROM prompts WHERE key > ? ORDER BY key LIMIT ?",
            first="",
        )
        self._to.write(
            "INSERT INTO prompts (key, context, asked) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            prompts,
        )
        parts = _each(
            self._from,
            "SELECT rowid, hash, content FROM parts WHERE rowid > ? ORDER BY rowid LIMIT ?",
            first=0,
        )
        self._to.write(
            "INSERT INTO parts (hash, content) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (row[1:] for row in parts),
        )

    def _engine(self, number: int) -> tuple[int, EngineInfo]:
        """An engine's number in the store that is merged into, and what it is."""
        if number not in self._engines:
            (row,) = self._from.rows("SELECT hash, info, at FROM engines WHERE id = ?", (number,))
            self._to.write(
                "INSERT INTO engines (hash, info, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [row],
            )
            ((here,),) = self._to.rows("SELECT id FROM engines WHERE hash = ?", (row[0],))
            self._to.write(
                "INSERT INTO aliases (hash, engine) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (
                    (name, here)
                    for (name,) in self._from.rows(
                        "SELECT hash FROM aliases WHERE engine = ?", (number,)
                    )
                ),
            )
            self._engines[number] = (here, decode_engine(row[1]))
        return self._engines[number]


def _each(database: Database, sql: str, *values: Any, first: int | str) -> Iterator[Any]:
    """All rows of a query a page at a time; its first column says where the next begins."""
    last: Any = first
    while rows := database.rows(sql, (*values, last, PAGE)):
        yield from rows
        last = rows[-1][0]
