"""Where conf/, prompts/ and data/ are: at the top of a checkout, inside an installed wheel.

A folder of the same name where the user stands comes first, so that a study of one's own is
three files in one's own folder.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


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
    given = Path(expand(path))
    if given.is_absolute() or os.path.exists(given):  # noqa: PTH110  (Path's fails on long names)
        return given
    inside = shipped("data").parent / given
    return inside if os.path.exists(inside) else given  # noqa: PTH110


def expand(path: str) -> str:
    """A path with ~ and ~user as shells have it; one of an unknown user stays as it is."""
    return os.path.expanduser(path)  # noqa: PTH111  (Path's fails where there is no such user)


def choices(group: str) -> list[str]:
    """The names there are in a group of conf/: Grace's own, then the user's."""
    places = [shipped("conf") / group, Path.cwd() / "conf" / group]
    names = [path.stem for folder in places for path in sorted(folder.glob("*.yaml"))]
    return list(dict.fromkeys(names))
