"""Why a vLLM failed, from its log: the line that tells, what it means, what helps.

The last error of such a log is mostly a consequence ("Engine core initialization failed. See root
cause above"). The cause is the last error of the process that failed first: a worker, else the
engine's core, else the server itself. What is known by its words stands in `signatures.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SIGNATURES = Path(__file__).with_name("signatures.yaml")
#: Characters of a line that are told.
MOST = 400

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: What is put before each line by what collects logs: kubectl, docker compose, journald.
_COLLECTED = re.compile(
    r"^(?:\[pod/\S+\] ?"
    r"|\d{4}-\d\d-\d\dT[\d:.,]+(?:Z|[+-]\d\d:?\d\d)?\s+(?:(?:stdout|stderr) [FP] )?"
    r"|[\w.-]+\s+\| |[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ [\w.@-]+(?:\[\d+\])?: )"
)
#: "(Worker pid=12) ", Ray's "(RayWorkerWrapper pid=12, ip=10.0.0.1) ".
_PROCESS = re.compile(r"^\((?P<process>[\w:.@-]+)(?: rank=\d+)?(?: pid=\d+)?(?:, ip=\S+?)?\) ?")
_LEVEL = re.compile(
    r"^(?P<level>INFO|WARNING|ERROR|CRITICAL|DEBUG):? (?:[\d-]+ [\d:.,]+ )?(?:\[[^\]]*\] ?)?"
)
_ERROR = re.compile(
    r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Fault)\b(?::|$)"
)
_VALUE = re.compile(r"^\s*(?:Value|Assertion) error, (?P<what>.*)")
_ARGUMENTS = re.compile(r"^\S+: error: (?P<what>.*)")
_INPUT = re.compile(r" *\[type=\w+, input_value=.*")
#: Errors that only say that there was one.
_CONSEQUENCE = re.compile(
    r"See (?:stack trace|root cause)|Engine core initialization failed|EngineDeadError"
    r"|validation errors? for \w+$|WorkerProc initialization failed|Engine process failed to start"
    r"|^SystemExit|^KeyboardInterrupt"
)


@dataclass(frozen=True)
class Signature:
    """A cause that is known by its words."""

    id: str
    pattern: re.Pattern[str]
    cause: str
    remedy: str
    since: str


@dataclass(frozen=True)
class Line:
    """A line of a log without its prefixes; `number` counts from 1."""

    number: int
    process: str  # "" for what no process signs
    level: str  # "" where it has none: a traceback at the end
    text: str


@dataclass(frozen=True)
class Cause:
    """Why it failed: the line that says so, and what is known of it."""

    line: Line
    id: str = ""
    cause: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        if not self.id:
            return self.line.text
        return f"{self.line.text.rstrip('.')} ({self.cause}; what helps: {self.remedy})"


@cache
def signatures() -> tuple[Signature, ...]:
    """The causes known, in the order of the file."""
    import yaml

    entries = yaml.safe_load(SIGNATURES.read_text(encoding="utf-8"))
    return tuple(
        Signature(e["id"], re.compile(e["pattern"]), e["cause"], e["remedy"], e["since"])
        for e in entries
    )


def find_cause(log: str) -> Cause | None:
    """Why it failed, None where the log tells of no error."""
    lines = [line for line in read_lines(log) if line.level not in ("WARNING", "INFO", "DEBUG")]
    telling = _telling(lines)
    if telling and (known := _known(telling)):
        return known
    for line in reversed(lines):  # one that is known by its words wherever it stands
        if known := _known(line):
            return known
    return Cause(telling) if telling else None


def read_lines(log: str) -> Iterator[Line]:
    """The lines of a log, without colours and what was put before them."""
    for number, raw in enumerate(_COLOUR.sub("", log).split("\n"), 1):
        text = _COLLECTED.sub("", raw.rstrip("\r").rpartition("\r")[2])
        process = ""
        while match := _PROCESS.match(text):  # Ray's before vLLM's: the inner one tells
            process, text = match["process"], text[match.end() :]
        level = _LEVEL.match(text)
        if level:
            text = text[level.end() :]
        if text.strip():
            yield Line(number, process, level["level"] if level else "", text.rstrip())


def _telling(lines: Iterable[Line]) -> Line | None:
    """The line that names the cause, by where it stands."""
    found = [line for line in map(_as_error, lines) if line]
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
    text = said["what"] if said else best.text
    return Line(best.number, best.process, best.level, _INPUT.sub("", text)[:MOST])


def _as_error(line: Line) -> Line | None:
    """A line that tells of an error, and of more than that there was one."""
    error = _ERROR.match(line.text) or _VALUE.match(line.text) or _ARGUMENTS.match(line.text)
    return line if error and not _CONSEQUENCE.search(line.text) else None


def _known(line: Line) -> Cause | None:
    for signature in signatures():
        if match := signature.pattern.search(line.text):
            said = {name: value or "N" for name, value in match.groupdict().items()}
            text = _INPUT.sub("", line.text).strip()[:MOST]
            short = Line(line.number, line.process, line.level, text)
            return Cause(short, signature.id, signature.cause, signature.remedy.format(**said))
    return None
