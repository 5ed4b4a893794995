"""A command line of folders and settings: `RUN [RUN…] [name=value…]`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from grace.config.manual import Command
from grace.config.manual.show import help_text
from grace.config.printable import one_line
from grace.config.resources import expand
from grace.config.validation_messages import near
from grace.errors import ConfigError
from grace.version import __version__

_FLAG = re.compile(r"--(?P<name>[A-Za-z][A-Za-z_-]*)(=(?P<value>.*))?", re.S)


def read_words(
    words: Sequence[str], command: Command, *, runs: int = 1
) -> tuple[tuple[Path, ...], dict[str, str]]:
    """A command's folders and settings; ConfigError where there are fewer than `runs` folders.

    Settings may be written as flags too (`--seed 0`, `--check`), as they were in version 0.1.
    """
    if "--help" in words or "-h" in words:
        print(help_text(command))
        sys.exit(0)
    if "--version" in words:
        print(f"Grace {__version__}")
        sys.exit(0)
    folders, settings = split_words(_without_flags(words, command), command)
    if len(folders) < runs:
        lacking = command.words[len(folders) :] or command.words
        names, kind = ", ".join(word for word, _ in lacking), lacking[0][1].partition(",")[0]
        raise ConfigError(
            f"the following arguments are required: {names}; expected {kind} "
            f"({command.program} {command.usage})"
        )
    return folders, settings


def one_run(words: Sequence[str], command: Command) -> tuple[Path, dict[str, str]]:
    """The folder of a command that takes one, and its settings."""
    runs, settings = read_words(words, command)
    if len(runs) > 1:
        raise ConfigError(f"{runs[1]}: expected one run ({command.program} {command.usage})")
    return runs[0], settings


def split_words(words: Sequence[str], command: Command) -> tuple[tuple[Path, ...], dict[str, str]]:
    """Folders and settings, each in order; ConfigError for a setting not named, or given twice.

    A folder may have an equals sign in its path.
    """
    names = [setting.name for setting in command.settings]
    folders: list[Path] = []
    settings: dict[str, str] = {}
    for word in words:
        _refuse_unwritable(word)
        name, equals, value = word.partition("=")
        known = command.setting(name) if equals else None
        if known is None and (not equals or not names or "/" in name or _is_folder(word)):
            folders.append(path(word, "RUN"))
        elif known is None:
            told = f"{one_line(word)}: no such setting"
            raise ConfigError(f"{told}{near(name, names) or _one_of(names)}")
        elif name in settings:
            raise ConfigError(f"{one_line(word)}: {name} is given twice")
        elif not value:
            raise ConfigError(f"{name}=: expected a value, such as {known.written}")
        elif value.lower() != "null":  # as nothing: what it is where it is not given
            settings[name] = expand(value) if known.kind == "path" else value
    return tuple(folders), settings


def path(word: str, what: str) -> Path:
    """A word as a path, with ~ as shells have it."""
    if not word:
        raise ConfigError(f"{what}: found nothing, expected a path")
    return Path(expand(word))


def whole(settings: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    """A setting that is a whole number; None where it is not given."""
    text = settings.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
        raise ConfigError(
            f"{name}={one_line(text)}: expected a whole number from {low:,} to {high:,}"
        )
    return int(text)


def switch(settings: Mapping[str, str], name: str) -> bool:
    """A setting that is true or false; False where it is not given."""
    text = settings.get(name, "false").lower()
    if text not in _SWITCH:
        raise ConfigError(f"{name}={one_line(text)}: expected true or false")
    return _SWITCH[text]


_SWITCH = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False, "no": False, "off": False, "0": False
}  # fmt: skip


def shared_folder(runs: Iterable[Path], expected: str = "output=DIR") -> Path:
    """The folder that all of several runs are in; ConfigError where there is none."""
    parents = {run.resolve().parent for run in runs}
    if len(parents) > 1:
        raise ConfigError(f"the runs are in several folders; expected {expected}")
    return parents.pop()


def _without_flags(words: Sequence[str], command: Command) -> list[str]:
    """Words with flags as settings: `--seed 0`, `--seed=0` as seed=0; `--check` as check=true."""
    found: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return found + rest
        if not word.startswith("-") or word == "-":
            found.append(word)
            continue
        flag = _FLAG.fullmatch(word)
        setting = command.setting(flag["name"].replace("-", "_")) if flag else None
        if flag is None or setting is None:
            names = [one.name for one in command.settings]
            hint = near(flag["name"], names) if flag else ""
            raise ConfigError(
                f"unrecognized argument {one_line(word)}{hint} ({command.program} {command.usage})"
            )
        value = flag["value"]
        if value is None and setting.kind == "switch":
            value = "true"
        elif value is None:
            value = rest.pop(0) if rest else ""
        found.append(f"{setting.name}={value}")
    return found


def _is_folder(word: str) -> bool:
    try:
        return Path(expand(word)).is_dir()
    except OSError:  # too long for a path
        return False


def _one_of(names: Sequence[str]) -> str:
    return f"; expected one of {', '.join(names)}"


def _refuse_unwritable(word: str) -> None:
    if "\0" in word or any("\ud800" <= character <= "\udfff" for character in word):
        raise ConfigError(f"{word!r}: expected text in UTF-8, without NUL")
