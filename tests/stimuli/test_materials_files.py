"""Material files that cannot be used, and the command that builds the stimuli."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from grace.errors import ConfigError
from grace.materials import build_stimuli
from grace.stimuli.materials import build, read
from grace.stimuli.stories import STUDIES
from tests.stimuli.test_materials import DATA, materials

# Bad material


#: Changes what a material file says.
Change = Callable[[dict[str, Any]], object]


def broken(tmp_path: Path, study: str, change: Change) -> str:
    """The error that a changed material file gives, without the folder."""
    content = yaml.safe_load((DATA / "materials" / f"study{study}.yaml").read_text("utf-8"))
    change(content)
    path = tmp_path / f"study{study}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read(path, STUDIES[study])
    return str(caught.value).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["scenarios"][2].pop("today"),
            "study1.yaml, scenarios 3 (batteries), today: found nothing, expected a value",
        ),
        (
            lambda c: c["scenarios"][2].update(speaker="Elena"),
            "study1.yaml, scenarios 3 (batteries), speaker: found an unknown key, expected none",
        ),
        (
            lambda c: c["scenarios"][0].update(base_rate="Bowls often crack."),
            "study1.yaml, scenarios 1 (bowls), base_rate: found 'Bowls often crack.', "
            "expected a sentence with 'almost always' in it",
        ),
        (
            lambda c: c["scenarios"][0].update(today="Today Daniel took bowls."),
            "study1.yaml, scenarios 1 (bowls), today: found 'Today Daniel took bowls.', "
            "expected a sentence with '3 bowls' in it",
        ),
        (
            lambda c: c["scenarios"][0].update(predicate="have<br> a crack"),
            "study1.yaml, scenarios 1 (bowls), predicate: found 'have<br> a crack', "
            "expected text on one line, single-spaced and without markup",
        ),
        (
            lambda c: c["scenarios"][1].update(name="Daniel", today="Daniel has 3 novels."),
            "study1.yaml, scenarios: expected different names, not Daniel twice",
        ),
        (
            lambda c: c["cells"][1].update(observe=3),
            "study1.yaml, cells 2, observe: found 3, expected at most 2, the number looked at",
        ),
        (
            lambda c: c["cells"][1].update(access="two"),
            "study1.yaml, cells 2, access: found 'two', "
            "expected a valid integer, unable to parse string as an integer",
        ),
        (
            lambda c: c["cells"].append({"access": 1, "observe": 1}),
            "study1.yaml, cells: expected different cells, not (1, 1) twice",
        ),
        (
            lambda c: c["wording"].pop("speach"),
            "study1.yaml, wording: expected exactly the columns "
            "knowledgeQ, priorQ, speach, speachQ, story_setup",
        ),
        (
            lambda c: c["wording"].update(priorQ="How many {things}?"),
            "study1.yaml, wording: expected nothing in braces of priorQ but access, base_rate, "
            "id, name, objects, observe, predicate, predicate_singular, report, today",
        ),
        (
            lambda c: c.update(participants=0),
            "study1.yaml, participants: found 0, expected greater than or equal to 1",
        ),
    ],
)
def test_bad_material_of_study_1_is_named(change: Change, message: str, tmp_path: Path) -> None:
    assert broken(tmp_path, "1", change) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["goals"].update(mean="If {sp} wanted to be mean"),
            "study2.yaml, goals, mean: found 'mean', expected 'informative', 'kind' or 'both'",
        ),
        (
            lambda c: c["goals"].update(kind="If {SP} wanted to be kind"),
            "study2.yaml, goals: expected nothing in braces of kind but ls, sp",
        ),
        (
            lambda c: c["states"].update({4: "4 hearts"}),
            "study2.yaml, states, 4: found 4, expected less than or equal to 3",
        ),
        (
            lambda c: c["domains"][1].update(question="Was it good?"),
            "study2.yaml, domains 2 (soup), question: found 'Was it good?', "
            "expected a question 'How ...?'",
        ),
        (
            lambda c: c["domains"][1].update(ls="Clara"),
            "study2.yaml, domains: expected different names, not Clara twice",
        ),
        (
            lambda c: c["domains"][1].update(id="speech"),
            "study2.yaml, domains: expected different ids, not speech twice",
        ),
    ],
)
def test_bad_material_of_study_2_is_named(change: Change, message: str, tmp_path: Path) -> None:
    assert broken(tmp_path, "2", change) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"participants: [1", ", line 1: expected YAML"),
        (b"\xff\xfe", ": cannot be read, expected UTF-8 text"),
        (b"", ": found None, expected a valid dictionary"),
        (None, ": no such file, expected a material file"),
    ],
)
def test_file_that_is_no_material_is_named(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "study1.yaml"
    if content is not None:
        path.write_bytes(content)
    said = refused("--study", "1", "--materials", str(tmp_path), "--output", str(tmp_path))
    assert said.startswith(f"{path}{message}")


# The command


def refused(*words: str) -> str:
    """The sentence with which these words are refused."""
    with pytest.raises(ConfigError) as caught:
        build_stimuli(words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_check_says_whether_files_and_materials_agree(tmp_path: Path) -> None:
    everything = ["--output", str(tmp_path)]
    check = [*everything, "--check"]
    assert f"{tmp_path / 'study1.csv'}: cannot be read" in refused(*check)
    assert build_stimuli(everything) == 0
    assert build_stimuli(check) == 0
    path = tmp_path / "study2.csv"
    built = path.read_bytes()
    for changed, line in [
        (built.replace(b"soup", b"stew", 1), built[: built.index(b"soup")].count(b"\n") + 1),
        (built.replace(b"\n", b"\r\n"), 1),
        (built[:-1], built.count(b"\n") + 1),
    ]:
        path.write_bytes(changed)
        assert f"{path}, line {line}: differs" in refused(*check)
        assert path.read_bytes() == changed


@pytest.mark.parametrize(
    "arguments", [["--study", "3"], ["--participants", "0"], ["--seed", "x"], ["--cheque"]]
)
def test_wrong_argument_is_named(arguments: list[str], tmp_path: Path) -> None:
    assert arguments[0].lstrip("-") in refused(*arguments, "--output", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_number_of_participants_can_be_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_stimuli(["--study", "1", "--output", str(tmp_path), "--participants", "7"]) == 0
    assert "1 or 2 times (multiples of 24 participants" in capsys.readouterr().out
    built = (tmp_path / "study1.csv").read_bytes()
    assert built == build(materials("1"), 7, materials("1").seed)
    assert built.count(b"\n") == 1 + 7 * 8
