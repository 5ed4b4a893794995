"""Means by cell at the terminal, in the report and in figures: all variants, the right numbers."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from grace.config.printable import distinct
from grace.config.settings import read_settings
from grace.config.study import QuestionSpec
from grace.figures.heatmaps import mean_distributions
from grace.figures.run_view import view
from grace.report.page import cell_table
from grace.report.write import report_folders
from grace.runs.results import Run
from grace.runs.summary import _show_cells, show_summary
from grace.tables.cells import MISSING, CellTable, cell_tables, in_order, level_text
from grace.tables.terminal import Row, print_table
from tests.own_study import MARKS

SCALES = ("natural", "true", "polite")
CELLS = [(when, minutes) for when in ("late", "early", MARKS) for minutes in (2, 10)]


def tables(found: Run) -> dict[str, CellTable]:
    seen = view(found)
    return {one.question: one for one in cell_tables(found.trials, seen.settings.study, seen.spec)}


def test_every_variant_has_its_means(own_run: tuple[Run, str]) -> None:
    found, _ = own_run
    accept = tables(found)["accept"]
    assert accept.labels == (*"1234567", "mean")
    assert [row.over for row in accept.rows] == [(s,) for s in SCALES for _ in CELLS]
    trials = found.trials
    for row in accept.rows:
        when, minutes = row.levels
        own = trials[(trials["when"] == when) & (trials["minutes"] == minutes)]
        names = [f"{row.over[0]}_prob_{k}" for k in range(1, 8)] + [f"{row.over[0]}_mean"]
        assert row.means == pytest.approx(own[names].mean().tolist(), nan_ok=False)
        assert row.trials == len(own) == 5


def test_cells_stand_in_the_order_that_is_allowed(own_run: tuple[Run, str]) -> None:
    found, said = own_run
    assert [row.levels for row in tables(found)["accept"].rows[:6]] == CELLS
    assert list(view(found).cells.levels) == CELLS
    lines = [line for line in said.splitlines() if re.search(r"│\s*true\s*│", line)]
    assert [re.split(r"\s*│\s*", line)[2] for line in lines] == [when for when, _ in CELLS]


def test_a_mean_alone_is_a_table(own_run: tuple[Run, str]) -> None:
    found, said = own_run
    liked = tables(found)["liked"]
    assert liked.labels == ("mean",)
    means = found.trials.groupby(["when", "minutes"])["liked_mean"].mean()
    for row in liked.rows:
        assert row.means == pytest.approx([means[row.levels]])
        assert f"{row.means[0]:.3g}" in said.split("Means by cell: liked")[1]


def test_the_mean_of_a_scale_that_falls_is_its_mean(own_run: tuple[Run, str]) -> None:
    """The dot or number in the figure is that of the table, whichever way the scale is written."""
    found, _ = own_run
    drawn = mean_distributions(view(found), "liked")
    assert drawn.numbers is not None
    means = drawn.probs[:, 0] @ drawn.numbers
    assert means == pytest.approx([row.means[0] for row in tables(found)["liked"].rows])


def test_a_question_without_columns_says_so(own_run: tuple[Run, str]) -> None:
    _, said = own_run
    assert "Means by cell: bare: the study gives its answers no columns" in " ".join(said.split())


def test_marks_in_names_are_shown_as_they_are(own_run: tuple[Run, str]) -> None:
    _, said = own_run
    assert MARKS in said
    assert "Ratings [red]of[/red] <b>sentences</b> :smile: $x$" in said
    whole = "".join(said.replace("┃", " ").split())
    for text in ("<b>", "[red]do", "$x_1$", ":smile:"):
        assert text in whole


def test_the_report_has_the_same_means(own_run: tuple[Run, str], tmp_path: Path) -> None:
    found, _ = own_run
    page = report_folders([found.path], tmp_path / "report.html").read_text(encoding="utf-8")
    table = page.split("<caption>Means by cell: accept")[1].split("</table>")[0]
    cells = re.findall(r'data-value="([^"]*)">', table)
    rows = tables(found)["accept"].rows
    expected = [v for row in rows for v in (row.levels[1], row.trials, *row.means)]
    assert [float(cell) for cell in cells] == pytest.approx(expected)
    assert "Means by cell: liked" in page
    assert "Means by cell: bare: the study gives its answers no columns" in page
    assert "[red]never" in page


def test_marginals_are_of_their_own_variant(own_run: tuple[Run, str]) -> None:
    trials = own_run[0].trials
    for scale in SCALES:
        for group, members in (("low", "12"), ("high", "67")):
            sums = sum(trials[f"{scale}_prob_{k}"] for k in members)
            assert trials[f"{scale}_{group}"].to_numpy() == pytest.approx(np.asarray(sums))
    assert (trials["natural_low"] != trials["polite_low"]).all()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"marginals": {"m": {"column": "m_{group}", "groups": {"a": ["1"], "b": ["2"]}}}},
         "marginals.m: 'm_{group}' lacks {scale}"),
        ({"marginals": {"m": {"column": "{scale}", "groups": {"a": ["1"], "b": ["2"]}}}},
         "marginals.m: '{scale}' lacks {group}"),
        ({"marginals": {"m": {"column": "{scael}_{group}", "groups": {"a": ["1"]}}}}, "{scael}"),
        ({"wide": {"mean": "mean"}}, "wide.mean: 'mean' lacks {scale}"),
        ({"wide": {"prob": "{scale}"}}, "wide.prob: '{scale}' lacks {option}"),
    ],
)  # fmt: skip
def test_a_name_that_would_stand_for_several_columns_is_refused(
    more: dict[str, object], said: str
) -> None:
    question = {"template": "x.j2", "options": ["1", "2"], "over": {"scale": ["a", "b"]}}
    with pytest.raises(ValueError, match=re.escape(said)):
        QuestionSpec.model_validate(question | more)


def test_several_raw_questions_have_all_their_fields(own_run: tuple[Run, str]) -> None:
    study = view(own_run[0]).settings.study
    why = {"type": "choice", "label": "Why", "choices": {"b": ["b"], "a": ["a"]}}
    field = {"fields": {"rating": {"type": "integer", "label": "Rating"}, "why": why}}
    question = {"template": "x.j2", "parse": field}
    spec = type(study.experiments["2"]).model_validate(
        {"questions": {"p": question, "q": question}}
    )
    trials = pd.DataFrame(
        {"when": ["early", None], "minutes": [2, np.nan], "p_rating": [7, 5],
         "q_rating": [1.0, None], "p_why": ["a", "b"], "q_why": [None, None]}
    )  # fmt: skip
    one, two = cell_tables(trials, study, spec)
    assert one.labels == ("rating", "why=b", "why=a")
    assert [row.levels for row in one.rows] == [("early", 2.0), (None, None)]
    assert [row.means for row in one.rows] == [(7, 0, 1), (5, 1, 0)]
    assert two.labels == ("rating",)
    assert two.rows[0].means == (1.0,)
    assert np.isnan(two.rows[1].means[0])


RAW = {
    "rating": {"type": "integer", "label": "Rating"},
    "why": {"type": "choice", "label": "Why", "choices": {"a": ["a"], "b": ["b"]}},
}


def raw_table(own_run: tuple[Run, str], trials: dict[str, Any]) -> CellTable:
    """The means of a raw answer's fields, by `when` alone."""
    study = view(own_run[0]).settings.study.model_copy(update={"factors": ("when",)})
    spec = type(study.experiments["2"]).model_validate(
        {"questions": {"q": {"template": "x.j2", "parse": {"fields": RAW}}}}
    )
    (table,) = cell_tables(pd.DataFrame(trials), study, spec)
    return table


