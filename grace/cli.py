"""The front door: `grace run study=1` is `python -m grace.run study=1`, likewise every command.

A command is a module of this folder, or a package of it with a `__main__`; there is no list of
them to keep. What each does in one line stands in grace/config/manual/commands.py.
"""

from __future__ import annotations

import difflib
import pkgutil
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from grace.config import OK, one_line, plain_main
from grace.config.completion import SCRIPTS, complete
from grace.config.manual.commands import COMMANDS
from grace.errors import ConfigError
from grace.version import __version__

#: Modules of this folder that are no commands.
NO_COMMANDS = ("__main__", "api", "cli", "errors", "types", "version")
USAGE = """Psycholinguistic experiments on language models.

usage: grace COMMAND [words of the command]

{commands}

`grace COMMAND --help` says what a command takes; `python -m grace.COMMAND` is the same.
`grace --version` is Grace's version."""

_HERE = Path(__file__).resolve().parent


def commands() -> tuple[str, ...]:
    """The names of all commands, in order."""
    found = [
        module.name
        for module in pkgutil.iter_modules([str(_HERE)])
        if module.name not in NO_COMMANDS
        and (not module.ispkg or (_HERE / module.name / "__main__.py").is_file())
    ]
    return tuple(sorted(found))


def main() -> None:
    """Start a command with the words behind its name, or say which there are."""
    match sys.argv[1:]:
        case [name, *words] if name in commands():
            sys.argv = [f"grace {name}", *words]
            runpy.run_module(f"grace.{name}", run_name="__main__", alter_sys=False)
        case ["help", name] if name in commands():
            sys.argv = ["grace", name, "--help"]
            main()
        case _:
            plain_main(at_the_door)


def at_the_door(words: Sequence[str]) -> int:
    """What is no command's: the list of them, the version, completion; returns the exit code."""
    match list(words):
        case [] | ["--help" | "-h" | "help"]:
            print(overview())
        case ["--version"]:
            print(f"Grace {__version__}")
        case ["completion", *rest]:
            print(complete(rest, commands()))
        case [name, *_]:
            raise ConfigError(f"{one_line(name)}: no such command{_hint(name)}")
    return OK


def overview() -> str:
    """Every command with what it does, in one line."""
    rows = [(name, COMMANDS[name].title.partition(". ")[0].rstrip(".")) for name in commands()]
    rows.append(
        (
            "completion",
            f'Complete words in your shell: eval "$(grace completion {"|".join(SCRIPTS)})"',
        )
    )
    width = max(len(name) for name, _ in rows) + 2
    return USAGE.format(commands="\n".join(f"  {name:<{width}}{title}" for name, title in rows))


def _hint(name: str) -> str:
    if "=" in name:
        return f"; settings stand behind one, as in grace run {one_line(name)}"
    names = (*commands(), "completion")
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else f"; expected one of {', '.join(names)}"
