"""The site from docs/: README.md is its first page, and links out of docs/ become plain text."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

_LINK = re.compile(r"(?P<bang>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add README.md as index.md."""
    readme = Path(config["config_file_path"]).parent / "README.md"
    text = _relinked(readme.read_text(encoding="utf-8"), PurePosixPath())
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of a page of docs/, as the site has them."""
    if page.file.src_uri == "index.md":
        return markdown
    return _relinked(markdown, PurePosixPath("docs"))


def _relinked(markdown: str, folder: PurePosixPath) -> str:
    """Links to pages inside docs/, from a page that stands in `folder` of the checkout."""

    def link(match: re.Match[str]) -> str:
        target = match["target"]
        if "://" in target or target.startswith(("#", "mailto:")):
            return match[0]
        parts: list[str] = []
        for part in (folder / target).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        if parts[:1] == ["docs"] and parts[1:2] != ["example-study"]:
            return f"{match['bang']}[{match['text']}]({'/'.join(parts[1:])})"
        return match["text"]

    return _LINK.sub(link, markdown)
