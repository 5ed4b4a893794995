"""What makes a site of this folder: the pages at the top of the checkout are pages of it too.

README.md is its first page. A link between pages leads within the site; a link to another file of
the checkout becomes that file's name, for the site has no files.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

#: Pages at the top of the checkout, and what they are in the site.
ON_TOP = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
_LINK = re.compile(
    r"(?P<code>^```.*?^```|`[^`\n]+`(?!\]))"  # as it stands
    r"|(?P<bang>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)",
    re.MULTILINE | re.DOTALL,
)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages at the top of the checkout."""
    for name, page in ON_TOP.items():
        text = (Path(config["config_file_path"]).parent / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """The links of a page as the site has them."""
    folder = PurePosixPath() if page.file.src_uri in ON_TOP.values() else PurePosixPath("docs")

    def link(match: re.Match[str]) -> str:
        target = match["target"]
        if match["code"] or not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        place = str(PurePosixPath(*_parts(folder / target)))
        inside = ON_TOP.get(place, place.removeprefix("docs/"))
        if place in ON_TOP or files.get_file_from_path(inside) is not None:
            return f"{match['bang']}[{match['text']}]({inside}{match['anchor'] or ''})"
        if not (Path(config["config_file_path"]).parent / place).exists():
            return match[0]  # mkdocs says that it leads nowhere
        return match["text"]

    return _LINK.sub(link, markdown)


def _parts(path: PurePosixPath) -> list[str]:
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return parts
