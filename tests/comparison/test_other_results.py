"""Other people's results as tables, measured with the same ruler; and every way to get it wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import grace
from grace.comparison.design import STUDY1, STUDY2, UTTERANCES, state_of, utterance_of
from grace.comparison.humans import people
from grace.comparison.metrics import over_cells, total_variation
from grace.errors import GraceError
from grace.rsa import polite_speaker
from tests.comparison.test_comparison import compare
from tests.comparison.test_humans import BETS

SENTENCES = {
    name: "It " + name.replace("wasnt", "wasn't").replace("_", " ") + "." for name in UTTERANCES
}


def production() -> pd.DataFrame:
    """The people's own answers as a tidy table of counts."""
    counted = people("2").counts
    assert counted is not None
    rows = [
        (goal, state, name, int(count))
        for (goal, state), counts in zip(STUDY2.cells, counted, strict=True)
        for name, count in zip(UTTERANCES, counts, strict=True)
    ]
    return pd.DataFrame(rows, columns=["goal", "state", "utterance", "count"])


def bets() -> pd.DataFrame:
    """The people's mean bets as a table of percentages."""
    rows = [(word, access, *means) for word, access, _, means, _ in BETS]
    return pd.DataFrame(rows, columns=["word", "access", "p_0", "p_1", "p_2", "p_3"])


def measured(table: pd.DataFrame, folder: Path, **settings: Any) -> dict[str, Any]:
    path = folder / "table.csv"
    table.to_csv(path, index=False)
    return grace.compare_runs(results=path, bootstrap=200, **settings)


SPELLINGS = {
    "names of columns": lambda t: t,
    "whole sentences": lambda t: t.assign(utterance=t["utterance"].map(SENTENCES)),
    "without it": lambda t: t.assign(utterance=t["utterance"].map(lambda u: SENTENCES[u][3:-1])),
    "was not": lambda t: t.assign(utterance=t["utterance"].str.replace("wasnt", "was_not")),
    "hearts": lambda t: t.assign(
        state=t["state"].map(lambda s: f"{s} heart{'' if s == 1 else 's'}")
    ),
    "the people's hearts": lambda t: t.assign(state="heart" + t["state"].astype(str)),
    "the paper's goals": lambda t: t.assign(
        goal=t["goal"].replace({"informative": "informational", "kind": "Social"})
    ),
    "shares": lambda t: t.assign(
        prob=t["count"] / t.groupby(["goal", "state"])["count"].transform("sum")
    ).drop(columns="count"),
    "percentages": lambda t: t.assign(
        prob=100 * t["count"] / t.groupby(["goal", "state"])["count"].transform("sum")
    ).drop(columns="count"),
    "only what was said": lambda t: t[t["count"] > 0],
    "one row an answer": lambda t: t.loc[t.index.repeat(t["count"])].assign(count=1),
    "another order": lambda t: t.sample(frac=1, random_state=1)[["count", *t.columns[:3]]],
    "two models' worth": lambda t: t.assign(count=2 * t["count"]),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_people_measured_against_themselves(spelling: str, tmp_path: Path) -> None:
    found = measured(SPELLINGS[spelling](production()), tmp_path)
    assert found["study"] == "2"
    assert found["r"]["value"] == pytest.approx(1)
    assert found["tvd"]["value"] == pytest.approx(0, abs=1e-9)
    assert found["jsd"]["value"] == pytest.approx(0, abs=1e-9)
    assert found["loglik"]["value"] == pytest.approx(-2598.1, abs=0.05)
    assert found["loglik"]["share"] == pytest.approx(1, abs=1e-4)
    assert found["p_negation"]["value"] == pytest.approx(found["p_negation"]["people"])
    assert found["p_negation"]["apart"] == pytest.approx(0, abs=1e-9)


def test_somebody_who_knows_nothing(tmp_path: Path) -> None:
    found = measured(production().assign(count=10), tmp_path)
    assert found["loglik"]["value"] == pytest.approx(-5065.5, abs=0.05)
    assert found["loglik"]["share"] == pytest.approx(0, abs=1e-9)
    assert found["r"]["value"] is None
    assert found["r"]["why"].startswith("undefined")
    assert found["p_negation"]["value"] == pytest.approx(0.5)


def test_the_published_model_has_its_published_fit(tmp_path: Path) -> None:
    """Yoon et al. (2020), Table 1: r² = .97 of the full model with the 96 proportions."""
    table = production().drop(columns="count")
    table["prob"] = np.concatenate(
        [polite_speaker(g) for g in ("both", "informative", "kind")]
    ).ravel()
    found = measured(table, tmp_path)
    assert found["r"]["value"] ** 2 == pytest.approx(0.97, abs=0.005)
    assert found["r"]["value"] == pytest.approx(found["rsa"]["people"]["r"])
    assert found["rsa"]["model"]["tvd"]["value"] == pytest.approx(0, abs=1e-9)
    assert found["r"]["low"] is None
    assert "no items or participants" in found["r"]["why"]


def test_the_peoples_own_file(human: Path, tmp_path: Path) -> None:
    """Each row an answer; intervals over the people and the items they saw."""
    path = human / "speaker_production.csv"
    found = grace.compare_runs(results=path, human=human, bootstrap=200)
    assert found["r"]["value"] == pytest.approx(1)
    assert found["n_answers"] == 2436
    assert found["intervals_over"] == "13 items × 203 participants"
    assert found["people"]["participants"] == 203
    assert found["r"]["ceiling"] == pytest.approx(0.988, abs=6e-4)
    assert found["tvd"]["ceiling"] == pytest.approx(0.089, abs=6e-4)
    assert found["jsd"]["ceiling"] == pytest.approx(0.023, abs=6e-4)
    negation = found["p_negation"]
    assert negation["low"] < negation["value"] < negation["high"]


def test_half_of_the_people_as_an_outsider(human: Path, tmp_path: Path) -> None:
    """A table of counts gives what a count by hand gives."""
    answers = pd.read_csv(human / "speaker_production.csv")
    half = answers[answers["subid"] % 2 == 0]
    said = half["positivity"].map({"no_neg": "was_", "neg": "wasnt_"}) + half["utterance"]
    counts = half.assign(utterance=said).groupby(["goal", "true_state", "utterance"]).size()
    table = counts.rename("count").reset_index().rename(columns={"true_state": "state"})
    found = measured(table, tmp_path)
    assert found["n_answers"] == len(half)
    cells = pd.crosstab([half["goal"], half["true_state"]], said, normalize="index")
    names = {"both": "both", "informative": "informative", "kind": "social"}
    ours = np.array(
        [
            [cells[u][names[g], f"heart{s}"] if u in cells else 0 for u in UTTERANCES]
            for g, s in STUDY2.cells
        ]
    )
    theirs = people("2").means
    assert found["tvd"]["value"] == pytest.approx(float(over_cells(total_variation(ours, theirs))))
    assert found["r"]["value"] == pytest.approx(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])


