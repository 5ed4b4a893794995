"""A third study is a YAML, templates and a CSV in one's own folder, and no Python."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import grace
from grace.tables.wide import variant_label
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


OVER = "over: {drink: [tea, coffee], size: [1, 2]}"


def vary(own: Path, template: str, over: str = OVER) -> None:
    """Let the question vary over drink and size, asked in this template."""
    edit(own / YAML, "options: [hot, cold]", f"{over}\n        options: [hot, cold]")
    edit(own / YAML, '"prob_{option}", mass: temperature_mass', '"{drink}{size}_{option}"')
    path = own / TEMPLATE
    path.write_text(f"{{% block user %}}{template}{{% endblock %}}", encoding="utf-8")


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{{ cup }}, {{ minutes }}, {{ size }}?",
         "for drink tea and for drink coffee are the same in every row"),
        ("{{ cup }}, {{ minutes }}, {{ drink }}?",
         "for size 1 and for size 2 are the same in every row"),
        ("{{ cup }}?", "for size 1 and for size 2 are the same"),
        # used, and yet of no effect
        ("{{ cup }}, {{ size }}{% if drink == 'Tea' %} of tea{% endif %}?",
         "expected {{ drink }} in the template tea/temperature.j2"),
        ("{% set drink = 'tea' %}{{ cup }}, {{ size }}, {{ drink }}?", "for drink tea and for"),
    ],
)  # fmt: skip
def test_variants_with_the_same_prompts_are_refused(
    template: str, found: str, own: Path, tiny: Tiny
) -> None:
    vary(own, template)
    said = run("study=tea", "exp=2", "pilot=2", *model(tiny("llama-byte")), cwd=own, code=1)
    assert found in said
    assert "tea.yaml, question temperature: the prompts for" in said
    assert not (own / "outputs").exists()


@pytest.mark.parametrize(
    "template",
    [
        "{{ cup }}, {{ minutes }}, {{ size }}, {{ drink }}?",
        "{{ cup }}, {{ minutes }}, {{ row['size'] }}, {{ row.drink }}?",
        "{{ cup }}, {{ minutes }}, {{ row['si' ~ 'ze'] }}, {{ row['dri' ~ 'nk'] }}?",
        # told apart in some rows alone, and none of them in the pilot's first
        "{{ cup }}, {% if minutes == 60 %}{{ size }}, {{ drink }}{% endif %}?",
    ],
)
def test_variants_whose_prompts_differ_are_asked(template: str, own: Path, tiny: Tiny) -> None:
    vary(own, template)
    run("study=tea", "exp=2", "pilot=1", *model(tiny("llama-byte")), cwd=own)
    trials = grace.load(own / "outputs/tea/2/tiny").trials
    assert {f"{d}{s}_{o}" for d in ("tea", "coffee") for s in "12" for o in ("hot", "cold")} <= {
        *trials
    }


#: Edits of a finished study, and what is then in its tables.
TELLING = [
    ("what the tea is in", "which vessel"),
    ("title: Does tea cool down?", "title: Does it?"),
    ('"prob_{option}"', '"p_{option}"'),
    ("mass: temperature_mass", "mass: temperature_mass, entropy: bits"),
    ("item: cup\n", ""),
    ("item: cup\n", "item: cup\nparticipant: person\nsource: A book\n"),
    ("options: [hot, cold]", "options: [hot, cold]\n        meaning: how warm it is"),
    ("choices: {hot: [hot], cold: [cold]}", "choices: {hot: [hot]}"),  # of the other experiment
]


@pytest.mark.parametrize(("old", "new"), TELLING, ids=[old for old, _ in TELLING])
def test_an_edit_that_changes_no_answer_writes_the_tables_anew(
    old: str, new: str, own: Path, tiny: Tiny
) -> None:
    words = ["study=tea", "exp=2", *model(tiny("llama-byte"))]
    run(*words, cwd=own)
    folder = own / "outputs/tea/2/tiny"
    before = grace.load(folder).trials
    edit(own / YAML, old, new)
    assert "All of it was answered before; writing the tables." in run(*words, cwd=own)
    after = grace.load(folder)
    assert after.trials.filter(regex="hot|cold").to_numpy().tolist() == (
        before.filter(regex="hot|cold").to_numpy().tolist()
    )
    assert ("p_hot" in after.trials) == ("p_{option}" in new)
    assert ("bits" in after.trials) == ("entropy" in new)
    assert ("which vessel" in (folder / "codebook.json").read_text("utf-8")) == ("vessel" in new)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("[hot, cold]\n", "[warm, cold]\n", "study.experiments.2.questions.temperature.options"),
        ("factors: [minutes]", "factors: [minutes, cup]", "study.factors"),
        ('meaning: "what the tea is in"', "meaning: x, aliases: {meaning: mug}", "aliases.meaning"),
    ],
)
def test_another_edit_is_refused_and_says_that_answers_are_kept(
    old: str, new: str, found: str, own: Path, tiny: Tiny
) -> None:
    words = ["study=tea", "exp=2", *model(tiny("llama-byte"))]
    run(*words, cwd=own)
    edit(own / YAML, old, new)
    said = run(*words, cwd=own, code=1)
    assert found in said
    assert "overwrite=true, which asks only what changed: the store keeps every answer" in said


def test_a_copied_study_with_its_old_name_is_told_apart(own: Path, tiny: Tiny) -> None:
    words = ["exp=2", *model(tiny("llama-byte"))]
    run("study=tea", *words, cwd=own)
    text = (own / YAML).read_text(encoding="utf-8").replace("[hot, cold]\n", "[warm, cold]\n")
    (own / "conf/study/tee.yaml").write_text(text, encoding="utf-8")
    said = run("study=tee", *words, cwd=own, code=1)
    assert "the study's file: tea.yaml → tee.yaml" in said


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ('["-1", "0", "+1"]', "'+1' has none; expected {text: \"+1\", value: 1}"),
        ('["0,5", "1"]', '{text: "0,5", value: 0.5}'),
        ('["−1", "½"]', "'−1' (and 1 more) has none; expected {text: \"−1\", value: -1}"),
        ('["½"]', '{text: "½", value: 0.5}'),
        ('["3 stars", "4"]', '{text: "3 stars", value: 3}'),
        ("[hot, cold]", "'hot' (and 1 more) has none; expected {text: \"hot\", value: 1}"),
    ],
)
@pytest.mark.parametrize("wide", ["mean", "std"])
def test_a_mean_says_which_option_has_no_number(
    options: str, found: str, wide: str, own: Path, tiny: Tiny
) -> None:
    edit(own / YAML, "options: [hot, cold]", f"options: {options}")
    edit(own / YAML, 'prob: "prob_{option}", mass: temperature_mass', f"{wide}: m")
    said = run("study=tea", "exp=2", "dry_run=true", *model(tiny("llama-byte")), cwd=own, code=1)
    assert found in said
    assert "tea.yaml, line " in said


def test_where_a_study_was_looked_for_is_said(own: Path) -> None:
    (own / "elsewhere").mkdir()
    said = run("study=tea", "exp=2", cwd=own / "elsewhere", code=1)
    assert "study/tea: there is no such study; expected one of 1, 2 (looked where you stand" in said
    assert "which has no conf/study" in said
    said = run("study=milk", "exp=2", cwd=own, code=1)
    assert f"(looked in {own}/conf/study and among Grace's own)" in said


def test_a_variant_stands_apart_from_its_question_in_flags() -> None:
    assert variant_label("state", {"state": 2}) == "state2"
    assert variant_label("rating", {"tone": "höflich"}) == "rating höflich"
    assert variant_label("wahl", {"wer": "die Chefin", "n": 3}) == "wahl die Chefin 3"
    assert variant_label("q", {"a": 1, "b": 2}) == "q1 2"
    assert variant_label("q", {"a": -1}) == "q -1"
    assert variant_label("temperature", {}) == "temperature"


def test_a_meaning_that_is_not_given_leaves_no_brackets(own: Path, tiny: Tiny) -> None:
    words = ["study=tea", "exp=2", *model(tiny("llama-byte"))]
    run(*words, cwd=own)
    folder = own / "outputs/tea/2/tiny"

    def meanings() -> dict[str, str]:
        book = json.loads((folder / "codebook.json").read_text(encoding="utf-8"))
        return {column["name"]: column["meaning"] for column in book["tables"]["trials"]}

    assert meanings()["prob_hot"] == "probability of “hot” among the options"
    assert "()" not in (folder / "dataset_description.json").read_text(encoding="utf-8")
    edit(own / YAML, "options: [hot, cold]", "options: [hot, cold]\n        meaning: how warm")
    run(*words, cwd=own)
    assert meanings()["prob_hot"] == "probability of “hot” among the options (how warm)"
