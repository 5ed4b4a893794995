"""A third study is a YAML, templates and a CSV in one's own folder, and no Python."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import grace
from tests.places import ROOT
from tests.runs.test_run import model, run

Tiny = Callable[[str], Path]
EXAMPLE = ROOT / "docs" / "example-study"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_study_of_the_docs_runs(own: Path, tiny: Tiny) -> None:
    output = run("study=tea", "exp=2", *model(tiny("llama-byte")), cwd=own)
    result = grace.load(own / "outputs/tea/2/tiny")
    assert len(result.trials) == 6
    assert "prob_hot" in result.trials
    assert result.trials["prob_hot"].to_numpy() + result.trials["prob_cold"].to_numpy() == (
        pytest.approx(1, abs=1e-9)
    )
    assert "Means by cell" in output
    raw = run("study=tea", "exp=1", "exp.max_tokens=5", *model(tiny("llama-byte")), cwd=own)
    assert "temperature" in raw


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


YAML, TEMPLATE = "conf/study/tea.yaml", "prompts/tea/temperature.j2"
BREAKS = [
    (TEMPLATE, "{{ cup }}", "{{ mug }}", "unknown column 'mug'"),
    (TEMPLATE, "{{ cup }}", "{{ cup.size.width }}", "temperature.j2"),
    (TEMPLATE, "{% block user %}", "{% block usher %}", "no block named user"),
    (TEMPLATE, "{% endblock %}", "", "temperature.j2: line"),
    (YAML, "template: tea/temperature.j2", "template: tea/none.j2", "tea/none.j2: not found"),
    (YAML, "[hot, cold]", "[hot, cold, hot]", "option name 'hot' stands twice"),
    (YAML, "[hot, cold]", "[hot, {text: cold, forms: [hot]}]", "option 'hot' stands twice"),
    (YAML, "factors: [minutes]", "factors: [hours]", "'hours' is named but is no column"),
    (YAML, "prob_{option}", "prob_{choice}", "{choice}; expected one of ['option']"),
    (YAML, "that: minutes >= 0", "that: hours >= 0", "names 'hours', no column"),
    (YAML, "that: minutes >= 0", "that: minutes >=", "a check"),
    (YAML, "title:", "titel:", "study.titel: no such setting"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "found"), BREAKS, ids=[f"{b[2]}-{i}" for i, b in enumerate(BREAKS)]
)
def test_a_broken_study_fails_before_anything_is_asked(
    file: str, old: str, new: str, found: str, own: Path, tiny: Tiny
) -> None:
    edit(own / file, old, new)
    for exp in ("2",):
        output = run("study=tea", f"exp={exp}", *model(tiny("llama-byte")), cwd=own, code=1)
        assert found in output
    assert not (own / "outputs").exists()


def test_a_study_may_not_take_the_name_of_ours(own: Path, tiny: Tiny) -> None:
    shutil.copy(own / YAML, own / "conf/study/1.yaml")
    output = run("study=1", *model(tiny("llama-byte")), cwd=own, code=1)
    assert "of Grace's own; expected another file name" in output
