"""The site of `make docs`, as far as it can be known without building it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import yaml

import grace
from tests.places import ROOT

#: Pages that are made from those at the top of the checkout (docs/hooks.py).
ON_TOP = {"index.md", "contributing.md", "changelog.md"}


def site() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    return found


def navigated(entries: Any) -> Iterator[str]:
    if isinstance(entries, str):
        yield entries
    elif isinstance(entries, dict):
        for value in entries.values():
            yield from navigated(value)
    else:
        for entry in entries:
            yield from navigated(entry)


def test_every_page_is_in_the_navigation() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert sorted(navigated(site()["nav"])) == sorted(pages | ON_TOP)


def test_a_broken_link_fails_and_nothing_is_fetched_by_a_reader() -> None:
    found = site()
    assert found["strict"] is True
    assert set(found["validation"]["links"].values()) == {"warn"}
    assert found["theme"]["font"] is False
    assert not {"extra_javascript", "extra_css"} & found.keys()
    for page in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        text = page.read_text(encoding="utf-8")
        assert "```mermaid" not in text, page  # the theme would fetch what draws it
        assert not re.search(r"!\[[^\]]*\]\(https?:", text), page


def test_every_public_name_is_on_the_page_of_the_api() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)
    public = []
    for name in grace.__all__:
        part = getattr(grace, name)
        if isinstance(part, ModuleType):
            public += [f"grace.{name}.{inner}" for inner in part.__all__]
        elif not name.startswith("_"):
            public.append(f"grace.{name}")
    assert sorted(shown) == sorted(public)


def test_every_public_function_says_what_it_does() -> None:
    for part in (grace, grace.rsa, grace.figures):
        for name in part.__all__:
            found = getattr(part, name)
            if callable(found):
                assert found.__doc__, name
