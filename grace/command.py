"""The entry of Grace's commands: Hydra's command line, with three things added.

Group choices that are numbers may be typed bare (`study=1`); a `conf/` folder where the user
stands adds to Grace's own; and what the user can mend is one sentence and exit code 1.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import itertools
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from grace.errors import ConfigError, GraceError
from grace.missing import not_installed
from grace.no_code import refuse_file, refuse_words
from grace.resources import shipped
from grace.version import __version__

GROUPS = ("study", "exp", "model", "engine")
_CHOICE = re.compile(rf"^(?P<group>{'|'.join(GROUPS)})=(?P<choices>[^'\"\[\]{{}}()]+)$")
#: vLLM has hundreds of arguments and the configuration names a few: others may be added.
_VLLM_ARGUMENT = re.compile(r"^serve\.args\.(?P<name>[A-Za-z0-9_-]+)(?P<rest>[.=].*)$", re.S)
_NUMBER = re.compile(r"^[0-9]+(\.[0-9]+)?$")

#: New objects after which Python looks for garbage in cycles (700 of its own accord).
COLLECTED = 50_000
#: Exit codes of every command.
OK, BAD_INPUT, FAILED_QUERIES, INTERRUPTED = 0, 1, 3, 130


def quote_choices(overrides: Sequence[str]) -> list[str]:
    """Overrides as Hydra takes them: `study='1'` for `study=1`, `++serve.args.x` for a new x."""
    quoted = []
    for override in overrides:
        if argument := _VLLM_ARGUMENT.match(override):
            name = argument["name"].replace("_", "-")
            quoted.append(f"++serve.args.{name}{argument['rest']}")
            continue
        match = _CHOICE.match(override)
        if match is None:
            quoted.append(override)
            continue
        choices = [choice.strip() for choice in match["choices"].split(",")]
        shown = ",".join(f"'{c}'" if _NUMBER.match(c) else c for c in choices)
        quoted.append(f"{match['group']}={shown}")
    return quoted


def search_path() -> list[str]:
    """An override that adds the user's own conf/ folder, if there is one."""
    own = Path.cwd() / "conf"
    theirs = shipped("conf")
    if not own.is_dir() or own.resolve() == theirs.resolve():
        return []
    for path in sorted(own.rglob("*.yaml")):
        refuse_file(path, own)
        if (theirs / path.relative_to(own)).exists() and path.parent.name in GROUPS:
            raise ConfigError(
                f"{path}: {path.stem} is the name of a {path.parent.name} of Grace's own; "
                "expected another file name"
            )
    return [f"hydra.searchpath=[{_quoted(f'file://{own}')}]"]


def flags_and_settings(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command line apart.

    Refused are flags that are none, and those of Hydra's that take settings from elsewhere
    (--config-dir, --experimental-rerun ...).
    """
    program = f"python -m grace.{Path(sys.argv[0]).stem.removeprefix('grace.')}"
    usage = f"{program} [--help] [--multirun] [--cfg job] [setting=value ...]"
    parser = Parser(usage=usage, add_help=False, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"Grace {__version__}")
    for flag in ("--help", "-h", "--multirun", "-m", "--run", "-r", "--resolve", "--hydra-help"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--cfg", "-c", choices=["job", "hydra", "all"])
    parser.add_argument("--package", "-p")
    parser.add_argument("--info", "-i", nargs="?")
    parser.add_argument("settings", nargs="*")
    settings = parser.parse_intermixed_args(words).settings
    return [word for word in words if word not in settings], settings


def check_settings(overrides: Sequence[str]) -> None:
    """Refuse what is no setting=value, and what would name code."""
    for override in overrides:
        name, equals, _ = override.lstrip("+~").partition("=")
        if not name or not (equals or override.startswith("~")):
            raise ConfigError(f"{override!r}: expected setting=value")
    refuse_words(overrides)


def compose(overrides: Sequence[str], config_name: str = "config") -> dict[str, Any]:
    """The configuration these overrides make, from Python."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException

    check_settings(overrides)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
            config = hydra_compose(config_name, [*quote_choices(overrides), *search_path()])
    except HydraException as error:
        raise ConfigError(_first_lines(error)) from error
    return _plain(config)


def main(job: Callable[[dict[str, Any]], int], config_name: str = "config") -> None:
    """Run a job once for each configuration of the command line, and exit with its code.

    The job takes the composed configuration and returns an exit code; of several (a sweep)
    the largest counts.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    relax_collector()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else it prints several lines of its own
    codes: list[int] = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cluster's way of Ctrl-C

    def task(config: Any) -> None:
        try:
            codes.append(job(_plain(config)))
        except (GraceError, ImportError) as error:
            print(f"error: {_sentence(error)}", file=sys.stderr)
            codes.append(BAD_INPUT)
        if codes[-1] == INTERRUPTED:
            sys.exit(INTERRUPTED)

    try:
        flags, settings = flags_and_settings(sys.argv[1:])
        check_settings(settings)
        sys.argv = [sys.argv[0], *flags, *quote_choices(settings), *search_path()]
        hydra.main(version_base="1.3", config_path=str(shipped("conf")), config_name=config_name)(
            task
        )()
    except GraceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {_first_lines(error)}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        print("Interrupted. Run the same command again to go on.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(max(codes, default=OK))


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
    try:
        code = job(sys.argv[1:])
    except (GraceError, ImportError) as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(code)


def _sentence(error: GraceError | ImportError) -> GraceError:
    return not_installed(error) if isinstance(error, ImportError) else error


class Parser(argparse.ArgumentParser):
    """A wrong argument is a user's error like all others: one sentence, exit code 1."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how the command is written."""
        usage = " ".join(self.format_usage().split()).removeprefix("usage: ")
        raise ConfigError(f"{message} ({usage})")


def _plain(config: Any) -> dict[str, Any]:
    """Hydra's configuration as plain containers, without Hydra's own part."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(_first_lines(error)) from error
    return {str(key): value for key, value in plain.items() if key != "hydra"}


def _first_lines(error: Exception) -> str:
    """What Hydra says, in a sentence: two lines, and the choices where it lists them."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("See https://")]
    if unknown := re.match("Could not override '(.+)'", lines[0] if lines else ""):
        return f"{unknown[1]}: no such setting with these choices of {', '.join(GROUPS)}"
    if word := getattr(error, "override", None):  # that it could not read
        return f"{word!r}: expected setting=value; {lines[-1]}"
    if len(lines) > 2 and lines[1].endswith(":"):
        choices = itertools.takewhile(lambda line: not line.startswith("Config search"), lines[2:])
        return f"{lines[0]}. {lines[1]} {', '.join(choices)}"
    return " ".join(lines[:2]) if lines else type(error).__name__


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
