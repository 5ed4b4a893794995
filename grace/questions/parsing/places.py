"""Where the fields with a label stand in an answer, and which of these places still hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import regex

from grace.config import ChoiceField, ParserSpec
from grace.config.matching import Passage, longest_first, plain, spelling
from grace.questions.parsing.remarks import stray, withdrawals
from grace.questions.parsing.reservations import (
    corrects_only_what_follows,
    headed_by_doubt,
    leads_over,
    polarity,
    said_in_doubt,
)
from grace.questions.parsing.tokens import share

#: A label and an item; the item is "" for a field that has none.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """What follows a label, up to the next one.

    `doubtful` if it is said to be a draft, an example or what another would say. `withdrawn` is
    where in it the answer is taken back or given anew; None if nowhere. `alone` if that is said
    of this answer only, in its own line.
    """

    label: str
    passage: Passage
    doubtful: bool
    withdrawn: int | None
    alone: bool


@dataclass(slots=True)
class Places:
    """The texts at which one field stands, each once, in order."""

    firm: dict[str, Passage] = field(default_factory=dict)
    doubtful: dict[str, Passage] = field(default_factory=dict)
    taken_back: bool = False


def find_places(answer: Passage, spec: ParserSpec) -> dict[Key, Places]:
    """The places of each label and item that hold.

    Where an answer is taken back ("Wait, …", "Correction: …"), what stands before and is given
    anew afterwards no longer counts. What is not given anew does not count either, unless the
    words say only that what follows is corrected. So the parts are gone through from the last.
    """
    items: dict[str, list[str]] = defaultdict(list)
    for one in spec.fields.values():
        if one.label:
            items[one.place[0]].append(one.place[1])
    found: dict[Key, Places] = defaultdict(Places)
    seen: set[Key] = set()  # further on in the text
    closed: set[Key] = set()  # given anew further on
    everything = False  # all that stands before is taken back
    order: list[tuple[Key, Passage, bool]] = []
    for part in reversed(list(_parts(answer, tuple(items), _polar(spec)))):
        if part.withdrawn is not None and not part.alone:
            closed |= seen
            prose = part.passage.plain[part.withdrawn :]
            everything = everything or not seen or not corrects_only_what_follows(prose)
        own = part.passage if part.withdrawn is None else part.passage.cut(0, part.withdrawn)
        for key, passage in reversed([*_of_part(part.label, own, tuple(items[part.label]))]):
            seen.add(key)
            if key in closed:
                continue
            if everything or part.alone:
                found[key].taken_back = True
            else:
                order.append((key, passage, part.doubtful))
    for key, passage, doubtful in reversed(order):
        places = found[key].doubtful if doubtful else found[key].firm
        places[passage.plain] = passage
    return found


def _polar(spec: ParserSpec) -> set[str]:
    """The labels after which a yes or no stands."""
    return {
        field.place[0]
        for field in spec.fields.values()
        if isinstance(field, ChoiceField) and polarity(field.spellings) is not None
    }


def _parts(answer: Passage, labels: tuple[str, ...], polar: set[str]) -> Iterator[Part]:
    """Each label and what follows it, up to the next label.

    A label is followed by a colon or ends its line. No word stands before it on its line,
    so that "prior knowledge: none" does not have the label "knowledge".
    """
    if not labels:
        return
    text = answer.plain
    matches = list(_label_pattern(labels).finditer(text))
    doubtful, before = False, 0
    block: set[str] = set()  # labels under the same heading
    for match, following in zip(matches, [*matches[1:], None], strict=False):
        start = match.start("label")
        label = plain(match["label"])
        if label in block:  # a new block begins
            doubtful = False
            block.clear()
        block.add(label)
        doubtful = _heading_doubts(text[before:start], doubtful, first=before == 0)
        line = text.rfind("\n", before, start)
        own = _lead_doubts(text[max(line, before) : start], alone=line >= before or not before)
        end = following.start("label") if following else len(text)
        if following:  # without the bullet or ordinal of the next label
            end = _lead(text, match.end(), end)
        passage = answer.cut(match.end(), end)
        withdrawn, alone = _withdrawn(passage.plain, labels)
        if withdrawn is None and following is None:
            withdrawn = _stray(passage.plain, polar=label in polar)
        yield Part(label, passage, doubtful or own, withdrawn, alone)
        before = match.end()


#: A heading that gives what follows to somebody: "Rosa's answer:", "what she would say:".
_ANOTHERS = regex.compile(
    r"\b(?!(?:here|let|it|that|today|what|there|who|how)'s)\p{L}+'s? "
    r"(?:own |best |initial |likely )*(?:answers?|estimates?|guess\w*|views?|beliefs?|responses?"
    r"|repl(?:y|ies)|opinions?|probabilities)\b"
    r"|\bwhat (?!i\b)\p{L}+(?: \p{L}+)? (?:would|will|might|could) "
    r"(?:answer|say|write|think|guess|believe|respond)\b"
)
_SENTENCE_END = regex.compile(r"[.!?;](?=\s)")
_VALUE_LINE = regex.compile(r"\s*[^\n]*")
_FIRST_WORD = regex.compile(r"\W*\w*")
_LETTER = regex.compile(r"\p{L}")
_LEAD = regex.compile(r"[^\p{L}\n]*\Z")


@lru_cache(maxsize=64)
def _label_pattern(labels: tuple[str, ...]) -> regex.Pattern[str]:
    names = "|".join(spelling(label) for label in longest_first(labels))
    pattern = rf"(?:^|(?<=[^\w\s\p{{M}}])(?<!\p{{L}}-)|(?<=[0-9])) *(?P<label>{names}) *(?::|$)"
    return regex.compile(pattern, regex.MULTILINE)


def _lead(text: str, start: int, end: int) -> int:
    """Where the line begins that has only a bullet or ordinal before a label at `end`."""
    line = text.rfind("\n", start, end)
    return line if line >= 0 and _LEAD.fullmatch(text, line + 1, end) else end


def _lead_doubts(lead: str, *, alone: bool) -> bool:
    """Whether the words before a label on its line give its answer to another or suppose it.

    `alone` if no other label stands before it on the line.
    """
    words = _SENTENCE_END.split(lead)[-1]
    aside = alone and words.rstrip().endswith(",") and _LETTER.search(words)
    return bool(aside) or said_in_doubt(words)


def _heading_doubts(between: str, doubtful: bool, *, first: bool) -> bool:
    """Whether a label's block is headed as a draft, an example or the like.

    The last line of words before it decides; labels without words between them are one block.
    """
    lines = between.split("\n")[0 if first else 1 : -1]
    for line in reversed(lines):
        words = _SENTENCE_END.split(line.strip())[-1].strip()
        if words and (words.endswith(":") or headed_by_doubt(words)):
            return (
                headed_by_doubt(words)
                or said_in_doubt(words)
                or bool(_ANOTHERS.search(words))
                or (words.endswith(":") and not leads_over(words))
            )
        if words and first:
            return False
    return doubtful


def _stray(text: str, *, polar: bool) -> int | None:
    """Where below the last answer a few words stand that may take all back."""
    line = _VALUE_LINE.match(text)
    odd = stray(text[line.end() :], polar=polar) if line else None
    return None if line is None or odd is None else line.end() + odd


def _withdrawn(text: str, labels: tuple[str, ...]) -> tuple[int | None, bool]:
    """Where an answer is taken back, after its first word, and whether it alone is."""
    first = _FIRST_WORD.match(text)
    cue = next(withdrawals(text, first.end() if first else 0), None)
    if cue is None:
        return None, False
    line = text.find("\n", cue)
    value = text[:cue].strip()
    alone = (
        bool(value) and "\n" not in text[:cue].lstrip() and (line < 0 or not text[line:].strip())
    )
    return cue, alone and not any(label in text[cue:] for label in labels)


def _of_part(label: str, part: Passage, items: tuple[str, ...]) -> Iterator[tuple[Key, Passage]]:
    if "" in items or not items:
        yield (label, ""), part
    named = tuple(item for item in items if item)
    if named:
        for item, entry in _entries(part, named):
            yield (label, item), entry


def _entries(part: Passage, items: tuple[str, ...]) -> Iterator[tuple[str, Passage]]:
    """Each item and what follows it on its line, up to the next item.

    An item begins a line or follows a comma, a percent sign or the like; after it comes a
    colon, an equals sign or a dash between spaces: "0-10%" is no item 0. Without any item, a
    line of as many percentages as items, divided by strokes, names them in order.
    """
    bare = _bare_pattern(items)
    found = [
        match
        for match in _item_pattern(items).finditer(part.plain)
        if not bare.search(part.plain[max(0, match.start() - 20) : match.start()])
    ]
    if not found:
        yield from _in_order(part, items)
    if found and _otherwise(part.plain, found, items):
        return
    if " or " in part.plain and _or_pattern(items).search(part.plain):
        return
    ends = [*(following.start() for following in found[1:]), len(part.plain)]
    for match, end in zip(found, ends, strict=False):  # no item: one end too many
        if match["item"] in _SUMS:
            continue
        line_end = part.plain.find("\n", match.end(), end)
        yield plain(match["item"]), part.cut(match.end(), end if line_end < 0 else line_end)


#: Beside the items a sum may stand: it is none of them, and it ends the one before.
_SUMS = ("total", "sum")


@lru_cache(maxsize=64)
def _item_pattern(items: tuple[str, ...]) -> regex.Pattern[str]:
    names = "|".join([*(spelling(item) for item in longest_first(set(items))), *_SUMS])
    starts = r"""(?:^|(?<=[,;|%)])|(?<=[.!] ))(?:[>•-]+ |[ ("'])*"""
    item = rf"(?:(?P<item>{names})|pr?\( *(?:\p{{L}} *= *)?(?P<item>{names}) *\))"
    return regex.compile(rf"""{starts}{item}[ "')]*(?:[:=]|(?<= )-(?= ))""", regex.MULTILINE)


@lru_cache(maxsize=64)
def _bare_pattern(items: tuple[str, ...]) -> regex.Pattern[str]:
    """An item just before another one: "0, 1: 30%" is said of both together."""
    names = "|".join(spelling(item) for item in longest_first(set(items)))
    return regex.compile(rf"(?:\A|\n|[,;(%)]) *(?:{names}) *[,;&/]*[ ,]*\Z")


def _otherwise(text: str, found: list[regex.Match[str]], items: tuple[str, ...]) -> bool:
    """Whether what is said around the items gives them another meaning, or they are others.

    "of failing: 0: 10%", "0: 10%, … (order reversed)", "1: …, 2: …, 3: …, 4: …".
    """
    before, after = text[: found[0].start()], text[found[-1].end() :].split("\n\n", 1)[0]
    heading = _TO_DIGIT.match(before) if _LETTER.search(before) else None
    if heading and _UNUSUAL.search(_HEADINGS.sub("", heading[0])):
        return True
    if _LETTER.search(after) and _TURNED.search(after):
        return True
    named = {plain(match["item"]) for match in found}
    if named >= set(items):
        return False
    numbers = sorted({int(n) for n in named if n.isdigit()} | _numbered(text))
    return len(numbers) == len(items) and numbers == [*range(1, len(items) + 1)]


def _numbered(text: str) -> set[int]:
    return {int(match[1]) for match in _NUMBERED.finditer(text)}


_NUMBERED = regex.compile(r"(?:^|[,;|]) *([0-9]{1,3}) *[:=](?!=)", regex.MULTILINE)
_HEADINGS = regex.compile(
    r"\b(?:as follows|here|the|are|is|my|for|each|number|of|in|to|and|percent\w*|distribution"
    r"|estimates?|estimated|answers?|probabilit(?:y|ies)|likelihoods?|chances?|p|values?|outcomes?|n|x|k)\b"
)
#: Words before the first number that end in a mark, as a heading does: not "at least 1: …".
_TO_DIGIT = regex.compile(r"\D*[:)\n] *(?=[0-9]|\Z)")
_UNUSUAL = regex.compile(r"\p{L}{2}")
#: After percentages: that they are of something else, or in another order.
_TURNED = regex.compile(
    r"\b(?:revers\w*|order|descending|ascending|opposite|swapp\w*|invert\w*|complement\w*|cumul\w*"
    r"|counting|prior|respectively|lack\w*|instead|fail\w*|without|(?:the|of|for) un\w+ ones?)\b"
)


@lru_cache(maxsize=64)
def _or_pattern(items: tuple[str, ...]) -> regex.Pattern[str]:
    """Another distribution, or another answer for an item: "— or 3: 100%"."""
    names = "|".join(spelling(item) for item in longest_first(set(items)))
    return regex.compile(rf"% *[-,;(]+ *or +(?:{names}) *[:=]")


def _in_order(part: Passage, items: tuple[str, ...]) -> Iterator[tuple[str, Passage]]:
    line = part.first_line()
    spans = [m.span() for m in regex.finditer(r"[^/|]+", line.plain) if m[0].strip()]
    if len(spans) != len(items) or len(items) < 2:
        return
    shares = [share(line.plain[a:b]) for a, b in spans]
    whole = all(
        s is not None and s.percent and not line.plain[a + s.end : b].strip(" .")
        for s, (a, b) in zip(shares, spans, strict=True)
    )
    if whole and sum(s.value for s in shares if s) == 100:
        for item, (a, b) in zip(items, spans, strict=True):
            yield item, line.cut(a, b)
