"""The front door: every command is found, listed, and started as `python -m grace.NAME` is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from grace.cli import commands
from grace.config.manual.commands import COMMANDS
from tests.places import ROOT

#: As a reader of the folder finds them: what ends in a `__main__`, top floor or package.
FOUND = sorted(
    path.parent.name if path.stem == "__main__" else path.stem
    for path in [*ROOT.glob("grace/*.py"), *ROOT.glob("grace/*/__main__.py")]
    if path != ROOT / "grace" / "__main__.py"
    and '\nif __name__ == "__main__":' in path.read_text(encoding="utf-8")
)


def grace(*words: str, cwd: Path, code: int = 0) -> tuple[str, str]:
    """What `python -m grace WORDS` prints, and what it says of errors."""
    return _say([sys.executable, "-m", "grace", *words], cwd, code)


def module(name: str, *words: str, cwd: Path, code: int = 0) -> tuple[str, str]:
    """The same of `python -m grace.NAME WORDS`."""
    return _say([sys.executable, "-m", f"grace.{name}", *words], cwd, code)


def _say(command: list[str], cwd: Path, code: int) -> tuple[str, str]:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def test_every_command_of_the_folder_is_found_and_told_of() -> None:
    assert list(commands()) == FOUND
    assert sorted(COMMANDS) == FOUND


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_all_commands_are_listed_with_one_line_each(words: tuple[str, ...], tmp_path: Path) -> None:
    said, _ = grace(*words, cwd=tmp_path)
    rows = dict(re.findall(r"^  (\w+) {2,}(\S.*)$", said, re.MULTILINE))
    assert sorted(rows) == sorted([*FOUND, "completion"])
    assert all(COMMANDS[name].title.startswith(rows[name]) for name in FOUND)
    assert max(map(len, said.splitlines())) <= 90


def test_the_console_script_is_the_same_door() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"grace": "grace.cli:main"}
    assert "from grace.cli import main" in (ROOT / "grace/__main__.py").read_text(encoding="utf-8")


def test_the_version(tmp_path: Path) -> None:
    from grace import __version__

    assert grace("--version", cwd=tmp_path)[0] == f"Grace {__version__}\n"
    assert grace("run", "--version", cwd=tmp_path)[0] == f"Grace {__version__}\n"


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("rnu", "error: rnu: no such command; did you mean run?"),
        ("compair", "error: compair: no such command; did you mean compare?"),
        ("completions", "error: completions: no such command; did you mean completion?"),
        ("xyzzy", f"error: xyzzy: no such command; expected one of {FOUND[0]}, "),
        ("study=1", "error: study=1: no such command; settings stand behind one, as in grace run "),
        ("--verbose", "error: --verbose: no such command; expected one of "),
        ("__main__", "error: __main__: no such command"),
        ("a\nb", "error: a b: no such command"),
    ],
)
def test_a_word_that_is_no_command(word: str, found: str, tmp_path: Path) -> None:
    said, error = grace(word, cwd=tmp_path, code=1)
    assert said == ""
    assert error.startswith(found)
    assert len(error.splitlines()) == 1


@pytest.mark.full
def test_a_run_is_the_same_by_either_door(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    words = ["study=2", "exp=2", "pilot=3", f"model.path={tiny('llama-byte')}", "model.name=tiny"]
    grace("run", *words, cwd=tmp_path)
    table = tmp_path / "outputs/2/2/tiny/responses.csv"
    first = table.read_bytes()
    said, _ = module("run", *words, cwd=tmp_path)  # another run would be refused
    assert "All of it was answered before" in said
    assert table.read_bytes() == first


def test_errors_and_codes_are_the_same_by_either_door(tmp_path: Path) -> None:
    for words in (["pilto=3"], ["--pilot=3"]):
        door, other = (start("run", *words, cwd=tmp_path, code=1)[1] for start in (grace, module))
        assert door == other.replace("python -m grace.run", "grace run")
        assert door.startswith("error: ")


LIGHT = """
import io, sys
from contextlib import redirect_stdout, suppress
sys.argv = ["grace", *sys.argv[1:]]
from grace.cli import main
with suppress(SystemExit), redirect_stdout(io.StringIO()) as said:
    main()
heavy = {"torch", "pandas", "numpy", "matplotlib", "hydra", "transformers", "scipy"}
print(sorted(heavy & sys.modules.keys()))
print(said.getvalue())
"""


def without_what_computes(*words: str, cwd: Path) -> str:
    """What the door says, for which it loads neither torch nor pandas nor the like."""
    loaded, _, said = _say([sys.executable, "-c", LIGHT, *words], cwd, 0)[0].partition("\n")
    assert loaded == "[]"
    return said


@pytest.mark.parametrize("name", FOUND)
def test_help_is_light_and_names_the_door_it_was_asked_at(name: str, tmp_path: Path) -> None:
    said = without_what_computes(name, "--help", cwd=tmp_path)
    assert said.startswith(COMMANDS[name].title)
    assert f"\nusage: grace {name} " in said
    for example in COMMANDS[name].examples:
        assert f"\n  grace {name} {example}\n" in said
    assert "python -m grace" not in said


def test_help_of_a_command_is_asked_for_either_way(tmp_path: Path) -> None:
    assert grace("help", "merge", cwd=tmp_path) == grace("merge", "--help", cwd=tmp_path)


def test_the_list_and_completion_are_light(tmp_path: Path) -> None:
    assert "  run " in without_what_computes(cwd=tmp_path)
    assert "complete -" in without_what_computes("completion", "bash", cwd=tmp_path)
    words = ("completion", "words", "grace run model=gem", "gem")
    assert "gemma-9b" in without_what_computes(*words, cwd=tmp_path)


def test_all_that_is_shown_writes_settings_one_way() -> None:
    """`name=value`: a flag that takes a value is an old spelling, and shown nowhere."""
    old = {setting.flag for command in COMMANDS.values() for setting in command.settings}
    flags = "|".join(sorted(re.escape(flag) for flag in old - {""}))
    shown = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("conf/**/*.yaml")]
    shown += [*ROOT.glob("data/**/*.yaml"), *ROOT.glob("data/**/*.md")]
    for path in shown:
        text = path.read_text(encoding="utf-8")
        assert not re.search(rf"grace[. ]\w+[^\n]*\s({flags})\b", text), path
