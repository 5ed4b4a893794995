"""The text of a command's help, for a terminal of eighty columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap

from grace.config.manual import Command, Setting
from grace.config.manual.settings import GROUPS, SECTIONS

WIDTH, COLUMN = 80, 26
FLAGS = (
    ("--help, -h", "this"),
    ("--version", "Grace's version"),
)
RUN_FLAGS = (
    ("--multirun, -m", "a run for each combination: study=1,2 exp=1,2"),
    ("--cfg job", "print all settings as they would be, and stop"),
)
QUOTING = (
    "A value with spaces, brackets, quotes, $, &, * or ~ in it is put in quotation marks for the "
    "shell: 'data=my file (2).csv'. In zsh brackets need them too: 'study.factors=[access]'."
)


def help_text(command: Command, choices: Mapping[str, Iterable[str]] | None = None) -> str:
    """All that a command takes; `choices` are the names in each group of a run's settings."""
    return "\n".join(_lines(command, choices or {}))


def _lines(command: Command, choices: Mapping[str, Iterable[str]]) -> Iterator[str]:
    yield command.title
    yield ""
    yield f"usage: {command.program} {command.usage}"
    yield ""
    for example in command.examples:
        yield f"  {command.program} {example}"
    if command.words:
        yield ""
        for word, meaning in command.words:
            yield _row(word, meaning)
    yield from _choices(choices) if choices else ()
    for heading, settings in _sections(command, of_a_run=bool(choices)).items():
        if settings:
            yield ""
            yield f"{heading}:"
            yield from (_setting(setting) for setting in settings)
    yield ""
    yield "flags:"
    for flag, meaning in _flags(command):
        yield _row(flag, meaning)
    for text in (command.about, QUOTING if command.settings else ""):
        if text:
            yield ""
            yield from wrap(text, WIDTH)
    yield ""
    yield from wrap(f"Exit codes: {command.codes}.", WIDTH)


def _sections(command: Command, *, of_a_run: bool) -> Mapping[str, tuple[Setting, ...]]:
    """Headings with their settings: those that are the command's own first."""
    own = {f"settings of grace.{command.name}": command.own}
    return {**own, **(SECTIONS if of_a_run else {"settings": command.settings})}


def flags_of(command: Command) -> list[str]:
    """The flags that a command takes, as they are written out: --cfg."""
    return [flag.partition(",")[0].partition(" ")[0] for flag, _ in _flags(command)]


def _flags(command: Command) -> list[tuple[str, str]]:
    """Those of its usage, and those of all commands."""
    own = [row for row in RUN_FLAGS if row[0].partition(",")[0] in command.usage]
    return [*own, *FLAGS]


def _choices(choices: Mapping[str, Iterable[str]]) -> Iterator[str]:
    yield ""
    yield "choose one of each:"
    for group, meaning in GROUPS.items():
        yield _row(f"{group}=NAME", meaning)
        names = ", ".join(choices.get(group, ()))
        yield from wrap(names, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _setting(setting: Setting) -> str:
    default = f" (default: {setting.default})" if setting.default not in ("", setting.value) else ""
    return _row(setting.written, f"{setting.meaning}{default}")


def _row(name: str, meaning: str) -> str:
    return f"  {name:<{COLUMN - 2}}  {meaning}"
