"""The causes known by their words: the head of signatures.yaml says what its fields are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from grace.serving.doctor.finding import Finding

SIGNATURES = Path(__file__).with_name("signatures.yaml")
Grade = Literal["cause", "request", "passing", "consequence", "ignored"]
Stage = Literal["loading", "serving"]

#: What pydantic writes behind a message.
_INPUT = re.compile(r" *\[type=\w+, input_value=.*")
#: Characters of a line that are told.
MOST = 400


@dataclass(frozen=True)
class Signature:
    """A cause that is known by its words."""

    id: str
    pattern: re.Pattern[str]
    cause: str
    remedy: str
    since: str
    grade: Grade = "cause"
    level: Literal["error", "any"] = "error"
    stage: Stage | None = None
    starting: bool = False
    yields: Sequence[str] = ()

    def finding(self, match: re.Match[str], text: str, place: str) -> Finding:
        """What to tell of a line in which the pattern was found."""
        said = {name: value or "" for name, value in match.groupdict().items()}
        if said and not any(said.values()):
            said[next(iter(said))] = "N"
        return Finding(self.id, self.cause, self.remedy.format(**said), shortened(text), place)


@cache
def signatures() -> tuple[Signature, ...]:
    """The causes known, in the order of the file."""
    import yaml

    entries = yaml.safe_load(SIGNATURES.read_text(encoding="utf-8"))
    return tuple(
        Signature(**{**entry, "pattern": re.compile(entry["pattern"])}) for entry in entries
    )


def shortened(text: str) -> str:
    """A line as it is told."""
    return _INPUT.sub("", text).strip()[:MOST]
