"""Reading an answer into fields: find where each field stands, then read it there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import Formatter

from grace.parsing.passage import Passage, longest_first, passage, plain, spelling
from grace.parsing.spec import (
    AnswerField,
    ChoiceField,
    IntegerField,
    ParserSpec,
    PercentField,
    out_of_range,
    sentence_gaps,
)

Value = int | float | str

#: No word, nor a part of one, as "no" in "know" and in "no-one".
_NO_WORD_BEFORE = r"(?<!\w)(?<!\w[-'])"
_NO_WORD_AFTER = r"(?!\w|[-']\w)"
_NUMBER = r"(?<![\w.])-?(?:[0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})(?!\w|\.[0-9])"
_SYMBOL = r"[^\x00-\x7f\w\s]"  # an emoji, a check mark
#: Before an answer: quotes, a parenthesis, a bullet.
_STARTS = re.compile(r"""\A(?:[\s"'(•]|-(?=\s))*""")
#: After an answer: nothing, or punctuation that leads away from it, unlike "+", "%", "/", "?".
_ENDS = re.compile(rf""" *(?:$|[.,;:!()"|-]|'(?!\w)|{_SYMBOL})""")
_ENDS_LINE = re.compile(r""" *[.!"')]* *$""")
#: Before a sentence: a line's start with bullets, another sentence's end, a quote, a symbol.
_SENTENCE_STARTS = rf"""(?:^[ >•|-]*|(?<=[.!?:")]) *|(?<!\w)'|(?<={_SYMBOL}) *)"""
_SENTENCE_ENDS = rf"""(?= *(?:$|[.!")]|,["']|'(?!\w)|{_SYMBOL}))"""


@dataclass(frozen=True)
class Parsed:
    """An answer read.

    `values` has every field, None where it is missing; percentages are floats from 0 to 100.
    `status` is "ok", or what is missing and why: "missing: knowledge; ambiguous:
    initial_answer (2, 3)". `flags` name the checks that failed.
    """

    values: dict[str, int | float | str | None]
    status: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Token:
    """Words or a number that could be an answer, and where they stand in a line."""

    start: int
    end: int
    value: Value
    shown: str
    marked: bool = True  # False: a percentage without its sign


@dataclass(frozen=True)
class Reading:
    """What one place says of a field: its value, or a problem and what was found.

    `tokens` are the different answers that were found, whether they can be or not.
    """

    value: Value | None = None
    problem: str = "missing"
    found: tuple[str, ...] = ()
    tokens: tuple[Token, ...] = ()


MISSING = Reading()


def parse(text: str, spec: ParserSpec) -> Parsed:
    """Read an answer. Never raises, whatever the text.

    Where a field stands at several places, those without an answer are passed over; if two
    hold different answers the field is ambiguous.
    """
    answer = passage(text, spec.placeholders, spec.ignore)
    found = _read_labels(answer, spec) | _read_sentence(answer, spec)
    if not found:  # the one field has no label: the whole answer is read
        found = {name: _read(field, answer, apart=True) for name, field in spec.fields.items()}
    values = {name: found[name].value for name in spec.fields}
    return Parsed(values, _status(found, spec), _flags(values, spec))


def _status(found: dict[str, Reading], spec: ParserSpec) -> str:
    """All problems by kind; fields of which the same words were found stand together."""
    kinds: dict[str, dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in spec.fields:
        if found[name].value is None:
            kinds[found[name].problem][found[name].found].append(name)
    problems = []
    for kind, cases in kinds.items():
        parts = [
            f"{' and '.join(names)} ({', '.join(words)})" if words else ", ".join(names)
            for words, names in cases.items()
        ]
        problems.append(f"{kind}: {', '.join(parts)}")
    return "; ".join(problems) or "ok"


def _flags(values: dict[str, Value | None], spec: ParserSpec) -> tuple[str, ...]:
    flags = []
    for check in spec.checks:
        parts = [values[name] for name in check.sum]
        numbers = [part for part in parts if isinstance(part, int | float)]
        off = abs(sum(numbers) - check.total)
        if len(numbers) == len(parts) and off > check.tolerance + 1e-9:
            flags.append(check.flag)
    return tuple(flags)


# A sentence with gaps


def _read_sentence(answer: Passage, spec: ParserSpec) -> dict[str, Reading]:
    """The fields of the sentence. Two different statements leave all of them open."""
    names = sentence_gaps(spec.sentence)
    if not names:
        return {}
    found = _sentence_pattern(spec).finditer(answer.plain)
    worded = {match[1].casefold(): match for match in found}
    statements: dict[tuple[Value, ...], tuple[dict[str, Token], str]] = {}
    for match in worded.values():
        tokens = {name: next(_tokens(spec.fields[name], match[name])) for name in names}
        shown = answer.cut(*match.span(1)).excerpt()
        statements.setdefault(tuple(token.value for token in tokens.values()), (tokens, shown))
    if len(statements) == 1:
        ((tokens, _),) = statements.values()
        return {name: _accept(spec.fields[name], token) for name, token in tokens.items()}
    if statements:
        shown_all = _few([shown for _, shown in statements.values()])
        return dict.fromkeys(names, Reading(problem="ambiguous", found=shown_all))
    return dict.fromkeys(names, _unreadable(answer))


def _sentence_pattern(spec: ParserSpec) -> re.Pattern[str]:
    """The sentence between others; a final full stop is left to the sentence's end."""
    parts = []
    for text, name, _, _ in Formatter().parse((spec.sentence or "").rstrip(" .!")):
        parts += [
            " +" if piece.isspace() else re.escape(piece)
            for piece in re.split("( +)", passage(text).plain)
        ]
        if name is not None:
            parts.append(f"(?P<{name}>{_token_pattern(spec.fields[name])})")
    sentence = "".join(parts).removeprefix(" +").removesuffix(" +")
    pattern = f"{_SENTENCE_STARTS}({sentence}){_SENTENCE_ENDS}"
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


# Labels, and items after a label


def _read_labels(answer: Passage, spec: ParserSpec) -> dict[str, Reading]:
    """The fields that have a label, each from all the places where it stands."""
    fields = {name: field for name, field in spec.fields.items() if field.label}
    places: dict[tuple[str, str], dict[str, Passage]] = defaultdict(dict)  # each text once
    items = [item for label, item in (field.place for field in fields.values()) if item]
    for label, part in _after_labels(answer, {field.place[0] for field in fields.values()}):
        places[label, ""][part.plain] = part
        for item, entry in _entries(part, items):
            places[label, item][entry.plain] = entry
    return {
        name: _combine([_read(field, p, apart=False) for p in places[field.place].values()])
        for name, field in fields.items()
    }


def _after_labels(answer: Passage, labels: Iterable[str]) -> Iterator[tuple[str, Passage]]:
    """Each label and what follows it, up to the next label.

    A label is followed by a colon or ends its line. No word stands before it on its line,
    so that "prior knowledge: none" does not have the label "knowledge".
    """
    names = "|".join(spelling(label) for label in longest_first(labels))
    if not names:
        return
    pattern = rf"(?:^|(?<=[^\w\s])|(?<=[0-9])) *(?P<label>{names}) *(?::|$)"
    found = list(re.finditer(pattern, answer.plain, re.IGNORECASE | re.MULTILINE))
    ends = [following.start("label") for following in found[1:]] + [len(answer.plain)]
    for match, end in zip(found, ends, strict=False):  # no label: one end too many
        yield plain(match["label"]), answer.cut(match.end(), end)


def _entries(part: Passage, items: Iterable[str]) -> Iterator[tuple[str, Passage]]:
    """Each item and what follows it on its line, up to the next item.

    An item begins a line or follows a comma, a percent sign or the like; after it comes a
    colon, an equals sign or a dash between spaces: "0-10%" is no item 0.
    """
    names = "|".join(spelling(item) for item in longest_first(set(items)))
    if not names:
        return
    starts = r"""(?:^|(?<=[,;|%)])|(?<=[.!] ))[ >•("'-]*"""
    pattern = rf"""{starts}(?P<item>{names})[ "')]*(?:[:=]|(?<= )-(?= ))"""
    found = list(re.finditer(pattern, part.plain, re.IGNORECASE | re.MULTILINE))
    ends = [following.start() for following in found[1:]] + [len(part.plain)]
    for match, end in zip(found, ends, strict=False):
        line_end = part.plain.find("\n", match.end(), end)
        yield plain(match["item"]), part.cut(match.end(), end if line_end < 0 else line_end)


def _combine(readings: list[Reading]) -> Reading:
    """One reading of several places."""
    tokens = {token.value: token for reading in readings for token in reading.tokens}
    if len(tokens) > 1:
        return _ambiguous(tokens)
    answered = [reading for reading in readings if reading.tokens]
    unreadable = [reading for reading in readings if reading != MISSING]
    return next(iter([*answered, *unreadable]), MISSING)


# One field at one place


def _read(field: AnswerField, part: Passage, *, apart: bool) -> Reading:
    """Read what follows a label or item; `apart` if nothing says that an answer follows.

    The answer begins the first line that has anything in it. A number on a line of its own
    must be alone there: "1. The speaker …" begins a list.
    """
    start = len(part.plain) - len(_STARTS.sub("", part.plain, count=1))
    apart = apart or "\n" in part.plain[:start]
    line = part.cut(start, len(part.plain)).first_line()
    first = next(_tokens(field, line.plain), None)
    if first is None or first.start > 0:
        return _unreadable(line)
    tokens = list(_tokens(field, line.plain))
    answers = {token.value: token for token in tokens}
    if len(answers) > 1:
        return _ambiguous(answers)
    ends = _ENDS_LINE if apart and not isinstance(field, ChoiceField) else _ENDS
    if not ends.match(line.plain, _end_of_repetition(line, tokens)):
        return _unreadable(line)
    return _accept(field, first)


def _end_of_repetition(line: Passage, tokens: list[Token]) -> int:
    """Where the same answer, said again without a word between, ends: "all 3"."""
    end = tokens[0].end
    for token in tokens[1:]:
        if line.plain[end : token.start].strip():
            break
        end = token.end
    return end


def _accept(field: AnswerField, token: Token) -> Reading:
    """A token as the field's value, if it can be that."""
    if isinstance(field, IntegerField) and isinstance(token.value, float):
        return Reading(problem="not in the format", found=(token.shown,))
    if not token.marked:
        return Reading(problem="no percent sign", found=(token.shown,))
    if out_of_range(field, token.value):
        return Reading(problem="out of range", found=(token.shown,), tokens=(token,))
    return Reading(token.value, "", tokens=(token,))


def _unreadable(part: Passage) -> Reading:
    excerpt = part.excerpt()
    return Reading(problem="not in the format", found=(excerpt,)) if excerpt else MISSING


def _ambiguous(tokens: dict[Value, Token]) -> Reading:
    several = tuple(tokens.values())
    return Reading(None, "ambiguous", _few([token.shown for token in several]), several)


def _few(found: Sequence[str], limit: int = 4) -> tuple[str, ...]:
    """The first of many, for a status."""
    return (*found[:limit], *(["…"] if len(found) > limit else []))


# Words and numbers that could be an answer


def _tokens(field: AnswerField, text: str) -> Iterator[Token]:
    """Everything in a line that could be an answer, in order."""
    spellings = longest_first(field.spellings)
    pattern = re.compile(_token_pattern(field, groups=True), re.IGNORECASE)
    for match in pattern.finditer(text):
        start, end = match.span()
        if match.lastindex is not None and match.lastindex <= len(spellings):
            value: Value = field.spellings[spellings[match.lastindex - 1]]
            shown = field.choices[str(value)][0] if isinstance(field, ChoiceField) else str(value)
            yield Token(start, end, value, shown)
        elif isinstance(field, PercentField):
            sign = match[0].endswith("%")
            number = float(match[0].rstrip("% "))
            yield Token(start, end, number, f"{number:g}{'%' if sign else ''}", sign)
        else:
            number = float(match[0]) if "." in match[0] else int(match[0])
            yield Token(start, end, number, match[0])


def _token_pattern(field: AnswerField, *, groups: bool = False) -> str:
    """A pattern for one answer; with `groups` each spelling has a group, in order."""
    words = [spelling(word) for word in longest_first(field.spellings)]
    parts = [f"({word})" if groups else word for word in words]
    alternatives = [f"{_NO_WORD_BEFORE}(?:{'|'.join(parts)}){_NO_WORD_AFTER}"] if parts else []
    if isinstance(field, PercentField):
        alternatives.append(f"{_NUMBER}(?: *%)?")
    elif isinstance(field, IntegerField):
        alternatives.append(_NUMBER)
    return f"(?:{'|'.join(alternatives)})"
