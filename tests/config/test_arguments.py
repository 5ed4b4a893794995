"""Arguments from Python: of the wrong kind one sentence each, of the right kind as they are."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import grace
from grace import figures, rsa

Tiny = Callable[[str], Path]
ASKED, OPTIONS = ["Is the soup warm?"], ["yes", "no"]


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(grace.GraceError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


RIGHT = {
    "tuple": (tuple(ASKED), tuple(OPTIONS)),
    "array": (np.array(ASKED), np.array(OPTIONS)),
    "column": (pd.Series(ASKED), pd.Series(OPTIONS, index=[7, 3])),
    "index": (pd.Index(ASKED), pd.Index(OPTIONS)),
    "categories": (pd.Series(ASKED, dtype="category"), pd.Series(OPTIONS, dtype="category")),
    "generator": ((text for text in ASKED), (text for text in OPTIONS)),
    "conversation": ([[{"role": "user", "content": ASKED[0]}]], OPTIONS),
}


@pytest.mark.parametrize(("prompts", "options"), RIGHT.values(), ids=RIGHT)
def test_lists_of_every_kind_are_scored_alike(prompts: Any, options: Any, tiny: Tiny) -> None:
    folder = tiny("llama-byte")
    right = grace.score(str(folder), ASKED, OPTIONS)
    found = grace.score(folder, prompts, options)
    assert list(found["option"]) == OPTIONS
    pd.testing.assert_frame_equal(found, right)


def test_no_prompts_are_no_rows() -> None:
    assert grace.score("smollm2-135m", [], OPTIONS).empty


WRONG: list[tuple[Any, Any, str]] = [
    (ASKED, "yes", "options: found one string, expected a list of options"),
    ("Warm?", OPTIONS, "prompts: found one string"),
    (ASKED, [1, 2, 3], 'options, number 1: found 1 (int), expected text; write "1"'),
    (ASKED, np.array([1, 2]), "options, number 1: found"),
    (ASKED, ["yes", float("nan")], "options, number 2: found nan (float), expected text"),
    (ASKED, {"yes": ["Yes"]}, "options: found (dict), expected a list"),
    (ASKED, {"yes", "no"}, "options: found (set), expected a list"),
    (ASKED, None, "options: found None"),
    (ASKED, [], "expected at least one"),
    (ASKED, ["yes", "yes"], "each once"),
    (ASKED, ["yes", ""], "an empty option"),
    (ASKED, ["\ud800"], "expected text in UTF-8"),
    (None, OPTIONS, "prompts: found None"),
    (3, OPTIONS, "prompts: found 3 (int)"),
    ([None], OPTIONS, "prompts, number 1: found None"),
    (["a", float("nan")], OPTIONS, "prompts, number 2: found nan (float)"),
    ([pd.NA], OPTIONS, "prompts, number 1: found (NAType)"),
    ([{"role": "user", "content": "x"}], OPTIONS, "found one message"),
    ({"role": "user", "content": "x"}, OPTIONS, "prompts: found (dict)"),
    ([[]], OPTIONS, "found no message"),
    ([[3]], OPTIONS, "expected a role"),
    ([[{"role": "judge", "content": "x"}]], OPTIONS, "expected a role"),
    ([[{"role": "user", "content": None}]], OPTIONS, "expected a role"),
    ([b"x"], OPTIONS, "prompts, number 1: found"),
    (pd.DataFrame({"a": ASKED}), OPTIONS, "prompts: found (DataFrame)"),
    (np.array([ASKED]), OPTIONS, "prompts: found (ndarray)"),
]


@pytest.mark.parametrize(("prompts", "options", "found"), WRONG)
def test_wrong_prompts_and_options(prompts: Any, options: Any, found: str) -> None:
    assert found in refused(lambda: grace.score("smollm2-135m", prompts, options))


PLACES = [None, 3, "nowhere", b"x", "x" * 5000, "a\0b", ["a"], float("nan"), object()]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: repr(place)[:20])
def test_wrong_runs_and_models(place: Any) -> None:
    calls: list[Callable[[Any], object]] = [grace.load, grace.compare_runs, figures.view]
    for call in calls:
        assert "folder of a run" in refused(partial(call, place))
    refused(lambda: grace.score(place, ASKED, OPTIONS))
    refused(lambda: grace.run_study(place))


def test_wrong_settings() -> None:
    assert "expected a list of overrides" in refused(
        lambda: grace.score("smollm2-135m", ASKED, OPTIONS, overrides="seed=1")
    )
    assert "forms" in refused(
        lambda: grace.score("smollm2-135m", ASKED, OPTIONS, forms="no")  # type: ignore[arg-type]
    )
    assert "study/9" in refused(lambda: grace.run_study(study=9))
    assert "pilot: found (list)" in refused(lambda: grace.run_study(pilot=[1]))
    assert "seed=1.5: expected a whole number" in refused(
        lambda: grace.compare_runs("x", seed=1.5)  # type: ignore[arg-type]
    )
    assert "results: found (DataFrame)" in refused(
        lambda: grace.compare_runs(results=pd.DataFrame())  # type: ignore[arg-type]
    )


def test_a_study_runs_with_settings_as_arguments(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [f"model.path={tiny('llama-byte')}", "model.name=tiny"]
    run = grace.run_study(*words, pilot=2, report=False, output=tmp_path / "it's (1)", tag="1.10")
    assert len(run.trials) == 2
    assert run.path == tmp_path / "it's (1)/1/2/tiny-1.10"
    assert grace.load(run).trials.equals(run.trials)
    assert len(repr(run)) < 300


KINDS = [None, 3, -1, "x", float("nan"), [1, 2], {"a": 1}, object(), np.zeros((2, 2)), True, [], "",
         10**30, b"x", pd.DataFrame({"a": [1]})]  # fmt: skip
GOOD: dict[str, list[Any]] = {
    "listener": ["one", 2],
    "knows": ["one", 2],
    "observed": ["one", 2],
    "polite_speaker": ["kind"],
}


@pytest.mark.parametrize("module", [rsa, figures], ids=["rsa", "figures"])
def test_every_public_function_with_wrong_kinds(module: Any, tmp_path: Path) -> None:
    """Whatever is given: a result, or a sentence, and never another error."""
    for name in set(module.__all__) - {"sample", "styled", "View", "Plot"}:
        function = getattr(module, name)
        if not inspect.isfunction(function):
            continue
        parameters = inspect.signature(function).parameters.values()
        alone = [p for p in parameters if p.default is p.empty and p.kind != p.VAR_KEYWORD]
        good = GOOD.get(name, [])
        calls: list[tuple[list[Any], dict[str, Any]]] = [
            ([kind] * len(alone), {}) for kind in KINDS
        ]
        named = [p.name for p in list(parameters)[len(good) :] if p.kind == p.KEYWORD_ONLY]
        calls += [(good, {name: kind}) for name in named for kind in KINDS if good or not alone]
        for words, settings in calls:
            with contextlib.suppress(grace.GraceError):
                function(*words, **settings)


def test_the_package_offers_its_public_names() -> None:
    offered = {name for name in dir(grace) if not name.startswith("_")}
    assert offered == {name for name in grace.__all__ if not name.startswith("_")}
    assert {"score", "run_study", "load", "compare_runs", "figures", "rsa", "Run"} <= offered
    assert callable(grace.figures.bets)
