"""Words and numbers that could be an answer, wherever they stand in a line."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import regex

from grace.config import AnswerField, ChoiceField, PercentField
from grace.config.matching import WORD, longest_first, spelling

Value = int | float | str

#: No word, nor a part of one, as "no" in "know" and in "no-one".
_NO_WORD_BEFORE = rf"(?<!{WORD})(?<!{WORD}[-'])"
_NO_WORD_AFTER = rf"(?!{WORD}|[-']{WORD})"
#: "is" and counters that follow a number or word without a space and change nothing: "5点です".
_COPULA = r"(?:です|でした|だ|입니다|이다|예요|이에요)?"
_COUNTERS = rf"(?: ?(?:点|點|分|個|个|つ|점|개))?{_COPULA}"
_NUMBER = r"(?=[-.0-9])(?<![\w\p{M}\p{N}.])-?(?:[0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})"
_NO_DIGIT_AFTER = rf"(?!{WORD}|\.[0-9])"
_SIGN_WORDS = (
    r"(?:per ?cent|pct|prozent|pour ?cent|por ?ciento|por ?cento|per ?cento|procent(?:a|ów|i)?"
    r"|процент(?:а|ов)?|パーセント|퍼센트)"
)
_SIGN = rf"(?: *%| *{_SIGN_WORDS})"
_THOUSANDS = regex.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
_UNITS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
#: English numbers from 0 to 100, before "percent".
_WORDED = {
    **{word: number for number, word in enumerate(_UNITS)},
    **{ten: 20 + 10 * k for k, ten in enumerate(_TENS)},
    **{
        f"{ten}-{unit}": 20 + 10 * k + number
        for k, ten in enumerate(_TENS)
        for number, unit in enumerate(_UNITS[1:10], start=1)
    },
    "hundred": 100,
    "a hundred": 100,
    "one hundred": 100,
}
_WORDED_PATTERN = "|".join(word.replace("-", "[- ]") for word in longest_first(_WORDED))


@dataclass(frozen=True, slots=True)
class Token:
    """Words or a number that could be an answer, and where they stand in a line."""

    start: int
    end: int
    value: Value
    shown: str
    marked: bool = True  # False: a percentage without its sign
    thousands: bool = False  # "1.000%", which may be a thousand


def tokens(field: AnswerField, text: str) -> Iterator[Token]:
    """Everything in a line that could be an answer, in order."""
    spellings = field.spellings
    pattern, words = _compiled(field.type, tuple(spellings))
    for match in pattern.finditer(text):
        start, end = match.span()
        if match.lastindex is not None and match.lastindex <= len(words):
            value: Value = spellings[words[match.lastindex - 1]]
            shown = field.choices[str(value)][0] if isinstance(field, ChoiceField) else str(value)
            yield Token(start, end, value, shown)
        elif isinstance(field, PercentField):
            yield _percentage(match)
        else:
            digits = match["number"]
            number = float(digits) if "." in digits else int(digits)
            yield Token(start, end, number, digits)


def _percentage(match: regex.Match[str]) -> Token:
    if worded := match["worded"]:
        number = float(_WORDED[worded.replace(" ", "-") if "hundred" not in worded else worded])
        return Token(match.start(), match.end(), number, f"{number:g}%")
    sign = match["sign"] is not None
    number = float(match["number"])
    shown = f"{number:g}{'%' if sign else ''}"
    thousands = bool(_THOUSANDS.fullmatch(match["number"]))
    return Token(match.start(), match.end(), number, shown, sign, thousands)


@lru_cache(maxsize=256)
def _compiled(kind: str, spellings: tuple[str, ...]) -> tuple[regex.Pattern[str], list[str]]:
    """The pattern of `tokens`, in which each word has a group, and the words in their order."""
    words = longest_first(spellings)
    return regex.compile(_pattern(kind, words, groups=True)), words


def token_pattern(field: AnswerField) -> str:
    """A pattern for one answer, to stand in a larger one."""
    return _inner_pattern(field.type, tuple(field.spellings))


@lru_cache(maxsize=256)
def _inner_pattern(kind: str, spellings: tuple[str, ...]) -> str:
    pattern = _pattern(kind, longest_first(spellings), groups=False)
    return regex.sub(r"\(\?P<\w+>", "(?:", pattern)


def _pattern(kind: str, words: list[str], *, groups: bool) -> str:
    parts = [f"({spelling(word)})" if groups else spelling(word) for word in words]
    alternatives = []
    if parts:
        first = "".join({c if c.isalnum() else f"\\{c}" for c in (word[0] for word in words)})
        spelt = f"(?=[{first}]){_NO_WORD_BEFORE}(?:{'|'.join(parts)})"
        alternatives.append(f"{spelt}{_COPULA}{_NO_WORD_AFTER}")
    if kind == "percent":
        alternatives.append(
            rf"(?P<number>{_NUMBER})(?:(?P<sign>{_SIGN}){_COPULA}(?!{WORD})|{_NO_DIGIT_AFTER})"
        )
        alternatives.append(
            rf"(?=[a-z]){_NO_WORD_BEFORE}(?P<worded>{_WORDED_PATTERN}) +{_SIGN_WORDS}(?!{WORD})"
        )
    elif kind == "integer":
        alternatives.append(rf"(?P<number>{_NUMBER}){_COUNTERS}{_NO_DIGIT_AFTER}")
    return f"(?:{'|'.join(alternatives)})"


# A share of the whole, said otherwise than with a percent sign


_SHARE = regex.compile(
    rf"\s*(?P<top>[0-9]{{1,4}}) *(?:/|⁄) *(?P<bottom>[0-9]{{1,4}})(?![0-9])"
    r"|\s*(?P<vulgar>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒])"
    rf"|\s*(?:(?P<whole>[0-9]{{1,3}})(?:[.,](?P<decimals>[0-9]{{1,9}}))?|\.(?P<decimals>[0-9]{{1,9}}))"
    rf"(?P<sign>{_SIGN})?"
)


@dataclass(frozen=True, slots=True)
class Share:
    """A number between 0 and 1, or in percent, with the place where it ends in its text."""

    value: Fraction
    end: int
    percent: bool
    whole: bool  # written with digits only


def share(text: str) -> Share | None:
    """What a text begins with, where that is a share: "1/4", "¼", "0.25", "12,5%"."""
    match = _SHARE.match(text)
    if match is None:
        return None
    if match["vulgar"]:
        top, bottom = unicodedata.normalize("NFKC", match["vulgar"]).split("⁄")
        value = Fraction(int(top), int(bottom))
        return Share(value, match.end(), percent=False, whole=False)
    if match["top"]:
        if int(match["bottom"]) == 0:
            return None
        value = Fraction(int(match["top"]), int(match["bottom"]))
        return Share(value, match.end(), percent=False, whole=False)
    value = Fraction(f"{match['whole'] or 0}.{match['decimals'] or 0}")
    return Share(value, match.end(), match["sign"] is not None, match["decimals"] is None)
