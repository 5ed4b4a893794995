"""What goes wrong with a server, sorted by what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grace.errors import ConfigError

#: Statuses after which the same request may succeed.
PASSING = frozenset({408, 409, 425, 429})


class PassingError(Exception):
    """May go away: the request is sent again. `after` is what the server asked to wait, in s."""

    def __init__(self, what: str, after: float | None = None, *, lost: bool = False) -> None:
        super().__init__(what)
        self.after = after
        self.lost = lost  # the connection was lost: the server may be another one afterwards


class RefusedError(Exception):
    """The server will not answer this request, however often it is sent."""

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


class BadAnswerError(PassingError):
    """An answer that is not what was asked for: truncated, without the ids, not a number."""


class ServerError(ConfigError):
    """A server this run cannot use at all: wrong model, no access."""


def from_status(status: int, body: str, headers: Mapping[str, str]) -> Exception:
    """The error an HTTP status stands for."""
    what = f"HTTP {status}: {summary(body)}" if body else f"HTTP {status}"
    if 300 <= status < 400:
        return ServerError(f"the server redirects ({what}); expected an endpoint that answers")
    if status in (401, 403):
        return ServerError(
            f"the server refuses access ({what}); set the environment variable GRACE_API_KEY"
        )
    if status in PASSING or status >= 500:
        return PassingError(what, retry_after(headers))
    return RefusedError(what, status)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait; dates and nonsense count as nothing."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        return None
    return min(seconds, 300.0) if seconds >= 0 else None


def summary(body: str, limit: int = 300) -> str:
    """The server's own message, in one line."""
    import json

    try:
        content: Any = json.loads(body)
        error = content.get("error", content) if isinstance(content, dict) else content
        message = error.get("message", body) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError, RecursionError):
        message = body
    line = " ".join(str(message).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
