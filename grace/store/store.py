"""The store: every answer, as it arrives, under a key made of its content.

An answer is found by what computed it (engine kind, version, model, revision, numeric type,
configuration) and by the prompt's key (token ids, options or sampling settings, replicate). So
the same command run again asks only what is missing, a changed prompt asks only what changed,
and several runs may share a store. Tables are views of it and can be rebuilt at any time.

Answers wait for at most a second and are then committed together: a killed run loses no more.
One thread at a time may use an open store; other processes may write to the same file meanwhile.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from grace.store.database import PATIENCE, Database
from grace.store.encode import (
    EncodedAnswer,
    EncodedPrompt,
    decode_answer,
    decode_engine,
    decode_prompt,
    decode_shape,
    decode_text,
    inflate,
)
from grace.store.engines import adopt, engine_hash, engine_id
from grace.store.problems import StoreError, damaged
from grace.store.write_buffer import Waiting
from grace.types import Answer, Answered, EngineInfo, Failure, Generation, OptionScores, Prompt

#: Commit when so many answers wait, or when the first of them has waited so long.
COMMIT_ANSWERS = 256
COMMIT_SECONDS = 1.0
#: Rows read at a time, and shared parts kept in memory: neither grows with the store.
CHUNK = 256
SHAPES_KEPT = 4096


@dataclass(frozen=True)
class Record:
    """A stored answer, the seconds it took where known, and when it came (since 1970)."""

    key: str
    answer: OptionScores | Generation
    seconds: float | None
    at: float


@dataclass(frozen=True)
class FailureRecord:
    """The last failure of a key, how often it has failed, and when it last did."""

    key: str
    failure: Failure
    count: int
    at: float


@dataclass(frozen=True)
class Counts:
    """How much a store holds of an engine."""

    scores: int = 0
    generations: int = 0
    failures: int = 0

    @property
    def answers(self) -> int:
        """All that need not be asked again."""
        return self.scores + self.generations


class Store:
    """Answers by engine and prompt, in one SQLite file."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._waiting = Waiting()
        self._shapes: dict[bytes, Any] = {}

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False, patience: float = PATIENCE) -> Self:
        """Open a store, or make one; StoreError says why it cannot be used.

        `patience` is how many seconds to wait for another process that is writing.
        """
        return cls(Database(Path(path), read_only=read_only, patience=patience))

    @property
    def path(self) -> Path:
        """The store's file. While it is open, one beside it ending in -wal is part of it."""
        return self.database.path

    @property
    def journal(self) -> str:
        """What makes commits safe: "wal", or "delete", a rollback journal (slower)."""
        return self.database.journal

    def add(
        self, info: EngineInfo, prompt: Prompt, answer: Answer, *, seconds: float | None = None
    ) -> bool:
        """Keep an answer, or record a failure; False where there is an answer already.

        The first answer stays: two runs that asked the same differ by numeric noise.
        """
        return self.add_batch(info, [(prompt, answer)], seconds=seconds) == 1

    def add_batch(
        self, info: EngineInfo, answered: Iterable[Answered], *, seconds: float | None = None
    ) -> int:
        """Keep answers that came together, in one commit; how many were new.

        `seconds` is what each of them took.
        """
        self._check_writable()
        new = 0
        for prompt, answer in answered:
            key = prompt.key
            if self._is_answered(info, key):
                continue
            if isinstance(answer, Failure):
                self._waiting.add_prompt(key, prompt)
                self._waiting.add_failure(info, key, answer)
            else:
                _check_fits(prompt, answer)
                self._waiting.add_answer(info, prompt, key, answer, seconds)
            new += 1
        self.tick()
        return new

    def fail(self, info: EngineInfo, key: str, failure: Failure) -> bool:
        """Record a failure by key alone: that of a query of which no prompt could be made."""
        self._check_writable()
        if self._is_answered(info, key):
            return False
        self._waiting.add_failure(info, key, failure)
        self.tick()
        return True

    def due(self) -> bool:
        """Whether what waits should be committed now."""
        return len(self._waiting) >= COMMIT_ANSWERS or self._waiting.seconds >= COMMIT_SECONDS

    def tick(self) -> int:
        """Commit if it is time; to be called a few times a second. How many were committed."""
        return self.flush() if self.due() else 0

    def flush(self) -> int:
        """Commit all that waits; how many. After an error all of it still waits."""
        committed = len(self._waiting)
        if committed:
            with self.database.transaction():
                self._waiting.write(self.database)
            self._waiting.clear()
        return committed

    def answers(
        self, info: EngineInfo, keys: Iterable[str]
    ) -> Iterator[tuple[str, OptionScores | Generation]]:
        """The answers there are, in the order of the keys, a few in memory at a time."""
        for record in self.records(info, keys):
            yield record.key, record.answer

    def records(self, info: EngineInfo, keys: Iterable[str]) -> Iterator[Record]:
        """As `answers`, with what each took and when it came."""
        for chunk, engine in self._chunks(info, keys):
            rows = self.database.rows(
                "SELECT key, kind, method, shape, content, seconds, at FROM answers "
                "WHERE engine = ? AND key IN (SELECT value FROM json_each(?))",
                (engine, json.dumps(chunk)),
            )
            found = {row[0]: row[1:] for row in rows}
            for key in chunk:
                if key in found:
                    *encoded, seconds, at = found[key]
                    yield Record(key, self.decode(key, EncodedAnswer(*encoded)), seconds, at)

    def missing(self, info: EngineInfo, keys: Iterable[str]) -> list[str]:
        """The keys without an answer, in the order given; failures are no answers."""
        keys = list(keys)
        present: set[str] = set()
        for chunk, engine in self._chunks(info, keys):
            rows = self.database.rows(
                "SELECT key FROM answers "
                "WHERE engine = ? AND key IN (SELECT value FROM json_each(?))",
                (engine, json.dumps(chunk)),
            )
            present.update(row[0] for row in rows)
        return [key for key in keys if key not in present]

    def failures(
        self, info: EngineInfo, keys: Iterable[str] | None = None
    ) -> Iterator[tuple[str, Failure]]:
        """The failures of these keys in their order, or all there are of an engine."""
        for record in self.failure_records(info, keys):
            yield record.key, record.failure

    def failure_records(
        self, info: EngineInfo, keys: Iterable[str] | None = None
    ) -> Iterator[FailureRecord]:
        """As `failures`, with how often and when."""
        chosen = self._failed_keys(info) if keys is None else keys
        for chunk, engine in self._chunks(info, chosen):
            rows = self.database.rows(
                "SELECT key, reason, attempts, count, at FROM failures "
                "WHERE engine = ? AND key IN (SELECT value FROM json_each(?))",
                (engine, json.dumps(chunk)),
            )
            found = {
                key: FailureRecord(key, Failure(decode_text(reason), attempts), count, at)
                for key, reason, attempts, count, at in rows
            }
            yield from (found[key] for key in chunk if key in found)

    def _failed_keys(self, info: EngineInfo) -> Iterator[str]:
        engine, last = engine_id(self.database, engine_hash(info)), ""
        while rows := self.database.rows(
            "SELECT key FROM failures WHERE engine = ? AND key > ? ORDER BY key LIMIT ?",
            (engine, last, CHUNK),
        ):
            yield from (key for (key,) in rows)
            last = rows[-1][0]

    def prompts(self, keys: Iterable[str]) -> Iterator[tuple[str, Prompt]]:
        """The prompts of these keys as they were first asked, in their order."""
        self.flush()
        for chunk in _chunked(keys):
            rows = self.database.rows(
                "SELECT prompts.key, context.content, asked.content FROM prompts "
                "JOIN parts AS context ON context.hash = prompts.context "
                "JOIN parts AS asked ON asked.hash = prompts.asked "
                "WHERE prompts.key IN (SELECT value FROM json_each(?))",
                (json.dumps(chunk),),
            )
            found = {key: (context, asked) for key, context, asked in rows}
            for key in chunk:
                if key in found:
                    with self._trusting(key):
                        parts = EncodedPrompt(*map(inflate, found[key]))
                        prompt = decode_prompt(parts)
                        if prompt.key != key:
                            raise ValueError("the prompt is another one")
                    yield key, prompt

    def counts(self, info: EngineInfo) -> Counts:
        """How many answers and failures there are of an engine."""
        self.flush()
        engine = engine_id(self.database, engine_hash(info))
        rows = self.database.rows(
            "SELECT kind, count(*) FROM answers WHERE engine = ? GROUP BY kind", (engine,)
        )
        by_kind = dict(rows)
        ((failures,),) = self.database.rows(
            "SELECT count(*) FROM failures WHERE engine = ?", (engine,)
        )
        return Counts(by_kind.get("scores", 0), by_kind.get("generation", 0), failures)

    def engines(self) -> list[EngineInfo]:
        """What has answered, first come first; method and details as of its first answer."""
        self.flush()
        return [
            decode_engine(info)
            for (info,) in self.database.rows("SELECT info FROM engines ORDER BY id")
        ]

    def knows(self, info: EngineInfo) -> bool:
        """Whether an engine has answered here, or failed to."""
        self.flush()
        return engine_id(self.database, engine_hash(info)) is not None

    def adopt(self, info: EngineInfo) -> bool:
        """Let an engine find what version 0.1.0 stored of it; see `grace.store.engines`."""
        self._check_writable()
        self.flush()
        with self.database.transaction():
            return adopt(self.database, info)

    def of_others(self, info: EngineInfo, keys: Iterable[str]) -> list[tuple[EngineInfo, int]]:
        """How many of these prompts the same model has answered as another engine, by engine.

        Another version, revision, numeric type or configuration; most answers first.
        """
        self.flush()
        own = engine_id(self.database, engine_hash(info))
        rows = self.database.rows("SELECT id, info FROM engines ORDER BY id DESC")
        engines = {number: decode_engine(encoded) for number, encoded in rows}
        alike = [
            number
            for number, other in engines.items()
            if number != own and (other.kind, other.model) == (info.kind, info.model)
        ]
        counts = dict.fromkeys(alike, 0)
        for chunk in _chunked(keys) if alike else ():
            for number in alike:
                ((n,),) = self.database.rows(
                    "SELECT count(*) FROM answers "
                    "WHERE engine = ? AND key IN (SELECT value FROM json_each(?))",
                    (number, json.dumps(chunk)),
                )
                counts[number] += n
        found = [(engines[number], n) for number, n in counts.items() if n]
        return sorted(found, key=lambda each: -each[1])

    def decode(self, key: str, encoded: EncodedAnswer) -> OptionScores | Generation:
        """A stored answer, or StoreError where it is damaged."""
        with self._trusting(key):
            return decode_answer(encoded, self._shape(encoded))

    def _shape(self, encoded: EncodedAnswer) -> Any:
        shape = self._shapes.get(encoded.shape)
        if shape is None:
            found = self.database.rows("SELECT content FROM parts WHERE hash = ?", (encoded.shape,))
            if not found:
                raise ValueError("a part is gone")
            shape = decode_shape(encoded.kind, inflate(found[0][0]))
            if len(self._shapes) >= SHAPES_KEPT:
                self._shapes.clear()
            self._shapes[encoded.shape] = shape
        return shape

    @contextmanager
    def _trusting(self, key: str) -> Iterator[None]:
        """Bytes that do not decode are a damaged store, not a programmer's mistake."""
        try:
            yield
        except (zlib.error, struct.error, ValueError, TypeError) as error:
            raise StoreError(damaged(self.path, f"at {key}: {error}")) from error

    def _chunks(self, info: EngineInfo, keys: Iterable[str]) -> Iterator[tuple[list[str], int]]:
        """Keys a few at a time, with the engine's number; none where it has no rows."""
        self.flush()
        engine = engine_id(self.database, engine_hash(info))
        if engine is not None:
            for chunk in _chunked(keys):
                yield chunk, engine

    def _is_answered(self, info: EngineInfo, key: str) -> bool:
        name = engine_hash(info)
        return self._waiting.has_answer(name, key) or bool(
            self.database.rows(
                "SELECT 1 FROM answers WHERE key = ? AND engine IN (SELECT id FROM engines "
                "WHERE hash = ? UNION ALL SELECT engine FROM aliases WHERE hash = ?)",
                (key, name, name),
            )
        )

    def _check_writable(self) -> None:
        if self.database.read_only:
            raise StoreError(f"{self.path}: the store was opened for reading only")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except StoreError as problem:
            if error is None:
                raise
            error.add_note(f"{problem}")  # what went wrong first is what the user must know

    def close(self) -> None:
        """Commit what waits and close the file, which is then whole by itself."""
        try:
            self.flush()
        finally:
            self.database.close()


def _chunked(keys: Iterable[str]) -> Iterator[list[str]]:
    keys = iter(keys)
    while chunk := list(islice(keys, CHUNK)):
        yield chunk


def _check_fits(prompt: Prompt, answer: OptionScores | Generation) -> None:
    """An answer to another question must not get in under this prompt's key."""
    asked = [option.name for option in prompt.query.options]
    got = [option.name for option in answer.options] if isinstance(answer, OptionScores) else []
    if got != asked:
        raise ValueError(f"the prompt asks for the options {asked}, the answer has {got}")
