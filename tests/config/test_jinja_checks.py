"""What Jinja would do without a word: refused with its line, and the right value where it is meant.

A number is compared with a text (never equal), a function is printed or taken for true, a word is
made 0: each would be a prompt or a cell that nobody wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import TemplateError

from grace.config.sandbox import Environment, with_row
from grace.errors import GraceError
from tests.config.study_folder import CSV, TEMPLATE, YAML, Edit, edited, load, prompts

CELLS = {"cup": "mug", "person": "1", "minutes": 60, "missing": "", "zero": "0", "x": "true"}
PERSON = 'person: {meaning: "who was asked"}'

NEVER_EQUAL = [
    '{% if minutes == "60" %}x{% endif %}',
    '{% if "60" != minutes %}x{% endif %}',
    '{% if minutes in ["60"] %}x{% endif %}',
    '{% if minutes not in ["60", "70"] %}x{% endif %}',
    '{% if minutes in ["60", 70] %}x{% endif %}',
    '{% if minutes is eq "60" %}x{% endif %}',
    '{% if minutes is in ["60"] %}x{% endif %}',
    "{% if minutes is sameas '60' %}x{% endif %}",
    '{% set m = minutes %}{% if m == "60" %}x{% endif %}',
    '{% if row["minutes"] == "60" %}x{% endif %}',
    '{{ "x" if minutes == "60" else "y" }}',
    "{% if 0 < minutes == '60' %}x{% endif %}",
    "{% if not minutes == '60' %}x{% endif %}",
    "{% set p = person %}{% if p == 1 %}x{% endif %}",
    "{% if person | trim == 1 %}x{% endif %}",
    "{% if person in range(5) %}x{% endif %}",
    "{% if person | int == '1' %}x{% endif %}",
    "{% if person in [1, 2] | map('abs') %}x{% endif %}",
    '{{ {1: "one"}.get(person, "none") }}',
    '{{ {1: "one"}[person] | default("nothing") }}',
    '{{ {"60": "an hour"}.get(minutes, "none") }}',
    '{{ {"60": "an hour"}[minutes] | default("none") }}',
    '{% set d = {60: "an hour", "other": "x"} %}{{ d["60"] | default("y") }}',
    "{{ [1, 2].count(person) }}",
    "{{ [[minutes, 'x']] | selectattr(0, 'equalto', '60') | list | length }}",
    "{{ [minutes] | select('eq', '60') | list | length }}",
    "{{ [minutes] | reject('in', ['60']) | list | length }}",
    "{% for m in [minutes] if m == '60' %}x{% endfor %}",
    "{% macro same(a, b) %}{{ 'x' if a == b else 'y' }}{% endmacro %}{{ same(minutes, '60') }}",
    "{% if x == true %}x{% endif %}",
    "{% if x is true %}x{% endif %}",
    "{% if person is number %}x{% endif %}",
    "{% if cup.upper == 'MUG' %}x{% endif %}",
    "{% if cup == ['mug'] %}x{% endif %}",
]  # fmt: skip
ALWAYS_TRUE = [
    "{% if cup.isdigit %}x{% endif %}",
    "{{ 'x' if cup.isdigit else 'y' }}",
    "{% if minutes and zero %}x{% endif %}",
    "{% if not zero %}x{% endif %}",
    "{% if '100' < '60' %}x{% endif %}",
    "{% if person is lt '60' %}x{% endif %}",
    "{{ person * 2 }}",
    "{{ person + zero }}",
]
NOT_TEXT = [
    "{{ cup ~ cup.title }}",
    '{{ "a" ~ none }}',
    '{{ "a" ~ row }}',
    '{{ "a" ~ (minutes > 3) }}',
    '{{ ["x", none] | join(" ") }}',
    '{{ ["x", cup.upper] | join }}',
    '{{ "%s" | format(cup.upper) }}',
    '{{ "%(a)s" | format(a=none) }}',
    '{{ "%s %s" % (none, cup) }}',
    '{{ "%(a)s" % {"a": cup.upper} }}',
    '{{ "{}".format(cup.lower) }}',
    '{{ "{0.upper}".format(cup) }}',
    '{{ "{a!r}".format(a=none) }}',
    '{{ "{a}".format_map({"a": none}) }}',
    "{{ row | string }}",
    "{{ (cup, minutes) | string }}",
    '{{ cup | map("upper") | string }}',
    '{{ [cup.upper] | map("string") | join }}',
    "{{ none | upper }}",
    "{{ cup.title | trim }}",
    "{{ cup.title | replace('b', 'c') }}",
    "{{ cup | replace('m', none) }}",
    "{% filter upper %}{{ none }}{% endfilter %}",
    "{% for x in ['a'] %}{{ x ~ loop }}{% endfor %}",
    "{% set s = cup ~ none %}{{ s }}",
    "{{ cup is defined }}",
    "{{ cup == 'mug' }}",
    "{{ cup.title | pprint }}",
]
NO_NUMBER = ["{{ cup | int }}", "{{ cup | float }}", "{{ '3.7' | int }}", "{{ missing | int }}",
             "{{ '1e400' | float }}", "{{ [cup] | map('int') | join }}"]  # fmt: skip


@pytest.mark.parametrize("source", [*NEVER_EQUAL, *ALWAYS_TRUE, *NOT_TEXT, *NO_NUMBER])
def test_refused(source: str) -> None:
    template = pytest.raises(TemplateError, match=r"\w+ \w+")
    with template as caught:
        Environment().from_string(source).render(with_row(CELLS))
    assert "0x" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if minutes == 60 %}an hour{% endif %}", "an hour"),
        ("{% if minutes == 60.0 %}an hour{% endif %}", "an hour"),
        ("{% if minutes in [0, 60] and cup == 'mug' %}x{% endif %}", "x"),
        ("{% if 0 < minutes < 100 != 3 %}x{% endif %}", "x"),
        ("{% if 0 < minutes < 10 %}x{% else %}y{% endif %}", "y"),
        ("{% if minutes | string == '60' %}x{% endif %}", "x"),
        ("{% if person | int == 1 %}x{% endif %}", "x"),
        ("{% if missing == '' or missing == 60 %}x{% endif %}", "x"),
        ("{% if not missing %}x{% endif %}", "x"),
        ("{% if cup | capture('(z)') == none %}x{% endif %}", "x"),
        ("{% if cup is in ['mug', 3] and 'u' in cup %}x{% endif %}", "x"),
        ("{{ {1: 'one'}.get(person | int) }} {{ {'1': 'uno'}[person] }}", "one uno"),
        ("{{ {'cold': 'x'}.get(cup, 'none') }}", "none"),
        ("{{ cup ~ ' ' ~ minutes ~ ' ' ~ 0.5 }}", "mug 60 0.5"),
        ("{{ [cup, minutes] | join(', ') }}", "mug, 60"),
        ("{{ [{'a': cup}] | join('', attribute='a') }}", "mug"),
        ("{{ '%s: %d%%' | format(cup, minutes) }} {{ '%s' % cup }}", "mug: 60% mug"),
        ("{{ '{:>4}{x}'.format(cup, x=minutes) }}", " mug60"),
        ("{% for c in cup %}{{ loop.index ~ c }}{% endfor %}", "1m2u3g"),
        ("{{ cup | upper ~ ('%03d' % minutes) }} {{ '-' * 3 }}", "MUG060 ---"),
        ("{{ zero or 'none' }} {{ missing or 'none' }}", "0 none"),
        ("{{ '-3' | int }} {{ cup | int(default=7) }} {{ 3.7 | int }}", "-3 7 3"),
        ("{{ '2.5' | float }} {{ cup | float(0.5) }}", "2.5 0.5"),
        ("{{ '0x1f' | int(base=16) }}", "31"),
    ],
)  # fmt: skip
def test_what_is_meant_is_printed(source: str, text: str) -> None:
    assert Environment().from_string(source).render(with_row(CELLS)) == text


def edit(file: str, old: str, new: str) -> Edit:
    return file, old, new


MINUTES = "minutes: {meaning"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            [edit(TEMPLATE, "{{ cup }}", '\n{% if minutes == "60" %}x{% endif %}')],
            ["temperature.j2, line 3", "the number 0", "the text '60'", "quotation marks", "row 1"],
        ),
        (
            [edit(YAML, PERSON, f"{PERSON}\n  h: {{meaning: x, derive: \"'a' if minutes == '60' "
                                "else 'b'\"}")],
            ["tea.yaml, derive of h", "the number 0", "the text '60'", "row 1"],
        ),
        (
            [edit(YAML, PERSON, f"{PERSON}\n  h: {{meaning: x, derive: cup|int}}")],
            ["tea.yaml, derive of h", "int: found 'mug', expected a whole number", "row 1"],
        ),
        (
            [edit(YAML, "that: minutes >= 0", "that: cup.isalpha")],
            ["tea.yaml, a check of minutes", "function", "()", "row 1"],
        ),
        (
            [edit(YAML, "that: minutes >= 0", 'that: "minutes | string < \'5\'"')],
            ["tea.yaml, a check of minutes", "letter by letter", "row 1"],
        ),
        (
            [edit(CSV, "minutes", "loop"), edit(YAML, MINUTES, "loop: {meaning"),
             edit(YAML, "[minutes]", "[loop]"), edit(YAML, "column: minutes", "column: loop"),
             edit(YAML, "that: minutes", "that: loop"),
             edit(TEMPLATE, "{{ cup }} and came back after {{ minutes }} minutes",
                  "{% for x in [cup] %}{{ x }}{{ loop }}{% endfor %}")],
            ["temperature.j2, line 2", 'the column loop is written row["loop"]'],
        ),
    ],
)  # fmt: skip
def test_refused_with_file_and_row(change: list[Edit], found: list[str], tmp_path: Path) -> None:
    edited(tmp_path, *change)
    with pytest.raises(GraceError) as caught:
        prompts(load(tmp_path))
    for words in found:
        assert words in str(caught.value)


def over(values: str) -> Edit:
    wide = 'wide: {prob: "prob_{option}", mass: temperature_mass}'
    return edit(YAML, wide, f"over: {{q: {values}}}\n        wide: {{prob: 'p_{{q}}_{{option}}'}}")


@pytest.mark.parametrize(
    ("values", "test", "expected"),
    [
        ("[1, 2]", 'q == "1"', None),
        ("[1, many]", "q == 1", None),
        ("[1, 2]", "q == 1", ["once", "often"]),
        ("[1, many]", 'q == "1"', ["once", "often"]),
    ],
)
def test_what_a_question_varies_over_is_compared_as_it_is(
    values: str, test: str, expected: list[str] | None, tmp_path: Path
) -> None:
    edited(
        tmp_path,
        over(values),
        edit(TEMPLATE, "{{ cup }}", "{% if " + test + " %}once{% else %}often{% endif %}"),
    )
    read: Callable[[], list[str]] = lambda: prompts(load(tmp_path))  # noqa: E731
    if expected is None:
        with pytest.raises(GraceError, match=r"temperature\.j2.*q|number 1.*text '1'"):
            read()
        return
    for text, word in zip(read(), expected, strict=False):
        assert f"into a {word} and" in text
