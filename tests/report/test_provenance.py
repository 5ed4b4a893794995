"""What a report says of how a run was made: true of this run, in words and as a command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import grace
from grace.figures import view
from grace.report.page import uncompared
from grace.report.provenance import cite, command, versions
from grace.runs.results import Run
from grace.runs.summary import low_mass_advice
from tests.runs.test_new_study import EXAMPLE, YAML, edit
from tests.runs.test_run import model, run

Tiny = Callable[[str], Path]
TITLE = "IQ of German modal verbs"


@pytest.fixture
def tea(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    edit(tmp_path / YAML, "Does tea cool down?", TITLE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(tiny: Tiny, *words: str) -> Run:
    short = ["exp.max_tokens=5"] if "exp=1" in words else []
    return grace.run_study("study=tea", *words, *model(tiny("llama-byte")), *short)


def sentence(found: Run) -> str:
    return cite(view(found))[0]


def test_draws_are_told_as_draws_and_prompts_as_questions(tea: Path, tiny: Tiny) -> None:
    """The six rows have four different prompts; each row has four texts."""
    assert tea.is_dir()
    found = asked(tiny, "exp=1", "exp.replicates=4", "exp.answer_prefix=Well:")
    said = sentence(found)
    assert "4 texts per trial were drawn at temperature 0.7, top-p 0.9 (seed 0)" in said
    assert "6 trials gave 4 distinct questions." in said
    assert f"the questions of “{TITLE}” in float32" in said
    assert ", each answer begun with “Well:”;" in said
    assert found.manifest["plan"]["queries"] == len(found.trials) == 24
    assert found.manifest["plan"]["questions"] == 4
    assert found.manifest["engine"]["method"] == "sampled"
    assert dict(versions(view(found)))["method"] == "sampled"
    one = sentence(asked(tiny, "exp=1", "tag=one"))
    assert "one text per trial was drawn" in one
    assert "begun with" not in one
    greedy = sentence(asked(tiny, "exp=1", "tag=cold", "exp.temperature=0", "exp.replicates=2"))
    assert "the most probable text was taken of each question (temperature 0)" in greedy
    assert "6 trials gave 4 distinct questions." in greedy


def test_plain_text_is_told(tea: Path, tiny: Tiny) -> None:
    assert tea.is_dir()
    said = sentence(asked(tiny, "exp=2", "model.chat=false", "exp.forms=false"))
    assert "as plain text, without a chat template, each answer begun with “Answer:”;" in said
    assert "every admissible answer, each in one spelling, was read" in said
    assert "(method exact)" in said


def test_an_experiment_of_texts_and_options_is_told_as_both(tea: Path, tiny: Tiny) -> None:
    text = (tea / YAML).read_text(encoding="utf-8")
    before, scored = text.split('  "2":')
    both = before + scored.split("questions:\n")[1]
    (tea / YAML).write_text(both, encoding="utf-8")
    found = asked(tiny, "exp=1")
    said = sentence(found)
    assert "one text per trial was drawn" in said
    assert (
        "the probability of every admissible answer was read from the model (method exact)" in said
    )
    assert found.manifest["engine"]["method"] == "exact, sampled"


def test_the_command_names_the_file_of_the_study(tea: Path, tiny: Tiny) -> None:
    (tea / YAML).rename(tea / "conf/study/tee.yaml")
    words = ["study=tee", "exp=2", *model(tiny("llama-byte"))]
    said = " ".join(run(*words, cwd=tea).split())
    assert "tee.yaml has the name tea, and its results stand under tea" in said
    assert "expected `name: tee`" in said
    found = view(tea / "outputs/tea/2/tiny")
    again = command(found.settings, found.manifest["study_file"])
    assert again.startswith("python -m grace.run study=tee exp=2 ")
    assert command(found.settings).startswith("python -m grace.run study=tea ")  # of 0.1.0
    edit(tea / "conf/study/tee.yaml", "name: tea", "name: tee")
    assert "has the name" not in run(*words, cwd=tea)


def test_a_study_without_people_is_told_without_an_error(tea: Path, tiny: Tiny) -> None:
    assert tea.is_dir()
    title, why = uncompared(view(asked(tiny, "exp=2")))
    assert title == "There are no people to compare with."
    assert why == "Grace knows what people did in studies 1 and 2 alone."


@pytest.mark.parametrize(
    ("settings", "chat", "said"),
    [
        ({}, True, "exp.answer_prefix='Answer:' to start its turn"),
        ({"answer_prefix": "Well:"}, True, "another start of its turn than 'Well:'"),
        ({"base_answer_prefix": "Answer:"}, True, "exp.answer_prefix='Answer:' to start"),
        ({"base_answer_prefix": "Answer:"}, False, "another start of its answer than 'Answer:'"),
    ],
)
def test_advice_on_low_mass_is_of_what_is_not_done_yet(
    settings: dict[str, str], chat: bool, said: str
) -> None:
    from grace.config.settings import ExpSettings

    assert said in low_mass_advice(ExpSettings.model_validate({"name": "2", **settings}), chat=chat)
