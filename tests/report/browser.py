"""A real headless browser that has no network, and what a page does in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, PHONE = (1280, 800), (390, 844)
#: Nothing a browser would load by itself is asked for.
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


def executable() -> str:
    """Where Chromium is; the test is skipped where there is none."""
    named = os.environ.get("GRACE_CHROMIUM")
    found = named or next((p for p in map(shutil.which, NAMES) if p), None)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} and no GRACE_CHROMIUM")
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """The browser, closed afterwards."""
    from playwright.sync_api import sync_playwright

    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@dataclass
class Heard:
    """What a page said on the console, and what it asked for."""

    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@contextmanager
def opened(
    browser: Browser, path: Path, size: tuple[int, int] = WIDE, *, bypass_csp: bool = False
) -> Iterator[Page]:
    """A report in the browser. It must say nothing on the console and load nothing but itself."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, offline=True, bypass_csp=bypass_csp
    )
    page = context.new_page()
    heard = Heard()
    page.on("console", lambda message: heard.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: heard.said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: heard.said.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: heard.asked.append(request.url))
    context.on("page", lambda other: heard.said.append(f"window: {other.url}"))
    page.goto(path.resolve().as_uri())
    yield page
    context.close()
    assert heard.said == []
    assert heard.asked == [path.resolve().as_uri()]
