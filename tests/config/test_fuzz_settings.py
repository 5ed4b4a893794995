"""Whatever is written into a setting or a word of a command: a result or a sentence.

Never another error: what the user wrote is told in one line, with exit code 1.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grace.asking.job import load_job
from grace.config.command_line import flags_and_settings
from grace.config.compose import compose, compose_overrides
from grace.config.manual.commands import COMMANDS
from grace.config.manual.settings import ALL, NAMES
from grace.config.overrides import sweep
from grace.config.settings import read_settings
from grace.errors import GraceError

pytestmark = pytest.mark.full

MANY = settings(
    max_examples=int(os.environ.get("GRACE_FUZZ", "300")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
#: What has broken something, or might: each is also put together with others.
HOSTILE = [
    "", " ", "null", "NULL", "~", "true", "yes", "0", "-1", "1e400", "nan", "-inf", "1_000",
    "0x10", "9" * 5000, "1e-400", "1.5", "01", "'", '"', "''", "'a", 'a"', "\\", "\\'",
    "'\\'", "[", "]", "[]", "[,]", "[a", "{", "}", "{}", "{a: b}", "{a", "{a: {b: c}}",
    "[" * 300, "(", "a(b)", "choice()", "choice(1,2)", "range(3)", "range(0,9,0)",
    "range(1e9)", "glob(*)", "glob()", "interval(0,1)", "sort(b,a)", "shuffle(1)",
    "tag(a,b)", "int(x)", "str([1])", "json_str({a: 1})", "1,2", ",", "a,,b", "${", "${}",
    "${x}", "${tag}", "${study}", "${.}", "${..}", "${oc.env:NOT_THERE}", "${oc.env:HOME}",
    "${oc.env}", "${oc.decode:'['}", "${oc.create:x}", "${oc.select:a,b}",
    "${oc.dict.keys:study}", "${nothing:1}", "${hydra:job.num}", "${now:%Y}", "$${x}",
    "\\${x}", "${${x}}", "???", "_target_", "\0", "\x07", "\x1b[31m", "\n", "\r\n", "\t",
    "\ud800", "\udcff", "\ufeff", "\u202e", "é", "e\u0301", "資料", "👩‍👩‍👧", "a" * 300,
    "a/" * 3000, "a=b", "=", "#", "%s", "{0}", "!!python/object:os.system", "&a", "*a",
    "../..", "/dev/null", ".", "/", "//", "~nobody", "~root/x", "http://[", "http://a:x",
    "http://a:99999999/", "1/3", "0/3", "3/2", "1/0", "+", "@", ":", ";", "|", "<", "-",
    "--", "--help-me", "smollm2-135m", "1", "2", "local", "vllm", "cuda:x", "float8", "inf",
]  # fmt: skip
VALUE = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=8),
    st.text(st.characters(), max_size=6),  # halves of surrogate pairs and all
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=3).map("".join),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=3).map(",".join),
    st.integers().map(str),
    st.floats().map(str),
)
KNOWN = [name.replace("NAME", "max-num-seqs") for name in ALL if name != "study.NAME"]
NAME = st.one_of(
    st.sampled_from([*NAMES, *KNOWN, "serve", "study.title", "study.name", "study.key"]),
    st.sampled_from(
        ["hydra", "hydra.run.dir", "hydra/launcher", "x", "study@x", "model.x", "seed.x"]
    ),
    st.text(max_size=5),
)
SETTING = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "", "", "+", "++", "~", "-", "--"]),
    NAME,
    st.sampled_from(["=", "=", "=", "=", "", "==", "= "]),
    VALUE,
)
WORDS = st.lists(st.one_of(SETTING, SETTING, SETTING, VALUE), min_size=1, max_size=4)


def sentence(call: Callable[[], Any]) -> Any:
    """What comes of it; the sentence where it is refused."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            return call()
        except GraceError as error:
            text = str(error)
            assert text.strip()
            assert "\n" not in text.strip(), text
            for foreign in ("Traceback", "pydantic", "omegaconf", "input should", "Input should"):
                assert foreign not in text, text
        except SystemExit as end:  # --help, --version
            assert end.code == 0  # noqa: PT017
    return None


@MANY
@given(words=WORDS)
@example(words=["seed=" + "9" * 5000])
@example(words=["seed=${seed}"])
@example(words=["engine.threads=" + "[" * 3000])
@example(words=["~study"])
@example(words=["+x=1"])
@example(words=["study=null"])
@example(words=["model=" + "x" * 5000])
@example(words=["output=" + "x" * 5000])
def test_settings(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def read() -> None:
        _, found = flags_and_settings(words)
        load_job(read_settings(compose(found)))

    sentence(read)


@MANY
@given(words=WORDS)
@example(words=["seed=range(0,9,0)"])
@example(words=["seed=1,,2"])
@example(words=["model=glob(*)"])
def test_sweeps(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def read() -> None:
        for _, overrides in sweep(words)[:3]:
            read_settings(compose_overrides(overrides, "config"))

    sentence(read)


COMMAND_FUNCTIONS: dict[str, Callable[[Sequence[str]], int]] = {
    name: getattr(importlib.import_module(module), function)
    for name, module, function in (
        ("compare", "grace.compare", "compare_command"),
        ("figures", "grace.figures.__main__", "figures"),
        ("report", "grace.report.__main__", "report"),
        ("stats", "grace.stats.__main__", "stats"),
        ("tables", "grace.tables.__main__", "rebuild"),
        ("merge", "grace.merge", "merge_stores"),
        ("verify", "grace.verify", "verify_run"),
        ("materials", "grace.materials", "read_wanted"),
    )
}


@MANY
@given(data=st.data())
def test_words_of_plain_commands(
    data: st.DataObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = data.draw(st.sampled_from(list(COMMAND_FUNCTIONS)))
    own = [setting.name for setting in COMMANDS[name].settings]
    named = st.builds(
        "{}{}={}".format,
        st.sampled_from(["", "", "--", "-"]),
        st.sampled_from(own or ["x"]),
        VALUE,
    )
    flags = st.sampled_from(["--help", "-h", "--version", "--", "-", "--seed", "--check", "-x"])
    words = data.draw(st.lists(st.one_of(named, VALUE, flags, SETTING), max_size=4))
    sentence(lambda: COMMAND_FUNCTIONS[name]([word for word in words if ".." not in word]))
