"""Models of a study of one's own: every number that a hypothesis may be about, each once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from grace.config.study import ExperimentSpec
from grace.stats.fields import derived_fields
from grace.stats.models import MixedModel, obstacles, quoted
from grace.stats.own_study import outcomes
from tests.own_study import write_own
from tests.runs.test_run import model, run


def formulas(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "formulas.json").read_text(encoding="utf-8"))
    return found


def test_every_variant_and_mean_has_a_model_and_no_mirror(own_run: Any) -> None:
    folder = own_run[0].path
    said = run(str(folder), cwd=folder, module="grace.stats")
    found = {one["outcome"]: one for one in formulas(folder)["models"]}
    expected = [
        f"{scale}_{name}"
        for scale in ("natural", "true", "polite")
        for name in (*(f"prob_{k}" for k in range(1, 8)), "low", "high", "mean")
    ]
    assert list(found) == [*expected, "liked_mean", "said_yes_b_i_b_red_do_red"]
    assert found["polite_mean"]["family"] == "gaussian"
    right = "when * minutes + (1 | item)"
    assert found["polite_mean"]["lme4"] == f"lmer(polite_mean ~ {right}, data = d)"
    assert "question bare has no model" in said
    assert formulas(folder)["without_a_model"][0].startswith("question bare has no model")
    script = (folder / "stats.R").read_text(encoding="utf-8")
    assert 'd[["when"]] <- factor(d[["when"]], levels = c("late", "early", "[red]never"))' in script
    assert 'fit("lme4", lmer(liked_mean ~ when * minutes + (1 | item), data = d))' in script


def test_an_integer_rating_has_a_model_and_the_reason_it_cannot_be_fitted(
    tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    write_own(tmp_path)
    run("study=rate", "exp=1", "exp.max_tokens=1", *model(tiny("llama-byte")), cwd=tmp_path)
    folder = tmp_path / "outputs/rate/1/tiny"
    said = run(str(folder), cwd=tmp_path, module="grace.stats")
    (one,) = formulas(folder)["models"]
    assert (one["outcome"], one["family"]) == ("rating", "cumulative")
    right = "when * minutes + (1 | item)"
    assert one["ordinal"] == f"clmm(factor(rating, ordered = TRUE) ~ {right}, data = d)"
    assert "rating cannot be modelled: none of the 30 rows has an answer" in said
    assert one["cannot_be_fitted"] == ["none of the 30 rows has an answer"]
    assert "left out: none of the 30 rows" in (folder / "stats.R").read_text(encoding="utf-8")


QUESTION = {"template": "x.j2", "options": ["yes", "no"]}
RAW = {
    "two": {"type": "choice", "label": "Two", "choices": {"a": ["a"], "b": ["b"]}},
    "many": {"type": "choice", "label": "Many", "choices": {"é ü": ["e"], "-": ["m"], "c": ["c"]}},
    "share": {"type": "percent", "label": "Share"},
    "age": {"type": "integer", "label": "Age"},
    "likert": {"type": "integer", "label": "Likert", "min": 1, "max": 7},
}


def named(**question: Any) -> list[tuple[str, str]]:
    spec = ExperimentSpec.model_validate({"questions": {"q": {"template": "x.j2", **question}}})
    return [(one.column, one.family) for one in outcomes(spec)]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ({"options": ["yes", "no"], "wide": {"prob": "{option}"}}, [("yes", "beta")]),
        ({"options": ["1", "2"], "wide": {"mean": "m"}}, [("m", "gaussian")]),
        ({"options": ["1", "2"], "wide": {"mean": "m", "prob": "p{option}"}}, [("p1", "beta")]),
        ({"options": ["1", "2", "3"], "wide": {"mean": "m"}}, [("m", "gaussian")]),
        ({"options": ["yes"], "wide": {"prob": "p"}}, []),
        (
            {"options": ["a", "b", "c"], "wide": {"prob": "{option}"}, "marginals": {"m": {
                "column": "m_{group}", "groups": {"ab": ["a", "b"], "c": ["c"]}}}},
            [("a", "beta"), ("b", "beta"), ("c", "beta")],
        ),
        (
            {"options": ["a", "b", "c", "d"], "marginals": {"m": {
                "column": "m_{group}", "groups": {"ab": ["a", "b"], "cd": ["c", "d"]}}}},
            [("m_ab", "beta")],
        ),
        ({"options": ["a", "b"], "wide": {"mass": "mass"}}, []),
        (
            {"parse": {"fields": RAW}},
            [("two_is_a", "bernoulli"), ("many_is_é_ü", "bernoulli"), ("many_is_2", "bernoulli"),
             ("many_is_c", "bernoulli"), ("share_share", "beta"), ("age", "gaussian"),
             ("likert", "cumulative")],
        ),
    ],
)  # fmt: skip
def test_outcomes_are_modelled_once(question: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert named(**question) == found


def test_raw_fields_become_numbers() -> None:
    spec = ExperimentSpec.model_validate(
        {"questions": {"q": {"template": "x.j2", "parse": {"fields": RAW}}}}
    )
    frame = pd.DataFrame({"two": ["a", "b", None], "many": ["c", "-", None],
                          "share": [25.0, None, 100.0]})  # fmt: skip
    made = {one.column.name: one.values(frame) for one in derived_fields(spec)}
    assert made["two_is_a"].tolist() == [1, 0, pd.NA]
    assert made["many_is_2"].tolist() == [0, 1, pd.NA]
    assert made["share_share"].tolist()[::2] == [0.25, 1.0]


def test_names_that_are_no_formula_stand_in_backticks() -> None:
    one = MixedModel("p x", "p x", "gaussian", "word order", ("if", "b.c"), slopes=False)
    assert (
        one.calls(1)["lme4"] == "lmer(`p x` ~ `word order` * (`if` + `b.c`) + (1 | item), data = d)"
    )
    shares = MixedModel("p x", "p x", "beta", "minutes waited", (), slopes=False)
    assert shares.calls(1)["brms"] == (  # within() keeps names that are none of R's
        "brm(squeezed ~ `minutes waited` + (1 | item), "
        "data = within(d, squeezed <- squeeze(`p x`)), family = Beta())"
    )
    assert quoted("größe") == "`größe`"
    assert quoted("p_1") == "p_1"


def test_what_stands_in_a_models_way_is_said() -> None:
    one = MixedModel("y", "y", "gaussian", "a", ("b",))
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0], "a": [1, 1, 1], "b": [1, 2, 1]})
    assert obstacles(one, frame) == ("a has one level in these rows: there is nothing to compare",)
    assert obstacles(one, frame.assign(y=2.0)) == ("every answer is 2.0: nothing varies",)
    assert obstacles(one, frame.assign(y=None)) == ("none of the 3 rows has an answer",)
    assert obstacles(one, frame.assign(a=[1, 2, 3])) == ()
