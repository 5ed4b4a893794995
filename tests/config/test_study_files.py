"""What users write into a study's YAML, its templates and its CSV: asked as written, or refused.

A refusal is one sentence with the file and the line; nothing is asked as something else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from grace.errors import GraceError
from grace.tables.columns import refuse_clashes
from grace.tables.tidy import tidy_columns
from grace.tables.wide import wide_columns
from tests.config.study_folder import CSV, TEMPLATE, YAML, Edit, asked, at, edited, load, prompts
from tests.runs.test_run import model, run

WIDE = 'wide: {prob: "prob_{option}", mass: temperature_mass}'
PERSON = 'person: {meaning: "who was asked"}'
CUP = 'cup: {meaning: "what the tea is in"}'
ROWS = "person,cup,minutes\n1,mug,0\n2,glass,60\n"


def options(text: str) -> Edit:
    return YAML, "[hot, cold]\n        wide", f"{text}\n        wide"


def over(text: str, wide: str = 'wide: {prob: "p_{q}_{option}", mass: "m_{q}"}') -> Edit:
    return YAML, WIDE, f"over: {text}\n        {wide}"


def study(old: str, new: str | bytes) -> Edit:
    return YAML, old, new


def derive(expression: str) -> Edit:
    return YAML, PERSON, f'{PERSON}\n  extra: {{meaning: more, derive: "{expression}"}}'


def that(expression: str) -> Edit:
    return YAML, "that: minutes >= 0", f'that: "{expression}"'


def template(text: str) -> Edit:
    return TEMPLATE, "{{ cup }}", text


def csv(text: str | bytes) -> Edit:
    return CSV, None, text


QUOTE = "put it in quotation marks"
LINE = "tea.yaml, line "
REFUSED: dict[str, tuple[Edit, list[str]]] = {
    # Words that YAML makes something else of.
    "options yes no": (options("[yes, no]"), [at("options:"), "yes", QUOTE]),
    "options of numbers": (options("[1, 2, 3, 4, 5, 6]"), [at("options:"), "=1", QUOTE, "3 more"]),
    "options of decimals": (options("[1.5, b]"), [LINE, "1.5", QUOTE]),
    "an option of nothing": (options("[null, b]"), [LINE, "nothing", QUOTE]),
    "an octal option": (options("[012, b]"), [LINE, "012", QUOTE]),
    "an equals sign": (options("[=, b]"), [LINE, QUOTE]),
    "over yes no": (over("{q: [yes, no]}"), [at("options:", 1), "yes", QUOTE]),
    "over true": (over("{q: [natural, true, polite]}"), [at("options:", 1), "True", QUOTE]),
    "over times": (over("{q: [12:30, 13:00]}"), [LINE, "12:30", QUOTE]),
    "over octals": (over("{q: [010, 011]}"), [LINE, "010", QUOTE]),
    "over decimals": (over("{q: [0.5, 1.5]}"), [LINE, "0.5", QUOTE]),
    "over a power": (over("{q: [1e3]}"), [LINE, "1000", QUOTE]),
    "over underscores": (over("{q: [1_000]}"), [LINE, "1_000", QUOTE]),
    "over hexadecimals": (over("{q: [0x1F]}"), [LINE, "0x1F", QUOTE]),
    "over a plus sign": (over("{q: [+5]}"), [LINE, "+5", QUOTE]),
    "over Norway": (over("{q: [NO, SE]}"), [LINE, "NO", QUOTE]),
    "over nothing": (over("{q: [~, a]}"), [LINE, "nothing", QUOTE]),
    "allowed yes no": (study(PERSON, "person: {meaning: x, allowed: [yes, no]}"), ["yes", QUOTE]),
    "a column no": (study(PERSON, f"{PERSON}\n  no: {{meaning: x}}"), [LINE, "no", QUOTE]),
    "choices yes no": (study("{hot: [hot], cold: [cold]}", "{yes: [yes]}"), [LINE, QUOTE]),
    "a number as title": (study("Does tea cool down?", "1984"), [at("title:"), "1984", QUOTE]),
    "a truth as title": (study("Does tea cool down?", "true"), [at("title:"), "True", QUOTE]),
    # YAML itself.
    "a colon": (study("Does tea cool down?", "Tea: hot?"), [at("title:"), "a colon", QUOTE]),
    "a tab": (study("  cup: {", "\tcup: {"), [at("cup: {"), "a tab"]),
    "windows": (study("Does tea", "Grün".encode("cp1252")), [at("title:"), "not UTF-8", "'ü'"]),
    "utf-16": ((YAML, None, "name: tea".encode("utf-16")), ["tea.yaml", "not UTF-8"]),
    "an open quotation mark": (study("Does tea", '"tea'), ["tea.yaml, line", "no valid"]),
    "a name twice": (study("title:", "name: other\ntitle:"), [at("title:"), "name stands twice"]),
    "an alias of nothing": (study("Does tea cool down?", "*tea"), [at("title:"), "*", QUOTE]),
    "an alias of itself": (study("[minutes]", "&a [*a]"), [at("factors:"), "alias"]),
    "a tag": (study("Does tea", "!!binary a"), [at("title:"), "a tag of YAML's"]),
    "two documents": (study("title:", "---\ntitle:"), [LINE, "another document"]),
    "an empty file": ((YAML, None, ""), ["tea.yaml", "NAME: VALUE"]),
    "a list": ((YAML, None, "- a"), ["tea.yaml", "NAME: VALUE"]),
    "control characters": ((YAML, None, b"name: a\0b"), ["tea.yaml", "not allowed"]),
    "too deep": (study("Does tea cool down?", "[" * 3000 + "]" * 3000), ["nested too deeply"]),
    "an open reference": (options('["${x", b]'), [at("options:"), "${"]),
    "hydra's missing": (options('["??", "???"]'), [at("options:"), "???"]),
    # Texts that are taken literally.
    "jinja in an option": (options('[{text: "{{ good }}"}, b]'), [LINE, "{{ good }}", "templates"]),
    "jinja in a form": (options('[a, {text: b, forms: ["{% x %}"]}]'), [LINE, "{% x %}"]),
    "jinja in over": (over('{q: ["{{ cup }}"]}'), [LINE, "{{ cup }}", "templates"]),
    "jinja in a choice": (study("{hot: [hot]", '{hot: ["{{ cup }}"]'), [LINE, "{{ cup }}"]),
    "jinja in a column's name": (study('"prob_{option}"', '"{{ option }}"'), [LINE, "templates"]),
    # Shapes.
    "over a list": (over("[a, b]"), [LINE, "{state: [0, 1, 2, 3]}"]),
    "over twice": (over('{q: [1, "1"]}'), [LINE, "'1' stands twice"]),
    "over no values": (over("{q: []}"), [LINE, "q has no values"]),
    "over option": (over("{option: [a, b]}"), [LINE, "'option'"]),
    "over a column": (over("{cup: [a]}", 'wide: {prob: "p_{option}"}'), ["cup", "also a column"]),
    "no {option}": (study("prob_{option}", "prob"), [LINE, "wide.prob", "{option}"]),
    "no {q}": (over("{q: [a, b]}", 'wide: {prob: "p_{option}"}'), [LINE, "wide.prob", "{q}"]),
    "mass without {q}": (over("{q: [a, b]}", "wide: {mass: m}"), [LINE, "wide.mass", "{q}"]),
    "an open brace": (study("prob_{option}", "prob_{option"), [LINE, "brace"]),
    "columns of one name": (study("temperature_mass", "prob_hot"), ["two columns", "prob_hot"]),
    "options alike": (options('[good, "good!"]'), [LINE, "'good!'", "name: other"]),
    "no option spec": (options("[a, [b]]"), [LINE, "expected text"]),
    "key as text": (study("[person, cup]", "person"), [at("key:"), "a list"]),
    "a factor twice": (study("[minutes]", "[minutes, minutes]"), [at("factors:"), "twice"]),
    "an unknown type": (study("type: integer", "type: whole"), [LINE, "text or integer"]),
    "words among numbers": (
        study("type: integer", "type: integer, allowed: [a]"),
        [LINE, "'a'", "whole numbers"],
    ),
    "a field's name": (study("temperature: {type", "tempe rature: {type"), [LINE, "letters"]),
    # Expressions.
    "text > 3": (that("cup > 3"), ["tea.yaml", "a check of minutes", "cup holds text", "integer"]),
    "text == 3": (that("cup == 3"), ["tea.yaml", "cup holds text", "quotation marks"]),
    "text in numbers": (that("cup in [1, 2]"), ["tea.yaml", "cup holds text"]),
    "a filter": (that("cup | captre(1)"), ["tea.yaml", "'captre'"]),
    "a pattern": (that("cup | capture('(')"), ["tea.yaml", "capture", "'('"]),
    "a pattern in derive": (derive("cup | capture('(')"), ["tea.yaml", "derive of extra", "'('"]),
    "a pattern without group": (derive("cup | capture('u')"), ["derive of extra", "no group"]),
    "division by zero": (derive("1 / minutes"), ["derive of extra", "division by zero", "row 1"]),
    "a part that is not there": (derive("cup.size"), ["derive of extra", "size"]),
    "jinja's self": (derive("self"), ["derive of extra", "'self'", "no column"]),
    "memory": (derive("'a' * 10**13"), ["derive of extra", "memory"]),
    "half an expression": (derive("cup["), ["derive of extra"]),
    # Templates.
    "assistant": ((TEMPLATE, "{% endblock %}", "{% endblock %}{% block assistant %}{% endblock %}"),
                  ["temperature.j2, line 5", "assistant", "system or user"]),
    "outside": ((TEMPLATE, "{% block user %}", "Hello.\n{% block user %}"), ["line 1", "outside"]),
    "windows in a template": (template("Tür".encode("cp1252").decode("latin-1")), []),
    "a filter in a template": (template("{{ cup | uppr }}"), ["temperature.j2", "line 2", "uppr"]),
    "a function": (template("{{ cup.title }}"), ["line 2", "function", "row 1"]),
    "Jinja's function": (template("{{ range }}"), ["line 2", "function"]),
    "nothing": (template("{{ cup | capture('(x)') }}"), ["line 2", "none"]),
    "a list in a template": (template("{{ cup.split() }}"), ["line 2", "list"]),
    "chance": (template("{{ [1, 2] | random }}"), ["line 2", "random"]),
    "text and number": (template("{% if cup == 3 %}x{% endif %}"), ["cup holds text"]),
    "zero": (template("\n\n{{ 1 / minutes }}"), ["line 4", "division by zero", "row 1"]),
    "itself": (template("{% include 'tea/temperature.j2' %}"), ["without end"]),
    # CSV.
    "index": (csv(",person,cup,minutes\n0,1,mug,0\n"), ["column 1 has no name", "index=False"]),
    "ragged": (csv(ROWS.replace(",", ";") + "1;2\n"), ["row 3", "found 2 cells", "a semicolon"]),
    "windows in a csv": (csv("person,cup,minutes\n1,Tür,0\n".encode("cp1252")), ["row 1", "1252"]),
    "header twice": (csv(ROWS.replace("person", "cup")), ["column cup", "twice"]),
    "header twice in two forms": (
        csv("person,cup,minutes,ö,o\u0308\n1,mug,0,1,2\n"), ["twice in the header"]
    ),
    "a blank cell": (csv(ROWS.replace("mug", " \u00a0 ")), ["row 1, column cup", "empty cell"]),
    "an open cell": (csv(ROWS + '3,"mug'), ["row 3", "quotation mark is not closed"]),
    "an invisible letter": (csv(ROWS.replace("cup", "cup\u200b")), ["cup is missing", "U+200B"]),
    "decimals for integers": (csv(ROWS.replace("60", "60.0")), ["row 2", "'60.0'", "whole"]),
}  # fmt: skip
del REFUSED["windows in a template"]


@pytest.mark.parametrize(("edit", "found"), REFUSED.values(), ids=REFUSED)
def test_refused_in_one_sentence_with_its_place(
    edit: Edit, found: list[str], tmp_path: Path
) -> None:
    edited(tmp_path, edit)
    exp = "1" if "choice" in str(edit) else "2"
    with pytest.raises(GraceError) as caught:
        asked(load(tmp_path, exp))
    sentence = str(caught.value)
    assert "\n" not in sentence
    for words in found:
        assert words in sentence
    for word in ("pydantic", "OptionSpec", "should match pattern", "valid dictionary", "Traceback"):
        assert word not in sentence


def test_what_is_set_elsewhere_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    from grace.config.command_line import compose
    from grace.config.settings import read_settings
    from tests.config.study_folder import standing_in

    edited(tmp_path)
    with standing_in(tmp_path), pytest.raises(GraceError, match=r"^study\.factors=\[\]: "):
        read_settings(compose(["study=tea", "study.factors=[]"]))


OWN_WORDS = ["self", "super", "none", "None", "true", "false"]
OTHERS = [
    "loop", "range", "dict", "namespace", "cycler", "joiner", "lipsum", "caller", "varargs",
    "kwargs", "result", "context", "environment", "block", "class", "lambda", "_", "items",
    "row", "größe",
]  # fmt: skip


@pytest.mark.parametrize("name", [*OWN_WORDS, *OTHERS, "and", "if", "speaker.p", "a b", "x-y", "1"])
def test_every_column_name_works_or_is_refused_by_name(name: str, tmp_path: Path) -> None:
    renamed = [study("cup", f'"{name}"'), csv(ROWS.replace("cup", name))]
    if name != "row":
        edited(tmp_path, *renamed, template(f'{{{{ row["{name}"] }}}}'))
        assert "into a mug and" in prompts(load(tmp_path))[0]
    if name in OTHERS:
        edited(tmp_path, *renamed, template(f"{{{{ {name} }}}}"))
        assert "into a mug and" in prompts(load(tmp_path))[0]
    if name in OWN_WORDS:
        edited(tmp_path, *renamed, template(f"{{{{ {name} }}}}"))
        with pytest.raises(GraceError, match=rf'line 2: {name} is a word.*row\["{name}"\]'):
            load(tmp_path)
    # A column that no template names is in nobody's way, in studies with expressions either.
    edited(tmp_path, csv(ROWS.replace("minutes", f"minutes,{name}").replace("0\n", "0,x\n")))
    assert len(prompts(load(tmp_path))) == 2


def test_names_in_another_normal_form_are_the_same_names(tmp_path: Path) -> None:
    plain, apart = "größe", "gro\u0308ße"
    for in_csv, in_yaml, in_template in [(plain, apart, plain), (apart, plain, apart)]:
        edited(
            tmp_path,
            csv(ROWS.replace("cup", in_csv)),
            study("cup", in_yaml),
            template(f'{{{{ {in_template} }}}}{{{{ row["{in_template}"] }}}}'),
        )
        assert "mugmug" in prompts(load(tmp_path))[0]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('["👍", "👎"]', ["thumbs_up_sign", "thumbs_down_sign"]),
        ('["+", "-"]', ["plus_sign", "hyphen_minus"]),
        ('["wasn\'t", "It was good"]', ["wasnt", "it_was_good"]),
        ('["की", "के"]', ["की", "के"]),
        ('["10%", "-3"]', ["10", "-3"]),
    ],
)
def test_options_are_named_by_their_text(text: str, names: list[str], tmp_path: Path) -> None:
    job = load(edited(tmp_path, options(text)))
    assert [option.name for option in asked(job)[0].options] == names


def test_values_and_columns_are_of_their_type(tmp_path: Path) -> None:
    edited(
        tmp_path,
        study(PERSON, "person: {meaning: x, allowed: [1, 2], aliases: {1: 1, one: 1, two: 2}}"),
        study("type: integer", 'type: integer, allowed: ["0", 60]'),
        csv(ROWS.replace("2,", "two,")),
    )
    trials = load(tmp_path).stimuli.trials
    assert [trial.values["person"] for trial in trials] == ["1", "2"]
    assert [trial.values["minutes"] for trial in trials] == [0, 60]


def test_what_both_readers_of_yaml_read_alike_is_asked_as_written(tmp_path: Path) -> None:
    edited(
        tmp_path,
        over('{q: ["yes", "012", 2020-01-01, -5, 1.2.3]}'),
        template("{{ cup }} {{ q }}"),
        study("name: tea", "\ufeffname: tea"),
        study(PERSON, 'person: {meaning: "a: b", optional: yes}'),
    )
    for text, value in zip(
        prompts(load(tmp_path)), ["yes", "012", "2020-01-01", "-5", "1.2.3"], strict=False
    ):
        assert f"mug {value} and" in text


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "sep=;"])
def test_any_line_ends_and_separators_are_the_same_prompts(
    ends: str, separator: str, tmp_path: Path
) -> None:
    mark = separator[-1]
    rows = [["person", "cup", "minutes", "note"], ["1", "a mug\nwith lid", "0", "-0,5"]]
    text = "\n".join(mark.join(f'"{cell}"' for cell in row) for row in rows) + "\n"
    if separator.startswith("sep"):
        text = f"{separator}\n{text}"
    job = load(edited(tmp_path, csv("\ufeff" + text.replace("\n", ends))))
    assert prompts(job)[0].startswith("Somebody poured boiling tea into a a mug\nwith lid and")
    assert job.stimuli.cells == (("1", "a mug\nwith lid", "0", "-0,5"),)


def test_blank_lines_before_the_header_and_separators_in_cells_change_nothing(
    tmp_path: Path,
) -> None:
    plain = prompts(load(edited(tmp_path)))
    text = (tmp_path / CSV).read_text()
    assert prompts(load(edited(tmp_path, csv("\n  \n" + text)))) == plain
    edited(tmp_path, csv("person,cup,minutes,x;y\n1,a;b,0,1;2\n"))
    assert "into a a;b and" in prompts(load(tmp_path))[0]


def test_two_readings_are_said_not_chosen(tmp_path: Path) -> None:
    from grace.stimuli.csv_file import split_rows

    text = "a;b,c;d\n1;2,3;4\n"
    assert split_rows(tmp_path, text.encode())[0] == ("a;b", "c;d")  # commas, as ever
    assert split_rows(tmp_path, text.encode(), ["a", "d"])[0] == ("a", "b,c", "d")
    with pytest.raises(GraceError, match="apart by semicolons or tabs"):
        split_rows(tmp_path, b"a;b\tc;d\n1;2\t3;4\n")


def test_missing_numbers_are_missing(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    optional = study("type: integer", "type: integer, optional: true")
    for text in ("person,cup,minutes\n1,mug,\n2,mug,60\n", "person,cup\n1,mug\n2,mug\n"):
        edited(tmp_path, optional, csv(text))
        run("study=tea", "exp=2", "overwrite=true", *model(tiny("llama-byte")), cwd=tmp_path)
        there = [None, 60] if "60" in text else [None, None]
        trials = pd.read_parquet(tmp_path / "outputs/tea/2/tiny/trials.parquet")
        rows = pd.read_parquet(tmp_path / "outputs/tea/2/tiny/responses.parquet")
        for found, times in ((trials["minutes"], 1), (rows["minutes"], 2)):
            expected = [value for value in there for _ in range(times)]
            assert [None if pd.isna(v) else int(v) for v in found] == expected
        assert trials["prob_hot"].notna().all()
    edited(tmp_path, csv("person,cup,minutes\n1,mug,\n2,mug,60\n"))
    with pytest.raises(GraceError, match="row 1, column minutes: an empty cell"):
        load(tmp_path)


def test_numbers_and_words_make_a_table_and_keys_join(
    tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    edited(
        tmp_path,
        over("{q: [1, 2, many]}"),
        template("{{ cup }} {{ q }}"),
        study(CUP, 'cup: {meaning: "c", aliases: {glas: glass}}'),
        csv("person,cup,minutes,valence\n1,mug ,0,-0.52\n1,glas,60,+.3e-2\n2,a<br>b,60,=1+1\n"),
    )
    run("study=tea", "exp=2", *model(tiny("llama-byte")), cwd=tmp_path)
    folder = tmp_path / "outputs/tea/2/tiny"
    trials, rows = (pd.read_parquet(folder / f"{n}.parquet") for n in ("trials", "responses"))
    assert rows["q"].unique().tolist() == ["1", "2", "many"]
    assert trials["cup"].tolist() == rows["cup"].unique().tolist() == ["mug", "glass", "a<br>b"]
    joined = rows.merge(trials, on=["person", "cup"], suffixes=("", "_t"))
    assert len(joined) == len(rows) == 18
    for q in ("1", "2", "many"):
        for option in ("hot", "cold"):
            some = joined[(joined["q"] == q) & (joined["option"] == option)]
            assert some["prob"].tolist() == some[f"p_{q}_{option}"].tolist()
    table = pd.read_csv(folder / "trials.csv", dtype=str, encoding="utf-8")
    assert table["valence"].tolist() == ["-0.52", "+.3e-2", "'=1+1"]
    assert "LF" in (folder / "codebook.json").read_text()


def test_two_questions_over_one_name_make_one_column(tmp_path: Path) -> None:
    second = "      again:\n        template: tea/temperature.j2\n        options: [hot, cold]\n"
    edited(
        tmp_path,
        over("{q: [1, 2]}"),
        template("{{ cup }} {{ q }}"),
        study('"m_{q}"}\n', f'"m_{{q}}"}}\n{second}        over: {{q: [a, "3"]}}\n'),
    )
    job = load(tmp_path)
    columns = tidy_columns(job.settings.study, job.spec)
    assert {column.name: column.type for column in columns}["q"] == "text"
    refuse_clashes(wide_columns(job.settings.study, job.spec, job.stimuli))


def test_braces_are_text(tmp_path: Path) -> None:
    edited(
        tmp_path,
        options('[hot, cold]\n        meaning: "{q} in {hot, cold}?"'),
        over("{q: [a, b]}"),
        template("{{ cup }} {{ q }}"),
        study("0 minutes or more", "{minutes} in {1, 60}"),
    )  # fmt: skip
    job = load(tmp_path)
    meanings = [c.meaning for c in wide_columns(job.settings.study, job.spec, job.stimuli)]
    assert any("(b in {hot, cold}?)" in meaning for meaning in meanings)
    edited(tmp_path, study("0 minutes or more", "{minutes} in {1, 60}"), that("minutes > 0"))
    with pytest.raises(GraceError, match=r"row 1, column minutes: .*expected 0 in \{1, 60\}"):
        load(tmp_path)


def test_blocks_of_an_extended_template_are_turns(tmp_path: Path) -> None:
    base = "{% block system %}Be brief.{% endblock %}{% block user %}Tea.{% endblock %}"
    child = "{% extends 'base.j2' %}{% block user %}{{ super() }} {{ cup }}{% endblock %}"
    edited(tmp_path, ("prompts/base.j2", None, base), (TEMPLATE, None, child))
    turns = asked(load(tmp_path))[0].messages
    assert [(turn.role, turn.content) for turn in turns] == [
        ("system", "Be brief."), ("user", "Tea. mug"),
    ]  # fmt: skip
