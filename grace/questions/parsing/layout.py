"""Answers in another layout than asked, rewritten as labelled lines: JSON, tables, lists.

What they say is then read by the same strict rules as any other answer. A layout of which it
is not clear what belongs to what is left as it is, and so not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from string import Formatter
from typing import Any

import regex

from grace.config import ChoiceField, ParserSpec, PercentField
from grace.config.answer_fields import sentence_gaps
from grace.config.matching import plain

_CELLS = regex.compile(r"(?<!\\)\|")
_RULE = regex.compile(r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_ORDINAL = regex.compile(r"^[ \t]*\(?([0-9]{1,2})[.)][ \t]+", regex.MULTILINE)
#: How deep an answer may lie in objects that hold nothing else: {"answer": {…}}.
_WRAPPERS = {"answer", "response", "output", "result", "final", "final answer", "json", "data"}

#: Keys of what says nothing of the other entries.
_HARMLESS = regex.compile(
    r"(?:\p{L}+ )?(?:reasons?|reasoning|explanations?|comments?|notes?|rationale|justification"
    r"|analysis|confidence|certainty|summary|thoughts?|sure|verified|ok|success|done|name|speaker|story)"
)
#: Keys under which an object holds the sentence that was asked for.
_SPOKEN = {"answer", "response", "sentence", "utterance", "statement", "output", "final answer"}


def labelled(text: str, spec: ParserSpec) -> str:
    """An answer with its JSON, tables and numbered list as the labelled lines asked for."""
    if "{" in text:
        text = _with_json(text, spec)
    if "|" in text:
        text = _with_tables(text, spec)
    return _with_labels(text, spec)


# JSON


def _with_json(text: str, spec: ParserSpec) -> str:
    """Every object at the text's top level that holds a field, as lines in its place."""
    parts, place = [], 0
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=str, parse_int=str)
    start = text.find("{")
    tries = 0
    while start >= 0 and tries < 20:  # an answer with more is no answer
        tries += 1
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        lines = _object_lines(value, spec)
        if lines:
            parts += [text[place:start], "\n", *(f"{line}\n" for line in lines)]
            place = end
        start = text.find("{", end)
    return "".join([*parts, text[place:]])


class _Pairs(list[tuple[str, Any]]):
    """An object with the order and the repetitions of its keys; numbers are as written."""


def _object_lines(value: _Pairs, spec: ParserSpec, depth: int = 0) -> list[str]:
    """The lines an object stands for; none where it holds no field."""
    pairs = [(_key(key), found) for key, found in value]
    if len(pairs) == 1 and isinstance(pairs[0][1], _Pairs) and depth < 3:
        key, inner = pairs[0]
        if key in _WRAPPERS:
            return _object_lines(inner, spec, depth + 1)
    labels = {field.place[0]: field.label or "" for field in spec.fields.values()} | {
        _key(name): f"{field.label}: {field.item}" if field.item else field.label or ""
        for name, field in spec.fields.items()
    }
    known_keys = {*labels, *(_key(gap) for gap in sentence_gaps(spec.sentence))}
    others = [(key, found) for key, found in pairs if key not in known_keys]
    if any(isinstance(found, bool) and not _HARMLESS.fullmatch(key) for key, found in others):
        return []  # "example": true, "final": false, "negated": true
    lines = _sentence_lines(pairs, spec)
    explained = all(_HARMLESS.fullmatch(key) for key, _ in others)
    known = bool(lines)
    for key, found in pairs:
        label = labels.get(key)
        if label and isinstance(found, list) and not explained:
            continue  # of which it may be said elsewhere what they are: "order", "of"
        if label and ":" not in label:
            lines.append(f"{label}: {_content(found, label, spec)}")
            known = True
        elif label:  # one item of a label by the field's name: p_0
            lines.append(f"{label}: {_scalar(found, spec, key)}")
            known = True
        elif isinstance(found, str) and (known or key in _SPOKEN) and key not in spec.fields:
            lines.append(f"{key}: {' '.join(found.split())}")
            known = known or bool(spec.sentence)
    return lines if known else []


