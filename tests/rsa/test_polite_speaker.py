"""Study 2's polite speaker: published numbers, an independent slow model, invariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from grace import rsa
from grace.errors import GraceError
from grace.rsa.published import PHI_GRID, PHI_GRID_CODE
from tests.rsa.oracle import speech
from tests.rsa.people import ENDORSED, shares

GRID = [i / 40 for i in range(40)]
weight = st.floats(0, 1)


def oracle(goal: str, **options: bool) -> NDArray[np.float64]:
    g = rsa.GOAL_WEIGHTS[goal]
    omega = (g.omega_inf, g.omega_soc, g.omega_pres)
    return np.array(speech(rsa.THETA.tolist(), 4.47, omega, g.phi, 1, 2.64, GRID, **options))


def test_published_numbers() -> None:
    printed = ".586 .133 .009 .005 .056 .019 .139 .053"
    assert " ".join(f"{p:.3f}"[1:] for p in rsa.polite_speaker("informative")[0]) == printed


@pytest.mark.parametrize("goal", rsa.GOALS)
def test_each_goal_as_the_slow_model_says(goal: str) -> None:
    np.testing.assert_allclose(rsa.polite_speaker(goal), oracle(goal), atol=1e-12)
    printed = rsa.polite_speaker(goal, variant="printed")
    np.testing.assert_allclose(printed, oracle(goal, cost_times_alpha=True), atol=1e-12)
    smooth = rsa.polite_speaker(goal, variant="smooth")
    np.testing.assert_allclose(smooth, oracle(goal, between=True), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0, 15),
    st.tuples(weight, weight, weight),
    weight,
    st.floats(-2, 5),
    st.floats(-2, 5),
    st.lists(st.lists(st.floats(0.001, 1), min_size=4, max_size=4), min_size=8, max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_as_the_slow_model_says(
    alpha: float,
    omega: tuple[float, float, float],
    phi: float,
    cost_was: float,
    cost_wasnt: float,
    theta: list[list[float]],
    printed: bool,
    between: bool,
) -> None:
    if printed:
        phi, between = round(phi * 39) / 40, False  # on the grid: nearest is not in doubt
    elif not between:
        phi = round(phi * 39) / 40
    found = rsa.speaker_table(
        alpha,
        omega,
        phi,
        cost_was=cost_was,
        cost_wasnt=cost_wasnt,
        theta=theta,
        variant="printed" if printed else "smooth" if between else "published",
    )
    expected = speech(
        theta, alpha, omega, phi, cost_was, cost_wasnt, GRID,
        cost_times_alpha=printed, between=between,
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_phi_between_two_steps_is_read_at_the_nearer() -> None:
    for phi, step in ((0.356, 0.35), (0.367, 0.375), (0.49, 0.5), (0.99, 0.975), (0.0125, 0.0)):
        np.testing.assert_array_equal(
            rsa.polite_speaker("kind", phi=phi), rsa.polite_speaker("kind", phi=step)
        )


def test_the_grid_of_the_scripts() -> None:
    """Steps of 0.025 rounded to two decimals, as JavaScript's Math.round does it."""
    assert len(PHI_GRID_CODE) == len(PHI_GRID) == 40
    assert np.abs(PHI_GRID - PHI_GRID_CODE).max() == pytest.approx(0.005)
    steps, at = [], 0.0
    for _ in range(40):
        steps.append(np.floor(at * 100 + 0.5) / 100)
        at += 0.025
    np.testing.assert_allclose(PHI_GRID_CODE, steps, atol=1e-12)
    g = rsa.GOAL_WEIGHTS["both"]
    expected = speech(
        rsa.THETA.tolist(), 4.47, (g.omega_inf, g.omega_soc, g.omega_pres), g.phi, 1, 2.64,
        PHI_GRID_CODE.tolist(),
    )  # fmt: skip
    found = rsa.polite_speaker("both", variant="code-grid")
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_order_and_shape() -> None:
    table = rsa.polite_speaker("informative")
    assert table.shape == (len(rsa.STATES), len(rsa.UTTERANCES)) == (4, 8)
    best = [rsa.UTTERANCES[i] for i in table.argmax(axis=1)]
    assert best[0] == "was terrible"
    assert best[2:] == ["was good", "was amazing"]


