"""Answers that wait to be committed, in the form in which they will be written.

All the work on an answer (hashing, packing, deflating) is done as it comes, so that the file is
locked for no longer than it takes to write a few hundred rows.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from grace.store.database import Database
from grace.store.encode import (
    deflate,
    encode_answer,
    encode_engine,
    encode_prompt,
    encode_text,
)
from grace.store.engines import engine_hash, engine_id
from grace.types import EngineInfo, Failure, Generation, OptionScores, Prompt

#: Shared parts remembered as written, so that they are not sent again with every answer.
REMEMBERED = 10_000


class Waiting:
    """Rows not yet committed. Nothing is let go before it is on the disk."""

    def __init__(self) -> None:
        self._answers: dict[tuple[bytes, str], tuple[Any, ...]] = {}
        self._failures: list[tuple[Any, ...]] = []
        self._engines: dict[bytes, tuple[bytes, bytes, float]] = {}
        self._prompts: dict[str, tuple[bytes, bytes]] = {}
        self._parts: dict[bytes, bytes] = {}
        self._written: set[bytes] = set()
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._answers) + len(self._failures)

    @property
    def seconds(self) -> float:
        """How long the first of them has waited."""
        return time.monotonic() - self._since if len(self) else 0.0

    def has_answer(self, engine: bytes, key: str) -> bool:
        """Whether an answer for this engine and key waits here."""
        return (engine, key) in self._answers

    def add_answer(
        self,
        info: EngineInfo,
        prompt: Prompt,
        key: str,
        answer: OptionScores | Generation,
        seconds: float | None,
    ) -> None:
        """Take an answer in."""
        encoded = encode_answer(answer)
        shape = self._add_part(encoded.shape)
        self.add_prompt(key, prompt)
        engine = self._add_engine(info)
        row = (encoded.kind, encoded.method, shape, encoded.content, seconds, time.time())
        self._start_clock()
        self._answers[engine, key] = row

    def add_failure(self, info: EngineInfo, key: str, failure: Failure) -> None:
        """Take a failure in."""
        engine = self._add_engine(info)
        row = (engine, key, encode_text(failure.reason), failure.attempts, time.time())
        self._start_clock()
        self._failures.append(row)

    def add_prompt(self, key: str, prompt: Prompt) -> None:
        """Take a prompt in; the parts it shares with others once."""
        encoded = encode_prompt(prompt)
        self._prompts[key] = (self._add_part(encoded.context), self._add_part(encoded.asked))

    def _add_part(self, content: bytes) -> bytes:
        name = hashlib.blake2b(content, digest_size=16).digest()
        if name not in self._written and name not in self._parts:
            self._parts[name] = deflate(content)
        return name

    def _add_engine(self, info: EngineInfo) -> bytes:
        name = engine_hash(info)
        if name not in self._engines:
            self._engines[name] = (name, encode_engine(info), time.time())
        return name

    def _start_clock(self) -> None:
        if not len(self):
            self._since = time.monotonic()

    def write(self, database: Database) -> None:
        """Write all of it, in one transaction of the caller's."""
        database.write(
            "INSERT INTO engines (hash, info, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            self._engines.values(),
        )
        ids = {name: engine_id(database, name) for name in self._engines}
        database.write(
            "INSERT INTO parts (hash, content) VALUES (?, ?) ON CONFLICT DO NOTHING",
            self._parts.items(),
        )
        database.write(
            "INSERT INTO prompts (key, context, asked) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            ((key, *parts) for key, parts in self._prompts.items()),
        )
        database.write(
            "INSERT INTO failures (engine, key, reason, attempts, count, at) "
            "SELECT ?, ?, ?, ?, 1, ? WHERE NOT EXISTS "
            "(SELECT 1 FROM answers WHERE engine = ? AND key = ?) "
            "ON CONFLICT DO UPDATE SET reason = excluded.reason, "
            "attempts = excluded.attempts, count = count + 1, at = excluded.at",
            ((ids[engine], key, *row, ids[engine], key) for engine, key, *row in self._failures),
        )
        database.write(
            "INSERT INTO answers (engine, key, kind, method, shape, content, seconds, at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            ((ids[engine], key, *row) for (engine, key), row in self._answers.items()),
        )
        database.write(
            "DELETE FROM failures WHERE engine = ? AND key = ?",
            ((ids[engine], key) for engine, key in self._answers),
        )

    def clear(self) -> None:
        """Let all of it go, once it is committed."""
        self._answers.clear()
        self._failures.clear()
        if len(self._written) > REMEMBERED:
            self._written.clear()
        self._written.update(self._parts)
        for shared in (self._prompts, self._parts, self._engines):
            shared.clear()
