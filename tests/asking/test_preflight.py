"""The preflight: each finding's colour, and the command as a user sees it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from grace.asking import preflight
from grace.types import Message, Option, OptionScore, OptionScores, Prompt, Query
from tests.runs.test_run import run


def test_the_command(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    model = (f"model.path={tiny('llama-byte')}", "model.name=tiny")
    output = run("study=1", "exp=2", *model, cwd=tmp_path, module="grace.check")
    for name in ("engine", "beginning", "boundary", "mass on 3 trials", "noise", "whole run"):
        assert name in output
    assert "240 queries for 192 rows" in output
    assert "‖" in output  # where options begin
    assert list(tmp_path.iterdir()) == []


def test_raw_answers(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    model = (f"model.path={tiny('llama-byte')}", "model.name=tiny", "exp.max_tokens=5")
    output = run("study=2", "exp=1", *model, cwd=tmp_path, module="grace.check")
    assert "3 of 3 drawn" in output
    assert "texts alike with equal seeds" in output


def prompt(context: tuple[int, ...], *flags: str) -> Prompt:
    query = Query((Message("user", "?"),), (Option("a", "a"),))
    return Prompt(query, "?", context, ((),), flags)


@pytest.mark.parametrize(
    ("context", "bos", "chat", "colour", "says"),
    [
        ((1, 5, 6), 1, True, "green", "one beginning"),
        ((1, 1, 5), 1, True, "red", "2 beginning"),
        ((1, 1, 1), 1, False, "red", "3 beginning"),
        ((5, 5, 5, 6), None, False, "green", "no beginning"),  # "......"
        ((5, 5, 5, 6), 1, False, "green", "that it does not add"),
        ((5, 6), 1, True, "amber", "no beginning-of-sequence token, though"),
        ((), 1, True, "amber", "no token ids"),
    ],
)
def test_the_beginning_is_told_as_it_is(
    context: tuple[int, ...], bos: int | None, chat: bool, colour: str, says: str
) -> None:
    found = preflight.beginnings([prompt(context)], bos, chat=chat)
    assert (found.colour, says in found.found) == (colour, True), found


def test_a_merged_boundary_is_amber() -> None:
    assert preflight.boundaries([prompt((1,))]).colour == "green"
    assert preflight.boundaries([prompt((1,), "boundary_merged")]).colour == "amber"


def scores(*p: float) -> OptionScores:
    return OptionScores(
        tuple(OptionScore(str(i), math.log(v), 1, math.log(v)) for i, v in enumerate(p)), "exact"
    )


@pytest.mark.parametrize(
    ("second", "colour"), [(0.5, "green"), (0.52, "amber"), (0.8, "red"), (math.nan, "red")]
)
def test_noise_by_its_size(second: float, colour: str) -> None:
    other = scores(second, 1 - second)
    assert preflight.noise({"q": scores(0.5, 0.5)}, {"q": other}).colour == colour
