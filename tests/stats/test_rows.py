"""Runs as data for mixed models: what is a row, what is in it, what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import grace
from grace.config.resources import shipped
from grace.runs.finished_run import recall_plan, reopen
from tests.runs.test_new_study import EXAMPLE, edit
from tests.runs.test_run import model, run

Tiny = Callable[[str], Path]
FACTORS = {"1": ["access", "observe"], "2": ["goal_type", "hearts"]}
ITEM = {"1": "story_shortname", "2": "Domain"}


def stats(*words: object, cwd: Path, code: int = 0) -> str:
    return run(*map(str, words), module="grace.stats", cwd=cwd, code=code)


def asked(where: Path, folder: Path, *words: str) -> Path:
    """A run of all the study's rows, in this process; returns its folder."""
    return grace.run_study(f"output={where}", *model(folder), *words).path


@pytest.fixture(scope="module")
def runs(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """All four runs with their statistics, by study and experiment."""
    where = tmp_path_factory.mktemp("stats")
    found = {}
    for study, exp in (("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")):
        few = ["exp.max_tokens=3", "exp.replicates=2"] if exp == "1" else []
        folder = asked(where, tiny("llama-byte"), f"study={study}", f"exp={exp}", *few)
        stats(folder, cwd=where)
        found[study, exp] = folder
    return found


def table(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "stats.parquet")


@pytest.mark.parametrize("study", ["1", "2"])
def test_a_row_is_a_prompt_however_many_participants_it_was_asked_for(
    study: str, runs: dict[tuple[str, str], Path]
) -> None:
    """Against the prompts themselves, which the data do not hold."""
    folder = runs[study, "2"]
    reopened = reopen(folder)
    query_table = recall_plan(reopened).query_table
    prompts = [
        [str(query_table.prompts[number]) for number in numbers] for numbers in query_table.asked
    ]
    trials = reopened.job.stimuli.trials
    names = [ITEM[study], *FACTORS[study]]
    cells = [tuple(trial.values[name] for name in names) for trial in trials]
    distinct = {(cell, *prompts[i]) for i, cell in enumerate(cells)}
    rows = table(folder)
    keys = ["item", *FACTORS[study]]
    assert Counter(rows[keys].itertuples(index=False, name=None)) == Counter(
        cell for cell, *_ in distinct
    )
    assert rows.groupby(keys)["n_trials"].sum().to_dict() == Counter(cells)
    assert not rows.duplicated(["model", *keys, "replicate"]).any()
    assert (rows.groupby(keys)["replicate"].max() + 1 == rows.groupby(keys).size()).all()


@pytest.mark.parametrize("study", ["1", "2"])
def test_every_trial_is_in_the_row_of_its_answer(
    study: str, runs: dict[tuple[str, str], Path]
) -> None:
    folder = runs[study, "2"]
    trials, rows = grace.load(folder).trials, table(folder)
    trials = trials.rename(columns={ITEM[study]: "item"})
    shared = [name for name in rows if name in trials and name not in ("replicate", "flags")]
    found = trials.merge(rows, on=shared, how="left", indicator=True)
    assert len(found) == len(trials)
    assert (found["_merge"] == "both").all()


def test_more_participants_with_the_same_prompts_add_no_rows(tiny: Tiny, tmp_path: Path) -> None:
    with shipped("data").joinpath("study1.csv").open(encoding="utf-8", newline="") as stimuli:
        cells = {
            (line["story_shortname"], line["access"], line["observe"]): line
            for line in csv.DictReader(stimuli)
        }
    lines = list(cells.values())
    folders = []
    for times in (1, 5):
        path = tmp_path / f"times{times}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, lines[0].keys())
            writer.writeheader()
            for k in range(times):
                writer.writerows({**line, "participant_id": f"{n}-{k}"} for n, line in
                                 enumerate(lines))  # fmt: skip
        words = ["study=1", "exp=2", f"data={path}", f"tag=times{times}"]
        folders.append(asked(tmp_path, tiny("llama-byte"), *words))
    output = stats(folders[0], cwd=tmp_path)
    output = stats(folders[1], cwd=tmp_path)
    assert "240 trials are 48 rows" in output
    assert "items, not participants" in output
    one, five = (table(folder) for folder in folders)
    assert (five["n_trials"] == 5 * one["n_trials"]).all()
    pd.testing.assert_frame_equal(one.drop(columns="n_trials"), five.drop(columns="n_trials"))


def test_draws_are_rows_unless_nothing_is_drawn(
    tiny: Tiny, runs: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    rows = table(runs["1", "1"])
    trials = grace.load(runs["1", "1"]).trials
    assert len(rows) == len(trials) == trials["seed"].nunique()
    assert (rows["n_trials"] == 1).all()
    words = ["study=1", "exp=1", "exp.max_tokens=3", "exp.temperature=0"]
    cold = asked(tmp_path, tiny("llama-byte"), *words)
    stats(cold, cwd=tmp_path)
    drawn = grace.load(cold).trials
    assert len(table(cold)) == drawn["seed"].nunique() < len(drawn)
    assert table(cold)["n_trials"].sum() == len(drawn)


def test_study_1_has_the_bet_on_the_reported_state(runs: dict[tuple[str, str], Path]) -> None:
    rows = table(runs["1", "2"])
    assert list(rows["word"].map({"one": 1, "two": 2, "three": 3})) == list(rows["observe"])
    assert list(rows["full_access"]) == [int(access == 3) for access in rows["access"]]
    for row in rows.to_dict("records"):
        assert row["p_reported"] == row[f"p_state_{row['observe']}"]
        assert row["p_reported_coherent"] == row[f"p_state_{row['observe']}_coherent"]
    assert {"prob_knowledge_yes", "knowledge_mass", "coherence", "state2_mean"} <= set(rows)


def test_study_2_has_negation_and_assessment(runs: dict[tuple[str, str], Path]) -> None:
    rows = table(runs["2", "2"])
    negated = rows[[f"prob_wasnt_{word}" for word in ("terrible", "bad", "good", "amazing")]]
    assert rows["p_negation"].to_numpy() == pytest.approx(negated.sum(axis=1).to_numpy())
    ranks = rows["prob_bad"] + 2 * rows["prob_good"] + 3 * rows["prob_amazing"]
    assert rows["assessment_share"].to_numpy() == pytest.approx(ranks.to_numpy() / 3)


@pytest.fixture
def answered(tmp_path: Path, runs: dict[tuple[str, str], Path]) -> Callable[..., pd.DataFrame]:
    """Statistics of a run whose parsed answers are replaced by these, cycled."""

    def make(study: str, **columns: list[Any]) -> pd.DataFrame:
        folder = tmp_path / study
        shutil.copytree(runs[study, "1"], folder)
        trials = pd.read_parquet(folder / "trials.parquet")
        for name, values in columns.items():
            kind = "str" if isinstance(values[0], str) else "float64"
            trials[name] = pd.Series((values * len(trials))[: len(trials)], dtype=kind)
        trials.to_parquet(folder / "trials.parquet")
        stats(folder, cwd=tmp_path)
        rows = trials.rename(columns={ITEM[study]: "item"}).sort_values(
            ["item", *FACTORS[study]], kind="stable", ignore_index=True
        )
        return table(folder).add_suffix("_stats").join(rows)

    return make


def test_raw_answers_of_study_1_are_numbers(answered: Callable[..., pd.DataFrame]) -> None:
    rows = answered(
        "1", knowledge=["yes", "no", None], initial_answer=[0, 1, 2, 3, None],
        p_0=[0, 0, 0], p_1=[20, 0, 50], p_2=[30, 0, None], p_3=[50, 0, 50],
    )  # fmt: skip
    for row in rows.to_dict("records"):
        yes = {"yes": 1, "no": 0}.get(row["knowledge"])
        assert row["knowledge_yes_stats"] == yes or (
            yes is None and pd.isna(row["knowledge_yes_stats"])
        )
        assert row["initial_answer_stats"] == row["initial_answer"] or pd.isna(
            row["initial_answer"]
        )
        total = row["p_0"] + row["p_1"] + row["p_2"] + row["p_3"]
        if np.isnan(total) or total == 0:  # missing, not a share of nothing
            assert pd.isna(row["p_reported_stats"])
        else:
            assert row["p_reported_stats"] == row[f"p_{row['observe']}"] / total


def test_raw_answers_of_study_2_are_numbers(answered: Callable[..., pd.DataFrame]) -> None:
    rows = answered(
        "2", frame=["was", "wasnt", None], assessment=["terrible", "amazing", "good", None]
    )
    order = ["terrible", "bad", "good", "amazing"]
    for row in rows.to_dict("records"):
        frame, word = row["frame"], row["assessment"]
        assert (
            pd.isna(row["negation_stats"])
            if pd.isna(frame)
            else (row["negation_stats"] == (frame == "wasnt"))
        )
        assert (
            pd.isna(row["assessment_rank_stats"])
            if pd.isna(word)
            else (row["assessment_rank_stats"] == order.index(word))
        )
        whole = None if pd.isna(frame) or pd.isna(word) else f"{frame}_{word}"
        assert row["utterance_stats"] == whole or (
            whole is None and pd.isna(row["utterance_stats"])
        )


@pytest.mark.parametrize("key", [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")])
def test_the_files_agree(key: tuple[str, str], runs: dict[tuple[str, str], Path]) -> None:
    folder = runs[key]
    rows = table(folder).replace("", None)  # no flag
    flat = pd.read_csv(folder / "stats.csv", keep_default_na=False, na_values=[""])
    assert list(flat) == list(rows)
    for name in rows:
        same = (flat[name] == rows[name]) | (flat[name].isna() & rows[name].isna())
        assert same.all(), name
    book = json.loads((folder / "stats_codebook.json").read_text(encoding="utf-8"))
    assert [column["name"] for column in book["tables"]["stats"]] == list(rows)
    assert all(column["meaning"] for column in book["tables"]["stats"])
    assert "participants are no random effect" in book["caution"]
    found = json.loads((folder / "formulas.json").read_text(encoding="utf-8"))["models"]
    assert found
    script = (folder / "stats.R").read_text(encoding="utf-8")
    for one in found:
        assert one["outcome"] in rows
        assert "(1 | item)" in one["bambi"] or "| item)" in one["bambi"]
        assert "model" not in one["bambi"]  # there is one
        assert "participant" not in one["bambi"].lower()
        assert one["brms"] in script


def test_several_models_go_together(
    tiny: Tiny, runs: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    first = runs["2", "2"]
    other = grace.run_study(
        "study=2", "exp=2", f"output={tmp_path}", f"model.path={tiny('qwen-whole')}",
        "model.name=other",
    ).path  # fmt: skip
    assert "expected output=DIR" in stats(first, other, cwd=tmp_path, code=1)
    stats(first, other, f"output={tmp_path / 'both'}", cwd=tmp_path)
    rows = table(tmp_path / "both")
    assert dict(rows["model"].value_counts()) == {
        "tiny": len(table(first)), "other": int((rows["model"] == "other").sum())
    }  # fmt: skip
    keys = ["model", "item", "goal_type", "hearts", "replicate"]
    assert not rows.duplicated(keys).any()
    found = json.loads((tmp_path / "both/formulas.json").read_text(encoding="utf-8"))
    assert found["models"][0]["lme4"].startswith(
        "lmer(qlogis(squeeze(p_negation)) ~ goal_type * (hearts + model) + (1 | item)"
    )


def test_runs_of_one_model_are_pooled_or_told_apart(
    tiny: Tiny, runs: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    first = runs["2", "1"]
    words = ["study=2", "exp=1", "exp.max_tokens=3", "exp.replicates=2"]
    again = asked(tmp_path, tiny("llama-byte"), *words, "seed=7", "tag=again")
    warm = asked(tmp_path, tiny("llama-byte"), *words, "exp.temperature=1.3", "tag=warm")
    out = tmp_path / "out"
    stats(first, again, first, f"output={out}", cwd=tmp_path)
    assert set(table(out)["model"]) == {"tiny"}
    assert len(table(out)) == 2 * len(table(first))  # a run given twice counts once
    stats(first, warm, f"output={out}", cwd=tmp_path)
    assert set(table(out)["model"]) == {"tiny", "tiny-warm"}


def test_a_study_of_ones_own_needs_only_to_name_its_item(tiny: Tiny, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    words = ["study=tea", "exp=2", *model(tiny("llama-byte"))]
    edit(tmp_path / "conf/study/tea.yaml", "item: cup\n", "")
    run(*words, cwd=tmp_path)
    folder = tmp_path / "outputs/tea/2/tiny"
    assert "does not say what its items are" in stats(folder, cwd=tmp_path, code=1)
    edit(tmp_path / "conf/study/tea.yaml", "key: [person, cup]", "key: [person, cup]\nitem: cup")
    run(*words, cwd=tmp_path)
    stats(folder, cwd=tmp_path)
    found = json.loads((folder / "formulas.json").read_text(encoding="utf-8"))["models"]
    assert [one["bambi"] for one in found] == ["prob_hot ~ minutes + (1 | item)"]  # cold mirrors it


def test_what_is_wrong_is_said_in_a_sentence(
    runs: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    first, other = runs["1", "2"], runs["2", "2"]
    for words, said in (
        ([first, other, "output=x"], "expected runs of one study and experiment"),
        ([tmp_path], "expected the folder of a run"),
        (["fit=true"], "expected the folder of a run"),
        ([first, "draw=10"], "no such setting"),
        ([first, "draws=many"], "draws='many'"),
        ([first, "fit=perhaps"], "fit='perhaps'"),
        ([first, "chains=0"], "chains='0'"),
        ([first, "seed=1", "seed=2"], "given twice"),
    ):
        assert said in stats(*words, cwd=tmp_path, code=1)
    (tmp_path / "file").write_text("")
    assert "cannot be made" in stats(first, "output=file/in", cwd=tmp_path, code=1)
    broken = tmp_path / "broken"
    shutil.copytree(first, broken)
    (broken / "codebook.json").write_text("{")
    assert "python -m grace.tables" in stats(broken, cwd=tmp_path, code=1)
