"""Where conf/, prompts/ and data/ are: at the top of a checkout, inside an installed wheel.

A folder of the same name where the user stands comes first, so that a study of one's own is
three files in one's own folder.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Grace's own `conf`, `prompts` or `data` folder."""
    inside = _PACKAGE / "resources" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def folders(name: str) -> list[Path]:
    """The user's folder of that name, if there is one, then Grace's own."""
    own = Path.cwd() / name
    shared = shipped(name)
    return [own, shared] if own.is_dir() and own.resolve() != shared else [shared]


def find_data(path: str) -> Path:
    """A data file named in a study: as given, or among Grace's own (data/…)."""
    given = Path(path)
    if given.is_absolute() or given.exists():
        return given
    inside = shipped("data").parent / given
    return inside if inside.exists() else given