def test_a_mean_says_of_how_many_answers_it_is(own_run: tuple[Run, str]) -> None:
    """Rows that gave no number are in no mean; a column says so where there are any."""
    when = ["early", "early", "late", "late"]
    whole = raw_table(own_run, {"when": when, "rating": [1, 2, 3, 4], "why": ["a", "b", "a", "a"]})
    assert whole.counted().names == ()
    assert whole.counted().rows == ((), ())
    some = raw_table(
        own_run, {"when": when, "rating": [1, None, None, None], "why": ["a", "b", None, "a"]}
    )
    assert [row.trials for row in some.rows] == [2, 2]
    assert some.labels == ("rating", "why=a", "why=b")
    assert [row.answers for row in some.rows] == [(0, 1, 1), (1, 2, 2)]  # late, early
    assert some.counted().names == ("answers: rating", "answers: why")
    assert some.counted().rows == ((0, 1), (1, 2))
    assert some.counted(slice(1, 3)).names == ("answers",)
    both = raw_table(
        own_run, {"when": when, "rating": [1, None, 3, 4], "why": ["a", None, "a", "a"]}
    )
    assert both.counted().names == ("answers",)
    assert both.counted().rows == ((2,), (1,))


def test_how_many_answers_stands_beside_the_rows(own_run: tuple[Run, str]) -> None:
    trials: dict[str, Any] = {
        "when": ["early"] * 3,
        "rating": [7, None, None],
        "why": ["a", None, None],
    }
    table = raw_table(own_run, trials)
    file = io.StringIO()
    _show_cells(table, Console(file=file, width=100))
    cells = [re.split(r"\s*[│┃]\s*", line) for line in file.getvalue().splitlines()]
    assert ["", "when", "rows", "answers", "rating", "why=a", ""] in cells
    assert ["", "early", "3", "1", "7", "1", ""] in cells
    (page,) = cell_table(table)
    assert page.header == ("when", "rows", "answers", "rating", "why=a")
    assert page.rows == (("early", 3, 1, 7.0, 1.0),)


