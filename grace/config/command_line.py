"""The entry of Grace's commands: one command line for all of them.

Settings are written name=value (overrides.py makes of them what Hydra composes), help comes from
manual/, and what the user can mend is one sentence and exit code 1.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from grace.config.compose import compose, search_path
from grace.config.manual import Command
from grace.config.manual.commands import RUN
from grace.config.manual.settings import GROUPS
from grace.config.manual.show import help_text
from grace.config.missing_library import in_words
from grace.config.multirun import (
    BAD_INPUT,
    FAILED_QUERIES,
    INTERRUPTED,
    OK,
    TROUBLE,
    OneOf,
    keep_words,
    refuse_one_folder,
    run_several,
)
from grace.config.overrides import as_overrides, given_twice, read_words, sweep, varied_names
from grace.config.refuse_code import refuse_words
from grace.config.resources import choices, find_data
from grace.errors import ConfigError, GraceError
from grace.version import __version__

__all__ = [
    "BAD_INPUT", "FAILED_QUERIES", "INTERRUPTED", "OK", "TROUBLE", "Parser", "check_settings",
    "compose", "flags_and_settings", "main", "plain_main", "refuse_words", "relax_collector",
    "search_path",
]  # fmt: skip

#: New objects after which Python looks for garbage in cycles (700 of its own accord).
COLLECTED = 50_000


def flags_and_settings(
    words: Sequence[str], command: Command = RUN
) -> tuple[argparse.Namespace, list[str]]:
    """The words of a command line apart.

    Refused are flags that are none, and those of Hydra's that take settings from elsewhere
    (--config-dir, --experimental-rerun ...).
    """
    parser = Parser(usage=f"{command.program} {command.usage}", add_help=False, allow_abbrev=False)
    for flags in (("--help", "-h", "--hydra-help"), ("--version",), ("--multirun", "-m"),
                  ("--run", "-r"), ("--resolve",)):  # fmt: skip
        parser.add_argument(*flags, action="store_true")
    parser.add_argument("--cfg", "-c", choices=["job", "hydra", "all"])
    parser.add_argument("--package", "-p")
    parser.add_argument("--info", "-i", nargs="?", const="all")
    parser.add_argument("settings", nargs="*")
    found = parser.parse_intermixed_args(list(words))
    return found, found.settings


def check_settings(overrides: Sequence[str]) -> None:
    """Refuse what is no setting=value, and what would name code."""
    read_words(overrides)


def main(
    job: Callable[[dict[str, Any]], int],
    command: Command = RUN,
    config_name: str = "config",
    together: Callable[[Sequence[dict[str, Any]]], str | None] | None = None,
    *,
    one_at_a_time: bool = False,
    read: Callable[[dict[str, Any]], Any] | None = None,
) -> None:
    """Run a job once for each configuration of the command line, and exit with its code.

    The job takes the composed configuration and returns an exit code; of several (a sweep)
    the largest counts, and `together` may add what is made of all of them. What goes on until it
    is stopped is done `one_at_a_time`. `read` checks the settings of a run before the first.
    """
    relax_collector()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cluster's way of Ctrl-C
    with _exits("Interrupted. Run the same command again to go on."):
        flags, settings = flags_and_settings(sys.argv[1:], command)
        if flags.help:
            print(help_text(command, {group: choices(group) for group in GROUPS}))
            sys.exit(OK)
        if flags.version:
            print(f"Grace {__version__}")
            sys.exit(OK)
        if flags.cfg or flags.info:
            _show_configuration(flags, settings, config_name)
            sys.exit(OK)
        for note in given_twice(settings):
            print(f"note: {note}", file=sys.stderr)
        if not flags.multirun:
            sys.exit(job(compose(settings, config_name)))
        runs = _runs(settings, config_name, read, keeps=command is RUN)
        if one_at_a_time and len(runs) > 1 and not all(run.config["dry_run"] for run in runs):
            raise ConfigError(f"--multirun: {len(runs)} at once; expected one")
        keep_words(settings, runs)
        sys.exit(run_several(runs, job, together))


def _runs(
    settings: Sequence[str],
    config_name: str,
    read: Callable[[dict[str, Any]], Any] | None,
    *,
    keeps: bool,
) -> list[OneOf]:
    """Every run of a sweep, with its settings checked before the first is begun.

    Where each `keeps` its results, each must have a folder of its own.
    """
    from grace.config.compose import compose_overrides
    from grace.config.settings import read_settings

    swept = sweep(settings)
    varied = varied_names(settings)
    runs, checked = [], []
    for number, (label, overrides) in enumerate(swept, 1):
        try:
            config = compose_overrides(overrides, config_name)
            checked.append((read or read_settings)(config))
        except ConfigError as error:
            raise ConfigError(f"run {number} of {len(swept)} ({label}): {error}") from error
        runs.append(OneOf(label, config, varied))
    if keeps:
        refuse_one_folder(runs, [one.folder if _has_stimuli(one) else None for one in checked])
    return runs


def _has_stimuli(settings: Any) -> bool:
    """Whether a run's stimuli are there: without them it ends before it has a folder."""
    return os.path.exists(find_data(settings.data or settings.study.data))  # noqa: PTH110


def _show_configuration(
    flags: argparse.Namespace, settings: Sequence[str], config_name: str
) -> None:
    """Hydra's own view of the configuration: --cfg, --info. Of a sweep the first run's."""
    import hydra

    from grace.config.compose import in_a_sentence
    from grace.config.resources import shipped

    os.environ["HYDRA_FULL_ERROR"] = "1"  # else it prints several lines of its own
    overrides = sweep(settings)[0][1] if flags.multirun else as_overrides(settings)
    words = [f"--{name}={value}" for name in ("cfg", "package", "info")
             if (value := getattr(flags, name))]  # fmt: skip
    words += ["--resolve"] * flags.resolve
    sys.argv = [sys.argv[0], *words, *overrides, *search_path()]
    with in_a_sentence():
        hydra.main(version_base="1.3", config_path=str(shipped("conf")), config_name=config_name)(
            lambda config: None  # noqa: ARG005  (it is shown, not run)
        )()


def relax_collector() -> None:
    """Look for garbage in cycles seldom, and not at the end.

    A run makes millions of objects, hardly any of them in cycles, and each search of Python's
    goes through all there are: a fifth of what a run takes beside computing.
    """
    gc.set_threshold(COLLECTED)
    atexit.register(gc.freeze)


def plain_main(job: Callable[[Sequence[str]], int]) -> None:
    """Run a command that takes plain words and no configuration; exit with its code."""
    relax_collector()
    with _exits("Interrupted."):
        sys.exit(job(sys.argv[1:]))


@contextmanager
def _exits(interrupted: str) -> Iterator[None]:
    """What the user can mend is a sentence and exit code 1, and never a traceback."""
    # Also where it was ignored from the start: in the background of a script.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a letter shows its number
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except (GraceError, ImportError) as error:
        print(f"error: {in_words(error)}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:  # of `| head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BAD_INPUT)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror or error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        sys.exit(INTERRUPTED)


class Parser(argparse.ArgumentParser):
    """A wrong argument is a user's error like all others: one sentence, exit code 1."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how the command is written."""
        usage = " ".join(self.format_usage().split()).removeprefix("usage: ")
        if flag := re.match("unrecognized arguments: --([A-Za-z][A-Za-z0-9_.-]*)(=?)", message):
            raise ConfigError(
                f"unrecognized argument --{flag[1]}; settings are written "
                f"{flag[1].replace('-', '_')}=VALUE ({usage})"
            )
        raise ConfigError(f"{message} ({usage})")
