"""What a study or a command line says is asked so, or refused: nothing is dropped or filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace.config.command_line import compose
from grace.config.settings import Settings, read_settings
from grace.errors import GraceError
from tests.config.study_folder import (
    TEMPLATE,
    YAML,
    Edit,
    asked,
    at,
    edited,
    load,
    standing_in,
)

WIDE = 'wide: {prob: "prob_{option}", mass: temperature_mass}'
PERSON = 'person: {meaning: "who was asked"}'


def study(old: str, new: str) -> Edit:
    return YAML, old, new


def over(values: str) -> Edit:
    return study(WIDE, f"over: {{q: {values}}}\n        wide: {{prob: 'p_{{q}}_{{option}}'}}")


def options(text: str) -> Edit:
    return study("[hot, cold]\n        wide", f"{text}\n        wide")


PLACE = "tea.yaml, line "

FILLED = [at("options:"), "would be filled in", "\\${"]
DIGITS = "9" * 20
REFUSED: dict[str, tuple[Edit, list[str]]] = {
    # ${…} is filled in from another setting or the environment.
    "the environment": (options('["${oc.env:HOME}", cold]'), FILLED),
    "in single quotation marks": (options("['${study.title}', cold]"), FILLED),
    "without quotation marks": (options("\n          - ${oc.env:HOME}\n          - b"),
                                [at("options:", 1), *FILLED[1:]]),
    "a nested reference": (options('["${${study.name}}", cold]'), FILLED),
    "an escaped backslash": (options('["\\\\\\\\${study.title}", cold]'), FILLED),
    "in a title": (study("Does tea cool down?", "${study.name}"), [at("title:"), "filled in"]),
    # Numbers that no table holds.
    "over beyond 64 bits": (over(f"[{DIGITS}, 2]"), [at("options:", 1), DIGITS, "18 digits"]),
    "over below 64 bits": (over(f"[-{DIGITS}, 2]"), [at("options:", 1), "18 digits"]),
    "an alias": (study("type: integer", f'type: integer, aliases: {{"0": {DIGITS}}}'),
                 [PLACE, DIGITS, "18 digits"]),
    "allowed": (study("type: integer", f"type: integer, allowed: [{DIGITS}]"),
                [PLACE, DIGITS, "18 digits"]),
    "a rating's max": (study("{type: choice, choices: {hot: [hot], cold: [cold]}}",
                             f"{{type: integer, max: {DIGITS}}}"), [PLACE, "18 digits"]),
    "true as a bound": (study("{type: choice, choices: {hot: [hot], cold: [cold]}}",
                              "{type: integer, min: true}"), [PLACE, "True", "expected a number"]),
    # Hydra's list of files.
    **{
        f"defaults {found}": (study("name: tea", f"defaults: {found}\nname: tea"),
                              [PLACE + "1", "defaults", "one file"])
        for found in ("[1]", "x", "null", "{a: b}", "[[]]", "[null]", '["2"]', "[]")
    },
    # Texts that no file holds, and texts that look alike.
    "NUL": (options('["co\\0ld", hot]'), [at("options:"), "without NUL"]),
    "half a pair": (options('["co\\ud83dld", hot]'), [at("options:"), "UTF-8"]),
    "NUL in a name": (study(PERSON, f'{PERSON}\n  "a\\0b": {{meaning: x}}'),
                      [at("person: {", 1), "NUL"]),
    "over in two forms": (over('[é, "e\\u0301"]'), [PLACE, "e⟨U+0301⟩ looks like ⟨U+00E9⟩"]),
    "over nothing visible": (over('[tea, "tea\\u200b"]'), [PLACE, "tea⟨U+200B⟩ looks like tea"]),
    "columns in two forms": (
        study(PERSON, f'{PERSON}\n  é: {{meaning: x}}\n  "e\\u0301": {{meaning: x}}'),
        [at("person: {", 2), "looks like ⟨U+00E9⟩"],
    ),
    "an equals sign": (over("[=, b]"), [at("options:", 1), "a sign of YAML's own to some"]),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "found"), REFUSED.values(), ids=REFUSED)
def test_refused_with_its_line(edit: Edit, found: list[str], tmp_path: Path) -> None:
    edited(tmp_path, edit, (TEMPLATE, "{{ cup }}", "{{ cup }}"))
    with pytest.raises(GraceError) as caught:
        load(tmp_path)
    for words in found:
        assert words in str(caught.value)


def test_signs_of_a_reference_are_asked_as_they_are(tmp_path: Path) -> None:
    edited(tmp_path, options("['\\${HOME}', 'a $5 {tea}']"))
    assert [o.text for o in asked(load(tmp_path))[0].options] == ["${HOME}", "a $5 {tea}"]


def test_spellings_of_an_option_may_look_alike(tmp_path: Path) -> None:
    edited(tmp_path, options('[{text: "thé", forms: ["the\\u0301"]}, café]'))
    assert asked(load(tmp_path))[0].options[0].forms == ("the\u0301",)


@pytest.mark.parametrize(
    "word",
    [
        'exp.answer_prefix="${oc.env:HOME}"',
        "exp.base_answer_prefix=${study.title}",
        'study.experiments.2.questions.temperature.options=["${oc.env:HOME}",cold]',
        "++study.title=${study.name}",
    ],
)
def test_references_in_what_is_asked_are_refused_in_words_too(word: str) -> None:
    with pytest.raises(GraceError, match=r"would be filled in"):
        compose(["study=1", "exp=2", word])


def test_references_elsewhere_and_signs_are_read() -> None:
    config = compose(["study=1", "exp=1", "tag=t${exp.temperature}", r"exp.answer_prefix=\${x}"])
    assert (config["tag"], config["exp"]["answer_prefix"]) == ("t0.7", "${x}")


def settings(*words: str, exp: int = 2) -> Settings:
    return read_settings(compose(["study=1", f"exp={exp}", *words]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


@pytest.mark.parametrize("chosen", [[], ["model=qwen3-0.6b"], ["model=smollm2-135m"]])
@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("model.dtype=bfloat16", {"dtype": "bfloat16"}),
        ("model.dtype=float32", {"dtype": "float32"}),
        ("model.revision=abc", {"revision": "abc"}),
        ("model.id=foo", {"id": "foo"}),
        ("model.licence=MIT", {"licence": "MIT"}),
        ("model.parameters=2", {"parameters": 2}),
        ("model.max_length=5", {"max_length": 5}),
        ("model.chat=false", {"chat": False}),
        ("model.name=its", {"name": "its"}),
    ],
)
def test_what_is_said_of_a_folder_holds(
    chosen: list[str], word: str, found: dict[str, Any], folder: Path
) -> None:
    model = settings(*chosen, f"model.path={folder}", word).model
    assert {key: getattr(model, key) for key in found} == found
    assert not model.bundled
    assert model.path == str(folder)


def test_what_is_said_of_the_bundled_model_is_not_of_a_folder(folder: Path) -> None:
    model = settings(f"model.path={folder}").model
    assert (model.name, model.id, model.dtype) == ("mine", str(folder), "auto")
    assert (model.licence, model.parameters, model.architecture) == ("", None, None)
    assert settings().model.dtype == "float32"


@pytest.mark.parametrize("chosen", [[], ["model=qwen3-0.6b"]])
@pytest.mark.parametrize("word", ["++model.max_lenght=5", "+model.tempo=3", "++model.foo=1"])
def test_misspelt_settings_of_a_folder_are_refused(
    chosen: list[str], word: str, folder: Path
) -> None:
    with pytest.raises(GraceError, match=r"^model\.\w+: no such setting"):
        settings(*chosen, f"model.path={folder}", word)


NUMBERS = ["seed", "pilot", "exp.max_tokens", "exp.temperature", "exp.low_mass", "max_failures",
           "model.max_length", "engine.threads", "exp.replicates"]  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["true", "false"])
def test_truth_is_no_number(name: str, value: str) -> None:
    with pytest.raises(GraceError, match=rf"^{name}={value.title()}: expected a number"):
        settings(f"{name}={value}", exp=2 if name == "exp.low_mass" else 1)


def test_numbers_are_numbers() -> None:
    found = settings("seed=1", "pilot=2", "exp.temperature=0.5", "exp.max_tokens=7", exp=1)
    assert (found.seed, found.pilot, found.exp.temperature, found.exp.max_tokens) == (1, 2, 0.5, 7)
    with pytest.raises(GraceError, match=r"^pilot=0: expected 1 or more"):
        settings("pilot=0")
    with pytest.raises(GraceError, match=r"^seed='x': expected a whole number"):
        settings("seed=x")


@pytest.mark.parametrize("found", ["[1]", "{a: b}", "x", "[[]]", "[null]"])
def test_defaults_in_another_file_are_one_sentence(found: str, tmp_path: Path) -> None:
    model = tmp_path / "conf" / "model" / "own.yaml"
    model.parent.mkdir(parents=True)
    model.write_text(f"defaults: {found}\nname: own\n")
    with standing_in(tmp_path), pytest.raises(GraceError, match=r"own\.yaml: defaults: expected"):
        compose(["study=1", "exp=2", "model=own"])
