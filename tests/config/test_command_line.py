"""The command line: paths as they are written, sweeps, help from one source, wrong words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel

from grace.config.command_line import compose
from grace.config.manual.commands import COMMANDS
from grace.config.manual.settings import ALL, SECTIONS, VLLM
from grace.config.overrides import given_twice, quoted, split, sweep
from grace.config.settings import (
    ExpSettings,
    LocalSettings,
    ModelSettings,
    ServeSettings,
    Settings,
    VllmSettings,
    read_settings,
)
from grace.errors import ConfigError, GraceError
from tests.places import ROOT
from tests.runs.test_run import model, run
from tests.stimuli.test_stimuli import STUDY1, to_csv

Tiny = Callable[[str], Path]
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
)


def read(*words: str) -> Settings:
    return read_settings(compose(words))


def refused(*words: str) -> str:
    with pytest.raises(GraceError) as caught:
        read(*words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


NAMES = [
    "Größe.csv", "größe.csv", "資料.csv", "a b.csv", "it's.csv", 'say "x".csv', "[x].csv",
    "{x}.csv", "a&b.csv", "a (1).csv", "~x.csv", "a,b.csv", "a=b.csv", "a#b.csv", "$x.csv",
    "-a.csv", "a\\b.csv",
    "123", "1e5", "true", "choice(a,b)", "a;b.csv", "100%.csv", "a:b@c!.csv", "*.csv", "${x}.csv",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_taken_as_it_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("there")
    found = read(f"data={name}", f"study.data={name}", f"model.path={name}")
    assert (found.data, found.study.data, found.model.path) == (name, name, name)
    if "$" not in name:  # a file that is to be made: ${...} is another setting's value
        found = read(f"output={name}", f"store={name}", f"serve.log={name}", f"serve.python={name}")
        places = (found.output, found.store, found.serve.log, found.serve.python)
        assert places == (name, name, name, name)


def test_a_path_of_any_name_runs(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "Jürgen's [2] (neu), & ~"
    folder.mkdir()
    (folder / "Größe = 1.csv").write_text(to_csv([STUDY1]), encoding="utf-8")
    (folder / "模型, 1").symlink_to(tiny("llama-byte"))
    words = [
        f"data={folder}/Größe = 1.csv", f"model.path={folder}/模型, 1", f"output={folder}/out, 2",
        f"store={folder}/Antworten (1).sqlite", "model.name=tiny",
    ]  # fmt: skip
    run(*words, cwd=tmp_path)
    assert (folder / "out, 2/1/2/tiny/trials.csv").is_file()
    assert (folder / "Antworten (1).sqlite").is_file()
    assert "1 rows of trials" in run(
        f"{folder}/out, 2/1/2/tiny", module="grace.verify", cwd=tmp_path
    )


def test_a_tilde_is_the_home_in_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/one")
    found = read("data=~/a.csv", "output=~/out", "store=~/s", "model.path=~/m", "serve.log=~/l")
    places = (found.data, found.output, found.store, found.model.path, found.serve.log)
    assert places == tuple(f"/home/one/{name}" for name in ("a.csv", "out", "s", "m", "l"))
    assert read("output=~nobody-here/x").output == "~nobody-here/x"
    assert read("output='~/out'").output == "/home/one/out"


@pytest.mark.parametrize("name", ["tag", "model.name", "model.revision", "exp.name", "shard"])
@pytest.mark.parametrize("text", ["12", "1.10", "001", "true", "12e5678", "1_000"])
def test_text_stays_text(name: str, text: str) -> None:
    found: Any = compose([f"{name}={text}"])
    for part in name.split("."):
        found = found[part]
    assert found == text


@hypothesis_settings(max_examples=25, deadline=None)  # each is a fifth of a second
@given(TEXT)
def test_quoted_text_comes_back(text: str) -> None:
    if "${" not in text:
        assert compose([f"exp.answer_prefix={quoted(text)}"])["exp"]["answer_prefix"] == text


def test_answers_prefixes_of_other_languages() -> None:
    for text in ("Lösung:", "答え：", "It's", "a, b", "[x", "(x) {y", "Answer: yes = 1", "100"):
        assert read(f"exp.answer_prefix={text}").exp.answer_prefix == text
    assert read("exp.answer_prefix=a\\, b").exp.answer_prefix == "a, b"  # as Hydra has it
    assert read("exp.answer_prefix='It is '").exp.answer_prefix == "It is "


def test_endpoints_with_and_without_brackets() -> None:
    one, two = "http://[::1]:8000/v1", "http://node8:8000/v1"
    for written in (f"{one},{two}", f"['{one}',{two}]", f"[{one}, {two}]"):
        found = read("engine=vllm", f"engine.endpoints={written}").engine
        assert found.endpoints == (one, two)  # type: ignore[union-attr]


def test_a_setting_that_the_models_file_does_not_name() -> None:
    assert read("model.revision=abc123").model.revision == "abc123"
    assert read("model.chat_template_kwargs={a: 1}").model.chat_template_kwargs == {"a": 1}


WRONG = [
    ("study=1,2", "study=1,2: several values; expected one, or --multirun"),
    ("seed=1,2", "several values"),
    ("model=[gemma-9b,llama-8b]", "there is no such model"),
    ("model=gema-9b", "did you mean gemma-9b?"),
    ("model=meta-llama/Llama-3", "a model on your disk is model.path=FOLDER"),
    ("model=", "expected one of deepseek-v3"),
    ("study=null", "study=null: expected one of 1, 2"),
    ("pilto=3", "did you mean pilot?"),
    ("exp.max_token=3", "did you mean exp.max_tokens?"),
    ("max_tokens=3", "did you mean exp.max_tokens?"),
    ("pilot", "expected setting=value, such as pilot=10"),
    ("+seed=3", "seed: is set already"),
    ("seed=1e400", "expected a finite number"),
    ("seed=" + "9" * 5000, "expected a whole number"),
    ("engine.timeout=nan", "engine.timeout"),
    ("pilot=0", "pilot=0: expected 1 or more"),
    ("dry_run=ja", "dry_run='ja': expected true or false"),
    ("engine.kind=x", "engine.kind='x': expected one of local, vllm"),
    ("engine.dtype=float8", "expected auto, float32, bfloat16 or float16"),
    ("data=", "data='': expected some text"),
    ("output=", "output='': expected some text"),
    ("tag=", "tag='': expected a name of the letters"),
    ("tag=a b", "tag='a b': expected a name of the letters"),
    ("study.factors=[a", "expected a list"),
    ("model.chat_template_kwargs=x", "expected names with values"),
    ("größe=3", "größe: no such setting"),
    ("hydra.run.dir=x", "no such setting"),
    ("tag=${tag}", "tag"),
    ("tag=${nothing}", "nothing"),
    ("tag=${", "tag"),
    ("data=\udcff.csv", "expected text in UTF-8"),
    ("data=\0", "expected text in UTF-8"),
    ("--seed=3", "no such setting; did you mean seed?"),
]


@pytest.mark.parametrize(("word", "found"), WRONG, ids=[repr(word)[:40] for word, _ in WRONG])
def test_wrong_words(word: str, found: str) -> None:
    assert found in refused(word)


def test_several_files_need_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.csv"):
        Path(name).write_text("there")
    assert "--multirun" in refused("data=a.csv,b.csv")


def test_a_sweep_is_every_combination() -> None:
    found = sweep(["study=1,2", "data=Größe.csv,b.csv", "pilot=3"])
    assert [label for label, _ in found] == [
        "study=1 data=Größe.csv", "study=1 data=b.csv", "study=2 data=Größe.csv",
        "study=2 data=b.csv",
    ]  # fmt: skip
    assert [read_settings(compose(w)).data for _, w in found] == ["Größe.csv", "b.csv"] * 2
    assert [label for label, _ in sweep(["tag=choice(a,b)", "seed=range(1,3)"])] == [
        "tag=a seed=1", "tag=a seed=2", "tag=b seed=1", "tag=b seed=2",
    ]  # fmt: skip
    assert [label for label, _ in sweep(["model=glob(gemma-*b)"])] == [
        "model=gemma-1-2b", "model=gemma-2b", "model=gemma-9b",
    ]  # fmt: skip
    assert split("'a,b',[c,d],e(f,g),h") == ["'a,b'", "[c,d]", "e(f,g)", "h"]
    assert split("it's,b") == ["it's", "b"]


def test_a_sweep_tells_its_runs_apart(tiny: Tiny, tmp_path: Path) -> None:
    words = ["--multirun", "study=1,2", "data=null,gone.csv", "pilot=2", "report=true"]
    said = run(*words, *model(tiny("llama-byte")), cwd=tmp_path, code=1)
    assert said.count("== run ") == 4
    assert "== run 2 of 4: study=1 data=gone.csv ==" in said
    summary = said[said.index("== 4 runs ==") :]
    assert "1  study=1 data=null: done" in summary
    assert "2  study=1 data=gone.csv: failed: gone.csv: no such file" in summary
    assert "3  study=2 data=null: done" in summary
    assert "One report over all: outputs/report.html" in summary
    assert "study=2 data=gone.csv" in (tmp_path / "outputs/multirun.yaml").read_text("utf-8")
    page = (tmp_path / "outputs/report.html").read_text(encoding="utf-8")
    assert "Knowledge attribution" in page
    assert "Polite speech" in page


def test_a_sweep_with_a_wrong_setting_asks_nothing(tmp_path: Path) -> None:
    said = run("--multirun", "study=1,2", "seed=0,-1", cwd=tmp_path, code=1)
    assert said.startswith("error: run 2 of 4 (study=1 seed=-1): seed=-1: expected 0 or more")
    assert not list(tmp_path.iterdir())


SHARED = [
    (["exp.temperature=0.5,1.0", "exp=1"], "with 'tag=t${exp.temperature}'"),
    (["seed=0,1", "exp.answer_prefix=,Well"], "'tag=t${seed}-${exp.answer_prefix}'"),
    (["exp.answer_prefix=Well:,So:"], "run them one after another, each with a tag=NAME"),
    (["seed=range(0,3)", "tag=x"], "with 'tag=x-${seed}'"),
    (["engine.threads=1,2", "study=1,2"], "runs 1 and 3 of 4"),
    (["pilot=2,4", "overwrite=true"], "'tag=t${pilot}'"),
]


@pytest.mark.parametrize(("words", "found"), SHARED, ids=[found for _, found in SHARED])
def test_runs_of_a_sweep_that_would_share_a_folder_are_refused(
    words: list[str], found: str, tiny: Tiny, tmp_path: Path
) -> None:
    said = run("--multirun", *words, *model(tiny("llama-byte")), cwd=tmp_path, code=1)
    assert found in said
    assert "would both have the folder outputs/" in said
    assert not list(tmp_path.iterdir())


def test_the_tag_that_is_proposed_keeps_runs_apart(tiny: Tiny, tmp_path: Path) -> None:
    words = ["study=2", "exp=1", "exp.temperature=0.5,1.0", "exp.max_tokens=2", "pilot=2"]
    words += ["tag=t${exp.temperature}", *model(tiny("llama-byte"))]
    run("--multirun", *words, cwd=tmp_path)
    assert {path.name for path in (tmp_path / "outputs/2/1").iterdir()} == {
        "tiny-t0.5", "tiny-t1.0",
    }  # fmt: skip


def test_a_sweep_that_keeps_nothing_may_share_a_folder(tiny: Tiny, tmp_path: Path) -> None:
    words = ["study=2", "exp=2", "exp.forms=true,false", "pilot=2", "dry_run=true"]
    run("--multirun", *words, *model(tiny("llama-byte")), cwd=tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study=1", "exp=2", "study=2"], "study is given as 1 and as 2; the last counts"),
        (["seed=1", "exp=1", "++seed=2"], "seed is given as 1 and as 2; the last counts"),
        (["seed=1", "seed=2", "seed=3"], "seed is given as 2 and as 3; the last counts"),
        (["data=a.csv", "data=b.csv"], "data is given as a.csv and as b.csv; the last counts"),
    ],
)
def test_of_two_values_the_last_counts_and_it_is_said(words: list[str], said: str) -> None:
    assert given_twice(words) == [said]


def test_the_note_of_two_values_is_on_the_screen(tiny: Tiny, tmp_path: Path) -> None:
    words = ["study=1", "exp=2", "study=2", "pilot=2", "dry_run=true"]
    output = run(*words, *model(tiny("llama-byte")), cwd=tmp_path)
    assert "note: study is given as 1 and as 2; the last counts" in output
    assert "2 (Polite speech)" in output


def test_an_argument_in_two_spellings_is_refused() -> None:
    words = ["serve.args.max-num-seqs=3", "serve.args.max_num_seqs=4"]
    with pytest.raises(ConfigError, match="one argument in two spellings"):
        sweep(words)


def test_a_setting_twice_with_one_value_is_that_setting() -> None:
    words = ["study=2", "exp=1", "seed=3", "seed='3'", "study='2'"]
    assert read_settings(compose(words)).seed == 3
    assert len(sweep([*words, "pilot=1,2", "pilot=1,2"])) == 4


def fields(kind: type[BaseModel], before: str = "") -> dict[str, Any]:
    return {f"{before}{name}": field.default for name, field in kind.model_fields.items()}


def test_the_manual_is_of_every_setting() -> None:
    """A setting without a line in grace/config/manual/settings.py is in no help."""
    groups = {"study", "exp", "model", "engine", "serve"}
    here = {name for name in fields(Settings) if name not in groups}
    here |= set(fields(ExpSettings, "exp.")) | set(fields(ModelSettings, "model."))
    here |= set(fields(LocalSettings, "engine.")) | set(fields(VllmSettings, "engine."))
    here |= set(fields(ServeSettings, "serve.")) - {"serve.args", "serve.cpu_args"}
    told = {name for name in ALL if not name.endswith("NAME")} - {"study.data"}
    assert told == here - {"engine.kind"}
    assert len(ALL) == sum(len(part) for part in SECTIONS.values()) - 0


def test_the_manual_has_the_values_that_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRACE_REPORT")
    own = {setting.name for setting in VLLM}
    for name, setting in ALL.items():
        if name.endswith("NAME") or not setting.default:
            continue
        raw = setting.name.startswith("exp.") and setting.meaning.startswith("exp 1")
        words = [f"exp={1 if raw else 2}", f"engine={'vllm' if name in own else 'local'}"]
        found: Any = read(*words)
        for part in name.split("."):
            found = getattr(found, part)
        assert str(found).lower() == setting.default.lower() or found == float(setting.default)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_one_line_a_setting_and_quick(name: str, tmp_path: Path) -> None:
    look = (
        "import sys, runpy\nsys.argv = ['x', '--help']\n"
        f"try: runpy.run_module('grace.{name}', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end: print('EXIT', end.code)\n"
        "print('LOADED', sorted({'torch', 'hydra', 'matplotlib', 'transformers'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "EXIT 0" in done.stdout
    assert "LOADED []" in done.stdout
    command = COMMANDS[name]
    for setting in command.settings:
        lines = [line for line in done.stdout.splitlines() if f"  {setting.written}  " in line]
        assert len(lines) == 1, setting.name
        assert setting.meaning in lines[0]
    assert f"python -m grace.{name} " in done.stdout
    assert "--hydra" not in done.stdout
    assert not re.search(r"--(seed|study|output)\b", done.stdout)
    assert max(len(line) for line in done.stdout.splitlines()) <= 100


@pytest.mark.parametrize("name", COMMANDS)
def test_version_and_unknown_flags(name: str, tmp_path: Path) -> None:
    assert run("--version", module=f"grace.{name}", cwd=tmp_path).startswith("Grace ")
    said = run("--shell-completion", module=f"grace.{name}", cwd=tmp_path, code=1)
    assert said.startswith("error: unrecognized argument --shell-completion")
    assert len(said.strip().splitlines()) == 1


def test_settings_written_as_flags_keep_working(tmp_path: Path) -> None:
    for words in (["--study", "2", "--seed=3"], ["study=2", "seed=3"]):
        said = run(*words, module="grace.materials", cwd=tmp_path)
        assert said.startswith("data/study2.csv: 24 participants")
    run("--study", "2", "--check", "seed=3", module="grace.materials", cwd=tmp_path)
    said = run("--sed", "3", module="grace.materials", cwd=tmp_path, code=1)
    assert "did you mean seed?" in said


def test_a_file_run_as_a_script_says_how_to_start_it(tmp_path: Path) -> None:
    package = ROOT / "grace"
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, package / "run.py", "--help"], cwd=tmp_path, capture_output=True,
        text=True, check=False, env=env,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "error: Grace's commands are started as modules: python -m grace.run"
    )
