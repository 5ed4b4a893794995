"""How far a start had come at each line of its log.

Memory that runs out means something else while weights are loaded than afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from grace.serving.doctor.log_lines import Line
from grace.serving.doctor.signatures import Stage

#: The first lines of a server; a log may hold several starts.
_BEGIN = re.compile(r"vLLM API server version|non-default args:")
READY = re.compile(r"Application startup complete|Uvicorn running on")
#: A server that was asked to end.
STOPPED = re.compile(
    r"KeyboardInterrupt: terminated|\[shutdown\] .*(?:triggered|trigger received)"
    r"|[Rr]eceived (?:signal )?SIGTERM|^Shutting down$"
)
#: A server that serves.
ALIVE = re.compile(r"\bHTTP/[\d.]+\" \d{3}\b|Avg prompt throughput|\[shutdown\]|^Shutting down$")
_LOADING = re.compile(
    r"Starting to load model|Loading (?:safetensors|pt) checkpoint shards"
    r"|Loading (?:model|weights|checkpoint)\b.*(?:\.\.\.|from)"
)
_LOADED = re.compile(
    r"(?:Loading weights|Model loading|init engine\b.*|torch\.compile) (?:took|takes)|KV cache size"
    r"|Available KV cache memory|Graph captur|Dynamo bytecode|Memory profiling|GPU blocks:"
    r"|Avg prompt throughput"
)
#: What a line of "out of memory" itself says, or the calls above it.
_IN_LOADING = re.compile(
    r"(?i)fail\w* to load (?:the )?model|while loading|load(?:ing)? (?:the )?weights"
    r"|\b(?:load_model|load_weights|create_weights|initialize_model|process_weights_after_loading)\b"
)
_IN_SERVING = re.compile(
    r"(?i)after start-?up|warming up|dummy (?:requests|run)|logits|logprobs|sampler|cuda ?graph"
    r"|\b(?:execute_model|profile_run|_dummy_run|capture_model|determine_available_memory"
    r"|compile_or_warm_up_model|compute_logits|sample_tokens)\b"
)
_TRIED = re.compile(r"Tried to allocate (?P<size>[\d.]+) (?P<unit>[MGT])i?B")
#: Lines above an error among which its calls stand.
CALLS = 400


def beginnings(lines: Sequence[Line]) -> list[int]:
    """Which start each line belongs to, counted from 0."""
    found, start, before = [], 0, -10
    for place, line in enumerate(lines):
        if _BEGIN.search(line.text):
            start += before >= 0 and place - before > 5  # its own lines stand together
            before = place
        found.append(start)
    return found


@dataclass(frozen=True)
class Moment:
    """How far the start had come before a line: by all lines, and by those of its own process."""

    stage: Stage | None
    own: Stage | None


def stages(lines: Sequence[Line]) -> list[Moment]:
    """How far the start had come before each line."""
    stage: Stage | None = None
    own: dict[str, Stage] = {}
    found = []
    for line in lines:
        process = line.process.partition("_TP")[0]  # often one rank alone tells
        found.append(Moment(stage, own.get(process)))
        if line.level in ("ERROR", "CRITICAL"):
            continue
        if _BEGIN.search(line.text):
            stage, own = None, {}
        elif READY.search(line.text):
            stage = "serving"
            if not any(own):  # the web server's line tells of the others where none is signed
                own[process] = "serving"
        elif _LOADED.search(line.text):
            stage = own[process] = "serving"
        elif _LOADING.search(line.text):
            stage = "loading"
            if line.level:  # a progress bar is signed by none
                own[process] = "loading"
    return found


def stage_of(lines: Sequence[Line], place: int, moment: Moment) -> Stage:
    """When the memory ran out: by the line's own words, its calls, the lines before, the amount.

    A piece of the weights is seldom as large as a GiB; log-probabilities of a batch often are. How
    far another process had come says less than that.
    """
    own = lines[place]
    above = [
        line.text
        for line in lines[max(0, place - CALLS) : place]
        if line.process == own.process and line.text.lstrip().startswith("File ")
    ]
    for texts in ([own.text], _last_traceback(above)):
        if any(_IN_LOADING.search(text) for text in texts):
            return "loading"
        if any(_IN_SERVING.search(text) for text in texts):
            return "serving"
    tried = _TRIED.search(own.text)
    if known := moment.own or (None if tried else moment.stage):
        return known
    large = tried and (tried["unit"] != "M" or float(tried["size"]) >= 1024)
    return "serving" if large else "loading"


def _last_traceback(calls: Sequence[str]) -> list[str]:
    """The calls next above: a hundred are more than any chain of them has."""
    return list(calls[-100:])
