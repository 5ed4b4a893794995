"""A text twice, character by character: as shown to people and as matched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

#: What is neither seen nor white space (soft hyphens, marks of width, direction and variation,
#: byte order marks) goes; other control characters than a line's end become spaces.
_CLEAN: dict[int, str | None] = {
    **dict.fromkeys((0xAD, 0x61C, 0x180E, 0xFE0E, 0xFE0F, 0xFEFF)),
    **dict.fromkeys((*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))),
    **dict.fromkeys((*range(0x0A), *range(0x0B, 0x20), *range(0x7F, 0xA0)), " "),
}
#: One character each, so that a place in the one text is a place in the other.
_PLAIN = {
    ord(typographic): plain
    for plain, several in {
        "'": "‘’ʼ′´＇",
        '"': "“”„«»″＂",
        "-": "‐‑‒–—―−－",
        " ": "*_`#[]［］【】\u00a0\u1680\u202f\u205f\u3000"
        + "".join(map(chr, range(0x2000, 0x200B))),
        **dict(zip(":%,!.", "：％，！。", strict=True)),
        **dict(zip("0123456789", "０１２３４５６７８９", strict=True)),
    }.items()
    for typographic in several
}


@dataclass(frozen=True)
class Passage:
    """A part of an answer. `plain` has no Markdown or brackets, and plain punctuation."""

    shown: str
    plain: str

    def cut(self, start: int, end: int) -> Passage:
        """The part between two places."""
        return Passage(self.shown[start:end], self.plain[start:end])

    def first_line(self) -> Passage:
        """The first line with anything in it, from there on; empty if there is none."""
        line = re.search(r"\S[^\n]*", self.plain)
        return self.cut(*line.span()) if line else self.cut(0, 0)

    def excerpt(self, limit: int = 40) -> str:
        """The first line, shortened, for a status."""
        text = " ".join(self.first_line().shown.split()).strip(" ,;|")
        return text if len(text) <= limit else f"{text[: limit - 1]}…"


def passage(text: str, placeholders: Iterable[str] = (), ignore: Iterable[str] = ()) -> Passage:
    """An answer without control characters, placeholders and phrases to ignore.

    A placeholder ("[0-3]", echoed from the prompt) is read as nothing; an ignored phrase
    ("of the 3") as a comma, so that an answer may go on after it.
    """
    shown = "\n".join(text.splitlines()).translate(_CLEAN)
    known = shown
    if texts := "|".join(re.escape(p) for p in longest_first(placeholders)):
        known = re.sub(texts, lambda m: " " * len(m[0]), known, flags=re.IGNORECASE)
    known = known.translate(_PLAIN)
    if texts := "|".join(spelling(p) for p in longest_first(ignore)):
        pattern = rf"(?<!\w)(?:{texts})(?!\w|[.-]\w)"
        known = re.sub(pattern, lambda m: ",".ljust(len(m[0])), known, flags=re.IGNORECASE)
    return Passage(shown, known)


@lru_cache(maxsize=1024)
def plain(text: str) -> str:
    """One line as it is matched, without case: to see whether two spellings are one."""
    return " ".join(passage(text).plain.lower().split())


@lru_cache(maxsize=1024)
def spelling(text: str) -> str:
    """A pattern for a phrase, whatever the white space between its words."""
    return " +".join(re.escape(word) for word in plain(text).split())


def longest_first(texts: Iterable[str]) -> list[str]:
    """In the order to try them: "was not" before "was"."""
    return sorted(texts, key=len, reverse=True)
