"""What is to be looked at, and what is found there, the gravest first."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from grace.config import DoctorSettings
from grace.errors import ConfigError
from grace.serving.doctor.finding import Finding

#: Bytes of the end of a log that are read: what failed stands there.
READ = 64_000_000

#: The beginnings of compressed files, and what unpacks them.
PACKED = {
    b"\x1f\x8b": "gunzip",
    b"BZh": "bunzip2",
    b"\xfd7zXZ": "unxz",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"PK\x03\x04": "unzip",
}
#: Characters that are looked at, and the share that may be none of a text.
SEEN, ODD = 65_536, 0.2


def plan(settings: DoctorSettings, given: frozenset[str]) -> list[str]:
    """What will be looked at, a line each; ConfigError where that is nothing."""
    asked = {
        "log": settings.log,
        "url": settings.url,
        "pod": settings.pod,
    }
    found = [f"{name}={value}" for name, value in asked.items() if value]
    if not found and by_hand(given):
        found = [f"this machine, before a start of {settings.model.name}"]
    if not found:
        raise ConfigError(
            "nothing to look at; expected log=FILE, url=URL, pod=NAME, or model=NAME before a start"
        )
    return found


def by_hand(given: frozenset[str]) -> bool:
    """Whether the command line names a model."""
    return any(name == "model" or name.startswith("model.") for name in given)


async def examine(settings: DoctorSettings, given: frozenset[str]) -> list[Finding]:
    """All that is wrong with what is asked about; the start is looked at where nothing else is."""
    found: list[Finding] = []
    if settings.log:
        found += of_log(Path(settings.log))
    if settings.pod:
        from grace.serving.doctor.pod import of_pod

        found += of_pod(settings.pod)
    if settings.url:
        from grace.serving.doctor.running import of_server

        found += await of_server(settings, settings.url, model_given=by_hand(given))
    if not (settings.log or settings.pod or settings.url):
        from grace.serving.doctor.before_start import before_start

        found += before_start(settings, given)
    return found


def of_log(path: Path) -> list[Finding]:
    """What a log tells; ConfigError where there is none to read."""
    from grace.serving.doctor.logs import read_log

    try:
        with path.open("rb") as log:
            size = log.seek(0, 2)
            skipped = max(0, size - READ)
            log.seek(0)
            before = _newlines(log, skipped)
            text = log.read().decode(_encoding(path), "replace")
    except OSError as error:
        raise ConfigError(f"log={path}: {error.strerror}; expected the log of a server") from error
    if problem := _no_log(path, text):
        raise ConfigError(f"log={path}: {problem}; expected the log of a server, as text")
    return read_log("\n" * before + text, str(path))


def _no_log(path: Path, text: str) -> str:
    """Why a file cannot be a log; "" where it can."""
    with path.open("rb") as log:
        head = log.read(8)
    for magic, tool in PACKED.items():
        if head.startswith(magic):
            return f"it is compressed (unpack it first: {tool})"
    seen = text.replace("\0", "")[:SEEN]  # a log that is cut while it is written begins with zeros
    if not seen.strip():
        return "it is empty"
    odd = sum(
        one == "\ufffd" or (ord(one) < ord(" ") and one not in "\t\n\r\b\x1b") for one in seen
    )
    return "it is no text" if odd > ODD * len(seen) else ""


def _newlines(log: IO[bytes], size: int) -> int:
    """Lines in so many bytes, which are read past."""
    found = 0
    while size > 0 and (part := log.read(min(size, 2**24))):
        found, size = found + part.count(b"\n"), size - len(part)
    return found


def _encoding(path: Path) -> str:
    """PowerShell's > writes UTF-16."""
    with path.open("rb") as log:
        return "utf-16" if log.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
