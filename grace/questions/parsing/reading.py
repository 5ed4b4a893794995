"""Reading an answer into fields: find where each field stands, then read it there.

A field stands after a *label* ("Initial Answer: 2"; several *items* after one label are a field
each: "Probabilities: 0: 10%, 1: 90%"), in a *sentence* with gaps ("It {frame} {assessment}."), or,
with neither and then alone, is the whole answer. There the text must begin with the answer and
name no other one, and only punctuation may follow it directly: neither "2 or more" nor "No idea"
is an answer. What differs is missing, and the status says what was found.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import regex

from grace.config import AnswerField, ChoiceField, ParserSpec
from grace.config.answer_fields import sentence_gaps
from grace.config.matching import Passage, passage
from grace.questions.parsing.layout import labelled
from grace.questions.parsing.markup import unset
from grace.questions.parsing.one_field import (
    MISSING,
    TAKEN_BACK,
    Reading,
    accept,
    ambiguous,
    few,
    read,
    unreadable,
)
from grace.questions.parsing.places import Key, Places, find_places
from grace.questions.parsing.prefix import CUT, begun
from grace.questions.parsing.remarks import stray, withdrawals
from grace.questions.parsing.reservations import corrects_only_what_follows, polarity
from grace.questions.parsing.sentence import Statement, find_statements
from grace.questions.parsing.shares import read_shares, whole_shares
from grace.questions.parsing.thoughts import split_thoughts
from grace.questions.parsing.tokens import Value

UNFINISHED = "unfinished_thoughts"


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


def parse(
    text: str, spec: ParserSpec, *, prefix: str = "", speaker: str = "", cut: bool = False
) -> Parsed:
    """Read an answer. Never raises, whatever the text.

    Thoughts are no part of it. Where a field stands at several places, those without an answer
    are passed over; if two hold different answers the field is ambiguous. `prefix` is what the
    answer was started with (exp.answer_prefix), `speaker` who the sentence is said by, where
    that is known, and `cut` says that the answer was cut short: a number at its end may go on.
    """
    split = split_thoughts(begun(text, prefix, spec) + (CUT if cut else ""))
    answer = passage(labelled(unset(split.answer), spec), spec.placeholders, spec.ignore)
    found: dict[str, Reading] = {}
    if any(field.label for field in spec.fields.values()):
        found |= _read_labels(answer, spec)
    if spec.sentence:
        found |= _read_sentence(answer, spec, speaker)
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
    return "; ".join(problems).replace(CUT, "") or "ok"


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


def _read_sentence(answer: Passage, spec: ParserSpec, speaker: str) -> dict[str, Reading]:
    """The fields of the sentence. Two different statements leave all of them open."""
    names = sentence_gaps(spec.sentence)
    statements = find_statements(answer, spec, speaker)
    different = list({s.values: s for s in statements}.values())
    if not different:
        return dict.fromkeys(names, unreadable(answer))
    if len(different) > 1:
        shown = few([s.shown for s in different])
        return dict.fromkeys(names, Reading(problem="ambiguous", found=shown))
    (statement,) = different
    if any(s.taken_back for s in statements):
        return dict.fromkeys(names, Reading(problem="taken back", found=(statement.shown,)))
    if any(s.doubtful for s in statements):
        return dict.fromkeys(names, Reading(problem="in doubt", found=(statement.shown,)))
    return _accept_all(statement, spec)


def _accept_all(statement: Statement, spec: ParserSpec) -> dict[str, Reading]:
    return {name: accept(spec.fields[name], token) for name, token in statement.tokens.items()}


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
        found |= whole_shares(check, spec, found)
        if any(found[name].value is None for name in check.sum if name in found):
            found |= read_shares(check, spec, found, places)
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
    firm = [read(field, part, apart=False) for part in places.firm.values()]
    doubtful = [read(field, part, apart=False) for part in places.doubtful.values()]
    combined = _combine(firm)
    others = {token.value: token for reading in doubtful for token in reading.tokens}
    own = {token.value: token for token in combined.tokens}
    if own and len(own | others) > 1:
        return ambiguous(own | others)
    if others and not own:
        shown = tuple(token.shown for token in others.values())
        return Reading(problem="in doubt", found=few(shown))
    if combined.value is None and places.taken_back and not combined.tokens:
        return TAKEN_BACK
    return combined


def _combine(readings: list[Reading]) -> Reading:
    different = {token.value: token for reading in readings for token in reading.tokens}
    if len(different) > 1:
        return ambiguous(different)
    if doubts := [reading for reading in readings if reading.problem == "in doubt"]:
        return doubts[0]
    answered = [reading for reading in readings if reading.tokens]
    unreadable = [reading for reading in readings if reading != MISSING]
    return next(iter([*answered, *unreadable]), MISSING)


# The whole answer


def _read_whole(field: AnswerField, answer: Passage) -> Reading:
    """A field that is the whole answer: its first line, or what stands after a correction."""
    first = _WORDS.match(answer.plain)
    cues = list(withdrawals(answer.plain, first.end() if first else 0))
    if not cues:
        reading = read(field, answer, apart=True)
        line = _VALUE_LINE.match(answer.plain)
        below = answer.plain[line.end() :] if line else ""
        polar = isinstance(field, ChoiceField) and polarity(field.spellings) is not None
        if reading.value is not None and stray(below, polar=polar) is not None:
            return Reading(
                problem="in doubt", found=(answer.first_line().excerpt(),), tokens=reading.tokens
            )
        return reading
    last = answer.cut(cues[-1], len(answer.plain))
    colon = _CORRECTION.match(last.plain)
    reading = MISSING
    if colon and corrects_only_what_follows(colon[0]):
        reading = read(field, last.cut(colon.end(), len(last.plain)), apart=True)
    before = read(field, answer.cut(0, cues[-1]), apart=True)
    if reading.value is not None:
        return reading
    return Reading(problem="taken back", found=before.found) if before.tokens else before


_VALUE_LINE = regex.compile(r"\s*[^\n]*")
_WORDS = regex.compile(r"\W*\w*")
_CORRECTION = regex.compile(r"[\W]*[\w ,]{0,40}:")


__all__ = ["Parsed", "parse"]
