"""A command line of folders and settings: `RUN [RUN…] [name=value…]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grace.errors import ConfigError


def split_words(
    words: Sequence[str], names: Sequence[str]
) -> tuple[tuple[Path, ...], dict[str, str]]:
    """Folders and settings, each in order; ConfigError for a setting not named, or given twice.

    A folder may have an equals sign in its path.
    """
    folders: list[Path] = []
    settings: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or "/" in name or Path(word).is_dir():
            folders.append(Path(word))
        elif name not in names:
            raise ConfigError(f"{word}: no such setting; expected one of {', '.join(names)}")
        elif name in settings:
            raise ConfigError(f"{word}: {name} is given twice")
        else:
            settings[name] = value
    return tuple(folders), settings
