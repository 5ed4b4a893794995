"""Characters a tokeniser has no token for, and differences between texts that it does not make.

A character becomes the tokeniser's unknown token, or nothing at all: some take away what they
think no text (control characters, private ones, accents). The unknown token is seen among the
ids; what is taken away only by trying each character, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grace.questions.lost_differences import BETWEEN, NOBODY_S, TOLD_APART

LETTERS = frozenset("".join(map("".join, BETWEEN)))


class Lost:
    """Which texts lose characters with a tokeniser."""

    def __init__(self, tokenizer: Any) -> None:
        self._hf = tokenizer
        unknown = tokenizer.unk_token_id
        #: It may be a token with another task too (GPT-2's end of text), which templates write.
        tasks = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
        meant = unknown in tasks or str(tokenizer.unk_token) in str(tokenizer.chat_template)
        used = any(unknown in self._ids(f"a{one}a") for one, _ in NOBODY_S)
        self._unknown = unknown if used or not meant else None
        #: Characters are tried between these, which the tokeniser is to know.
        known = [pair for pair in BETWEEN if unknown not in self._ids("".join(pair))]
        self._between = known[0] if known else None
        self._dropped: dict[str, bool] = {}
        ascii_ones = map(chr, range(33, 127))
        self._ascii = frozenset(c for c in ascii_ones if c not in LETTERS and self._drops(c))

    def any(self, text: str, ids: Sequence[int]) -> bool:
        """Whether characters of the text, which these ids stand for, are lost."""
        if self._unknown is not None and self._unknown in ids:
            return True
        if not self._ascii and text.isascii() and text.isprintable():
            return False
        return any(self._drops(c) for c in set(text) if c not in LETTERS and not c.isspace())

    def alike(self) -> list[str]:
        """In what texts may differ that are the same to the tokeniser."""
        return [
            what
            for what, (one, other) in TOLD_APART.items()
            if (ids := self._ids(one)) == self._ids(other) and self._unknown not in ids
        ]

    def _drops(self, character: str) -> bool:
        known = self._dropped.get(character)
        if known is None:
            before, behind = self._between or ("", "")
            bare = self._ids(before + behind)
            known = bool(bare) and self._ids(before + character + behind) == bare
            self._dropped[character] = known
        return known

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self._hf.encode(text, add_special_tokens=False)
        return found