def test_synonyms() -> None:
    np.testing.assert_array_equal(
        rsa.polite_speaker("informational"), rsa.polite_speaker("informative")
    )
    np.testing.assert_array_equal(rsa.polite_speaker("social"), rsa.polite_speaker("kind"))


def test_published_fit_to_people() -> None:
    """The paper: the full model explains 97% of the variance of the 96 proportions."""
    model = np.array([rsa.polite_speaker(goal) for goal in rsa.GOALS])
    assert f"{np.corrcoef(model.ravel(), shares().ravel())[0, 1] ** 2:.2f}" == "0.97"


def test_the_paper_as_printed_is_another_model() -> None:
    """With the cost times α hardly anyone would say "wasn't": people do."""
    negated = rsa.polite_speaker("both", variant="printed")[0, 4:].sum()
    assert negated < 0.02 < 0.5 < rsa.polite_speaker("both")[0, 4:].sum()
    assert shares()[0, 0, 4:].sum() > 0.5


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(rsa.GOALS), st.floats(-3, 3), st.floats(0.1, 1))
def test_what_does_not_matter(goal: str, shift: float, scale: float) -> None:
    """A price on every utterance, and a factor on a row of θ, change nothing."""
    usual = rsa.polite_speaker(goal)
    dearer = rsa.polite_speaker(goal, cost_was=1 + shift, cost_wasnt=2.64 + shift)
    np.testing.assert_allclose(dearer, usual, atol=1e-12)
    theta = rsa.THETA.copy()
    theta[3] *= scale
    np.testing.assert_allclose(rsa.polite_speaker(goal, theta=theta), usual, atol=1e-12)


def test_without_reason_only_cost_counts() -> None:
    prior = np.exp(-np.repeat([1, 2.64], 4))
    idle: dict[str, Any] = {"omega_inf": 0, "omega_soc": 0, "omega_pres": 0}
    random: dict[str, Any] = {"alpha": 0}
    for options in (random, idle):
        table = rsa.polite_speaker("kind", **options)
        np.testing.assert_allclose(table, np.tile(prior / prior.sum(), (4, 1)), atol=1e-12)


def test_only_informing_depends_on_the_state() -> None:
    table = rsa.polite_speaker("kind", omega_inf=0, omega_soc=0.5, omega_pres=0.5)
    np.testing.assert_allclose(table, np.tile(table[0], (4, 1)))


def test_utterances_that_are_never_true() -> None:
    """θ of 0 is −∞ for the informational speaker, and no obstacle to a purely kind one."""
    theta = np.array(ENDORSED) / 49
    table = rsa.polite_speaker("both", theta=theta)
    assert np.isfinite(table).all()
    np.testing.assert_allclose(table.sum(axis=1), 1)
    theta[0] = 0  # "was terrible" is true of nothing: nobody says it
    silent = rsa.polite_speaker("both", theta=theta)
    assert (silent[:, 0] == 0).all()
    np.testing.assert_allclose(silent.sum(axis=1), 1)
    assert np.isnan(rsa.polite_speaker("both", theta=np.zeros((8, 4)))).all()


def test_arrays_of_parameters_broadcast() -> None:
    alpha = np.array([1.0, 4.47, 9.0])[:, None]
    goals = list(rsa.GOAL_WEIGHTS.values())
    omega = [[g.omega_inf, g.omega_soc, g.omega_pres] for g in goals]
    table = rsa.speaker_table(alpha, omega, [g.phi for g in goals])
    assert table.shape == (3, 3, 4, 8)
    for i, goal in enumerate(rsa.GOAL_WEIGHTS):
        np.testing.assert_allclose(table[1, i], rsa.polite_speaker(goal), atol=1e-12)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"goal": "rude"}, "goal='rude': expected one of both, informative, kind, informational"),
        ({"phi": 1.2}, "phi=1.2: expected a weight from 0 to 1"),
        ({"alpha": -1}, "alpha=-1: expected"),
        ({"omega_pres": -0.1}, "omega=-0.1: expected"),
        ({"cost_wasnt": float("inf")}, "cost_wasnt=inf: expected"),
        ({"theta": np.ones((4, 8))}, "theta of shape"),
        ({"variant": "other"}, "variant='other': expected one of published"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], found: str) -> None:
    with pytest.raises(GraceError, match=found):
        rsa.polite_speaker(**({"goal": "both"} | options))
