"""Text from a stimuli file or a model, made safe to look at.

Control characters show nothing, or break what is around them; marks of direction turn the rest
of a line around. Each is replaced by a sign that shows what stood there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from grace.errors import visible


def writable(text: str) -> str:
    """The text without halves of surrogate pairs, which no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(text: str, length: int = 80) -> str:
    """The same on one line, cut where it is longer."""
    plain = " ".join(visible(text).split())
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def look(text: str) -> str:
    """What people see of a text: two that look alike are the same.

    That is its composed form, blanks of any kind as one, without signs that show nothing; joiners
    stay, for they change letters (Persian, Hindi).
    """
    if text.isascii():
        return " ".join(text.split())
    seen = "".join(
        sign
        for sign in unicodedata.normalize("NFC", text)
        if unicodedata.category(sign) != "Cf" or sign in "\u200c\u200d"
    )
    return " ".join(seen.split())


def spelt(text: str) -> str:
    """A text with the code of each sign that is not ASCII: what tells two alike apart."""
    return "".join(sign if sign.isascii() else f"⟨U+{ord(sign):04X}⟩" for sign in text)


def distinct(texts: Sequence[str], length: int) -> list[str]:
    """Each on one line and cut where it is longer; those that then look alike are numbered."""
    cut = [one_line(text, length) for text in texts]
    if len(set(cut)) == len(set(texts)):
        return cut
    same: dict[str, list[str]] = {}
    for text, short in zip(texts, cut, strict=True):
        same.setdefault(short, [])
        if text not in same[short]:
            same[short].append(text)
    return [
        short if len(same[short]) == 1 else f"{short} ({1 + same[short].index(text)})"
        for text, short in zip(texts, cut, strict=True)
    ]
