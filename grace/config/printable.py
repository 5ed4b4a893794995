"""Text from a stimuli file or a model, made safe to look at.

Control characters show nothing, or break what is around them; marks of direction turn the rest
of a line around. Each is replaced by a sign that shows what stood there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

#: Control characters but tab and line feed, marks of direction, and halves of surrogate pairs.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb]"
)


def visible(text: str) -> str:
    """The text with ␀ for NUL, ⟨U+202E⟩ for a mark of direction, and so on; lines stay."""
    return _HIDDEN.sub(_sign, text.replace("\r\n", "\n"))


def writable(text: str) -> str:
    """The text without halves of surrogate pairs, which no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(text: str, length: int = 80) -> str:
    """The same on one line, cut where it is longer."""
    plain = " ".join(visible(text).split())
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    name = unicodedata.name(found[0], "")
    return f"⟨U+{code:04X}{' ' + name.lower() if name else ''}⟩"


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
