"""What a log tells of what went wrong, the gravest first.

The last error of such a log is mostly a consequence ("Engine core initialization failed. See root
cause above"). The cause is the last error of the process that failed first: a worker, else the
engine's core, else the server itself. What is known by its words stands in `signatures.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from grace.serving.doctor.finding import Finding
from grace.serving.doctor.log_lines import Line, read_lines, without_prompts
from grace.serving.doctor.moments import ALIVE, READY, STOPPED, beginnings, stage_of, stages
from grace.serving.doctor.signatures import Grade, Signature, shortened, signatures

UNKNOWN = "unknown"
UNKNOWN_CAUSE = "no cause that is known by its words; this is the error that came first"
UNKNOWN_REMEDY = "read the lines around it; a newer vLLM, or its issues, may know it"

_ERROR = re.compile(
    r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Fault)\b(?::|$)"
)
_VALUE = re.compile(r"^\s*(?:Value|Assertion) error, (?P<what>.*)")
_ARGUMENTS = re.compile(r"^\S+: error: (?P<what>.*)")
#: The end of a process that could say nothing any more.
_CRASH = re.compile(
    r"^(?:\S+: line \d+: +\d+ )?(?:Segmentation fault|Aborted|Illegal instruction)\b"
    r"|Segfault encountered|^Fatal Python error: "
)
#: Errors that only say that there was one.
_CONSEQUENCE = re.compile(
    r"validation errors? for \w+$|^SystemExit|^KeyboardInterrupt|^asyncio\S*CancelledError"
)
#: Lines of a traceback that quote the program.
_QUOTED = re.compile(r"^(?: {4,}|\t|  File \")")
QUIET = ("INFO", "WARNING", "DEBUG")
_GRADES: dict[Grade, int] = {"cause": 0, "consequence": 2, "request": 3, "passing": 4}
_UNKNOWN_GRADE = 1
#: Told beside what is graver.
_BESIDE = (_GRADES["request"],)


@dataclass(frozen=True)
class Seen:
    """A known cause in a line."""

    finding: Finding
    signature: Signature
    place: int  # among the lines of its start
    weight: int  # 2: in the line that tells by where it stands; 1: an error by its form

    @property
    def order(self) -> int:
        """Its rank among the causes of a start: the telling line's first, then as they came."""
        return -1 if self.weight >= 2 else self.place


@dataclass(frozen=True)
class Told:
    """A finding with what it is ranked by."""

    grade: int
    start: int
    order: int
    finding: Finding


def find_cause(log: str) -> Finding | None:
    """Why a server failed, as far as its log tells; what is harmless by itself is no cause."""
    kept = (one.finding for one in _ranked(log, "line ") if one.grade != _GRADES["passing"])
    return next(kept, None)


def read_log(log: str, name: str) -> list[Finding]:
    """All that went wrong, the gravest first; places are `name` and the line's number."""
    found: dict[str, Finding] = {}
    for one in _ranked(log, f"{name}:"):
        found.setdefault(one.finding.id, one.finding)
    return list(found.values())


def _ranked(log: str, place: str) -> list[Told]:
    lines = list(without_prompts(read_lines(log)))
    starts = beginnings(lines)
    ready = max((line.number for line in lines if READY.search(line.text)), default=0)
    told: list[Told] = []
    for start, group in groupby(zip(starts, lines, strict=True), itemgetter(0)):
        here = [line for _, line in group]
        up = any(READY.search(line.text) for line in here)
        if here[-1].number < ready and not up:
            continue  # a later start went well
        telling = _telling(here)
        if telling and up and _goes_on(here, telling):
            telling = None
        told += _of_start(_seen(here, telling, ready, place), telling, ready, start, place)
    worst = min((one.grade for one in told), default=0)
    told = [one for one in told if one.grade == worst or one.grade in _BESIDE]
    return sorted(told, key=lambda one: (one.grade, -one.start, one.order))


def _of_start(
    seen: Sequence[Seen], telling: Line | None, ready: int, start: int, place: str
) -> list[Told]:
    """What one start tells. An unknown error is none where it became ready all the same."""
    ids = {one.signature.id for one in seen}
    found = []
    for one in seen:
        if not ids & set(one.signature.yields):
            passing = one.signature.grade == "passing"  # of whichever start
            order = -one.place if passing else one.order  # what was said last tells most
            grade = _GRADES[one.signature.grade]
            found.append(Told(grade, 0 if passing else start, order, one.finding))
    known = any(one.signature.grade in ("cause", "request") for one in seen)
    if telling and telling.number > ready and not known:
        text, where = shortened(telling.text), f"{place}{telling.number}"
        unknown = Finding(UNKNOWN, UNKNOWN_CAUSE, UNKNOWN_REMEDY, text, where)
        found.append(Told(_UNKNOWN_GRADE, start, 0, unknown))
    return found


