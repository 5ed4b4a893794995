"""A command line of folders and settings: `RUN [RUN…] [name=value…]`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from grace.command import Parser
from grace.errors import ConfigError


def read_words(
    words: Sequence[str],
    names: Sequence[str],
    *,
    prog: str,
    description: str,
    epilog: str,
    runs_needed: bool = True,
) -> tuple[tuple[Path, ...], dict[str, str]]:
    """A command's folders and settings; ConfigError where a folder is needed and there is none."""
    parser = Parser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    nargs = "+" if runs_needed else "*"
    parser.add_argument("words", metavar="RUN", nargs=nargs, help="a run's folder")
    runs, settings = split_words(parser.parse_args(words).words, names)
    if runs_needed and not runs:
        raise ConfigError("expected the folder of a run")
    return runs, settings


def shared_folder(runs: Iterable[Path], expected: str = "output=DIR") -> Path:
    """The folder that all of several runs are in; ConfigError where there is none."""
    parents = {run.resolve().parent for run in runs}
    if len(parents) > 1:
        raise ConfigError(f"the runs are in several folders; expected {expected}")
    return parents.pop()


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