def test_bets_measured_against_themselves(tmp_path: Path) -> None:
    for scale, said in ((1.0, "read as percentages"), (0.01, "read as fractions")):
        table = bets()
        table[["p_0", "p_1", "p_2", "p_3"]] *= scale
        found = measured(table, tmp_path)
        assert found["study"] == "1"
        assert found["rmse"]["value"] == pytest.approx(0, abs=1e-9)
        assert found["r"]["value"] == pytest.approx(1)
        assert found["tvd"]["value"] == pytest.approx(0, abs=1e-9)
        assert found["emd"]["value"] == pytest.approx(0, abs=1e-9)
        assert all(one["same_sign"] for one in found["planned"] + found["within"])
        assert any(said in warning for warning in found["warnings"])
        assert "filtered" not in found


def test_bets_that_are_missing_or_do_not_add_up_are_counted(tmp_path: Path) -> None:
    table = bets()
    twice = table.assign(**{f"p_{k}": table[f"p_{k}"] * 0.5 for k in range(4)})
    lost = table.assign(p_2=np.nan, knowledge="")
    nothing = table.assign(p_0=0, p_1=0, p_2=0, p_3=0)
    found = measured(pd.concat([table, twice, lost, nothing]), tmp_path)
    assert found["rmse"]["value"] == pytest.approx(0, abs=1e-9)
    assert (found["n_answers"], found["n_missing"]) == (12, 12)
    warnings = " ".join(found["warnings"])
    assert "12 of 24 rows have an empty share, or zeros only: missing" in warnings
    assert "6 rows do not sum to 100 ± 1; they are normalised" in warnings


def test_a_table_without_any_share_has_no_numbers(tmp_path: Path) -> None:
    found = measured(bets().assign(p_0="", p_1="", p_2="", p_3=""), tmp_path)
    assert found["rmse"]["value"] is None
    assert found["rmse"]["why"] == "there are no answers"
    assert found["n_missing"] == 6