def _key(text: str) -> str:
    return plain(text.replace("_", " ").replace("-", " ")).rstrip(": ")


def _sentence_lines(pairs: list[tuple[str, Any]], spec: ParserSpec) -> list[str]:
    """The sentence with its gaps filled by an object's values, each a spelling of its field."""
    gaps = sentence_gaps(spec.sentence)
    values: dict[str, str] = {}
    for key, found in pairs:
        for gap in gaps:
            own = key == _key(gap) and isinstance(found, str)
            if own and values.setdefault(gap, found) != found:
                return []
    if not gaps or set(values) != set(gaps):
        return []
    if any(plain(values[gap]) not in spec.fields[gap].spellings for gap in gaps):
        return []
    return [filled(spec, values)]


def filled(spec: ParserSpec, values: Mapping[str, str]) -> str:
    """The sentence with a spelling in each gap."""
    return "".join(
        text + (values[name] if name is not None else "")
        for text, name, _, _ in Formatter().parse(spec.sentence or "")
    )


def _content(found: Any, label: str, spec: ParserSpec) -> str:
    """What stands after a label: a scalar, or the items of an object or a list."""
    items = {
        field.place[1]: field
        for field in spec.fields.values()
        if field.item and field.place[0] == plain(label).rstrip(": ")
    }
    if isinstance(found, _Pairs):
        pairs = [(_key(key), value) for key, value in found]
    elif isinstance(found, list) and len(found) == len(items):
        pairs = list(zip(items, found, strict=True))
    else:
        return _scalar(found, spec, plain(label).rstrip(": "))
    percent = all(isinstance(items.get(key), PercentField) for key, _ in pairs)
    numbers = [_number(value) for _, value in pairs]
    whole = percent and len({key for key, _ in pairs}) == len(pairs) == len(items)
    signed = "%" if whole and None not in numbers and _sum(numbers) == 100 else ""
    return ", ".join(f"{key}: {_scalar(value, spec, key)}{signed}" for key, value in pairs)


def _scalar(found: Any, spec: ParserSpec, key: str) -> str:
    """One value as text; true and false are yes and no where a field has these."""
    if isinstance(found, bool):
        word = "yes" if found else "no"
        asked = [f for name, f in spec.fields.items() if key in (_key(name), *f.place)]
        own = isinstance(asked[0], ChoiceField) and word in asked[0].spellings if asked else False
        return word if own else str(found).lower()
    if found is None:
        return ""
    if isinstance(found, list):
        return "?"  # several values, or an object: no answer
    return " ".join(str(found).split())


def _number(found: Any) -> Decimal | None:
    """A number as written, without a sign."""
    text = found if isinstance(found, str) else ""
    return Decimal(text) if regex.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{1,9})?", text) else None


def _sum(numbers: Iterable[Decimal | None]) -> Decimal:
    return sum((number for number in numbers if number is not None), Decimal(0))


# Tables


def _with_tables(text: str, spec: ParserSpec) -> str:
    """Tables of labels or items and one answer each, as labelled lines."""
    lines: list[str] = []
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        if "|" in line:
            block.append(line)
            continue
        lines += _table_lines(block, spec) if block else []
        block = []
        lines.append(line)
    return "\n".join(lines[:-1])


