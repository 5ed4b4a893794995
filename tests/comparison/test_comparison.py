"""Runs against people: real runs of tiny models, through the command and from Python."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import grace
from grace.compare import compare_command
from grace.comparison.design import STUDY1, STUDY2, UTTERANCES, WORDS
from grace.comparison.humans import people
from grace.comparison.study1 import noise_floor
from grace.errors import GraceError
from tests.comparison.test_humans import bets_file
from tests.runs.test_run import run

Copy = Callable[[str], Path]
METRICS = {"1": ("rmse", "r", "tvd", "emd"), "2": ("r", "tvd", "jsd", "loglik", "p_negation")}


@pytest.fixture
def copy(four_runs: Path, tmp_path: Path) -> Copy:
    """A run's folder that a test may change."""

    def made(name: str) -> Path:
        return Path(shutil.copytree(four_runs / name / "tiny", tmp_path / name / "tiny"))

    return made


def compare(*words: object, cwd: Path, code: int = 0) -> str:
    return run(*map(str, words), cwd=cwd, code=code, module="grace.compare")


def change(folder: Path, alter: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = folder / "trials.parquet"
    alter(pd.read_parquet(path)).to_parquet(path)


def cells(folder: Path, reading: str, trials: str = "all") -> pd.DataFrame:
    table = pd.read_csv(folder / "comparison.csv")
    return table[(table["reading"] == reading) & (table["trials"] == trials)]


@pytest.mark.parametrize("study", ["1", "2"])
def test_a_run_is_compared_in_its_own_folder(study: str, copy: Copy, tmp_path: Path) -> None:
    folder = copy(f"{study}/2")
    output = compare(folder, "bootstrap=200", cwd=tmp_path)
    found = json.loads((folder / "comparison.json").read_text("utf-8"))
    for name in METRICS[study]:
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"], name
        assert math.isfinite(found[name]["value"])
    assert found["study"] == study
    assert found["model"] == "tiny"
    assert found["n_missing"] == 0
    assert str(folder / "comparison.csv") in output.replace("\n", "")
    assert "people" in output


def test_means_are_those_of_the_trials(copy: Copy, tmp_path: Path) -> None:
    folder = copy("1/2")
    grace.compare_runs(folder, bootstrap=200)
    trials = pd.read_parquet(folder / "trials.parquet")
    for reading, ending in (("means", ""), ("coherent", "_coherent")):
        columns = [f"p_state_{k}{ending}" for k in range(4)]
        means = trials.groupby(["observe", "access"])[columns].mean()
        found = cells(folder, reading).set_index(["word", "access"])
        for word, access in STUDY1.cells:
            ours = found[[f"model_{k}" for k in range(4)]].xs((word, access))
            theirs = means.xs((WORDS.index(word) + 1, access))
            assert ours.to_numpy(float) == pytest.approx(theirs.to_numpy())
    people_ = cells(folder, "means")[[f"people_{k}" for k in range(4)]].to_numpy()
    assert people_ == pytest.approx(people("1").means)


def test_study_1_says_what_the_paper_asks(copy: Copy) -> None:
    """Distances, planned comparisons, knowledge and filter, each from the trials by hand."""
    folder = copy("1/2")
    found = grace.compare_runs(folder, bootstrap=200)
    trials = pd.read_parquet(folder / "trials.parquet")
    states = [f"p_state_{k}" for k in range(4)]
    means = trials.groupby(["observe", "access"])[states].mean()
    reference = people("1").distribution
    ours = np.array([means.loc[(WORDS.index(w) + 1, a)] for w, a in STUDY1.cells])
    assert found["rmse"]["value"] == pytest.approx(100 * np.sqrt(((ours - reference) ** 2).mean()))
    apart = np.abs(np.cumsum(ours - reference, axis=1)).sum(axis=1).mean()
    assert found["emd"]["value"] == pytest.approx(apart)

    full, less = (means["p_state_1"][1, access] for access in (3, 2))
    (planned,) = [p for p in found["planned"] if p["name"] == "bet on 1: one/3 − one/2"]
    assert planned["value"] == pytest.approx(100 * (full - less))
    assert planned["people"] == pytest.approx(90.1 - 38.1)
    assert planned["same_sign"] == (full > less)
    assert len(found["planned"]) == 3
    assert len(found["within"]) == 8

    yes = trials["prob_knowledge_yes"]
    expected = yes.where(trials["access"] == 3, 1 - yes)
    by_cell = expected.groupby([trials["observe"], trials["access"]]).mean()
    assert found["knowledge"]["expected"]["value"] == pytest.approx(by_cell.mean())
    assert found["knowledge"]["n_passing"] == (expected > 0.7).sum()
    assert found["coherence"]["sum"]["value"] == pytest.approx(
        trials.groupby(["observe", "access"])["coherence"].mean().mean()
    )


def test_the_knowledge_filter_keeps_what_the_paper_would(copy: Copy) -> None:
    folder = copy("1/2")
    rng = np.random.default_rng(0)

    def alter(trials: pd.DataFrame) -> pd.DataFrame:
        return trials.assign(prob_knowledge_yes=rng.random(len(trials)))

    change(folder, alter)
    found = grace.compare_runs(folder, bootstrap=200)
    trials = pd.read_parquet(folder / "trials.parquet")
    yes = trials["prob_knowledge_yes"]
    kept = trials[yes.where(trials["access"] == 3, 1 - yes) > 0.7]
    assert found["filtered"]["n_answers"] == len(kept)
    means = kept.groupby(["observe", "access"])["p_state_2"].mean()
    table = cells(folder, "means", "filtered").set_index(["word", "access"])
    for (observe, access), value in zip(means.index, means, strict=True):
        assert table.loc[(WORDS[observe - 1], access), "model_2"] == pytest.approx(value)


def test_study_2_by_utterances_and_by_their_parts(copy: Copy) -> None:
    folder = copy("2/2")
    found = grace.compare_runs(folder, bootstrap=200)
    trials = pd.read_parquet(folder / "trials.parquet")
    columns = [f"prob_{name}" for name in UTTERANCES]
    means = trials.groupby(["goal_type", "hearts"])[columns].mean()
    ours = np.array([means.loc[cell] for cell in STUDY2.cells])
    reference = people("2")
    r = np.corrcoef(ours.ravel(), reference.means.ravel())[0, 1]
    assert found["r"]["value"] == pytest.approx(r)
    assert found["tvd"]["value"] == pytest.approx(
        np.abs(ours - reference.means).sum(axis=1).mean() / 2
    )
    assert found["loglik"]["value"] == pytest.approx((reference.counts * np.log(ours)).sum())
    assert found["p_negation"]["value"] == pytest.approx(ours[:, 4:].sum(axis=1).mean())
    assert found["p_negation"]["people"] == pytest.approx(0.2952, abs=1e-4)
    assert found["loglik"]["saturated"] == pytest.approx(-2598.1, abs=0.05)
    assert found["loglik"]["uniform"] == pytest.approx(-5065.5, abs=0.05)
    assert found["tvd"]["ceiling"] == pytest.approx(0.089, abs=0.002)
    product = found["readings"]["frame × assessment"]
    wasnt = trials.groupby(["goal_type", "hearts"])["prob_wasnt"].mean().mean()
    assert product["p_negation"]["value"] == pytest.approx(wasnt)


@pytest.mark.parametrize("study", ["1", "2"])
def test_the_rational_speech_act_model_stands_beside(study: str, copy: Copy) -> None:
    found = grace.compare_runs(copy(f"{study}/2"), bootstrap=200)["rsa"]
    # Goodman & Stuhlmüller's model and people; Yoon et al. print r² = .97 for theirs.
    assert found["people"]["r"] == pytest.approx({"1": 0.973, "2": 0.985}[study], abs=1e-3)
    assert set(found["model"]) == set(found["people"])


@pytest.mark.parametrize("study", ["1", "2"])
def test_fifty_participants_of_a_deterministic_model_are_one(study: str, copy: Copy) -> None:
    """Each trial again by other participants: the same answers, and not one more."""
    folder = copy(f"{study}/2")
    once = grace.compare_runs(folder, bootstrap=300)
    column = "participant_id" if study == "1" else "Participant_ID"

    def again(trials: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([trials.assign(**{column: f"p{i}"}) for i in range(50)])

    change(folder, again)
    often = grace.compare_runs(folder, bootstrap=300)
    for name in METRICS[study]:
        for part in ("value", "low", "high"):
            assert often[name][part] == pytest.approx(once[name][part], rel=1e-6), name
    assert often["n_answers"] == 50 * once["n_answers"]
    (note,) = [w for w in often["warnings"] if "always answered the same" in w]
    assert "(50 participants)" in note
    assert often["intervals_over"] == once["intervals_over"] == f"{once['n_items']} items"


def answered(trials: pd.DataFrame, study: str) -> pd.DataFrame:
    """Raw answers as a model with a voice would give them; one in six is not readable."""
    rng = np.random.default_rng(1)
    lost = np.arange(len(trials)) % 6 == 0
    if study == "1":
        bets = rng.multinomial(100, [0.1, 0.2, 0.3, 0.4], len(trials)).astype(float)
        bets[lost] = np.nan
        found = {f"p_{k}": bets[:, k] for k in range(4)}
        number = pd.Series(rng.integers(0, 4, len(trials)), trials.index).mask(lost)
        knows = pd.Series(rng.choice(["yes", "no"], len(trials)), trials.index).mask(lost)
        return trials.assign(**found, initial_answer=number, knowledge=knows)
    frame = pd.Series(rng.choice(["was", "wasnt"], len(trials)), trials.index).mask(lost)
    words = ["terrible", "bad", "good", "amazing"]
    said = pd.Series(rng.choice(words, len(trials)), trials.index).mask(lost)
    return trials.assign(frame=frame, assessment=said)


def test_raw_answers_are_compared_as_proportions(copy: Copy) -> None:
    folder = copy("2/1")
    change(folder, lambda trials: answered(trials, "2"))
    found = grace.compare_runs(folder, bootstrap=300)
    trials = pd.read_parquet(folder / "trials.parquet").dropna(subset=["frame"])
    said = trials["frame"] + "_" + trials["assessment"]
    shares = pd.crosstab([trials["goal_type"], trials["hearts"]], said, normalize="index")
    table = cells(folder, "answers").set_index(["goal", "state"])
    for cell in STUDY2.cells:
        for name in UTTERANCES:
            share = shares.loc[cell, name] if name in shares else 0
            assert table.loc[cell, f"model_{name}"] == pytest.approx(share)
    assert (found["n_answers"], found["n_missing"]) == (60, 12)
    assert any("12 of 72 trials have no readable answer" in w for w in found["warnings"])
    assert not found["deterministic"]
    assert "participants" in found["intervals_over"]


def test_raw_bets_are_normalised_and_averaged(copy: Copy) -> None:
    folder = copy("1/1")

    def alter(trials: pd.DataFrame) -> pd.DataFrame:
        trials = answered(trials, "1")
        trials[["p_0", "p_1", "p_2", "p_3"]] *= 0.5  # a model that cannot add up
        return trials

    change(folder, alter)
    found = grace.compare_runs(folder, bootstrap=300)
    trials = pd.read_parquet(folder / "trials.parquet")
    shares = 2 * trials.groupby(["observe", "access"])["p_3"].mean() / 100
    table = cells(folder, "percentages").set_index(["word", "access"])
    assert table.loc[("one", 1), "model_3"] == pytest.approx(shares.loc[(1, 1)])
    numbers = trials.groupby(["observe", "access"])["initial_answer"].agg(lambda s: (s == 3).sum())
    table = cells(folder, "answers").set_index(["word", "access"])
    share, n = (table[name]["two", 2] for name in ("model_3", "n_answers"))
    assert share * n == pytest.approx(numbers.loc[(2, 2)])
    passed = trials["knowledge"].where(trials["access"] == 3, trials["knowledge"].map(SWAPPED))
    assert found["filtered"]["n_answers"] == (passed == "yes").sum()


SWAPPED = {"yes": "no", "no": "yes"}


def test_answers_that_failed_are_missing_and_counted(copy: Copy, tmp_path: Path) -> None:
    folder = copy("2/2")
    columns = [f"prob_{name}" for name in UTTERANCES]

    def fail(trials: pd.DataFrame) -> pd.DataFrame:
        gone = (trials["goal_type"] == "kind") & (trials["hearts"] == 0)
        trials.loc[gone, columns] = np.nan
        return trials

    change(folder, fail)
    output = " ".join(compare(folder, "bootstrap=200", cwd=tmp_path).split())
    found = json.loads((folder / "comparison.json").read_text("utf-8"))
    assert found["n_cells"] == 11
    assert found["n_missing"] == 6
    assert "6 of 72 trials have no answer and are left out" in output
    assert "utterance: 1 of 12 cells have no usable answers" in output
    table = cells(folder, "utterance").set_index(["goal", "state"])
    assert table["n_missing"]["kind", 0] == 6
    assert math.isnan(table["model_was_bad"]["kind", 0])
    assert math.isnan(table["tvd"]["kind", 0])


def test_a_model_that_cannot_be_read_has_no_numbers(copy: Copy, tmp_path: Path) -> None:
    """A random model says nothing that can be parsed: null with a reason, nowhere a number."""
    folder = copy("2/1")
    compare(folder, cwd=tmp_path)
    found = json.loads((folder / "comparison.json").read_text("utf-8"))
    assert found["r"]["value"] is None
    assert found["r"]["why"] == "none of the 72 answers could be read"
    assert found["loglik"]["value"] is None
    assert found["n_missing"] == 72


def test_people_of_ones_own_take_the_place_of_the_figures(copy: Copy, tmp_path: Path) -> None:
    folder, file = copy("1/2"), bets_file(tmp_path)
    found = grace.compare_runs(folder, human=file, bootstrap=200)
    own = people("1", file)
    assert found["people"] == {"source": own.source, "participants": 40}
    assert found["rmse"]["ceiling"] == pytest.approx(noise_floor(own))
    for name in ("r", "tvd", "emd"):
        assert math.isfinite(found[name]["ceiling"])
    table = cells(folder, "means")
    assert table["people_2"].to_numpy() == pytest.approx(own.means[:, 2])
    assert table["n_people"].to_numpy() == pytest.approx(own.n)


def test_several_runs_stand_together(copy: Copy, tmp_path: Path) -> None:
    one, two = copy("2/2"), tmp_path / "second"
    shutil.copytree(one, two)
    output = compare(one, two, "bootstrap=200", f"output={tmp_path / 'both'}", cwd=tmp_path)
    found = json.loads((tmp_path / "both" / "comparison.json").read_text("utf-8"))
    assert list(found) == ["runs"]
    assert list(found["runs"]) == [f"tiny ({one})", f"tiny ({two})"]
    assert "All together" in output
    table = pd.read_csv(tmp_path / "both" / "comparison.csv")
    assert len(table) == 2 * 2 * 12
    compare(one, two, "bootstrap=200", cwd=tmp_path)
    alone = json.loads((two / "comparison.json").read_text("utf-8"))
    assert alone["r"] == found["runs"][f"tiny ({two})"]["r"]


def test_python_gives_what_the_command_writes(copy: Copy, tmp_path: Path) -> None:
    folder = copy("1/2")
    compare(folder, "seed=3", "bootstrap=150", cwd=tmp_path)
    written = json.loads((folder / "comparison.json").read_text("utf-8"))
    returned = grace.compare_runs(grace.load(folder), seed=3, bootstrap=150)
    assert returned == written
    assert returned["settings"]["seed"] == 3


BAD: list[tuple[list[str], str]] = [
    ([], "nothing to compare: expected a run's folder, or results=FILE.csv"),
    (["nowhere"], "nowhere: no manifest.json; expected the folder of a run"),
    (["{run}", "stduy=2"], "stduy=2: no such setting; did you mean study?"),
    (["{run}", "seed=1", "seed=2"], "seed=2: seed is given twice"),
    (["{run}", "seed=-1"], "seed=-1: expected a whole number from 0"),
    (["{run}", "bootstrap=10"], "bootstrap=10: expected a whole number from 100 to 1000000"),
    (["{run}", "bootstrap=many"], "bootstrap=many: expected a whole number"),
    (["{run}", "floor=0"], "floor=0: expected a probability above 0, at most 0.1"),
    (["{run}", "floor=small"], "floor=small: expected a probability"),
    (["{run}", "study=1"], "study=1: {run} is of study 2"),
    (["{run}", "study=3"], "study=3: there are no human figures for it; expected 1 or 2"),
    (["{run}", "human=people.csv"], "human=people.csv: no such file"),
    (["{run}", "human="], "human=: expected a value"),
    (["{run}", "output={run}/manifest.json"], "is a file, expected a folder"),
    (["results=table.csv"], "results=table.csv: no such file"),
    (["--fast"], "unrecognized argument --fast "),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_what_cannot_be_compared_is_refused(
    words: list[str], message: str, four_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = str(four_runs / "2/2/tiny")
    with pytest.raises(GraceError) as caught:
        compare_command([word.format(run=folder) for word in words])
    assert message.format(run=folder) in str(caught.value)


def test_a_refusal_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    output = compare("nowhere", cwd=tmp_path, code=1)
    assert output == "error: nowhere: no manifest.json; expected the folder of a run\n"


def test_runs_of_both_studies_have_no_common_people(four_runs: Path, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("a\n1\n", encoding="utf-8")
    folders = [four_runs / "1/2/tiny", four_runs / "2/2/tiny"]
    output = compare(*folders, "human=people.csv", cwd=tmp_path, code=1)
    assert "expected runs of one study, found both" in output


def test_a_study_of_ones_own_has_no_people(copy: Copy, tmp_path: Path) -> None:
    folder = copy("1/2")
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["settings"]["study"]["name"] = "tea"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    output = compare(folder, cwd=tmp_path, code=1)
    assert "there are no human figures for study tea; expected study 1 or 2" in output


def test_help_names_every_setting(tmp_path: Path) -> None:
    output = compare("--help", cwd=tmp_path)
    for name in ("study=", "results=", "output=", "human=", "bootstrap=", "seed=", "floor="):
        assert name in output
