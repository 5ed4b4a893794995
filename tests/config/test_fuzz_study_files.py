"""Whatever stands in a study's YAML, templates or CSV: it is asked, or one sentence says why.

Valid files are changed in their structure and in their letters; each is read, rendered and, with
pretended answers, tabulated.
"""

from __future__ import annotations

import copy
import math
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace.asking.job import Job
from grace.config.resources import shipped
from grace.errors import GraceError
from grace.questions.queries import asked_of_each
from grace.tables.block import Block, Item, slots
from grace.tables.tidy import tidy_columns, tidy_rows
from grace.tables.wide import wide_columns, wide_rows
from grace.tables.write import writing
from grace.types import Generation, OptionScore, OptionScores
from tests.config.study_folder import CSV, EXAMPLE, TEMPLATE, YAML, asked, edited, load

pytestmark = pytest.mark.full

Draw = Callable[[st.SearchStrategy[Any]], Any]
MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

WORDS = [
    "yes", "no", "true", "NO", "null", "~", "", " ", "12:30", "012", "1e3", "0x1F", "1_000", "+5",
    ".inf", ".nan", "2020-01-01", "=", "<<", "???", "${x}", "${oc.env:HOME}", "${", "{{ cup }}",
    "{% if x %}", "{option}", "{q}", "{", "}", "{0}", "{a.b}", "{a!r:>9}", "prob_{option}", "👍",
    "gro\u0308ße", "\u202e", "\ufeff", "a\nb", "a\tb", "self", "row", "cup", "minutes", "option",
    "_target_", "hot", "cold", "x" * 300, "cup > 3", "1 / minutes", "cup | capture('(')", "cup[",
    "minutes ~ cup", "cup.x", "loop", "'a' * 3", "[a]", "minutes", "[[", "*a", "&a b", "!!int x",
    "- a", "a: b", "# a", "%", "@", "`", "'", '"', "\\", "|", ">",
]  # fmt: skip
SCALARS = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=6),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.booleans(),
    st.none(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.integers(0, 3), inner, max_size=3)
    ),
    max_leaves=4,
)
LETTERS = [
    "\t", "\r", "\n", "\r\n", "\0", "\ufeff", "\u2028", "\x85", "\x1a", '"', "'", ",", ";", ":",
    ": ", " #", "-", "- ", "{", "}", "[", "]", "{{", "}}", "{%", "%}", "{#", "|", "&a ", "*a ",
    "!!", "%", "@", "ü", "ö", "😀", "\u0301", "|capture('(')", ".x", "()", "[0]", "/0", "**9",
    "{% endblock %}", "{% block x %}", "{% raw %}", "{% include 'x' %}", "{{ self }}", "yes", "1",
]  # fmt: skip


@st.composite
def changed_study(draw: Draw) -> bytes:
    """The example's YAML, or one of Grace's own, with one to three of its parts changed."""
    path = draw(st.sampled_from([EXAMPLE / YAML, *sorted((shipped("conf") / "study").glob("*"))]))
    study = yaml.safe_load(path.read_text("utf-8"))
    study["name"] = "tea"
    for _ in range(draw(st.integers(1, 3))):
        inner, place = _inside(draw, study)
        what = draw(st.sampled_from(["replace", "replace", "remove", "add", "twice"]))
        with suppress(TypeError):  # nothing of the kind can be done here
            if what == "replace":
                inner[place] = draw(VALUES)
            elif what == "remove":
                del inner[place]
            elif what == "twice" and isinstance(inner, list):
                inner.append(copy.deepcopy(inner[place]))
            elif isinstance(inner, dict):
                inner[draw(st.sampled_from([*WORDS, "over", "wide", "parse", "marginals"]))] = draw(
                    VALUES
                )
            else:
                inner.insert(0, draw(VALUES))
    style = draw(st.sampled_from([None, True, False]))
    text = yaml.safe_dump(study, allow_unicode=True, default_flow_style=style, sort_keys=False)
    return text.encode("utf-8", "surrogatepass")


def _inside(draw: Draw, study: Any) -> tuple[Any, Any]:
    """A container of the study and a place in it."""
    inner = study
    while True:
        place = draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))
        below = inner[place]
        if not isinstance(below, (dict, list)) or not below or draw(st.integers(0, 5)) == 0:
            return inner, place
        inner = below