def _table_lines(block: list[str], spec: ParserSpec) -> list[str]:
    """A table's lines rewritten; as they were where a row has several answers."""
    rules = [k for k, line in enumerate(block) if _is_rule(line)]
    if rules and rules[0] > 1:
        return block
    rows = [_cells(line) for line in block if not _is_rule(line)]
    width = max((len(row) for row in rows), default=0)
    if not rows or (not rules and not all(line.lstrip().startswith("|") for line in block)):
        return block
    places = {text for field in spec.fields.values() for text in field.place if text}
    head = rows[0] if rules else []
    body = rows[1:] if rules else rows
    if head and len(body) == 1 and len(body[0]) == len(head):
        lines = _across(head, body[0], spec)
        if lines:
            return lines
    if width != 2 or any(len(row) != 2 for row in rows):
        return block
    if not any(_place(row[0]) in places for row in rows):
        return block
    percent = "%" if head and "%" in head[1] else ""
    lines = []
    if head and (label := _label_like(head[1], spec)):
        lines.append(f"{label}:")
    elif head and _place(head[0]) in places:
        body = rows
    for first, second in body:
        sign = percent if _number(second.strip("* ")) is not None else ""
        lines.append(f"{_place(first)}: {second}{sign}")
    return lines


def _is_rule(line: str) -> bool:
    return len(line) < 500 and bool(_RULE.fullmatch(line))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _CELLS.split(line.strip().removeprefix("|").removesuffix("|"))]


def _place(cell: str) -> str:
    return plain(cell).rstrip(": ")


def _across(head: list[str], row: list[str], spec: ParserSpec) -> list[str]:
    """A table with the places in its head and the answers below them, in one row."""
    labels = {f.place[0] for f in spec.fields.values() if f.label and not f.item}
    items = {f.place[1]: f.label or "" for f in spec.fields.values() if f.item}
    places = [_place(cell) for cell in head]
    named = [(p, cell) for p, cell in zip(places, row, strict=True) if p in items]
    others = [(p, cell) for p, cell in zip(places, row, strict=True) if p in labels]
    rest = [p for p in places if p not in items and p not in labels]
    if len(rest) > 1 or (rest and places[0] != rest[0]):
        return []
    if len({*(p for p, _ in named)}) != len(named) or not (named or others):
        return []
    if named and ({p for p, _ in named} != set(items) or len(set(items.values())) > 1):
        return []
    lines = [f"{label}: {cell}" for label, cell in others]
    if named:
        cells = ", ".join(f"{item}: {cell}" for item, cell in named)
        lines.append(f"{next(iter(items.values()))}: {cells}")
    return lines


def _label_like(cell: str, spec: ParserSpec) -> str | None:
    """The label of items that a column's heading names: "Probability (%)"."""
    heading = regex.sub(r"\(.*\)|%", "", plain(cell)).strip(" :")
    for field in spec.fields.values():
        if field.item and field.label and _stem(heading) == _stem(field.place[0]):
            return field.label
    return None


def _stem(word: str) -> str:
    return regex.sub(r"(?:ies|y|es|s)$", "", word)


# A numbered list in place of the labels


def _with_labels(text: str, spec: ParserSpec) -> str:
    """A list "1. … 2. … 3. …" with the labels, which are asked for in this order.

    Only where no label stands in the text, there are as many entries as labels, and one of
    them has the items of its label, so that it is plain that the entries answer the requests.
    """
    labels = list(dict.fromkeys(f.label for f in spec.fields.values() if f.label))
    items = [f.place[1] for f in spec.fields.values() if f.item]
    if len(labels) < 2 or not items:
        return text
    found = list(_ORDINAL.finditer(text))
    if [m[1] for m in found] != [str(k + 1) for k in range(len(labels))]:
        return text
    lowered = plain(text)
    if any(plain(label).rstrip(": ") in lowered for label in labels):
        return text
    ends = [*(m.start() for m in found[1:]), len(text)]
    entries = [text[m.end() : end] for m, end in zip(found, ends, strict=True)]
    for label, entry in zip(labels, entries, strict=True):
        own = [f.place[1] for f in spec.fields.values() if f.item and f.label == label]
        if own and not all(_has_item(item, entry) for item in own):
            return text
    return text[: found[0].start()] + "".join(
        f"{label}: {entry.rstrip()}\n" for label, entry in zip(labels, entries, strict=True)
    )


def _has_item(item: str, entry: str) -> bool:
    return bool(regex.search(rf"(?<!\w){regex.escape(item)} *[:=]", plain(entry)))
