"""Reading an answer into fields: find where each field stands, then read it there.

A field stands after a *label* ("Initial Answer: 2"; several *items* after one label are a field
each: "Probabilities: 0: 10%, 1: 90%"), in a *sentence* with gaps ("It {frame} {assessment}."), or,
with neither and then alone, is the whole answer. There the text must begin with the answer and
name no other one, and only punctuation may follow it directly: neither "2 or more" nor "No idea"
is an answer. What differs is missing, and the status says what was found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import regex

from grace.config import AnswerField, ChoiceField, IntegerField, ParserSpec, SumCheck
from grace.config.answer_fields import out_of_range, sentence_gaps
from grace.config.matching import WORD, Passage, passage
from grace.questions.parsing.layout import labelled
from grace.questions.parsing.markup import unset
from grace.questions.parsing.places import Key, Places, find_places
from grace.questions.parsing.reservations import (
    contradicts,
    corrects_only_what_follows,
    denied_below,
    leaves_choice_open,
    leaves_number_open,
    polarity,
    withdrawals,
)
from grace.questions.parsing.sentence import Statement, find_statements
from grace.questions.parsing.thoughts import split_thoughts
from grace.questions.parsing.tokens import Share, Token, Value, share, tokens

#: Pictures that say nothing of an answer, before or after it. Others may: 🤔, ❌, ≠.
_PICTURE = r"[\U0001f300-\U0001faff☀-☄★☆☑☺♥❤✅✓✔✨⭐]"
#: Before an answer: quotes, a parenthesis, a bullet, a tick; a cross where it denies.
_STARTS = regex.compile(r"""\A(?:[\s"'(•→►▶☑✅✓✔❌✗✘❎]|[-=]>|-(?=\s))*""")
_LEAD_IN = regex.compile(
    r"(?:(?:my|the) )?(?:(?:best|final|overall) )?(?:estimate|guess|answer|choice|rating)"
    r"(?: +(?:is|would be)(?: +that)?)? *:? +"
)
#: After an answer: nothing, or punctuation that leads away from it, unlike "+", "%", "/", "?".
_ENDS = regex.compile(rf""" *(?:$|(?<= )because\b|[.,;:!()"|-]|'(?!{WORD})|{_PICTURE})""")
_ENDS_LINE = regex.compile(rf""" *(?:[.!"')]|{_PICTURE})* *$""")
#: "5,5" and "2-2" are no 5 and no 2.
_GOES_ON = regex.compile(r",[0-9]| *-+ *[0-9]")
#: A line that goes on for longer after an answer is no remark on it.
_REMARK = 5000
_AROUND = " \"'(•>-.,)"
_CROSS = regex.compile("[❌✗✘❎]")
_TICK = regex.compile("[✅✓✔]")


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
class Reading:
    """What one place says of a field: its value, or a problem and what was found.

    `tokens` are the different answers that were found, whether they can be or not.
    """

    value: Value | None = None
    problem: str = "missing"
    found: tuple[str, ...] = ()
    tokens: tuple[Token, ...] = ()


MISSING = Reading()
TAKEN_BACK = Reading(problem="taken back")
UNFINISHED = "unfinished_thoughts"


def parse(text: str, spec: ParserSpec) -> Parsed:
    """Read an answer. Never raises, whatever the text.

    Thoughts are no part of it. Where a field stands at several places, those without an answer
    are passed over; if two hold different answers the field is ambiguous.
    """
    split = split_thoughts(text)
    answer = passage(labelled(unset(split.answer), spec), spec.placeholders, spec.ignore)
    found: dict[str, Reading] = {}
    if any(field.label for field in spec.fields.values()):
        found |= _read_labels(answer, spec)
    if spec.sentence:
        found |= _read_sentence(answer, spec)
    if not found:  # the one field has no label: the whole answer is read
        found = {name: _read_whole(field, answer) for name, field in spec.fields.items()}
    if not split.finished and not split.answer.strip():
        found = dict.fromkeys(spec.fields, Reading(problem="unfinished thoughts"))
    values = {name: found[name].value for name in spec.fields}
    flags = _flags(values, spec)
    return Parsed(values, _status(found, spec), flags if split.finished else (*flags, UNFINISHED))


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
    statements = find_statements(answer, spec)
    different = list({s.values: s for s in statements}.values())
    if not different:
        return dict.fromkeys(names, _unreadable(answer))
    if len(different) > 1:
        shown = _few([s.shown for s in different])
        return dict.fromkeys(names, Reading(problem="ambiguous", found=shown))
    (statement,) = different
    if any(s.taken_back for s in statements):
        return dict.fromkeys(names, Reading(problem="taken back", found=(statement.shown,)))
    if any(s.doubtful for s in statements):
        return dict.fromkeys(names, Reading(problem="in doubt", found=(statement.shown,)))
    return _accept_all(statement, spec)


def _accept_all(statement: Statement, spec: ParserSpec) -> dict[str, Reading]:
    return {name: _accept(spec.fields[name], token) for name, token in statement.tokens.items()}


# Labels, and items after a label


def _read_labels(answer: Passage, spec: ParserSpec) -> dict[str, Reading]:
    """The fields that have a label, each from all the places where it stands."""
    fields = {name: field for name, field in spec.fields.items() if field.label}
    places = find_places(answer, spec)
    found = {
        name: _read_places(field, places.get(field.place) or Places())
        for name, field in fields.items()
    }
    _leave_open_together(fields, found, places)
    for check in spec.checks:
        if any(found[name].value is None for name in check.sum if name in found):
            found |= _read_shares(check, spec, found, places)
    return found


def _leave_open_together(
    fields: dict[str, AnswerField], found: dict[str, Reading], places: dict[Key, Places]
) -> None:
    """Two answers that differ in several items are two, also in what they have in common."""
    siblings: dict[str, list[str]] = defaultdict(list)
    for name, field in fields.items():
        siblings[field.place[0]] += [name] if field.item else []
    for names in siblings.values():
        open_ = [name for name in names if found[name].problem == "ambiguous"]
        twice = [name for name in open_ if len(places[fields[name].place].firm) > 1]
        for name in set(names) - set(open_) if len(twice) > 1 else ():
            shown = tuple(token.shown for token in found[name].tokens)
            found[name] = Reading(problem="ambiguous", found=shown) if shown else found[name]


def _read_places(field: AnswerField, places: Places) -> Reading:
    """One reading of several places. Doubtful ones can only contradict the others."""
    firm = [_read(field, part, apart=False) for part in places.firm.values()]
    doubtful = [_read(field, part, apart=False) for part in places.doubtful.values()]
    combined = _combine(firm)
    others = {token.value: token for reading in doubtful for token in reading.tokens}
    own = {token.value: token for token in combined.tokens}
    if own and len(own | others) > 1:
        return _ambiguous(own | others)
    if others and not own:
        shown = tuple(token.shown for token in others.values())
        return Reading(problem="in doubt", found=_few(shown))
    if combined.value is None and places.taken_back and not combined.tokens:
        return TAKEN_BACK
    return combined


def _combine(readings: list[Reading]) -> Reading:
    different = {token.value: token for reading in readings for token in reading.tokens}
    if len(different) > 1:
        return _ambiguous(different)
    if doubts := [reading for reading in readings if reading.problem == "in doubt"]:
        return doubts[0]
    answered = [reading for reading in readings if reading.tokens]
    unreadable = [reading for reading in readings if reading != MISSING]
    return next(iter([*answered, *unreadable]), MISSING)


def _read_shares(
    check: SumCheck, spec: ParserSpec, found: dict[str, Reading], places: dict[Key, Places]
) -> dict[str, Reading]:
    """Percentages said as fractions or decimals, or with a decimal comma.

    Only all of them together, and only if they sum to one (or, with their signs, to the total):
    then no other reading is possible. Nothing is rescaled that does not add up.
    """
    if check.total != 100 or any(spec.fields[n].type != "percent" for n in check.sum):
        return {}
    shares: dict[str, Share] = {}
    for name in check.sum:
        own = places.get(spec.fields[name].place) or Places()
        if len(own.firm) != 1 or own.doubtful or own.taken_back:
            return {}
        (part,) = own.firm.values()
        text = part.plain.strip(" \n\"'(")
        one = share(text)
        if one is None or _says_more(spec.fields[name], text[one.end :]):
            return {}
        shares[name] = one
    total = sum((one.value for one in shares.values()), Fraction(0))
    tolerance = Fraction(check.tolerance) / 100
    if all(one.percent for one in shares.values()):
        factor = 1 if abs(total - 100) <= 100 * tolerance else 0
    else:
        plain = not any(one.percent and one.value for one in shares.values())
        parts = any(not one.whole for one in shares.values())
        factor = 100 if plain and parts and abs(total - 1) <= tolerance else 0
    if not factor:
        return {}
    return {
        name: Reading(float(one.value * factor), "", tokens=found[name].tokens)
        for name, one in shares.items()
    }


def _says_more(field: AnswerField, rest: str) -> bool:
    """Whether after a share anything else is said that could change it."""
    return bool(
        len(rest) > _REMARK
        or not _ENDS.match(rest)
        or leaves_number_open(rest)
        or next(tokens(field, rest), None)
    )


# The whole answer


def _read_whole(field: AnswerField, answer: Passage) -> Reading:
    """A field that is the whole answer: its first line, or what stands after a correction."""
    first = _WORDS.match(answer.plain)
    cues = list(withdrawals(answer.plain, first.end() if first else 0))
    if not cues:
        return _read(field, answer, apart=True)
    last = answer.cut(cues[-1], len(answer.plain))
    colon = _CORRECTION.match(last.plain)
    reading = MISSING
    if colon and corrects_only_what_follows(colon[0]):
        reading = _read(field, last.cut(colon.end(), len(last.plain)), apart=True)
    before = _read(field, answer.cut(0, cues[-1]), apart=True)
    if reading.value is not None:
        return reading
    return Reading(problem="taken back", found=before.found) if before.tokens else before


_WORDS = regex.compile(r"\W*\w*")
_CORRECTION = regex.compile(r"[\W]*[\w ,]{0,40}:")


# One field at one place


def _read(field: AnswerField, part: Passage, *, apart: bool) -> Reading:
    """Read what follows a label or item; `apart` if nothing says that an answer follows.

    The answer begins the first line that has anything in it. A number on a line of its own
    must be alone there: "1. The speaker …" begins a list.
    """
    begins = _STARTS.match(part.plain)
    start = begins.end() if begins else 0
    marks = part.plain[:start]
    apart = apart or "\n" in marks
    if lead := _LEAD_IN.match(part.plain, start):
        start = lead.end()
        start += len(part.plain[start:]) - len(part.plain[start:].lstrip(" \"'("))
    line = part.cut(start, len(part.plain)).first_line()
    all_tokens = list(tokens(field, line.plain))
    if not all_tokens or all_tokens[0].start > 0:
        return _unreadable(line)
    answers = {token.value: token for token in all_tokens}
    if len(answers) > 1:
        return _ambiguous(answers)
    end = _end_of_repetition(line, all_tokens)
    ends = _ENDS_LINE if apart and not isinstance(field, ChoiceField) else _ENDS
    if not ends.match(line.plain, end) or _GOES_ON.match(line.plain, end):
        return _unreadable(line)
    if line.plain[end : end + 1] == "'" and "'" not in part.plain[:start]:
        return _unreadable(line)
    after = part.plain[start + len(line.plain) :]
    return _unless_open(field, all_tokens[0], line, end, marks, after)


def _unless_open(
    field: AnswerField, token: Token, line: Passage, end: int, marks: str, after: str
) -> Reading:
    """The token as an answer, unless the words around it leave that open."""
    rest = line.plain[end:].strip()
    others = [one for one in (text.strip(_AROUND) for text in after.split("\n")) if one]
    doubt = len(rest) > _REMARK or (bool(others) and contradicts(after.strip().split("\n", 1)[0]))
    if isinstance(field, ChoiceField):
        same = [word for word, value in field.spellings.items() if value == token.value]
        affirms = polarity(same)
        doubt = doubt or (bool(rest) and leaves_choice_open(rest, affirms))
        doubt = doubt or denied_below(after[:_REMARK], affirms)
        doubt = doubt or bool(marks and (_TICK if affirms == "no" else _CROSS).search(marks))
        for other in others:
            first = next(tokens(field, other), None)
            if first and first.start == 0 and first.value != token.value:
                return _ambiguous({token.value: token, first.value: first})
    else:
        doubt = doubt or (bool(rest) and leaves_number_open(rest))
        doubt = doubt or bool(marks and _CROSS.search(marks))
        for other in others:
            first = next(tokens(field, other), None)
            if first and first.value != token.value and (first.start, first.end) == (0, len(other)):
                return _ambiguous({token.value: token, first.value: first})
    if doubt:
        return Reading(problem="in doubt", found=(line.excerpt(),), tokens=(token,))
    return _accept(field, token)


def _end_of_repetition(line: Passage, found: list[Token]) -> int:
    """Where the same answer, said again without a word between, ends: "all 3"."""
    end = found[0].end
    for token in found[1:]:
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


def _ambiguous(found: dict[Value, Token]) -> Reading:
    several = tuple(found.values())
    return Reading(None, "ambiguous", _few([token.shown for token in several]), several)


def _few(found: Iterable[str], limit: int = 4) -> tuple[str, ...]:
    """The first of many, for a status."""
    found = tuple(found)
    return (*found[:limit], *(["…"] if len(found) > limit else []))


__all__ = ["Parsed", "parse"]