def test_names_that_a_spreadsheet_would_run_are_escaped(tmp_path: Path) -> None:
    table = production().assign(model="=1+1")
    measured(table, tmp_path, output=tmp_path / "out")
    assert set(pd.read_csv(tmp_path / "out/comparison.csv")["model"]) == {"'=1+1"}


def test_bets_by_story_have_intervals_and_a_filter(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        (f"story {s}", word, access, *rng.dirichlet([1, 2, 3, 4]), rng.random())
        for s in range(8)
        for word, access in STUDY1.cells
    ]
    columns = ["story", "word", "access", "p_0", "p_1", "p_2", "p_3", "knowledge"]
    table = pd.DataFrame(rows, columns=columns)
    found = measured(table, tmp_path)
    assert found["intervals_over"] == "8 items"
    assert found["rmse"]["low"] < found["rmse"]["value"] < found["rmse"]["high"]
    kept = table["knowledge"].where(table["access"] == 3, 1 - table["knowledge"]) > 0.7
    assert found["filtered"]["n_answers"] == kept.sum()
    one = table[kept].groupby(["word", "access"])["p_3"].mean()
    text = (tmp_path / "table.csv").read_text("utf-8")
    grace.compare_runs(results=tmp_path / "table.csv", output=tmp_path / "out", bootstrap=200)
    cells = pd.read_csv(tmp_path / "out" / "comparison.csv")
    cells = cells[cells["trials"] == "filtered"].set_index(["word", "access"])
    for cell, value in zip(one.index, one, strict=True):
        assert cells.loc[cell, "model_3"] == pytest.approx(value)
    assert (tmp_path / "table.csv").read_text("utf-8") == text


def test_identical_answers_of_many_participants_are_one_item(tmp_path: Path) -> None:
    """An outsider's deterministic model is found out, whatever the table calls its rows."""
    rng = np.random.default_rng(0)
    rows = [
        (f"p{p}", s, word, access, *shares)
        for s in range(8)
        for word, access in STUDY1.cells
        for shares in [rng.dirichlet([1, 2, 3, 4])]
        for p in range(50)
    ]
    columns = ["workerid", "story", "word", "access", "p_0", "p_1", "p_2", "p_3"]
    table = pd.DataFrame(rows, columns=columns)
    many = measured(table, tmp_path)
    once = measured(table[table["workerid"] == "p0"].drop(columns="workerid"), tmp_path)
    assert many["intervals_over"] == once["intervals_over"] == "8 items"
    assert many["emd"]["low"] == pytest.approx(once["emd"]["low"])
    assert many["deterministic"]
    assert any("participants count for nothing" in w for w in many["warnings"])
    nameless = measured(table.drop(columns="story"), tmp_path)
    assert nameless["emd"]["low"] is None
    assert "no items or participants" in nameless["emd"]["why"]


def test_models_in_one_table_stand_apart(tmp_path: Path) -> None:
    own = production()
    uniform = own.assign(count=10)
    table = pd.concat([own.assign(model="people"), uniform.assign(model="nobody")])
    found = measured(table, tmp_path)["runs"]
    assert list(found) == ["people", "nobody"]
    assert found["people"]["tvd"]["value"] == pytest.approx(0, abs=1e-9)
    assert found["nobody"]["loglik"]["share"] == pytest.approx(0, abs=1e-9)


def test_a_cell_that_is_not_there_is_missing(tmp_path: Path) -> None:
    own = production()
    table = own[~((own["goal"] == "kind") & (own["state"] == 3))]
    found = measured(table, tmp_path)
    assert found["n_cells"] == 11
    assert found["r"]["value"] == pytest.approx(1)
    assert found["loglik"]["value"] == pytest.approx(found["loglik"]["saturated"], abs=0.01)
    assert any("1 of 12 cells have no usable answers" in warning for warning in found["warnings"])


def test_the_command_as_the_readme_writes_it(tmp_path: Path) -> None:
    production().to_csv(tmp_path / "FILE.csv", index=False)
    words = ["study=2", "results=FILE.csv", "output=DIR", "bootstrap=200"]
    output = compare(*words, cwd=tmp_path)
    found = json.loads((tmp_path / "DIR/comparison.json").read_text("utf-8"))
    assert found["model"] == "FILE"
    assert "2,436 answers, taken as independent" in output
    assert len(pd.read_csv(tmp_path / "DIR/comparison.csv")) == 12
    message = compare(*words[:2], cwd=tmp_path, code=1)
    assert message == "error: results=FILE.csv needs a folder to write to: output=DIR\n"


