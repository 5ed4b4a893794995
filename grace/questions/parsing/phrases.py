"""The lists of words in the YAML files beside this module, as patterns."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import regex
import yaml

_FILES = ("reservations.yaml", "remarks.yaml")
_BLANK = regex.compile(r" (?![*+?])")
_PIECE = regex.compile(r"<(\w+)>")


@cache
def _lists() -> dict[str, dict[str, str]]:
    lists: dict[str, dict[str, str]] = {}
    for name in _FILES:
        text = Path(__file__).with_name(name).read_text(encoding="utf-8")
        lists |= yaml.safe_load(text)
    return lists


def phrases(category: str, but: str = "") -> list[str]:
    """The phrases of a category in all languages but one, with the pieces they name filled in."""
    texts = (text for tongue, text in _lists()[category].items() if tongue not in ("parts", but))
    return [_filled(phrase.strip()) for text in texts for phrase in text.split(", ")]


def any_of(category: str, but: str = "") -> str:
    """A pattern for each phrase of a category, as whole words."""
    found = "|".join(_BLANK.sub(" +", phrase) for phrase in phrases(category, but))
    parts = _lists()[category].get("parts")
    return rf"(?:\b(?:{found})(?:\b|(?<=\W))" + (f"|{_filled(parts)})" if parts else ")")


def pattern(category: str, but: str = "") -> re.Pattern[str]:
    """The phrases of a category, compiled.

    By the standard library, which tries many alternatives several times faster than `regex`.
    """
    return re.compile(any_of(category, but))


def _filled(text: str) -> str:
    return _PIECE.sub(lambda m: _filled(_lists()["pieces"][m[1]]), text)
