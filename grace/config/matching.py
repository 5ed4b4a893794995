"""A text twice, character by character: as shown to people and as matched.

Both are in one normal form, so that what looks alike is alike: composed letters (NFC),
full-width and ornamental letters as plain ones, digits of all scripts as 0 to 9. What is
matched has no case, no Markdown, and the plain form of each mark of punctuation.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import regex

#: A character of a word: a letter or digit with its marks, also ½ and ². Python's own `\w` ends
#: a word before a combining mark, in the middle of most words of Hindi or Thai.
WORD = r"[\w\p{M}\p{N}]"
#: Scripts that write words without spaces between them: "5点です".
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"

#: Other control characters than a line's end become spaces.
_CONTROLS: dict[int, str | None] = dict.fromkeys(
    (*range(0x0A), *range(0x0B, 0x20), *range(0x7F, 0xA0)), " "
)
#: What is neither seen nor white space goes: soft hyphens, marks of width, of direction and of
#: variation. A joiner between pictures stays, for a picture joined to another is another.
_UNSEEN = regex.compile(
    r"(?!\u200d(?<=\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?\u200d))"
    r"(?:\p{Default_Ignorable_Code_Point}|\p{Cf})"
)
#: Full-width and half-width forms, small forms, ligatures, mathematical letters.
_ORNAMENTAL = regex.compile(
    r"[\ufb00-\ufb06\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uffee\U0001d400-\U0001d7ff]+"
)
_DIGIT = regex.compile(r"[^\P{Nd}0-9]")
#: "2️⃣" is a 2; before a number, as in "2️⃣ 60%", it says what the number is of.
_KEYCAP = regex.compile(r"(?<=[0-9])\ufe0f?\u20e3(?<before> +(?=[0-9]))?")
#: A long dash between words is no hyphen: "no—he has not".
_BREAK = regex.compile(r"(?<=\p{L})[—―](?=\p{L})")
#: "wasn`t"
_BACKTICK = regex.compile(r"(?<=\p{L})`(?=\p{L})")
#: In Greek a semicolon asks.
_GREEK_QUESTION = regex.compile(r"(?<=[\p{Greek}] ?)[;\u037e]")

_MARKUP = "*_`#[]［］【】〔〕〖〗〘〙"
#: One character each, so that a place in the one text is a place in the other.
_PLAIN = {
    ord(typographic): plain
    for plain, several in {
        "'": "‘’‚‛ʼ´‹›ʹ",
        '"': "“”„‟«»「」『』｢｣《》〈〉〝〞〟❝❞״",
        "-": "‐‑‒–—―−⸺⸻﹘﹣－⁃",
        ".": "。｡．…‥।॥։።။۔٫",
        ",": "、，､،፣՝",
        ";": "؛፤",
        ":": "：∶ː፦",
        "!": "！",
        "?": "¿؟？՞፧⸮⁇⁈⁉‽❓❔",
        "%": "％٪﹪",
        "~": "～〜∼˜",
        "/": "⁄∕／",
        " ": "¡\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))),
        "i": "İı",
        "σ": "ς",
    }.items()
    for typographic in several
}
_NO_MARKUP = dict.fromkeys(map(ord, _MARKUP), " ")
#: İ is the only letter whose small form is two characters.
_TURKISH = {ord("İ"): "i", ord("ı"): "i"}


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of an answer. `plain` has no case, Markdown or brackets, and plain punctuation."""

    shown: str
    plain: str

    def cut(self, start: int, end: int) -> Passage:
        """The part between two places."""
        return Passage(self.shown[start:end], self.plain[start:end])

    def first_line(self) -> Passage:
        """The first line with anything in it, from there on; empty if there is none."""
        line = _LINE.search(self.plain)
        return self.cut(*line.span()) if line else self.cut(0, 0)

    def excerpt(self, limit: int = 40) -> str:
        """The first line, shortened, for a status."""
        text = " ".join(self.first_line().shown.split()).strip(" ,;|")
        return text if len(text) <= limit else f"{text[: limit - 1]}…"


_LINE = regex.compile(r"\S[^\n]*")


def normal(text: str) -> str:
    """A text in the normal form in which answers and choices are compared, case apart."""
    text = "\n".join(text.splitlines()).translate(_CONTROLS)
    if "`" in text:
        text = _BACKTICK.sub("'", text)
    if text.isascii():
        return text
    text = _ORNAMENTAL.sub(lambda m: unicodedata.normalize("NFKC", m[0]), text)
    text = _KEYCAP.sub(lambda m: ": " if m["before"] else "", text)
    text = _UNSEEN.sub("", _GREEK_QUESTION.sub("?", text))
    text = unicodedata.normalize("NFC", text).replace("i\u0307", "i")
    return _DIGIT.sub(lambda m: str(unicodedata.digit(m[0])), text)


def passage(text: str, placeholders: Iterable[str] = (), ignore: Iterable[str] = ()) -> Passage:
    """An answer in its normal form, without placeholders and phrases to ignore.

    A placeholder ("[0-3]", echoed from the prompt) is read as nothing; an ignored phrase
    ("of the 3") as a comma, so that an answer may go on after it.
    """
    shown = normal(text)
    known = _folded(shown)
    if placeholders:
        known = _placeholders(tuple(placeholders)).sub(lambda m: " " * len(m[0]), known)
    known = known.translate(_NO_MARKUP)
    if ignore:
        known = _ignored(tuple(ignore)).sub(lambda m: ",".ljust(len(m[0])), known)
    return Passage(shown, known)


def _folded(shown: str) -> str:
    """Without case and typography, character by character."""
    if shown.isascii():
        return shown.lower()
    known = _BREAK.sub(";", shown.translate(_TURKISH).lower())
    return known.translate(_PLAIN)


@lru_cache(maxsize=64)
def _placeholders(texts: tuple[str, ...]) -> regex.Pattern[str]:
    return regex.compile("|".join(regex.escape(_folded(normal(t))) for t in longest_first(texts)))


@lru_cache(maxsize=64)
def _ignored(texts: tuple[str, ...]) -> regex.Pattern[str]:
    """Phrases between words; in scripts without spaces also several at once, after a digit."""
    spaced = [t for t in longest_first(texts) if not _is_unspaced(plain(t))]
    joined = [t for t in longest_first(texts) if _is_unspaced(plain(t))]
    parts = []
    if spaced:
        starts = rf"(?:(?<!{WORD})|(?=[^\w\s]))"  # "/100" may follow a number
        parts.append(rf"{starts}(?:{'|'.join(spelling(t) for t in spaced)})")
    if joined:
        words = "|".join(spelling(t) for t in joined)
        parts.append(rf"(?<![\p{{L}}\p{{M}}])(?:{words})(?: *(?:{words}))*")
    return regex.compile(rf"(?:{'|'.join(parts)})(?!{WORD}|[.-]{WORD})")


def _is_unspaced(text: str) -> bool:
    return bool(regex.match(UNSPACED, text))


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """One line as it is matched, without case: to see whether two spellings are one."""
    return " ".join(passage(text).plain.split())


@lru_cache(maxsize=4096)
def spelling(text: str) -> str:
    """A pattern for a phrase, whatever the white space between its words."""
    return " +".join(regex.escape(word).replace("ß", "(?:ß|ss)") for word in plain(text).split())


def longest_first(texts: Iterable[str]) -> list[str]:
    """In the order to try them: "was not" before "was"."""
    return sorted(texts, key=len, reverse=True)
