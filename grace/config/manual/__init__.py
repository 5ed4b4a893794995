"""What every command and setting is, in one line each: the one source of all help.

Nothing heavy is imported here, so that help is quick; settings.py in the folder above checks
settings, and a test holds both to the same names and values.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

#: What a value is: text and paths are taken as they are written, all others are read.
Kind = Literal["text", "path", "whole", "number", "switch", "choice", "list", "mapping"]


@dataclass(frozen=True)
class Setting:
    """A setting, written name=value."""

    name: str
    value: str  # what stands for the value in help: "FILE.csv", or one that works: "10"
    meaning: str  # one line
    kind: Kind = "text"
    default: str = ""  # as it would be written; "" where nothing is set
    flag: str = ""  # an older spelling that still works: "--seed"
    choices: tuple[str, ...] = ()  # all that a choice may be, where it is no group of conf/

    @property
    def written(self) -> str:
        """As help shows it: "pilot=10"."""
        return f"{self.name}={self.value}"


@dataclass(frozen=True)
class Command:
    """A command, started as `python -m grace.NAME` or `grace NAME`."""

    name: str
    title: str  # one line
    usage: str  # the words after the command
    settings: tuple[Setting, ...] = ()
    examples: tuple[str, ...] = ()  # the words of a command line that works
    about: str = ""  # what else to know
    words: tuple[tuple[str, str], ...] = ()  # metavars of the words without "=", with meanings
    own: tuple[Setting, ...] = ()  # of those settings, what no other command has
    codes: str = "0 done; 1 bad input; 130 interrupted"

    @property
    def program(self) -> str:
        """How it is started, as it was this time (see grace/cli.py)."""
        door = f"grace {self.name}"
        return door if sys.argv[:1] == [door] else f"python -m grace.{self.name}"

    def setting(self, name: str) -> Setting | None:
        """The setting of that name."""
        return next((setting for setting in self.settings if setting.name == name), None)
