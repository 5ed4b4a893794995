"""One field at one place: what stands there, and whether it is its answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import regex

from grace.config import AnswerField, ChoiceField, IntegerField
from grace.config.answer_fields import out_of_range
from grace.config.matching import WORD, Passage
from grace.questions.parsing.prefix import CUT
from grace.questions.parsing.remarks import denied_below, states
from grace.questions.parsing.reservations import (
    NEGATION,
    contradicts,
    leaves_choice_open,
    leaves_number_open,
    polarity,
)
from grace.questions.parsing.tokens import Token, Value, tokens

#: Pictures that say nothing of an answer, before or after it. Others may: 🤔, ❌, ≠.
_PICTURE = r"[\U0001f300-\U0001faff☀-☄★☆☑☺♥❤✅✓✔✨⭐]"
#: Before an answer: quotes, a parenthesis, a bullet, a tick; a cross where it denies.
_STARTS = regex.compile(r"""\A(?:[\s"'(•→►▶☑✅✓✔❌✗✘❎]|[-=]>|-(?=\s))*""")
_LEAD_IN = regex.compile(
    r"(?:(?:my|the) )?(?:(?:best|final|overall) )?(?:estimate|guess|answer|choice|rating)"
    r"(?: +(?:is|would be)(?: +that)?)? *:? +"
)
#: After an answer: nothing, or punctuation that leads away from it, unlike "+", "%", "/", "?".
_ENDS = regex.compile(
    rf""" *(?:$|(?<= )(?:because|since)\b|\.(?!\.+ *[0-9]|[\p{{L}}\p{{N}}])|[,;:!()|{CUT}]"""
    rf"""|"(?! *\p{{L}})|"(?= because)|-+(?= *\S)|'(?!{WORD})|{_PICTURE})"""
)
_ENDS_LINE = regex.compile(rf""" *(?:[.,!"') {CUT}]|{_PICTURE})*$""")
#: After an ignored phrase, which has become a comma and blanks: the number is said of others.
#: "2 of the 3 were unripe", "2 of the 3 boxes are not full".
_SAID_OF = regex.compile(
    r" *,\s\s+(?:(?:were|was|are|is|did|do|does|had|have|has|lack\w*|fail\w*|will|would|could)\b"
    r"|[^\n.]{0,60}\b(?:not|never|no|without|lack\w*|fail\w*|miss\w*|\w+n't|un\w+|empty|closed)\b)"
)
#: Scales on which "5/7" is no choice between two numbers.
_LONG_SCALE = 5
#: "5,5" and "2-2" are no 5 and no 2.
_GOES_ON = regex.compile(r",[0-9]| *-+ *[0-9]")
#: A line that goes on for longer after an answer is no remark on it.
_REMARK = 5000
_AROUND = " \"'(•>-.,)"
_CROSS = regex.compile("[❌✗✘❎]")
_TICK = regex.compile("[✅✓✔]")


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
THOUSANDS = "one or a thousand"
TAKEN_BACK = Reading(problem="taken back")


def read(field: AnswerField, part: Passage, *, apart: bool) -> Reading:
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
    if isinstance(field, IntegerField) and len(all_tokens) > 1:
        line, all_tokens = _without_scale(field, line, all_tokens)
    if not all_tokens or all_tokens[0].start > 0:
        return unreadable(line)
    answers = {token.value: token for token in all_tokens}
    if len(answers) > 1:
        return ambiguous(answers)
    end = _end_of_repetition(line, all_tokens)
    if CUT in line.plain[end : end + 3] and _goes_on(field, all_tokens[0], line.plain[end:]):
        return Reading(problem="cut off", found=(all_tokens[0].shown,))
    ends = _ENDS_LINE if apart and not isinstance(field, ChoiceField) else _ENDS
    if not ends.match(line.plain, end) or _GOES_ON.match(line.plain, end):
        return unreadable(line)
    if line.plain[end : end + 1] == "'" and "'" not in part.plain[:start]:
        return unreadable(line)
    after = part.plain[start + len(line.plain) :]
    return _unless_open(field, all_tokens[0], line, end, marks, after)


def _unless_open(
    field: AnswerField, token: Token, line: Passage, end: int, marks: str, after: str
) -> Reading:
    """The token as an answer, unless the words around it leave that open."""
    rest = line.plain[end:].strip()
    if _denied_again(field, line.plain, end):
        return Reading(problem="in doubt", found=(line.excerpt(),), tokens=(token,))
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
                return ambiguous({token.value: token, first.value: first})
    else:
        doubt = doubt or (bool(rest) and leaves_number_open(rest))
        doubt = doubt or bool(_SAID_OF.match(line.plain, end))
        doubt = doubt or bool(marks and _CROSS.search(marks))
        for other in others:
            first = next(tokens(field, other), None)
            if first and first.value != token.value and (first.start, first.end) == (0, len(other)):
                return ambiguous({token.value: token, first.value: first})
            if states(other) and (said := list(tokens(field, other))):
                doubt = doubt or all(one.value != token.value for one in said)
    if doubt:
        return Reading(problem="in doubt", found=(line.excerpt(),), tokens=(token,))
    return accept(field, token)


def _without_scale(
    field: IntegerField, line: Passage, found: list[Token]
) -> tuple[Passage, list[Token]]:
    """A rating without the scale it is said to be on: "5/7", "5 out of 7", "5 (from 1 to 7)".

    With a stroke only on scales of five points or more: "2/3" may be two or three.
    """
    if field.max is None:
        return line, found
    scale = _scale(field.min, field.max).match(line.plain, found[0].end)
    if scale is None or (scale["stroke"] and field.max < _LONG_SCALE):
        return line, found
    start, end = scale.span("scale")
    line = Passage(line.shown, line.plain[:start] + ",".ljust(end - start) + line.plain[end:])
    return line, list(tokens(field, line.plain))


@lru_cache(maxsize=64)
def _scale(low: int | None, high: int) -> regex.Pattern[str]:
    ends = rf"(?:{low if low is not None else '[01]'}|one|zero) *(?:-|to|through|up to) *"
    return regex.compile(
        r" *(?P<scale>[(,]? *(?:(?P<stroke>/)"
        r"|(?:out of(?: an?| the)?|of)(?: possible| total| maximum)*"
        rf"|(?:on|from)(?: an?| the)?(?: scale)?(?: of| from)? *{ends})"
        rf" *{high}(?: points?)?\)?)(?!{WORD}|[.,:/'-] *[\p{{L}}\p{{N}}]|[°%+~]"
        r"| *(?:or|to|and|-) *[0-9])"
    )


def _goes_on(field: AnswerField, token: Token, rest: str) -> bool:
    """Whether an answer at the end of a text that was cut could be longer."""
    if rest.strip(" .,") != CUT:
        return False
    if isinstance(field, IntegerField):
        longer = field.max is None or abs(int(token.value)) * 10 <= field.max
        return longer and token.value != 0
    if isinstance(field, ChoiceField):
        own = [word for word, value in field.spellings.items() if value == token.value]
        return any(
            other != word and other.startswith(word) for other in field.spellings for word in own
        )
    return not token.marked


def says_more(field: AnswerField, rest: str) -> bool:
    """Whether after a share anything else is said that could change it."""
    return bool(
        len(rest) > _REMARK
        or not _ENDS.match(rest)
        or leaves_number_open(rest)
        or next(tokens(field, rest), None)
    )


def _denied_again(field: AnswerField, line: str, end: int) -> bool:
    """Whether the same answer stands again in the line, denied: "2 ... it isn't 2"."""
    if isinstance(field, ChoiceField) and polarity(field.spellings):
        return False
    again = next(tokens(field, line[end:]), None)
    return again is not None and bool(NEGATION.search(line[end : end + again.start]))


def _end_of_repetition(line: Passage, found: list[Token]) -> int:
    """Where the same answer, said again without a word between, ends: "all 3"."""
    end = found[0].end
    for token in found[1:]:
        if line.plain[end : token.start].strip():
            break
        end = token.end
    return end


def accept(field: AnswerField, token: Token) -> Reading:
    """A token as the field's value, if it can be that."""
    if isinstance(field, IntegerField) and isinstance(token.value, float):
        return Reading(problem="not in the format", found=(token.shown,))
    if token.thousands:
        return Reading(problem=THOUSANDS, found=(token.shown,), tokens=(token,))
    if not token.marked:
        return Reading(problem="no percent sign", found=(token.shown,))
    if out_of_range(field, token.value):
        return Reading(problem="out of range", found=(token.shown,), tokens=(token,))
    return Reading(token.value, "", tokens=(token,))


def unreadable(part: Passage) -> Reading:
    """What stands there is no answer."""
    excerpt = part.excerpt()
    return Reading(problem="not in the format", found=(excerpt,)) if excerpt else MISSING


def ambiguous(found: dict[Value, Token]) -> Reading:
    """Several answers."""
    several = tuple(found.values())
    return Reading(None, "ambiguous", few([token.shown for token in several]), several)


def few(found: Iterable[str], limit: int = 4) -> tuple[str, ...]:
    """The first of many, for a status."""
    found = tuple(found)
    return (*found[:limit], *(["…"] if len(found) > limit else []))
