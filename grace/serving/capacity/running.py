"""A server that runs already: what it says of its own memory, beside what was calculated."""

from __future__ import annotations

import contextlib
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from grace.config import CapacitySettings, VllmSettings
from grace.serving.capacity.estimates import Row

#: Seconds for an answer of a server that nobody named, and of one that was.
LOOK, WAIT = 0.3, 5.0
_INFO = re.compile(r"^vllm:cache_config_info\{(?P<labels>.*)\}", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_SERVED = re.compile(r'model_name="((?:[^"\\]|\\.)*)"')


def beside(
    settings: CapacitySettings, given: frozenset[str], rows: Sequence[Row]
) -> dict[str, Any] | None:
    """What the server says, and how the calculation differs; None where none runs.

    A server that nobody named is asked only at the address where grace.serve would start one, and
    passed over where it serves another model.
    """
    url, named = _address(settings, given)
    try:
        text = _metrics(url, WAIT if named else LOOK)
    except (OSError, ValueError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", error)
        return {"url": url, "problem": f"cannot be asked ({reason})"} if named else None
    if not named and settings.model.name not in _SERVED.findall(text):
        return None
    found = read_info(text)
    if found is None:
        return {"url": url, "problem": "its /metrics has no vllm:cache_config_info"}
    return {"url": url, **found, "difference": _difference(found, rows)}


def read_info(text: str) -> dict[str, Any] | None:
    """Blocks, tokens and requests at once of a server's /metrics; None where it has none."""
    infos = [dict(_LABEL.findall(match["labels"])) for match in _INFO.finditer(text)]
    if not infos:
        return None
    labels = infos[0]
    found: dict[str, Any] = {
        "blocks": _number(labels, "num_gpu_blocks", int) or 0,
        "block_size": _number(labels, "block_size", int),
        "tokens": _number(labels, "kv_cache_size_tokens", int),
        "concurrency": _number(labels, "kv_cache_max_concurrency", float),
        "kv_bytes": _number(labels, "kv_cache_memory_bytes", int),
        "utilisation": _number(labels, "gpu_memory_utilization", float),
        "prefix_caching": labels.get("enable_prefix_caching") == "True",
        "engines": len(infos),
    }
    return found


def _number(labels: Mapping[str, str], name: str, kind: type[int] | type[float]) -> Any:
    with contextlib.suppress(KeyError, ValueError):
        return kind(labels[name])
    return None


def _difference(found: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The calculation that is nearest, in percent of the server's tokens."""
    tokens = found.get("tokens")
    if not tokens or not rows:
        return ""
    near = min(rows, key=lambda r: abs(r.tokens - tokens))
    percent = 100 * (near.tokens - tokens) / tokens
    return f"calculated {percent:+.1f}% for {near.tp} of {near.gpu}"


def _address(settings: CapacitySettings, given: frozenset[str]) -> tuple[str, bool]:
    """The server's address without /v1, and whether somebody named it."""
    if settings.url:
        return _root(settings.url), True
    engine = settings.engine
    if isinstance(engine, VllmSettings) and engine.endpoints and "engine.endpoints" in given:
        return _root(engine.endpoints[0]), True
    if listed := os.environ.get("GRACE_ENDPOINTS"):
        return _root(listed.split(",")[0]), False
    host = str(settings.serve.args.get("host", "127.0.0.1"))
    host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104
    return f"http://{host}:{settings.serve.args.get('port', 8000)}", False


def _root(url: str) -> str:
    url = url if "//" in url else f"http://{url}"
    return re.sub(r"/(v1|metrics)?/?$", "", url.strip())


def _metrics(url: str, seconds: float) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("expected http://HOST:PORT")
    request = urllib.request.Request(f"{url}/metrics")  # noqa: S310
    near = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    handlers = [urllib.request.ProxyHandler({})] if near else []
    with urllib.request.build_opener(*handlers).open(request, timeout=seconds) as answer:
        return str(answer.read().decode("utf-8", "replace"))
