"""The asked sentence, wherever an answer makes it, and whether it is said in earnest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from string import Formatter

import regex

from grace.config import ParserSpec
from grace.config.answer_fields import sentence_gaps
from grace.config.matching import WORD, Passage, passage
from grace.questions.parsing.quoting import Around, affirmed, doubted, set_aside
from grace.questions.parsing.remarks import withdrawals
from grace.questions.parsing.tokens import Token, Value, token_pattern, tokens

_PICTURE = r"[^\x00-\x7f\w\s\p{M}\p{Sc}\p{Sm}\p{P}]"
#: Before a sentence: a line's start with bullets, another sentence's end, a quote, a picture.
_STARTS = rf"""(?:^[ >•|(-]*|(?<=[.!?:"),]) *"|(?<=[.!?:")]) *|(?<!{WORD})'|(?<={_PICTURE}) *)"""
_ENDS = rf"""(?= *(?:$|[.!")]|,["']|'(?!{WORD})|{_PICTURE}))"""


@dataclass(frozen=True)
class Statement:
    """The sentence at one place: its answers, and whether it holds there."""

    tokens: dict[str, Token]
    shown: str
    start: int
    end: int
    doubtful: bool = False
    taken_back: bool = False
    affirmed: bool = False
    set_aside: bool = False

    @property
    def values(self) -> tuple[Value, ...]:
        """What it says, whatever its words."""
        return tuple(token.value for token in self.tokens.values())


def find_statements(answer: Passage, spec: ParserSpec, speaker: str = "") -> list[Statement]:
    """The sentences that count.

    One that is denied, supposed or another's is doubtful; it is left out only where another is
    plainly what the speaker says. What stands before a correction counts no longer.
    """
    found = list(_candidates(answer, spec, speaker))
    if not found:
        return _bare(answer, spec)
    cue = next((c for c in reversed(_cues(answer, found))), None)
    if cue is not None:
        later = [s for s in found if s.start >= cue]
        found = later or [replace(s, taken_back=True) for s in found]
    firm = [s for s in found if not s.doubtful]
    aside = all(s.set_aside for s in found if s.doubtful)
    if firm and aside and all(s.affirmed for s in firm):
        return firm
    return found


def _cues(answer: Passage, found: list[Statement]) -> list[int]:
    """Where a statement before is taken back."""
    return list(withdrawals(answer.plain, found[0].end))


def _candidates(answer: Passage, spec: ParserSpec, speaker: str) -> Iterator[Statement]:
    names = sentence_gaps(spec.sentence)
    before = 0
    seen: set[tuple[str, Around]] = set()
    matches = list(_pattern(spec).finditer(answer.plain))
    for match, following in zip(matches, [*matches[1:], None], strict=False):
        end = following.start(1) if following else len(answer.plain)
        around = Around.of(answer, before, match.span(1), end)
        before = match.end(1)
        key = (match[1], around)
        if key in seen:
            continue
        seen.add(key)
        found = {name: next(tokens(spec.fields[name], match[name])) for name in names}
        start, stop = match.span(1)
        shown = answer.cut(start, stop).excerpt()
        plainly = affirmed(around)
        inner = any("[" in answer.shown[a + 1 : b] for a, b in map(match.span, names))
        doubtful = inner or doubted(around, affirmed=plainly, speaker=speaker)
        aside = doubtful and set_aside(around)
        yield Statement(
            found, shown, start, stop, doubtful=doubtful, affirmed=plainly, set_aside=aside
        )


def _pattern(spec: ParserSpec) -> regex.Pattern[str]:
    gaps = tuple((name, token_pattern(spec.fields[name])) for name in sentence_gaps(spec.sentence))
    return _compiled(spec.sentence or "", gaps)


@lru_cache(maxsize=64)
def _compiled(sentence: str, gaps: tuple[tuple[str, str], ...]) -> regex.Pattern[str]:
    """The sentence between others; a final full stop is left to the sentence's end."""
    patterns = dict(gaps)
    parts = []
    for text, name, _, _ in Formatter().parse(sentence.rstrip(" .!。")):
        parts += [
            " +" if piece.isspace() else regex.escape(piece)
            for piece in regex.split("( +)", passage(text).plain)
        ]
        if name is not None:
            parts.append(f"(?P<{name}>{patterns[name]})")
    inner = "".join(parts).removeprefix(" +").removesuffix(" +")
    return regex.compile(f"{_STARTS}({inner}){_ENDS}", regex.MULTILINE)


_BETWEEN = regex.compile(r"""[\s,;/|"'.-]+""")


def _bare(answer: Passage, spec: ParserSpec) -> list[Statement]:
    """The answers alone, in the sentence's order and divided by a mark: "was, good"."""
    names = sentence_gaps(spec.sentence)
    if len(names) < 2:
        return []
    text = answer.plain
    place, found = len(text) - len(text.lstrip(" \n\"'(-")), {}
    for number, name in enumerate(names):
        if number:
            gap = _BETWEEN.match(text, place)
            if gap is None or not gap[0].strip(" \"'"):
                return []
            place = gap.end()
        token = next(tokens(spec.fields[name], text[place:]), None)
        if token is None or token.start:
            return []
        found[name] = token
        place += token.end
    if text[place:].strip(" \n.!\"')"):
        return []
    return [Statement(found, answer.excerpt(), 0, len(text))]
