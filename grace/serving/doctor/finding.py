"""One thing that is wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What is wrong, what it means, and what helps; its fields are those of doctor.json."""

    id: str
    cause: str
    remedy: str  # settings to paste first, where there are any
    line: str = ""  # what says so: a line of a log, an answer of a server
    place: str = ""  # where that stands: FILE:NUMBER, a URL, a port

    def __str__(self) -> str:
        said = self.line.rstrip(".")
        if not self.cause:
            return said
        helps = f"; what helps: {self.remedy}" if self.remedy else ""
        return f"{said} ({self.cause}{helps})" if said else f"{self.cause}{helps}"
