"""README.md and docs/ as a reader takes them: what there is to run, and what is said of it.

Fenced blocks in `bash`, `python` and `r` are there to be run. What cannot be run everywhere says
so in a comment just above it, which a reader of the rendered page does not see:

    <!-- not run: needs a GPU -->
    <!-- run with: dry_run=true (for it needs a GPU) -->    words for each of its commands
    <!-- rows of outputs/1/2/smollm2-135m/trials.csv -->    above a table that shows some

A `text` block that follows one at once is what that prints. A language may be followed by a file's
name: the block is what the file holds (```yaml conf/study/tea.yaml).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.places import ROOT

RUN = {"bash", "python", "r"}
SHOWN = {"csv", "dockerfile", "jinja", "json", "text", "toml", "yaml"}
#: A line of a shell that stands in no block for it.
STRAY = re.compile(
    r"^ {4,}\$? ?(python3? -m|pip|make|grace|bash|cd|source|Rscript|sbatch|kubectl) "
)


@dataclass(frozen=True)
class Block:
    """One thing on a page that can be tried, at its line."""

    page: Path
    line: int
    language: str  # "rows" is a table that shows rows of the file
    file: str
    text: str
    comment: str  # "not run" or "run with", and what follows
    said: str
    shown: str | None = None  # what it prints

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> list[str]:
        """The lines of a shell block; one that goes on after a backslash is one."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


def pages() -> list[Path]:
    """README.md, and then docs/ in the order in which it first names them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = dict.fromkeys(re.findall(r"\((docs/[^)#]+\.md)", text))
    return [ROOT / "README.md", *(ROOT / name for name in named)]


_FENCE = re.compile(
    r"(?:^<!-- (?P<comment>not run|run with): (?P<said>.*?) -->\n)?"
    r"^```(?P<language>\S*)[ ]?(?P<file>[^\n]*)\n(?P<text>.*?)^```$"
    r"(?:\n\n```text\n(?P<shown>.*?)^```$)?"
    r"|^<!-- rows of (?P<rows>\S+) -->\n(?P<table>(?:\|[^\n]*\n)+)",
    re.MULTILINE | re.DOTALL,
)


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["rows"]:
            yield Block(page, line, "rows", found["rows"], found["table"], "", "")
            continue
        yield Block(
            page, line, found["language"], found["file"], found["text"],
            found["comment"] or "", found["said"] or "", found["shown"],
        )  # fmt: skip


def strays(page: Path) -> list[str]:
    """What is wrong with how the page is written: commands that nobody would run."""
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT)
    unknown = [
        f"{block.place}: a block of the language {block.language!r}"
        for block in blocks(page)
        if block.language not in RUN | SHOWN | {"rows"}
    ]
    bare = [
        f"{name}:{number}: a command in no block of a shell"
        for number, line in enumerate(text.splitlines(), 1)
        if STRAY.match(line)
    ]
    return unknown + bare


def rows_of(table: str) -> list[dict[str, str]]:
    """The cells of a table by column, without those that stand for others (…)."""
    header, _, *rows = (
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()
    )
    return [
        {name: cell for name, cell in zip(header, row, strict=True) if cell != "…"} for row in rows
    ]


def same(shown: str, found: str) -> bool:
    """Whether a number is the one shown, as it is rounded there; texts are equal."""
    if re.fullmatch(r"-?\d*\.\d+", shown):
        return f"{float(found):.{len(shown.partition('.')[2])}f}" == shown
    return shown == found
