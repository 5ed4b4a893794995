"""Completion, in real shells at a terminal: what the Tab key makes of a line."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from grace.cli import commands
from grace.config.completion import SCRIPTS, candidates, complete, split_line
from grace.config.manual.commands import COMMANDS, RUN
from grace.config.resources import choices
from grace.errors import ConfigError
from tests.places import ROOT

#: For each shell: how it starts bare, and a key (Ctrl-X, p) that prints the line as it stands.
START = {
    "bash": (
        ["--norc", "--noprofile"],
        r"""bind -x '"\C-xp": printf "LINE<%s>\n" "$READLINE_LINE"'; """
        "bind 'set show-all-if-ambiguous on'; bind 'set page-completions off'; "
        "bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; PS1=; ",
    ),
    "zsh": (
        ["-f", "-V"],
        r"""show() { printf "LINE<%s>\n" "$BUFFER" }; zle -N show; bindkey '^Xp' show; """
        "unsetopt prompt_sp prompt_cr zle_bracketed_paste beep; PS1=; LISTMAX=1000; ",
    ),
}
LEFT = "\x1b[D"


class Terminal:
    """A shell in which completion was switched on, in a folder with some files."""

    def __init__(self, shell: str, folder: Path) -> None:
        words, setup = START[shell]
        bin_ = folder / "bin"
        bin_.mkdir()
        script = bin_ / "grace"
        script.write_text(f"#!{sys.executable}\nfrom grace.cli import main\n\nmain()\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        here = folder / "here"
        (here / "folder").mkdir(parents=True)
        (here / "file one.csv").touch()
        (here / "file.sqlite").touch()
        (here / "conf" / "model").mkdir(parents=True)
        (here / "conf" / "model" / "zebra-1b.yaml").touch()
        environment = {
            "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
            "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8",
            "INPUTRC": "/dev/null", "HISTFILE": "",
        }  # fmt: skip
        self.child = pexpect.spawn(
            shell, words, cwd=here, env=environment, encoding="utf-8", timeout=30, echo=False,
            dimensions=(200, 200),
        )  # fmt: skip
        self.child.delaybeforesend = None
        self.child.sendline(f'{setup} eval "$(grace completion {shell})"; echo "READ""Y"')
        self.child.expect_exact("READY")

    def tab(self, line: str, left: int = 0, tabs: int = 1) -> tuple[str, str]:
        """The line after the Tab key, `left` of whose end the cursor stood; and what was shown."""
        self.child.send("\x05\x15" + line + LEFT * left + "\t" * tabs + "\x18p")
        self.child.expect(r"LINE<([^>\r\n]*)>")
        assert isinstance(self.child.match, re.Match)
        return str(self.child.match[1]), str(self.child.before)


@pytest.fixture(scope="module", params=list(START))
def terminal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Terminal]:
    shell: str = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    opened = Terminal(shell, tmp_path_factory.mktemp(shell))
    yield opened
    opened.child.close(force=True)


#: What is typed, and what the Tab key makes of it; `|` is the cursor where it is not at the end.
COMPLETED = [
    ("grace ru", "grace run "),
    ("grace completion b", "grace completion bash "),
    ("grace run mod", "grace run model="),
    ("  grace   run  mod", "  grace   run  model="),
    ("grace run model=gem", "grace run model=gemma-"),
    ("grace run model=zeb", "grace run model=zebra-1b "),  # of the user's own conf/
    ("grace run model=smollm2-135m stu", "grace run model=smollm2-135m study="),
    ("grace run -m study=1,", "grace run -m study=1,2 "),
    ("grace run -m model=gemma-9b,opt-1", "grace run -m model=gemma-9b,opt-125m "),
    ('grace run "model=smo', 'grace run "model=smollm2-135m" '),
    ("grace run 'tag=a b' pil", "grace run 'tag=a b' pilot="),
    ("grace run data=Größe.csv mod", "grace run data=Größe.csv model="),
    ("grace run exp.temp", "grace run exp.temperature="),
    ("grace run dry_run=t", "grace run dry_run=true "),
    ("grace run exp.option_space=n", "grace run exp.option_space=never "),
    ("grace run --mu", "grace run --multirun "),
    ("grace run mod| exp=2", "grace run model= exp=2"),
    ("grace run output=fol", "grace run output=folder/"),
    ("grace run data=file\\ o", "grace run data=file\\ one.csv "),
    ("grace report fol", "grace report folder/"),
    ("grace run seed=", "grace run seed="),  # no file
    ("grace run xyz", "grace run xyz"),
    ("true; X=1 ~/bin/grace run mod", "true; X=1 ~/bin/grace run model="),
]


@pytest.mark.parametrize(("typed", "completed"), COMPLETED, ids=[typed for typed, _ in COMPLETED])
def test_the_tab_key_completes(typed: str, completed: str, terminal: Terminal) -> None:
    before, _, behind = typed.partition("|")
    assert terminal.tab(before + behind, left=len(behind))[0] == completed


@pytest.mark.parametrize(
    ("typed", "listed"),
    [
        ("grace ", [*commands(), "completion"]),
        ("grace run model=", [*choices("model"), "zebra-1b"]),
        ("grace run ", ["study=", "model=", "output=", "serve."]),
        ("grace report ", ["output=", "style=", "folder/"]),
    ],
)
def test_the_tab_key_lists(typed: str, listed: list[str], terminal: Terminal) -> None:
    after, shown = terminal.tab(typed)
    assert after == typed
    assert set(listed) <= set(re.split(r"\s+", shown))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_setting_of_every_command_can_be_completed(name: str) -> None:
    """From an empty word on: what is offered is taken until it is the setting."""
    for setting in COMMANDS[name].settings:
        wanted = f"{setting.name}=".removesuffix("NAME=")
        typed = ""
        while typed != wanted:
            offered = candidates(["grace", name], typed, commands())
            steps = [word for word in offered if wanted.startswith(word)]
            # "model=" leads to "model." once its sign is taken away.
            steps += [word[:-1] for word in offered if wanted.startswith(f"{word[:-1]}.")]
            longer = max(steps, key=len, default="")
            assert len(longer) > len(typed), (setting.name, typed)
            typed = longer


@pytest.mark.parametrize("group", ["study", "exp", "model", "engine"])
def test_the_choices_of_a_group_are_those_there_are(group: str) -> None:
    found = candidates(["grace", "run"], f"{group}=", commands())
    assert found == [f"{group}={name}" for name in choices(group)]
    assert RUN.setting(group) is None


def test_a_line_is_split_as_the_shell_splits_it() -> None:
    assert split_line("grace run 'tag=a b' x") == (["grace", "run", "tag=a b"], "x")
    assert split_line('grace  run "data=a b') == (["grace", "run"], "data=a b")
    assert split_line("grace run data=it\\'s") == (["grace", "run"], "data=it's")
    assert split_line("grace run ") == (["grace", "run"], "")
    assert split_line("") == ([], "")


def test_what_it_gives_to_a_shell() -> None:
    for shell, script in SCRIPTS.items():
        assert complete([shell], commands()) == script
    assert complete(["words", "grace run mod", "mod"], commands()) == "words\nmodel="
    assert complete(["words", "grace run data=x", "x"], commands()) == "files"
    for words in ([], ["fish"], ["bash", "zsh"], ["words"]):
        with pytest.raises(ConfigError, match="expected grace completion bash or zsh"):
            complete(words, commands())
