"""The lines of a log, without what was put before them by whoever collected it.

A line of vLLM comes plain, coloured, through docker, docker compose, containerd, kubectl
(--timestamps, --prefix), journald, SLURM, MPI, torchrun, Ray, or as JSON, and several of these at
once; progress bars write many states of one line with carriage returns between them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: Colours, also those whose escape character was lost or spelt out on the way.
_COLOUR = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|(?:\^\[|\\x1b|\\u001b|\\033|␛)\[[0-9;]*m|\[(?:0|[1-9]\d?(?:;\d{1,3})*)m"
)
#: What is put before a line; tried again until nothing of it is left.
_COLLECTED = re.compile(
    r"\[pod/[^\]]+\]\s?"  # kubectl --prefix
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:\s?(?:Z|UTC|[+-]\d\d:?\d\d))?(?:\s-\s|\s+|$)"
    r"|\[\d{4}-\d\d-\d\d[T ][^\]]*\]\s?"
    r"|(?:stdout|stderr)\s+[FP]\s"  # containerd
    r"|[\w./@-]+\s*[|│]\s?(?!\s*\d+/\d+\s\[)"  # docker compose, not the end of a progress bar
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:[\w.-]+ )?[\w.@/-]+(?:\[\d+\])?: "  # journald
    r"|[\w.-]+ [\w.@/-]+\[\d+\]: "  # journald after its own time
    r"|\[\d+,\d+\]<std(?:err|out)>:\s?"  # MPI
    r"|\[(?:rank|default)\d+\]:?\s?"  # torch
    r"|(?![45]\d\d: )\d{1,4}: "  # srun --label; 401: is a status
)
#: "(Worker pid=12) ", Ray's "(RayWorkerWrapper pid=12, ip=10.0.0.1) ".
_PROCESS = re.compile(
    r"\((?P<process>[\w:.@/ -]*?)(?: ?\brank=\d+)?(?: ?\bpid=\d+)(?:, ip=[^)\s]+)?\)\s?"
)
_NAMES = r"INFO|WARNING|WARN|ERROR|CRITICAL|FATAL|DEBUG"
_LEVEL = re.compile(
    rf"(?:[\w.]+ - )?(?P<level>{_NAMES})(?![\w=])(?: - |:)?\s*"
    r"(?:\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d+)? )?(?:\[[^\]\s]*:\d+\] ?|[\w./-]+:\d+(?:\]| --) )?"
)
#: The stamp of vLLM's own lines, wherever in a line it begins.
_STAMP = re.compile(
    rf"(?:\([\w:.@ -]*pid=\d+\) )?(?:{_NAMES}) \d\d-\d\d \d\d:\d\d:\d\d \[?[\w./-]+:\d+\]"
)
_GLOG = re.compile(r"\[?(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d* ?[\w./-]+:\d+\] ")
_GLOG_LEVEL = {"I": "INFO", "W": "WARNING", "E": "ERROR", "F": "CRITICAL"}
#: A progress bar that the next message was written behind.
_PROGRESS = re.compile(r"^.*\d%.*\| *\d+/\d+ \[[^\]]*\] *(?=\S)")
#: What a user asked or was answered, as the server notes it.
_ASKED = re.compile(
    r"(?:Received request|Generated response) [^\s:]+(?: \(.*?\))?: "
    r"(?:(?:prompt|output): (?P<quote>['\"])?)?"
)
_NO_PROMPT = re.compile(r"Traceback \(most recent|\S+:\d+ - \"(?:GET|POST|HEAD) ")
#: Lines that a prompt may go on for.
MOST_ASKED = 200
#: Prefixes a line may have.
MOST_PREFIXES = 8
#: Characters of a line that are read: configurations are printed in one line of many thousand.
MOST = 20_000


@dataclass(frozen=True)
class Line:
    """A line of a log without its prefixes; `number` counts from 1, as editors do."""

    number: int
    process: str  # "" for what no process signs
    level: str  # "" where it has none: a traceback at the end
    text: str


def read_lines(log: str) -> Iterator[Line]:
    """All lines that say something. What a carriage return wrote over is a line of its own."""
    for number, raw in enumerate(log.split("\n"), 1):
        for part in _unpacked(raw.rstrip("\r")).split("\r"):
            line = _read(part[:MOST], number)
            if line.text.strip():
                yield line


def without_prompts(lines: Iterable[Line]) -> Iterator[Line]:
    """The lines without those that tell what a user asked, whose words are no errors."""
    closing, left = "", 0
    for line in lines:
        text, over = line.text, False
        if asked := _ASKED.search(text):
            closing, left, text = asked["quote"] or "", MOST_ASKED, text[asked.end() :]
        elif left <= 0 or line.level not in ("", "INFO", "DEBUG") or _NO_PROMPT.match(text):
            closing, over = "", True
        left -= 1
        if closing and re.search(rf"(?<!\\){closing}(?:,|$)|\.\.\.$|\bparams: ", text):
            left = 0
        if not closing:
            left = 0
        if over:
            yield line


def _unpacked(raw: str) -> str:
    """The message in a line of JSON: docker's own files, structured logs."""
    start = raw.find("{")
    if start < 0 or not raw.rstrip().endswith("}") or start > 80:
        return raw
    try:
        found = json.loads(raw[start:])
    except ValueError:
        return raw
    for name in ("log", "message", "msg", "MESSAGE"):
        if isinstance(text := found.get(name), str):
            level = next((found[n] for n in ("level", "levelname", "severity") if n in found), "")
            stamp = f"{level} " if str(level).isupper() and not _STAMP.match(text) else ""
            return stamp + text.rstrip("\n")
    return raw


def _read(raw: str, number: int) -> Line:
    text = _COLOUR.sub("", raw)
    if progress := _PROGRESS.match(text):
        text = text[progress.end() :]
    process, level = "", ""
    stamp = _STAMP.search(text, 0, 300)
    if stamp and not _PROCESS.match(text):
        text = text[stamp.start() :]
    for _ in range(MOST_PREFIXES):
        if match := _COLLECTED.match(text):
            text = text[match.end() :]
        elif match := _PROCESS.match(text):  # Ray's before vLLM's: the inner one tells
            process, text = match["process"].strip() or process, text[match.end() :]
        elif not level and (match := _GLOG.match(text)):
            level, text = _GLOG_LEVEL[match["level"]], text[match.end() :]
        elif not level and (match := _LEVEL.match(text)):
            level, text = match["level"], text[match.end() :]
            break
        else:
            break
    level = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level)
    return Line(number, process, level, text.rstrip())
