"""Mixed models fitted here: known effects come back, and a doubtful fit says nothing."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import grace
from grace.stats.arguments import Sampler
from grace.stats.fit import Effect, badly_sampled, fit, prepare, squeeze, too_little
from grace.stats.models import MODELS, Contrast, MixedModel
from grace.stats.report import in_words, sentence
from tests.runs.test_run import run
from tests.stats import made_up_data
from tests.stats.made_up_data import first_answer, full_effect, share, study1, study2

needs_bambi = pytest.mark.skipif(
    importlib.util.find_spec("bambi") is None, reason="the extra stats is not here"
)
REPORTED, KNOWLEDGE, FIRST = MODELS["1", "1"]
NEGATION = MODELS["2", "2"][0]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=200))
def test_squeezed_values_have_a_density_and_keep_their_order(values: list[float]) -> None:
    before = np.array(values)
    after = squeeze(before)
    n = len(values)
    assert ((after >= 0.5 / n - 1e-15) & (after <= 1 - 0.5 / n + 1e-15)).all()
    assert (np.diff(after[np.argsort(before, kind="stable")]) >= 0).all()
    assert abs(after - before).max() <= 0.5 / n + 1e-15
    assert squeeze(1 - before) == pytest.approx(1 - after)


def test_values_are_squeezed_only_where_there_is_need_and_it_is_said() -> None:
    frame = study1(rng())
    kept = prepare(REPORTED, frame)
    assert kept.squeezed == ""
    inside = frame[frame["word"] != "three"]
    assert (kept.frame["p_reported"] == inside["p_reported"]).all()
    frame.loc[0, "p_reported"] = 1.0
    moved = prepare(REPORTED, frame)
    assert "Smithson & Verkuilen 2006" in moved.squeezed
    assert f"N = {len(inside)} rows" in moved.squeezed
    assert moved.frame["p_reported"].iloc[0] == pytest.approx(1 - 0.5 / len(inside))


def test_missing_answers_are_left_out_and_counted() -> None:
    frame = study1(rng())
    frame.loc[[0, 1, 5], "p_reported"] = np.nan  # row 5 is of the word three
    kept = prepare(REPORTED, frame)
    assert kept.n_missing == 2
    assert kept.frame["p_reported"].notna().all()


def without(frame: pd.DataFrame, **cells: object) -> pd.DataFrame:
    chosen = np.ones(len(frame), dtype=bool)
    for name, value in cells.items():
        chosen &= (frame[name] == value).to_numpy()
    return frame[~chosen]


@needs_bambi
@pytest.mark.parametrize(
    ("model", "frame", "said"),
    [
        (REPORTED, study1(rng(), items=4), "4 items"),
        (REPORTED, study1(rng()).assign(p_reported=np.nan), "no row has an answer"),
        (KNOWLEDGE, study1(rng()).assign(knowledge_yes=1), "every answer is 1"),
        (REPORTED, without(study1(rng()), full_access=1), "no answer"),
        (REPORTED, without(study1(rng()), full_access=1, word="two"), "no answer"),
        (NEGATION, without(study2(rng()), goal_type="kind", hearts=2), "no answer"),
        (
            NEGATION,
            study2(rng()).groupby(["goal_type", "hearts"]).sample(2, random_state=1),
            "24 rows for 12 fixed effects",
        ),
    ],
)
def test_too_little_data_is_not_fitted(model: MixedModel, frame: pd.DataFrame, said: str) -> None:
    found = fit(model, frame, ("m",), Sampler.model_validate({}))
    assert any(said in problem for problem in found.problems), found.problems
    assert found.effects == ()
    assert found.estimates == {}
    assert "No interpretation" in in_words(found)


@needs_bambi
def test_enough_data_has_no_problem() -> None:
    for model, frame in ((REPORTED, study1(rng())), (NEGATION, study2(rng()))):
        assert too_little(model, prepare(model, frame).frame, 1) == ()


def summary(**worst: float) -> pd.DataFrame:
    good = {"r_hat": 1.0, "ess_bulk": 1000.0, "ess_tail": 900.0}
    return pd.DataFrame([good, good | worst], index=["a", "b"])


def test_draws_that_do_not_stand_for_the_posterior_are_found() -> None:
    sampler = Sampler.model_validate({})
    assert badly_sampled(summary(), 0, sampler) == ()
    for found, divergences, said in (
        (summary(r_hat=1.02), 0, "R-hat is up to 1.020"),
        (summary(r_hat=float("nan")), 0, "R-hat"),
        (summary(ess_bulk=100), 0, "as low as 100"),
        (summary(ess_tail=float("nan")), 0, "effective sample size"),
        (summary(), 3, "3 divergent transitions; try target_accept=0.99"),
    ):
        (problem,) = badly_sampled(found, divergences, sampler)
        assert said in problem
    assert "one chain" in badly_sampled(summary(), 0, sampler.model_copy(update={"chains": 1}))[0]


def test_a_sentence_says_how_much_and_how_sure() -> None:
    contrast = Contrast("x", "With full access the bet is {}", {}, {})
    up = sentence(Effect(contrast, None, 12.34, 4.06, 20.2), "points")
    assert up == "With full access the bet is 12.3 points higher (95% interval 4.1 to 20.2)."
    down = sentence(Effect(contrast, "opt", -1.0, -2.5, 0.25), "ranks")
    assert down.startswith(
        "opt: with full access the bet is 1.00 ranks lower (95% interval −2.50 to 0.25)."
    )
    assert "direction open" in down
    every = [
        sentence(Effect(contrast, None, value, value - 1, value + 1), model.unit)
        for models in MODELS.values()
        for model in models
        for contrast in model.contrasts
        for value in (-5.0, 0.5, 5.0)
    ]
    assert not [text for text in every if "significan" in text.lower() or "*" in text]
    assert all(re.search(r"\(95% interval −?[\d.]+ to −?[\d.]+\)", text) for text in every)


def recovered(model: MixedModel, frame: pd.DataFrame, truths: dict[str, float]) -> None:
    """Every true effect is in its interval, which is not so wide as to hold anything."""
    found = fit(model, frame, tuple(dict.fromkeys(frame["model"])), Sampler.model_validate({}))
    assert found.problems == ()
    effects = {effect.contrast.name: effect for effect in found.effects if effect.model is None}
    widest = 60 if model.unit == "points" else 2.0
    for name, truth in truths.items():
        effect = effects[name]
        assert effect.low < truth < effect.high, name
        assert effect.high - effect.low < widest, name
        assert effect.low < effect.value < effect.high


def access_effects(mean: Callable[[float], float]) -> dict[str, float]:
    one, two = (full_effect(word, mean) for word in ("one", "two"))
    return {
        "full access": (one + two) / 2,
        "full access, one": one,
        "full access, two": two,
    }


@needs_bambi
def test_known_effects_on_a_probability_come_back() -> None:
    recovered(REPORTED, study1(rng(1), items=8, draws=2), access_effects(share))


@needs_bambi
@pytest.mark.stats
def test_known_effects_on_a_yes_or_no_come_back() -> None:
    recovered(KNOWLEDGE, study1(rng(2), items=10, draws=6), access_effects(share))


@needs_bambi
@pytest.mark.stats
def test_known_effects_on_an_ordinal_answer_come_back() -> None:
    recovered(FIRST, study1(rng(3), items=10, draws=6), access_effects(first_answer))


@needs_bambi
@pytest.mark.stats
def test_known_effects_of_the_goals_come_back_with_several_models() -> None:
    bad = {goal: share(eta) for goal, eta in made_up_data.NEGATION.items()}
    truths = {
        f"{goal} against informative": bad[goal] - bad["informative"] for goal in ("both", "kind")
    }
    recovered(NEGATION, study2(rng(4), models=("a", "b")), truths)
    recovered(NEGATION, study2(rng(5), models=tuple("abcdef")), truths)


@needs_bambi
def test_the_command_fits_and_says_so(tmp_path: Path, tiny: Callable[[str], Path]) -> None:
    """On a pilot, which has too little data for any model."""
    folder = grace.run_study(
        "study=1", "exp=2", "pilot=6", f"output={tmp_path}", f"model.path={tiny('llama-byte')}",
        "model.name=tiny",
    ).path  # fmt: skip
    output = run(str(folder), "fit=true", "draws=50", module="grace.stats", cwd=tmp_path)
    assert "No interpretation: too little data" in output
    found = json.loads((folder / "stats_fit.json").read_text(encoding="utf-8"))
    assert found["sampler"]["draws"] == 50
    for one in found["fits"]:
        assert one["ok"] is False
        assert one["problems"]
        assert one["effects"] == []


@needs_bambi
@pytest.mark.stats
def test_the_same_seed_gives_the_same_fit(tmp_path: Path, tiny: Callable[[str], Path]) -> None:
    """The whole command, twice, on a run of a tiny model."""
    folder = grace.run_study(
        "study=1", "exp=2", f"output={tmp_path}", f"model.path={tiny('llama-byte')}",
        "model.name=tiny",
    ).path  # fmt: skip
    found = []
    for place in ("one", "two"):
        out = tmp_path / place
        run(str(folder), "fit=true", f"output={out}", module="grace.stats", cwd=tmp_path)
        found.append((out / "stats_fit.json").read_text(encoding="utf-8"))
    assert found[0] == found[1]
    for one in json.loads(found[0])["fits"]:
        assert one["ok"] or one["problems"]
        assert bool(one["effects"]) is one["ok"]
        for effect in one["effects"]:
            assert effect["low"] <= effect["value"] <= effect["high"]
            assert "95% interval" in effect["interpretation"]
        for estimate in one["estimates"].values():
            assert {"mean", "sd", "low", "high", "rhat", "ess_bulk", "ess_tail"} == set(estimate)


def test_without_the_extra_the_command_says_how_to_install_it(tmp_path: Path) -> None:
    script = (
        "import runpy, sys; sys.modules['bambi'] = None; "
        "sys.argv = ['stats', 'anywhere', 'fit=true']; "
        "runpy.run_module('grace.stats', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'grace-psycholinguistics[stats]'" in done.stderr
    assert "Traceback" not in done.stderr
