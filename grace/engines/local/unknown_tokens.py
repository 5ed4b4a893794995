"""Characters a tokeniser has no token for: they become its unknown token, or nothing at all.

Byte-level tokenisers and those that fall back on bytes lose none. That is tried once, with a
character that nobody writes; only where it is lost is each prompt looked through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Of a private plane: no text a tokeniser was made from has it.
NOBODY_S = "\U000f1234"
FLAG = "unknown_token"


class Lost:
    """Which texts lose characters with a tokeniser."""

    def __init__(self, tokenizer: Any) -> None:
        self._hf = tokenizer
        self._unknown = tokenizer.unk_token_id
        tried = self._ids(f"a{NOBODY_S}a")
        self._marks = self._unknown is not None and self._unknown in tried
        self._drops = not self._marks and tried == self._ids("aa")
        self._known: dict[str, bool] = {}

    def any(self, text: str, ids: Sequence[int]) -> bool:
        """Whether characters of the text, which these ids stand for, are lost."""
        if self._marks:
            return self._unknown in ids
        return self._drops and any(self._dropped(c) for c in set(text) if not c.isspace())

    def _dropped(self, character: str) -> bool:
        known = self._known.get(character)
        if known is None:
            known = self._ids(f"a{character}a") == self._ids("aa")
            self._known[character] = known
        return known

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self._hf.encode(text, add_special_tokens=False)
        return found