def _seen(lines: Sequence[Line], telling: Line | None, ready: int, place: str) -> list[Seen]:
    """Each known cause of a start once, in the line that tells most of it."""
    known: dict[str, Seen] = {}
    moments = stages(lines)
    up, stopped = _turns(lines)
    loud = signatures()
    quiet = tuple(one for one in loud if one.level == "any")
    for n, line in enumerate(lines):
        if _QUOTED.match(line.text):
            continue
        # What stands in a warning is a quotation, unless an error was noted as one.
        warned = line.level in QUIET and not _ERROR.match(line.text)
        for signature in quiet if warned else loud:
            match = signature.pattern.search(line.text)
            if match is None:
                continue
            if signature.stage and stage_of(lines, n, moments[n]) != signature.stage:
                continue
            followed = signature.grade == "consequence" and line.level and n > stopped
            if followed or (signature.starting and n > up):
                break  # it was ended from outside
            passed = signature.grade == "passing" and line.number <= ready
            if signature.grade != "ignored" and not passed:
                tells = telling is not None and line.number == telling.number
                finding = signature.finding(match, line.text, f"{place}{line.number}")
                one = Seen(finding, signature, n, 2 * tells + _is_error(line))
                before = known.get(signature.id)
                later = signature.grade == "passing" or (before and one.weight > before.weight)
                if before is None or later:
                    known[signature.id] = one
            break
    return list(known.values())


def _turns(lines: Sequence[Line]) -> tuple[int, int]:
    """From which place on a server served, and from which it was asked to end."""
    never = len(lines)
    up = next((n for n, line in enumerate(lines) if READY.search(line.text)), never)
    ends = (n for n, line in enumerate(lines) if n > up and STOPPED.search(line.text))
    return up, next(ends, never)


def _telling(lines: Iterable[Line]) -> Line | None:
    """The line that names the cause, by where it stands."""
    loud = [line for line in lines if line.level not in QUIET and _is_error(line)]
    found = [line for line in loud if not _empty(line.text)]
    for kind in ("worker", "enginecore"):
        signed = [line for line in found if line.level and kind in line.process.lower()]
        if signed:  # of the process that failed first, what came out in the end
            return [line for line in signed if line.process == signed[0].process][-1]
    values = [line for line in found if _VALUE.match(line.text) or _ARGUMENTS.match(line.text)]
    plain = [line for line in found if not line.level]
    best = next((few[-1] for few in (values, plain, found) if few), None)
    if best is None:
        return None
    said = _VALUE.match(best.text) or _ARGUMENTS.match(best.text)
    return Line(best.number, best.process, best.level, said["what"] if said else best.text)


def _goes_on(lines: Sequence[Line], telling: Line) -> bool:
    """Whether a server that had become ready was none the worse for it: a request failed."""
    place = next(n for n, line in enumerate(lines) if line.number == telling.number)
    ready = next(n for n, line in enumerate(lines) if READY.search(line.text))
    if place < ready:
        return True
    since = lines[ready:place]
    if any(kind in telling.process.lower() for kind in ("worker", "enginecore")):
        return any(STOPPED.search(line.text) for line in since)
    if _CRASH.search(telling.text):
        return False
    raised = any(line.text.startswith("Traceback (most recent") for line in since)
    asked = any("Exception in ASGI application" in line.text for line in since)
    alive = any(ALIVE.search(line.text) for line in lines[place:])
    return bool(telling.level) or not raised or asked or alive


def _is_error(line: Line) -> bool:
    forms = (_ERROR, _VALUE, _ARGUMENTS)
    return any(form.match(line.text) for form in forms) or bool(_CRASH.search(line.text))


def _empty(text: str) -> bool:
    """Whether it says only that there was an error, or is none."""
    if _CONSEQUENCE.search(text):
        return True
    empty = [one for one in signatures() if one.grade in ("consequence", "ignored")]
    return any(one.pattern.search(text) for one in empty)