@st.composite
def changed_letters(draw: Draw, text: str) -> bytes:
    """A text with signs put in, taken out or put in another place; or in another encoding."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        to = at + draw(st.integers(0, 12)) * draw(st.integers(0, 1))
        text = text[:at] + draw(st.sampled_from(["", *LETTERS, text[at : at + 20]])) + text[to:]
    encoding = draw(st.sampled_from(["utf-8"] * 6 + ["cp1252", "utf-16", "utf-8-sig"]))
    return text.encode(encoding, "replace")


CELLS = st.one_of(
    st.sampled_from(
        ["mug", "0", "60", "-0.52", "−3", "+5", "0,5", "1e3", "", " ", "\u00a0", "NA", "=1+1"]
    ),
    st.sampled_from(
        [f'"{cell}"' for cell in ("a\r\nb", "a\rb", "a,b;c", 'a""b', "{{ x }}", "\0", "６０")]
    ),
    st.text(max_size=5),
)  # fmt: skip
HEADERS = st.sampled_from(
    ["person", "cup", "minutes", "self", "none", "row", "a b", "speaker.p", "ö", "o\u0308", "",
     "model", "prob_hot", "flags", " cup ", "cup\ufeff", "option", "question"]
)  # fmt: skip


@st.composite
def changed_table(draw: Draw) -> bytes:
    """A CSV of odd cells under odd headers, which has the columns that are needed, mostly."""
    needed = ["person", "cup", "minutes"]
    header = draw(st.permutations(needed + draw(st.lists(HEADERS, max_size=3))))
    rows = [
        [
            {"person": str(i), "cup": "mug", "minutes": "3"}[name]
            if name in needed and draw(st.integers(0, 4))
            else draw(CELLS)
            for name in header
        ]
        for i in range(draw(st.integers(0, 3)))
    ]
    separator = draw(st.sampled_from(",,,;\t|"))
    ends = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = [separator.join(cells) for cells in [header, *rows]]
    head = draw(st.sampled_from(["", "", "\ufeff", "\n", f"sep={separator}\n"]))
    text: str = head + ends.join(lines) + ends
    return text.encode("utf-8", "surrogatepass")


def go(*files: tuple[str, bytes]) -> None:
    """Read, render and tabulate; all that may be raised is Grace's own sentence."""
    folder = Path(tempfile.mkdtemp())
    try:
        edited(folder, *((name, None, content) for name, content in files))
        for exp in ("1", "2"):
            try:
                job = load(folder, exp)
                tabulated(job, folder)
            except GraceError as error:
                said = str(error)
                assert said
                assert "\n" not in said
                assert len(said) < 2_000
    finally:
        shutil.rmtree(folder)


def tabulated(job: Job, folder: Path) -> None:
    """Both tables of a run in which everything was answered."""
    study, spec, stimuli = job.settings.study, job.spec, job.stimuli
    queries = iter(asked(job))
    items: dict[Any, list[Item]] = {slot: [] for slot, _ in slots(spec)}
    for _ in stimuli.trials:
        for one in asked_of_each(spec, job.settings.exp):
            query = next(queries)
            scores = [OptionScore(o.name, -3.0, 1, -3.0) for o in query.options]
            answer = (
                OptionScores(tuple(scores), "exact") if scores else Generation("hot", "stop", 3, 1)
            )
            items[one.slot].append(Item(one, answer, 0))
    block = Block(spec, stimuli.trials, stimuli.cells, items, 0.1)
    for name, columns, rows in (
        ("trials", wide_columns(study, spec, stimuli), wide_rows(block, study, spec, stimuli, "m")),
        ("responses", tidy_columns(study, spec), tidy_rows(block, study, spec, "m")),
    ):
        with writing(folder / name, columns) as table:
            table.add(rows)
        assert table.count >= len(stimuli.trials)
    for name, question in spec.scored.items():
        for probs in (block.probs[name, i] for i in range(len(question.variants()))):
            assert all(math.isclose(sum(row), 1) for row in probs.tolist())


@MANY
@given(changed_study())
def test_studies_changed_in_their_structure(content: bytes) -> None:
    go((YAML, content))


@MANY
@given(changed_letters((EXAMPLE / YAML).read_text("utf-8")))
def test_studies_changed_in_their_letters(content: bytes) -> None:
    go((YAML, content))


@MANY
@given(changed_letters((EXAMPLE / TEMPLATE).read_text("utf-8")))
def test_templates_changed_in_their_letters(content: bytes) -> None:
    go((TEMPLATE, content))


@MANY
@given(changed_letters((EXAMPLE / CSV).read_text("utf-8")))
def test_stimuli_changed_in_their_letters(content: bytes) -> None:
    go((CSV, content))


@MANY
@given(changed_table())
def test_stimuli_of_odd_cells(content: bytes) -> None:
    go((CSV, content))


@MANY
@given(st.binary(max_size=60), st.sampled_from([YAML, TEMPLATE, CSV]))
def test_files_of_any_bytes(content: bytes, name: str) -> None:
    go((name, content))