# A terminal of 80 columns


def printed(width: int, *arguments: object, **more: object) -> list[str]:
    file = io.StringIO()
    print_table(Console(file=file, width=width), *arguments, **more)  # type: ignore[arg-type]
    return file.getvalue().splitlines()


@given(
    st.lists(st.text(st.characters(blacklist_categories=["Cs"]), max_size=60), max_size=4),
    st.lists(st.text(max_size=60), min_size=1, max_size=30),
    st.integers(40, 120),
)
def test_a_table_is_never_wider_than_the_terminal_and_leaves_no_number_out(
    keys: list[str], names: list[str], width: int
) -> None:
    numbers = tuple(f"0.{k:03d}" for k in range(len(names)))
    row = Row(tuple(key * 2 for key in keys), numbers)
    lines = printed(width, "title", keys, names, [row])
    from rich.cells import cell_len

    assert max(map(cell_len, lines)) <= width
    shown = re.findall(r"0\.\d{3}", "\n".join(lines))
    assert [number for number in shown if number in numbers][-1] == numbers[-1]
    assert set(numbers) <= set(shown)


def test_seven_columns_with_one_beginning_are_told_apart() -> None:
    names = [f"natural_prob_{k}" for k in range(1, 8)]
    text = "\n".join(printed(80, "t", ["when"], names, [Row(("late",), ("0.1",) * 7)]))
    for k in range(1, 8):
        assert re.search(rf"(?<!\d){k}(?!\d)", text)
    assert "…" not in text


@pytest.mark.full
def test_a_factor_of_50_000_levels_is_shown_in_short(
    own_run: tuple[Run, str], tmp_path: Path
) -> None:
    found = own_run[0]
    shutil.copytree(found.path, tmp_path / "many")
    trials = pd.concat([found.trials.head(1)] * 50_000, ignore_index=True)
    trials["minutes"] = range(50_000)
    trials.to_parquet(tmp_path / "many/trials.parquet")
    settings = read_settings(found.manifest["settings"])
    file = io.StringIO()
    console = Console(file=file, width=80)
    manifest = found.manifest | {"no_report": ""}
    show_summary(tmp_path / "many", settings, view(found).spec, manifest, console)
    lines = file.getvalue().splitlines()
    assert len(lines) < 400
    assert "  and 149,940 more; trials.csv has all of them" in lines


# Order and names


def test_levels_stand_as_allowed_then_by_size() -> None:
    assert in_order(["kind", "both", "informative"], ["informative", "kind", "both"]) == [
        "informative", "kind", "both",
    ]  # fmt: skip
    assert in_order(["10", "9", "b", "1", "a"]) == ["1", "9", "10", "a", "b"]
    assert in_order([3.0, 1.0], [3, 1]) == [3.0, 1.0]
    assert level_text(2.0) == "2"
    assert level_text(float("nan")) == level_text(None) == MISSING


@given(st.lists(st.text(max_size=30), unique=True, max_size=12), st.integers(1, 20))
def test_texts_that_look_alike_when_cut_are_numbered(texts: list[str], length: int) -> None:
    spaced = [f"{' '.join(text.split())}" for text in texts]
    cut = distinct(list(dict.fromkeys(spaced)), length)
    alike = [one for one in cut if cut.count(one) > 1]
    assert not alike
