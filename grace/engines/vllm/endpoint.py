"""One endpoint: requests that are retried with patience, and a breaker that gives up on it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.stop import stop_base
from tenacity.wait import wait_base, wait_random_exponential

from grace.engines.vllm.problems import (
    BadAnswerError,
    PassingError,
    RefusedError,
    ServerError,
    from_status,
    summary,
)
from grace.errors import ConfigError

DEFAULT = "http://localhost:8000/v1"
#: Failures in a row after which an endpoint rests, and for how long (seconds).
TRIPS, REST = 5, 3.0


def endpoint_urls(given: tuple[str, ...]) -> tuple[str, ...]:
    """The endpoints asked for, or the environment's, or vLLM's usual one; http(s) only."""
    named = given or tuple(u.strip() for u in os.environ.get("GRACE_ENDPOINTS", "").split(","))
    urls = [_checked(url.strip()) for url in named if url.strip()] or [DEFAULT]
    once = {url.removesuffix("/v1"): url for url in reversed(urls)}  # named twice, asked once
    return tuple(url for url in dict.fromkeys(urls) if once[url.removesuffix("/v1")] == url)


def _checked(url: str) -> str:
    """An endpoint's URL up to /v1; what is pasted behind that is left out."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        known = False
    if not known or any(sign.isspace() for sign in url):
        raise ConfigError(f"engine.endpoints: {url!r}; expected http://HOST:PORT/v1")
    if parts.username or parts.password:
        raise ConfigError(
            "engine.endpoints: a URL with a password in it; the key belongs in the "
            "environment variable GRACE_API_KEY"
        )
    if parts.query or parts.fragment:
        raise ConfigError(f"engine.endpoints: {url!r}; expected nothing behind .../v1")
    url = url.rstrip("/")
    for path in ("/chat/completions", "/completions", "/models"):
        url = url.removesuffix(path)
    return url.rstrip("/")


def api_key() -> str:
    """The key for all endpoints, from the environment alone."""
    for name in ("GRACE_API_KEY", "OPENAI_API_KEY"):
        if key := os.environ.get(name, "").strip():
            if not key.isascii() or not key.isprintable():
                raise ConfigError(f"{name}: holds a character that no key has")
            return key
    return "none"


@dataclass
class Breaker:
    """Rests after failures in a row, so that work moves to other endpoints."""

    failures: int = 0
    open_until: float = 0.0

    def resting(self) -> float:
        """Seconds until the endpoint may be tried again."""
        return max(0.0, self.open_until - time.monotonic())

    def note(self, *, ok: bool) -> None:
        """Take note of a request's outcome."""
        self.failures = 0 if ok else self.failures + 1
        if self.failures >= TRIPS:
            self.open_until = time.monotonic() + REST


@dataclass
class Gate:
    """How many requests may be in flight: grows while the server keeps up, halves when not.

    Additive increase, multiplicative decrease (Chiu & Jain 1989), driven by overload answers
    and by latency more than twice the best seen.
    """

    most: int
    now: float = 4.0
    best: float = float("inf")
    flying: int = 0
    _free: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def __aenter__(self) -> None:
        async with self._free:
            await self._free.wait_for(lambda: self.flying < max(1, int(self.now)))
            self.flying += 1

    async def __aexit__(self, *_: object) -> None:
        async with self._free:
            self.flying -= 1
            self._free.notify_all()

    def note(self, seconds: float, *, overloaded: bool) -> None:
        """Adapt to a request's outcome."""
        self.best = min(self.best, seconds)
        if overloaded:
            self.now = max(1.0, self.now / 2)
        elif seconds < 4 * self.best or self.now < 4:
            self.now = min(float(self.most), self.now + 1 / self.now)
        else:
            self.now = max(2.0, self.now - 0.25)


class _Deadline(stop_base):
    """Stops at a moment shared by all attempts, waits included."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def __call__(self, state: RetryCallState) -> bool:
        return time.monotonic() + (state.upcoming_sleep or 0) >= self.at


class _Patience(wait_base):
    """Full jitter (exponential), but at least what the server asked for.

    No wait is long beside the deadline: a bad stretch must not end in one that is slept through.
    """

    def __init__(self, deadline: float) -> None:
        self._jitter = wait_random_exponential(multiplier=0.2, max=min(30.0, deadline / 20))

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after if isinstance(error, PassingError) and error.after else 0.0
        return max(asked, float(self._jitter(state)))


class Endpoint:
    """Speaks with one server. Nothing of the key is ever shown."""

    def __init__(self, url: str, *, timeout: float, most: int) -> None:
        self.url = url
        self.root = url.removesuffix("/v1")
        self.gate = Gate(most)
        self.breaker = Breaker()
        self.suspect = False  # the connection was lost: who answers now?
        self._client = openai.AsyncOpenAI(
            base_url=url,
            api_key=api_key(),
            max_retries=0,
            timeout=timeout,
            http_client=httpx2.AsyncClient(
                follow_redirects=False,
                timeout=timeout,
                trust_env=False,
                limits=httpx2.Limits(max_connections=most + 4, max_keepalive_connections=most + 4),
            ),
        )

    async def get(self, path: str) -> Any:
        """One GET, without patience; JSON."""
        return await self._send("GET", path, None)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """One POST, without patience; JSON. Gate and breaker take note."""
        async with self.gate:
            start = time.monotonic()
            try:
                answer = await self._send("POST", path, body)
            except PassingError as error:
                self.gate.note(time.monotonic() - start, overloaded=True)
                self.breaker.note(ok=False)
                self.suspect = self.suspect or error.lost
                raise
            self.gate.note(time.monotonic() - start, overloaded=False)
            self.breaker.note(ok=True)
            return answer

    async def text(self, path: str) -> str:
        """One GET, without patience; as it comes."""
        return await self._raw("GET", path, None)

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        text = await self._raw(method, path, body)
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            raise BadAnswerError("the server's answer is no JSON: cut off or garbled") from None
        if isinstance(answer, dict) and answer.get("error") and "choices" not in answer:
            raise BadAnswerError(f"the server answers with an error: {summary(text)}")
        return answer

    async def _raw(self, method: str, path: str, body: dict[str, Any] | None) -> str:
        url = f"{self.root}{path}"
        try:
            if method == "GET":
                raw = await self._client.get(url, cast_to=httpx2.Response)
            else:
                raw = await self._client.post(url, cast_to=httpx2.Response, body=body)
            text: str = raw.text
        except openai.APIStatusError as error:
            raise from_status(
                error.status_code, error.response.text, dict(error.response.headers)
            ) from None
        except openai.APITimeoutError:
            raise PassingError("the server did not answer in time") from None
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            cause = error.__cause__ or error
            raise PassingError(
                f"no connection to {self.url} ({type(cause).__name__})", lost=True
            ) from None
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise ServerError(
                f"{self.url}: no request can be sent there ({type(error).__name__})"
            ) from None
        return text

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def retrying(deadline: float) -> AsyncRetrying:
    """Try again what may pass, with full jitter, until the deadline (seconds) is over."""
    return AsyncRetrying(
        retry=retry_if_exception_type(PassingError),
        wait=_Patience(deadline),
        stop=_Deadline(deadline),
        reraise=True,
    )


__all__ = [
    "BadAnswerError",
    "Endpoint",
    "PassingError",
    "RefusedError",
    "ServerError",
    "endpoint_urls",
    "retrying",
]
