"""The prompts of a plan, from when they are made until they are asked.

Some thousands stay in memory. More go into a temporary file without a name, which is gone when
it is closed, so that a plan may be larger than the memory. Each has its query's number.
"""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from grace.errors import GraceError
from grace.store.encode import EncodedPrompt, decode_prompt, encode_prompt
from grace.types import Prompt

Numbered = tuple[int, Prompt]

#: Bytes of the prompts kept in memory, about; and the prompts of a portion.
KEPT, PORTION = 128 * 1024**2, 2048
#: What Python needs, in bytes: a token with its letters, a form, and the rest of a prompt.
_TOKEN, _FORM, _PROMPT = 40, 200, 1000
#: The temporary file's cache.
CACHE_KIB = 16384


class PromptSpool:
    """Prompts by number; to be used in a `with` statement."""

    def __init__(self, kept: int = KEPT, portion: int = PORTION) -> None:
        self._most, self._portion = kept, portion
        self._kept: dict[int, Prompt] = {}
        self._size = 0  # of those, in bytes
        self._file: sqlite3.Connection | None = None

    def put(self, prompts: Iterable[Numbered]) -> None:
        """Keep these. Several may have the same key."""
        for number, prompt in prompts:
            self._kept[number] = prompt
            self._size += _size(prompt)
        if self._size > self._most:
            self._put_away()

    def in_order(self) -> Iterator[list[Numbered]]:
        """All of them by context, in portions; of those with the same key the first put.

        Neighbours share the longest beginnings. Where a portion ends, two of them are computed
        apart, as they are where a batch ends.
        """
        if self._file is not None:
            self._put_away()
        numbers = self._numbers_in_order()
        while portion := [n for _, n in zip(range(self._portion), numbers, strict=False)]:
            yield list(zip(portion, self.get(portion), strict=True))

    def get(self, numbers: Sequence[int]) -> list[Prompt]:
        """The prompts with these numbers, in their order."""
        if self._file is None:
            return [self._kept[number] for number in numbers]
        with _room():
            rows = self._file.execute(
                "SELECT number, key, context, asked FROM prompts "
                "WHERE number IN (SELECT value FROM json_each(?))",
                (json.dumps(list(numbers)),),
            )
            found = {number: _decode(*row) for number, *row in rows}
        return [found[number] for number in numbers]

    def _numbers_in_order(self) -> Iterator[int]:
        last = ""
        for key, number in self._sorted():
            if key != last:
                yield number
            last = key

    def _sorted(self) -> Iterator[tuple[str, int]]:
        if self._file is None:
            kept = sorted((p.context, p.key, number) for number, p in self._kept.items())
            yield from ((key, number) for _, key, number in kept)
        else:
            with _room():
                order = "SELECT key, number FROM prompts ORDER BY ids, key, number"
                yield from self._file.execute(order)

    def _put_away(self) -> None:
        with _room():
            if self._file is None:
                self._file = _temporary()
            self._file.executemany(
                "INSERT INTO prompts VALUES (?, ?, ?, ?, ?)",
                ((number, *_encode(prompt)) for number, prompt in self._kept.items()),
            )
        self._kept.clear()
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def _size(prompt: Prompt) -> int:
    forms = sum(map(len, prompt.forms))
    return _PROMPT + _TOKEN * len(prompt.context) + _FORM * forms


def _temporary() -> sqlite3.Connection:
    connection = sqlite3.connect("", isolation_level=None)
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    connection.execute("PRAGMA journal_mode=OFF")  # nobody needs it after an error
    connection.execute(
        "CREATE TABLE prompts "
        "(number INTEGER PRIMARY KEY, key TEXT, ids BLOB, context BLOB, asked BLOB)"
    )
    return connection


def _encode(prompt: Prompt) -> tuple[str, bytes, bytes, bytes]:
    """Key, ids (as bytes that sort as they do) and content."""
    parts = encode_prompt(prompt)
    ids = struct.pack(f">{len(prompt.context)}I", *prompt.context)
    return (prompt.key, ids, zlib.compress(parts.context, 1), zlib.compress(parts.asked, 1))


def _decode(key: str, context: bytes, asked: bytes) -> Prompt:
    prompt = decode_prompt(EncodedPrompt(zlib.decompress(context), zlib.decompress(asked)))
    vars(prompt)["key"] = key  # it was hashed before
    return prompt


@contextmanager
def _room() -> Iterator[None]:
    """A temporary file that has no room is one sentence."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise GraceError(
            f"a temporary file for the prompts cannot be written ({error}); free some space, or "
            "name another folder for such files in the variable TMPDIR"
        ) from error
