"""The stages of grace/ drawn from the code: their order, their sentence, what each imports.

    python -m tests.layout.stages

writes the drawing into CONTRIBUTING.md, between the two comments that name this module.
"""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from textwrap import wrap

import grimp

from grace.cli import commands
from tests.places import ROOT

PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- made by: python -m tests.layout.stages -->\n", "<!-- made -->\n"
WIDTH, COLUMN = 72, 13


@cache
def layers() -> tuple[tuple[str, ...], ...]:
    """The layers of the contract in pyproject.toml, from the top; of each its rooms."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    return tuple(tuple(layer.split(" | ")) for layer in contract["layers"])


@cache
def arrows() -> dict[str, frozenset[str]]:
    """What each room imports of the others: those of its commands (`__main__`) are not counted."""
    graph = grimp.build_graph("grace", cache_dir=None)
    found: dict[str, set[str]] = {room: set() for layer in layers() for room in layer}
    for importer in graph.modules - {"grace"}:
        room = importer.split(".")[1]
        for imported in graph.find_modules_directly_imported_by(importer) - {"grace"}:
            other = imported.split(".")[1]
            if other != room and not (room in commands() and importer.endswith(".__main__")):
                found[room].add(other)
    return {room: frozenset(others) for room, others in found.items()}


def rooms() -> list[str]:
    """The rooms beneath the commands, from the top; a package may be a command too."""
    alone = {name for name in commands() if not (ROOT / "grace" / name).is_dir()}
    return [room for layer in layers() for room in layer if room not in {*alone, "cli", "__main__"}]


def floors() -> int:
    """The longest chain of imports among the rooms."""

    @cache
    def height(room: str) -> int:
        return 1 + max((height(other) for other in arrows()[room] if other in rooms()), default=0)

    return max(map(height, rooms()))


def sentence(room: str) -> str:
    """The first line of its docstring."""
    path = ROOT / "grace" / room
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def drawing() -> str:
    """A room a line, from the commands to the types; beneath it what it imports."""
    lines = _wrapped(f"{'commands':<{COLUMN}}", " ".join(commands()))
    lines.append(f"{'│':>4}")
    for room in rooms():
        lines += _wrapped(f"{room:<{COLUMN}}", sentence(room))
        others = [other for other in rooms() if other in arrows()[room]]
        lines += _wrapped(f"{'│':>4}{'':<{COLUMN - 4}}↓ ", " ".join(others)) if others else []
    return "\n".join(lines) + "\n"


def _wrapped(first: str, text: str) -> list[str]:
    """The text behind a beginning, and beneath itself where it is longer than a line."""
    return wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=f"{'│':>4}{'':<{len(first) - 4}}"
    )


def drawn() -> str:
    """The page with the drawing as it is now."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}```text\n{drawing()}```\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(drawn(), encoding="utf-8")
