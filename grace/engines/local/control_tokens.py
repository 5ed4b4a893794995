"""Which spellings in a text a Hugging Face tokeniser reads as control tokens.

Its special tokens, those added ones that its chat template writes, and those that look like
markup. Most are found by their exact spelling; one that is looked for in the normalised text
has other spellings (capitals, full-width letters), for which the ids themselves are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grace.questions.control_tokens import MARKUP, control_pattern, first_control, is_html


class Control:
    """A tokeniser's control tokens; `source` is the chat template that is used."""

    def __init__(self, tokenizer: Any, source: str) -> None:
        self._hf = tokenizer
        self._known: dict[str, str] = {}
        added = tokenizer.added_tokens_decoder
        self._ids = {
            number: token.content
            for number, token in added.items()
            if token.content.strip() and (token.special or _is_markup(token.content, source))
        }
        self._pattern = control_pattern(self._ids.values())
        self._respelt = any(
            added[number].normalized and self._has_others(number, spelling)
            for number, spelling in self._ids.items()
        )

    def first(self, texts: Iterable[str]) -> str:
        """The first spelling of a control token in the texts, or ""."""
        for text in texts:
            found = first_control((text,), self._pattern)
            if found or (self._respelt and (found := self._by_ids(text))):
                return found
        return ""

    def _by_ids(self, text: str) -> str:
        """The first control token that a text's ids hold."""
        if text not in self._known:
            held = (self._ids[i] for i in self._encode(text) if i in self._ids)
            self._known[text] = next(held, "")
        return self._known[text]

    def _has_others(self, number: int, spelling: str) -> bool:
        """Whether other spellings of a token become it."""
        return any(
            other != spelling and number in self._encode(f"a {other} a")
            for other in _others(spelling)
        )

    def _encode(self, text: str) -> list[int]:
        found: list[int] = self._hf.encode(text, add_special_tokens=False)
        return found


def _is_markup(spelling: str, source: str) -> bool:
    """Whether an added token is more than a word or a picture: the template's, or a tag."""
    if spelling in source:
        return not spelling.strip().isalnum()
    return MARKUP.fullmatch(spelling.strip()) is not None and not is_html(spelling.strip())


def _others(spelling: str) -> Iterable[str]:
    """What normalisers make the same: case, full width, accents, what is not seen."""
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in spelling)
    accented = "".join(f"{c}\u0301" if c.isalpha() else c for c in spelling)
    hidden = "\u200b".join(spelling)
    control = "\x01".join(spelling)
    return (spelling.upper(), spelling.lower(), spelling.title(), wide, accented, hidden, control)
