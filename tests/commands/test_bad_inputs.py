"""A corpus of bad inputs: each gets one sentence and exit code 1, none a traceback.

Stimuli files are in test_stimuli.py, a study's own files in test_new_study.py, commands in
test_run.py; here is the rest, and the count of all.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from grace.asking.job import load_job
from grace.config.command_line import compose, refuse_words, search_path
from grace.config.settings import read_settings
from grace.errors import GraceError
from grace.questions.queries import ask
from grace.questions.templates import Templates
from grace.runs.runner import run
from tests.runs.test_new_study import BREAKS, EXAMPLE
from tests.runs.test_run import BAD_SETTINGS
from tests.runs.test_run import run as command
from tests.stimuli.test_stimuli import BAD, STUDY1, to_csv

Tiny = Callable[[str], Path]

#: Settings and arguments, by the words of the command, and what the sentence must hold.
ARGUMENTS: list[tuple[str, str]] = [
    ("study", "expected setting=value"),
    ("study=", "study"),
    ("study=../1", "study"),
    ("exp=two", "exp/two"),
    ("model=", "model"),
    ("engine=abacus", "engine/abacus"),
    ("engine.kind=abacus", "abacus"),
    ("engine.threads=0", "engine.threads=0"),
    ("engine.max_batch_tokens=-5", "engine.max_batch_tokens=-5"),
    ("engine.dtype=float8", "engine.dtype='float8'"),
    ("+engine.gpu=3", "engine.gpu: no such setting"),
    ("+exp.temprature=1", "exp.temprature: no such setting"),
    ("exp.temprature=1", "exp.temprature: no such setting"),
    ("exp.temperature=1", "exp.temperature: no such setting with these choices"),  # of exp=2
    ("exp=1 exp.temperature=hot", "exp.temperature"),
    ("exp=1 exp.top_p=0", "exp.top_p=0"),
    ("exp=1 exp.top_p=1.5", "exp.top_p=1.5"),
    ("exp=1 exp.max_tokens=0", "exp.max_tokens=0"),
    ("exp=1 exp.replicates=0", "exp.replicates=0"),
    ("exp=1 exp.replicates=1.5", "exp.replicates=1.5"),
    ("exp.name=9", "study 1 has no experiment 9"),
    ("exp.prior=perhaps", "exp.prior='perhaps'"),
    ("seed=-1", "seed=-1"),
    ("seed=9223372036854775808", "seed=9223372036854775808"),
    ("pilot=-3", "pilot=-3"),
    ("pilot=1.5", "pilot=1.5"),
    ("dry_run=maybe", "dry_run='maybe'"),
    ("overwrite=2", "overwrite=2"),
    ("max_failures=0", "max_failures=0"),
    ("shard=3", "shard"),
    ("shard=0/4", "expected K/N with K from 1 to N"),
    ("shard=5/4", "expected K/N with K from 1 to N"),
    ("shard=a/b", "expected K/N"),
    ("shard=1/2/3", "expected K/N"),
    ("tag='a b'", "tag='a b'"),
    ("tag=.hidden", "tag='.hidden'"),
    ("model.name=a/b", "model.name='a/b'"),
    ("model.max_length=0", "model.max_length=0"),
    ("study.name=../../etc", "study.name='../../etc'"),
    ("study.factors=[]", "study.factors=[]"),
    ("study.key=[nobody]", "'nobody' is named but is no column"),
    ("data=.", ".: cannot be read"),
    ("data=/dev/null", "the file is empty"),
    ("output=/dev/null/x", "/dev/null/x"),
    ("store=/dev/null/x", "/dev/null/x"),
    ("study.data=${oc.env:NOT_SET_ANYWHERE}", "NOT_SET_ANYWHERE"),
    ("tag=${nothing}", "nothing"),
    ("seed=[1", "[1"),
    ("=3", "expected setting=value"),
    ("+model._target_=os.system", "may not name code"),
    ("hydra.callbacks.x._target_=os.system", "may not name code"),
    ("+model.chat_template_kwargs={_target_: os.system}", "may not name code"),
    ("hydra.searchpath=[file:///tmp]", "may not name code"),
    ("hydra.job_logging.handlers.file.class=os.system", "may not name code"),
    ("+hydra.callbacks.x=1", "may not name code"),
    ("hydra={callbacks: {}}", "may not name code"),
    ("+study@hydra.callbacks.x=1", "may not name code"),
]

#: URLs that are no endpoints.
ENDPOINTS = ["ftp://host/v1", "file:///etc/passwd", "host:8000", "http://", "http://me:pw@host/v1"]

#: Plain commands and their words.
COMMANDS: list[tuple[str, list[str], str]] = [
    ("grace.tables", [], "the following arguments are required: RUN"),
    ("grace.tables", ["nowhere"], "nowhere: no manifest.json"),
    ("grace.verify", ["nowhere"], "nowhere: no manifest.json"),
    ("grace.verify", [".", "--seed=x"], "seed=x: expected a whole number"),
    ("grace.merge", ["out.sqlite"], "required: IN"),
    ("grace.merge", ["out.sqlite", "nowhere.sqlite"], "nowhere.sqlite: there is no such store"),
    ("grace.merge", ["out.sqlite", "text.csv"], "text.csv"),
    ("grace.materials", ["--study", "7"], "study=7: expected one of 1, 2, all"),
]


def refusal(words: list[str]) -> str:
    """The sentence with which these words are refused."""
    with pytest.raises(GraceError) as caught:
        asyncio.run(run(read_settings(compose(words)), Console(quiet=True)))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize(("word", "found"), ARGUMENTS, ids=[word for word, _ in ARGUMENTS])
def test_bad_arguments(
    word: str, found: str, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = [] if word.startswith("model=") else [f"model.path={tiny('llama-byte')}"]
    words = word.split(" ") if word.startswith("exp=1 ") else [word]
    assert found in refusal([*base, *words])
    assert not list(tmp_path.rglob("*.csv"))


@pytest.mark.parametrize("url", ENDPOINTS)
def test_bad_endpoints(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.chdir(tmp_path)
    assert "engine.endpoints" in refusal(["engine=vllm", f"engine.endpoints=['{url}']", "pilot=1"])


@pytest.mark.parametrize(("module", "words", "found"), COMMANDS)
def test_bad_words_of_plain_commands(
    module: str, words: list[str], found: str, tmp_path: Path
) -> None:
    (tmp_path / "text.csv").write_text("no store, " * 100)
    assert found in command(*words, module=module, cwd=tmp_path, code=1)


def test_the_corpus_is_large_enough() -> None:
    assert len(ARGUMENTS) + len(ENDPOINTS) + len(COMMANDS) >= 60
    assert len(BAD) + len(BREAKS) + len(BAD_SETTINGS) >= 40


#: Files of a study's conf/ folder, from anyone, that would have Hydra or logging call something.
CODE_FILES = {
    "target": ("hydra/callbacks/bad.yaml", "bad:\n  _target_: os.system\n"),
    "escaped": ("study/bad.yaml", '"_tar\\u0067et_": os.system\n'),
    "package": (
        "exp/bad.yaml",
        "# @package hydra.job_logging\nhandlers: {x: {class: os.system}}\n",
    ),
    "default": ("study/bad.yaml", "defaults: [{/study@hydra.job_logging: other}]\nname: bad\n"),
    "override": ("study/bad.yaml", "defaults: [override /hydra/job_logging: other]\n"),
    "hydra": ("hydra/job_logging/bad.yaml", "handlers: {x: {class: os.system}}\n"),
}


@pytest.mark.parametrize(("name", "content"), CODE_FILES.values(), ids=CODE_FILES)
def test_a_configuration_that_names_code_is_refused(
    name: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    assert search_path()  # the example's own conf/ is a study's
    path = tmp_path / "conf" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    with pytest.raises(GraceError, match=r"bad\.yaml: .*configuration may not name code"):
        search_path()
    with pytest.raises(GraceError, match="may not name code"):
        refuse_words(["x._target_=y"])


def test_a_damaged_manifest_is_named(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "outputs/1/2/tiny"
    folder.mkdir(parents=True)
    words = [f"model.path={tiny('llama-byte')}", "model.name=tiny", "pilot=1"]
    for content in ("", "{", "[]", "{}", '{"settings": 3}'):
        (folder / "manifest.json").write_text(content)
        assert "manifest.json: cannot be read" in refusal(words)
        for module in ("grace.tables", "grace.verify"):
            if content in ("{", "[]"):
                assert "manifest" in command(str(folder), module=module, cwd=tmp_path, code=1)


@pytest.mark.parametrize("column", ["model", "flags", "state0_prob_10", "logprob"])
def test_a_column_with_the_name_of_a_result_is_refused_at_once(column: str, tmp_path: Path) -> None:
    path = tmp_path / "stimuli.csv"
    path.write_text(to_csv([STUDY1 | {column: "x"}]), encoding="utf-8")
    settings = read_settings(compose([f"data='{path}'"]))
    if column == "logprob":  # of the tidy table, in which this column of the stimuli is not
        load_job(settings)
        return
    with pytest.raises(GraceError, match=f"column {column} of the stimuli has the name of"):
        load_job(settings)


HOSTILE = {
    "jinja": "{{ 7 * 7 }} {% for x in range(10**9) %}{{ cycler.__init__.__globals__ }}{% endfor %}",
    "control": "bell \x07 escape \x1b[31m backspace \x08 vertical \x0b unit \x1f delete \x7f",
    "long": "all work and no play " * 50_000,
    "right to left": "\u202etfel ot thgir\u202c \u200f שלום \u2066",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 \U0001f469\U0001f3fd",
    "formula": '=HYPERLINK("http://host","x") @SUM(1) \t+1',
    "quotes": 'a "quoted", comma\nand a line; <br> \'\\ %s {0}',
    "markup": "[bold red]not[/bold red] [/] ${oc.env:HOME}",
    "not characters": "\ufffe \ufeff \U0010ffff",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_cells_are_text(text: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.csv"
    path.write_text(to_csv([STUDY1 | {"story_setup": f"Setup: {text} end."}]), encoding="utf-8")
    job = load_job(read_settings(compose([f"data='{path}'"])))
    queries = ask(job.stimuli.trials, job.spec, job.settings.exp, Templates(), chat=True, seed=0)
    (trial,) = job.stimuli.trials
    setup = trial.values["story_setup"]
    assert setup == "Setup: " + text.replace("; <br> '", "; '") + " end."
    asked = [query.messages[-1].content for query in queries]
    assert len(asked) == 5
    assert all(setup in content for content in asked)


def test_hostile_cells_run_to_the_end(tiny: Tiny, tmp_path: Path) -> None:
    short = {name: text for name, text in HOSTILE.items() if name != "long"}
    rows = [
        STUDY1 | {"participant_id": str(i), "story_shortname": text, "story_setup": text + "."}
        for i, text in enumerate(short.values())
    ]
    rows.append(STUDY1 | {"participant_id": "99", "story_setup": HOSTILE["long"]})
    path = tmp_path / "hostile.csv"
    path.write_text(to_csv(rows), encoding="utf-8")
    words = [f"model.path={tiny('llama-byte')}", "model.name=tiny", f"data={path}"]
    output = command(*words, cwd=tmp_path, code=3)  # the long one exceeds the model
    assert "5 queries failed" in output
    import pandas as pd

    table = pd.read_csv(tmp_path / "outputs/1/2/tiny/trials.csv", keep_default_na=False)
    raw = pd.read_parquet(tmp_path / "outputs/1/2/tiny/trials.parquet")
    assert len(table) == len(raw) == len(rows)
    assert set(short.values()) <= set(raw["story_shortname"])
    assert table["story_shortname"].str.startswith("'=HYPERLINK").sum() == 1
    assert raw["state0_mean"].isna().sum() == 1


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["study=9"], "study/9"),
        (["nonsense"], "'nonsense': expected setting=value"),
        (["x._target_=y"], "may not name code"),
        (["shard=9/3"], "expected K/N"),
        (["exp.max_token=3"], "exp.max_token: no such setting"),
        (["seed=[1"], "seed='[1': expected a whole number"),
        (["--multirun", "study=1,9"], "study/9"),
        (["--no-such-flag"], "--no-such-flag; settings are written"),
        (["study=1", "--multirun", "exp=1,9"], "exp/9"),
        (["--cfg"], "--cfg"),
        (["--config-dir", "."], "--config-dir"),
        (["--experimental-rerun", "config.pickle"], "--experimental-rerun"),
    ],
)
def test_real_processes_say_it_in_a_sentence(words: list[str], found: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "grace.run", *words], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert found in done.stderr