@pytest.mark.parametrize(
    ("text", "utterance"),
    [
        ("It wasn't bad", "wasnt_bad"), ("it wasn’t bad.", "wasnt_bad"), ("wasnt_bad", "wasnt_bad"),
        ("was not bad", "wasnt_bad"), ("was n't bad", "wasnt_bad"),
        ("It was amazing!", "was_amazing"),
        (" was_terrible ", "was_terrible"), ("bad", None), ("not bad", None), ("was okay", None),
        ("It was bad, not good", None), ("", None),
    ],
)  # fmt: skip
def test_utterances_by_any_spelling(text: str, utterance: str | None) -> None:
    assert utterance_of(text) == utterance


@pytest.mark.parametrize(
    ("text", "state"),
    [("0", 0), ("3.0", 3), ("1 heart", 1), ("2 hearts", 2), ("heart3", 3), ("2 out of 3 hearts", 2),
     ("4", None), ("-1", None), ("two", None), ("1.5", None), ("", None)],
)  # fmt: skip
def test_states_by_any_spelling(text: str, state: int | None) -> None:
    assert state_of(text) == state


TWO, ONE = "goal,state,utterance,{}\n", "word,access,p_0,p_1,p_2,p_3\n"
BAD: list[tuple[str, str]] = [
    ("", "the file is empty"),
    ("goal,state,utterance,count\n", "a header but no rows"),
    ("a,b\n1,2\n", "expected the columns goal, state, utterance and count or prob (study 2)"),
    (TWO.format("share") + "both,1,was bad,1\n", "column count or prob is missing"),
    (TWO.format("count") + "nice,1,was bad,1\n", "row 1, column goal: found 'nice'"),
    (
        TWO.format("count") + "both,1,was bad,1\nboth,5,was bad,1\n",
        "row 2, column state: found '5'",
    ),
    (TWO.format("count") + "both,1,bad,1\n", "column utterance: found 'bad', expected one of the"),
    (
        TWO.format("count") + "both,1,was bad,some\n",
        "column count: found 'some', expected a number",
    ),
    (TWO.format("count") + "both,1,was bad,-2\n", "found '-2', expected a number of 0 or more"),
    (TWO.format("count") + "both,1,was bad,nan\n", "column count: found 'nan'"),
    (TWO.format("count") + "both,1,was bad,1.5\n", "found 1.5, expected a whole number"),
    (TWO.format("count") + "both,1,was bad,\n", "column count: found ''"),
    (TWO.format("prob") + "both,1,was bad,0.4\n", "found 0.4, as the sum of this goal × state"),
    (
        TWO.format("prob") + "both,1,was bad,1\nboth,2,was bad,100\n",
        "expected 1 (fractions) or 100 (percentages) in all",
    ),
    (
        TWO.format("prob") + "both,1,was bad,.5\nboth,1,was bad,.5\n",
        "row 2, column utterance: found 'was_bad', a second probability",
    ),
    (TWO.format("count") + "both,1,was bad,1,1\n", "row 1: found 5 cells, expected 4"),
    (
        "model," + TWO.format("count") + "a,both,1,was bad,1\nb,both,9,was bad,1\n",
        "row 2, column s",
    ),
    ("item," + TWO.format("count") + ",both,1,was bad,1\n", "column item: found ''"),
    (ONE + "one,1,0,0,0,1\none,2,0,0,0,100\n", "row 1, column p_0 + p_1 + p_2 + p_3: found 1.0"),
    (ONE + "one,1,0,0,0,120\n", "column p_3: found '120', expected a number from 0 to 100"),
    (ONE + "three,2,0,0,0,1\n", "column word + access: found 'three + 2'"),
    (ONE + "one,4,0,0,0,1\n", "column access: found '4', expected 1, 2 or 3"),
    (ONE + "one,1,0,0,0,x\n", "column p_3: found 'x', expected a number from 0 to 100"),
    ("word,access,p_0,p_1,p_2\none,1,0,0,1\n", "column p_3"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_table_is_refused_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GraceError) as caught:
        grace.compare_runs(results=path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_table_of_the_other_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraceError, match="column word"):
        measured(production(), tmp_path, study=1)
    with pytest.raises(GraceError, match="column goal"):
        measured(bets(), tmp_path, study="2")
