"""Fitting: parameters come back, intervals are what they claim, and doubts are said."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binom, chi2

from grace import rsa
from grace.errors import GraceError
from grace.rsa.heldout import _split
from grace.rsa.likelihood import Likelihood
from grace.rsa.parameter_space import Parameter, Space
from tests.rsa.people import BETS, COUNTS

CELLS = [("one", 1), ("one", 2), ("one", 3), ("two", 2), ("two", 3), ("some", 2), ("some", 3)]


def expected(b: float, alpha: float, n: float = 1000, lapse: float = 0.0) -> rsa.Answers:
    """Answers in exactly the proportions a listener predicts."""
    table = {cell: rsa.listener(*cell, b, alpha) for cell in CELLS}
    return rsa.listener_answers({c: n * ((1 - lapse) * p + lapse / 4) for c, p in table.items()})


def bets() -> rsa.Answers:
    return rsa.listener_answers(
        {cell: np.array(share) / 100 * n for cell, (share, n) in BETS.items()}
    )


@settings(max_examples=8, deadline=None)
@given(st.floats(0.3, 0.8), st.floats(0.8, 8))
def test_the_listener_comes_back(b: float, alpha: float) -> None:
    data = expected(b, alpha)
    found = rsa.fit(rsa.listener_model(), data, intervals=None, starts=2)
    assert found.point["base_rate"] == pytest.approx(b, abs=1e-3)
    assert found.point["alpha"] == pytest.approx(alpha, rel=1e-2)
    assert found.loglik == pytest.approx(found.saturated, abs=1e-4)
    assert found.converged
    assert not found.notes
    assert {e.status for e in found.estimates.values()} == {"estimated", "held"}


def test_lapses_come_back() -> None:
    found = rsa.fit(rsa.listener_model(lapse=None), expected(0.6, 2.5, lapse=0.1), starts=3)
    lapse = found.estimates["lapse"]
    assert lapse.value == pytest.approx(0.1, abs=2e-3)
    assert lapse.low < 0.1 < lapse.high
    assert found.k == 3
    assert found.aic == pytest.approx(6 - 2 * found.loglik)
    assert found.bic == pytest.approx(3 * math.log(7000) - 2 * found.loglik)


def test_temperature_comes_back() -> None:
    shares = {}
    for cell in CELLS:
        flat = rsa.listener(*cell, 0.6, 2.5) ** (1 / 2)
        shares[cell] = flat / flat.sum()
    model = rsa.listener_model(temperature=None)
    found = rsa.fit(model, rsa.listener_answers(shares, n=500), intervals=None, starts=3)
    assert found.point["temperature"] == pytest.approx(2, rel=0.02)
    assert found.point["alpha"] == pytest.approx(2.5, rel=0.02)


def test_the_polite_speaker_comes_back() -> None:
    truth = {
        "both": ((0.3, 0.2, 0.5), 0.45),
        "informative": ((0.7, 0.1, 0.2), 0.8),
        "kind": ((0.2, 0.6, 0.2), 0.15),
    }
    counts = {
        goal: 500 * rsa.speaker_table(3.5, omega, phi, cost_wasnt=2, variant="smooth")
        for goal, (omega, phi) in truth.items()
    }
    found = rsa.fit(rsa.polite_model(), rsa.polite_answers(counts), intervals=None, starts=2)
    assert found.loglik == pytest.approx(found.saturated, abs=0.01)
    assert found.point["alpha"] == pytest.approx(3.5, rel=0.02)
    assert found.point["cost_wasnt"] == pytest.approx(2, abs=0.02)
    for goal, (omega, phi) in truth.items():
        weights = [found.point[f"{goal}.omega_{name}"] for name in ("inf", "soc", "pres")]
        assert weights == pytest.approx(omega, abs=0.01)
        assert sum(weights) == pytest.approx(1)
        assert found.point[f"{goal}.phi"] == pytest.approx(phi, abs=0.02)


def test_profile_is_the_likelihood_ratio_interval() -> None:
    """ "one" from a speaker who saw one: the rest is Binomial(2, base rate), whatever α is."""
    counts = np.array([0, 9, 22, 13])
    model = rsa.listener_model(alpha=3.17)
    found = rsa.fit(model, rsa.listener_answers({("one", 1): counts}), starts=2)
    share = (22 + 2 * 13) / (2 * 44)

    def above(b: float) -> float:
        def height(x: float) -> float:
            return float(counts[1:] @ binom.logpmf([0, 1, 2], 2, x))

        return height(b) - height(share) + float(chi2.ppf(0.95, 1)) / 2

    estimate = found.estimates["base_rate"]
    assert estimate.value == pytest.approx(share, abs=1e-5)
    assert estimate.low == pytest.approx(brentq(above, 0.01, share), abs=1e-4)
    assert estimate.high == pytest.approx(brentq(above, share, 0.99), abs=1e-4)
    assert estimate.se == pytest.approx(math.sqrt(share * (1 - share) / 88), rel=0.01)


def test_human_bets() -> None:
    """The published figure's α and base rate are in the intervals for the people's bets."""
    found = rsa.fit(rsa.listener_model(lapse=0.02), bets(), starts=3)
    assert found.estimates["alpha"].low < rsa.ALPHA_FIGURE < found.estimates["alpha"].high
    assert found.estimates["base_rate"].low < 0.62 < found.estimates["base_rate"].high
    assert found.uniform < found.loglik < found.saturated


def test_what_the_answers_do_not_tell() -> None:
    data = rsa.listener_answers({("one", 1): [0, 5, 9, 6]})
    for intervals in (None, "profile"):
        found = rsa.fit(rsa.listener_model(), data, intervals=intervals, starts=1)
        assert found.estimates["alpha"].status == "not identified"
        assert math.isnan(found.estimates["alpha"].value)
        assert "alpha: not identified" in found.notes
        assert found.estimates["base_rate"].status == "estimated"


def test_at_a_bound() -> None:
    data = expected(0.6, 2.5)
    found = rsa.fit(rsa.listener_model(lapse=None), data, starts=3)
    lapse = found.estimates["lapse"]
    assert lapse.status == "at lower bound"
    assert lapse.open_low
    assert 0 < lapse.high < 0.01
    assert "lapse: at lower bound" in found.notes


def test_a_weight_of_zero_and_a_phi_that_nobody_sees() -> None:
    """Without presentational weight φ has no effect, and is not reported as if it had."""
    counts = {
        goal: 400 * rsa.speaker_table(3, [0.7, 0.3, 0], 0.5, variant="smooth") for goal in rsa.GOALS
    }
    found = rsa.fit(rsa.polite_model(), rsa.polite_answers(counts), intervals=None, starts=0)
    for goal in rsa.GOALS:
        assert found.point[f"{goal}.omega_pres"] < 0.01
        if found.estimates[f"{goal}.omega_pres"].status == "at lower bound":
            assert found.estimates[f"{goal}.phi"].status == "not identified"
    statuses = {found.estimates[f"{goal}.omega_pres"].status for goal in rsa.GOALS}
    assert "at lower bound" in statuses


def test_answers_the_model_rules_out() -> None:
    with pytest.raises(GraceError, match=r"cell one/2: answer 0 was given .* lapse"):
        rsa.fit(rsa.listener_model(), bets())
    with pytest.raises(GraceError, match="cell three/1: the model has no prediction"):
        rsa.fit(rsa.listener_model(lapse=None), rsa.listener_answers({("three", 1): [0, 0, 1, 9]}))


def test_missing_cells_are_said() -> None:
    nan = [math.nan] * 4
    data = rsa.listener_answers({("one", 1): [0, 5, 9, 6], ("two", 3): nan})
    assert data.cells == (("one", 1),)
    assert data.notes == ("missing and left out: two/3",)
    found = rsa.fit(rsa.listener_model(alpha=3), data, intervals=None, starts=0)
    assert data.notes[0] in found.notes


@pytest.mark.parametrize(
    ("table", "n", "found"),
    [
        ({("four", 1): [1, 2, 3, 4]}, None, "expected a word of none"),
        ({("one", 1): [1, 2, 3]}, None, "cell one/1: found 3 numbers, expected 4"),
        ({("one", 1): [1, math.nan, 3, 4]}, None, "cell one/1: found"),
        ({("one", 1): [-1, 2, 3, 4]}, None, "cell one/1: found"),
        ({("one", 1): [0.25] * 4}, None, "cell one/1: proportions; expected counts, or n="),
        ({("one", 1): [3, 4, 5, 6]}, 20, "cell one/1: a sum of 18, expected proportions"),
        ({("one", 1): [math.nan] * 4}, None, "no cell has an answer"),
        ({("one", 1): ["a", "b", "c", "d"]}, None, "expected numbers"),
    ],
)
def test_bad_answers_are_named(
    table: dict[tuple[str, int], Any], n: float | None, found: str
) -> None:
    with pytest.raises(GraceError, match=found):
        rsa.listener_answers(table, n)


def test_bad_settings_are_named() -> None:
    data = bets()
    for call, found in (
        (lambda: rsa.polite_model(["charm"]), "utilities=charm"),
        (lambda: rsa.polite_model(goals=["rude"]), "goals=rude"),
        (lambda: rsa.polite_model(variant="printed"), "variant='printed': φ is read in steps"),
        (lambda: rsa.listener_model(alpha=0), "alpha=0: expected a number from 0.01 to 100"),
        (lambda: rsa.fit(rsa.listener_model(lapse=None), data, level=95), "level=95"),
        (lambda: rsa.fit(rsa.listener_model(), data, intervals="wald"), "intervals='wald'"),  # type: ignore[arg-type]
        (lambda: rsa.held_out(rsa.listener_model(), expected(0.5, 2, 3)), "proportions"),
        (lambda: rsa.polite_answers({"rude": np.ones((4, 8))}), "goal='rude'"),
        (lambda: rsa.polite_answers({"kind": np.ones((8, 4))}), "4 states × 8 utterances"),
        (lambda: rsa.polite_answers(np.ones((4, 8))), "expected 3 goals"),
        (lambda: rsa.pool([]), "nothing to pool"),
    ):
        with pytest.raises(GraceError, match=found):
            call()


def test_proportions_and_counts_agree() -> None:
    """Percentages fit to the same parameters whatever number of answers they stand for."""
    shares = {cell: share for cell, (share, _) in BETS.items()}
    model = rsa.listener_model(lapse=0.02)
    one, many = (
        rsa.fit(model, rsa.listener_answers(shares, n), intervals=None, starts=2) for n in (1, 40)
    )
    assert one.point == pytest.approx(many.point, rel=1e-3)
    assert many.loglik == pytest.approx(40 * one.loglik)
    assert many.notes == ("proportions, each cell taken as 40 answers",)


def test_bootstrap_agrees_with_the_profile_where_answers_are_many() -> None:
    counts = {cell: np.round(2000 * rsa.listener(*cell, 0.62, 3.17)) for cell in CELLS}
    data = rsa.listener_answers(counts)
    model = rsa.listener_model()
    profile = rsa.fit(model, data, starts=1).estimates
    drawn = rsa.fit(model, data, intervals="bootstrap", resamples=60, starts=1).estimates
    for name in ("alpha", "base_rate"):
        width = profile[name].high - profile[name].low
        assert drawn[name].low == pytest.approx(profile[name].low, abs=0.3 * width)
        assert drawn[name].high == pytest.approx(profile[name].high, abs=0.3 * width)


def test_groups_that_agree_leave_nothing_to_draw() -> None:
    one = rsa.listener_answers({cell: 10 * rsa.listener(*cell) for cell in CELLS})
    data = rsa.pool([one] * 6)
    assert data.n == pytest.approx(420)
    found = rsa.fit(rsa.listener_model(), data, intervals="bootstrap", resamples=5, starts=1)
    assert found.estimates["alpha"].low == pytest.approx(3.17, abs=0.01)
    assert found.estimates["alpha"].high == pytest.approx(3.17, abs=0.01)


def test_groups_may_have_answered_different_cells() -> None:
    data = rsa.pool(
        [
            rsa.listener_answers({("one", 1): [0, 1, 0, 0]}),
            rsa.listener_answers({("two", 2): [0, 0, 1, 0], ("one", 1): [0, 0, 1, 0]}),
        ]
    )
    assert data.cells == (("one", 1), ("two", 2))
    np.testing.assert_array_equal(data.counts, [[0, 1, 1, 0], [0, 0, 1, 0]])


@pytest.mark.parametrize("grouped", [False, True])
def test_held_out_answers_are_each_left_out_once(grouped: bool) -> None:
    rng = np.random.default_rng(1)
    people = [
        rsa.listener_answers({cell: rng.multinomial(2, rsa.listener(*cell)) for cell in CELLS})
        for _ in range(12)
    ]
    data = (
        rsa.pool(people)
        if grouped
        else rsa.listener_answers(dict(zip(CELLS, rsa.pool(people).counts, strict=True)))
    )
    pairs = list(_split(data, 4, np.random.default_rng(0)))
    assert sum(left.counts.sum() for _, left in pairs) == data.n
    np.testing.assert_array_equal(sum(left.counts for _, left in pairs), data.counts)
    for kept, left in pairs:
        np.testing.assert_array_equal(kept.counts + left.counts, data.counts)

    held = rsa.held_out(rsa.listener_model(alpha=3.17, base_rate=0.62), data, folds=4)
    whole = Likelihood(rsa.listener_model(), data).of(
        {"alpha": 3.17, "base_rate": 0.62, "lapse": 0.0, "temperature": 1.0}
    )
    assert held.loglik == pytest.approx(float(whole))  # nothing to fit: nothing is lost
    assert held.by == ("groups" if grouped else "answers")
    assert held.per_answer == pytest.approx(held.loglik / data.n)

    model = rsa.listener_model()
    free = rsa.held_out(model, data, folds=4, starts=1)
    assert free.loglik < rsa.fit(model, data, intervals=None, starts=1).loglik
    assert free.uniform < free.loglik
    with pytest.raises(GraceError, match="folds=1"):
        rsa.held_out(model, data, folds=1)


def test_an_impossible_held_out_answer_counts_as_impossible() -> None:
    data = rsa.listener_answers({("two", 2): [0, 0, 3, 1]})
    held = rsa.held_out(rsa.listener_model(alpha=2, base_rate=0.5), data, folds=4)
    assert math.isfinite(held.loglik)
    wrong = rsa.listener_answers({("two", 2): [0, 1, 3, 1]})
    assert (
        rsa.held_out(rsa.listener_model(alpha=2, base_rate=0.5), wrong, folds=5).loglik == -math.inf
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=5, max_size=5),
    st.sampled_from(["", "a", "b", "c", "d", "e"]),
)
def test_every_point_of_the_box_is_valid(x: list[float], first: str) -> None:
    """Weights sum to 1, and parameters lead back to the same parameters."""
    scalar = Parameter("alpha", 0.01, 100, (0, 20), log=True)
    space = Space((scalar,), (("a", "b", "c"), ("d", "e", "f")))
    box = space.box
    point = box[:, 0] + np.array(x) * (box[:, 1] - box[:, 0])
    values = {name: float(v) for name, v in space.values(point, first).items()}
    for set_ in space.weights:
        assert sum(values[name] for name in set_) == pytest.approx(1)
        assert all(-1e-12 <= values[name] <= 1 for name in set_)
    again = space.values(space.point(values, first), first)
    assert {name: float(v) for name, v in again.items()} == pytest.approx(values, abs=1e-9)
    if first:
        other = point.copy()
        other[space.position(first)] = 0.25
        assert float(space.values(other, first)[first]) == pytest.approx(0.25)


def test_every_start_is_in_the_box() -> None:
    space = rsa.polite_model().space
    starts = space.starts(200, seed=3)
    assert ((starts >= space.box[:, 0]) & (starts <= space.box[:, 1])).all()
    weights = np.stack([space.values(starts)[name] for name in space.weights[0]])
    np.testing.assert_allclose(weights.mean(axis=1), 1 / 3, atol=0.03)  # even over the simplex


@pytest.mark.parametrize("seed", [0, 1])
def test_the_slope_is_that_of_the_likelihood(seed: int) -> None:
    likelihood = Likelihood(rsa.polite_model(lapse=None), rsa.polite_answers(COUNTS))
    x = likelihood.model.space.starts(4, seed)[seed]
    _, slope = likelihood.slope(x)
    width = likelihood.box[:, 1] - likelihood.box[:, 0]
    for i, step in itertools.product(range(len(x)), (1e-4,)):
        move = np.eye(len(x))[i] * width * step
        five = [float(likelihood.at(x + k * move)) for k in (-2, -1, 1, 2)]
        direct = (five[0] - 8 * five[1] + 8 * five[2] - five[3]) / (12 * width[i] * step)
        assert slope[i] == pytest.approx(direct, rel=1e-3, abs=1e-2)
