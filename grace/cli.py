"""The front door: `grace run study=1` is `python -m grace.run study=1`, likewise every command.

A command is a module of this folder, or a package of it with a `__main__`; there is no list of
them to keep.
"""

from __future__ import annotations

import ast
import difflib
import pkgutil
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from grace.version import __version__

#: Modules of this folder that are no commands.
NO_COMMANDS = ("__main__", "api", "cli", "errors", "types", "version")
USAGE = """usage: grace COMMAND [words of the command]

{commands}

`grace COMMAND --help` says what a command takes; `python -m grace.COMMAND` is the same.
eval "$(grace completion bash)" (or zsh) lets the shell complete commands and settings."""

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


def title(name: str) -> str:
    """What a command does, in the one line of its docstring; its module is not imported."""
    module = _HERE / f"{name}.py"
    module = module if module.is_file() else _HERE / name / "__main__.py"
    first = (ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "").split("\n")[0]
    said = first.rpartition("`: ")[2]
    return said[:1].upper() + said[1:]


def main(words: Sequence[str] | None = None) -> None:
    """Start a command with the words behind its name, or say which there are."""
    name, *rest = (sys.argv[1:] if words is None else words) or ["--help"]
    if name in ("--help", "-h", "help"):
        print(overview())
    elif name == "--version":
        print(f"Grace {__version__}")
    elif name == "completion":
        from grace.config.completion import main as complete

        complete(rest, commands())
    elif name in commands():
        sys.argv = [f"grace {name}", *rest]
        runpy.run_module(f"grace.{name}", run_name="__main__", alter_sys=False)
    else:
        near = difflib.get_close_matches(name, commands(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(commands())}"
        print(f"error: {name}: no such command; {hint}", file=sys.stderr)
        sys.exit(1)


def overview() -> str:
    """Every command with its line."""
    width = max(map(len, commands())) + 2
    return USAGE.format(commands="\n".join(f"  {n:<{width}}{title(n)}" for n in commands()))
