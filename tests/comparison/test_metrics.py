"""The metrics by their properties, and against scipy."""

from __future__ import annotations

import math
from collections.abc import Callable

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats
from scipy.spatial.distance import jensenshannon

from grace.comparison.humans import people
from grace.comparison.metrics import (
    Floats,
    correlation,
    earth_movers,
    floored,
    jensen_shannon,
    log_likelihood,
    negation,
    over_cells,
    rmse_points,
    saturated_likelihood,
    total_variation,
    uniform_likelihood,
)


@st.composite
def distributions(draw: st.DrawFn, number: int = 2, options: int = 4) -> list[Floats]:
    """Sets of distributions (cells, options), with zeros among them."""
    cells = draw(st.integers(1, 6))
    weights = hnp.arrays(float, (number, cells, options), elements=st.floats(0, 1, width=32))
    found = draw(weights)
    assume((found.sum(axis=-1) > 1e-3).all())
    return list(found / found.sum(axis=-1, keepdims=True))


Distance = Callable[[ArrayLike, ArrayLike], Floats]
BOUNDS: dict[Distance, float] = {total_variation: 1.0, jensen_shannon: 1.0, earth_movers: 3.0}


@pytest.mark.parametrize("distance", BOUNDS)
@given(pair=distributions())
def test_distances_are_bounded_and_symmetric(distance: Distance, pair: list[Floats]) -> None:
    p, q = pair
    assert distance(p, q).shape == p.shape[:-1]
    assert (distance(p, q) >= 0).all()
    assert (distance(p, q) <= BOUNDS[distance] + 1e-12).all()
    assert distance(p, q) == pytest.approx(distance(q, p), abs=1e-12)


@pytest.mark.parametrize("distance", BOUNDS)
@given(pair=distributions(1))
def test_distances_are_zero_on_identity_only(distance: Distance, pair: list[Floats]) -> None:
    (p,) = pair
    assert distance(p, p) == pytest.approx(0, abs=1e-12)
    moved = np.roll(p, 1, axis=-1)
    apart = np.abs(p - moved).max(axis=-1) > 1e-4
    assert (distance(p, moved)[apart] > 0).all()


@pytest.mark.parametrize(
    ("distance", "power"), [(total_variation, 1), (earth_movers, 1), (jensen_shannon, 0.5)]
)
@given(three=distributions(3))
def test_distances_obey_the_triangle(distance: Distance, power: float, three: list[Floats]) -> None:
    p, q, r = three
    way = distance(p, q) ** power + distance(q, r) ** power
    assert (distance(p, r) ** power <= way + 1e-7).all()


@given(pair=distributions(2, 8))
def test_jensen_shannon_is_scipys(pair: list[Floats]) -> None:
    p, q = pair
    theirs = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, q, strict=True)]
    assert jensen_shannon(p, q) == pytest.approx(np.array(theirs), abs=1e-9)


@given(pair=distributions())
def test_earth_movers_is_scipys(pair: list[Floats]) -> None:
    p, q = pair
    states = np.arange(4)
    theirs = [stats.wasserstein_distance(states, states, a, b) for a, b in zip(p, q, strict=True)]
    assert earth_movers(p, q) == pytest.approx(np.array(theirs), abs=1e-9)


@given(pair=distributions())
def test_correlation_is_scipys(pair: list[Floats]) -> None:
    p, q = pair
    assume(p.std() > 1e-3)
    assume(q.std() > 1e-3)
    assert correlation(p, q) == pytest.approx(stats.pearsonr(p.ravel(), q.ravel())[0], abs=1e-9)
    assert -1 <= correlation(p, q) <= 1
    assert correlation(p, p) == pytest.approx(1)


def test_correlation_with_what_is_the_same_throughout_is_undefined() -> None:
    p = np.full((12, 8), 1 / 8)
    assert math.isnan(correlation(p, people("2").distribution))


@given(pair=distributions())
def test_rmse_is_the_root_of_the_mean_square_in_points(pair: list[Floats]) -> None:
    p, q = pair
    assert rmse_points(p, q) == pytest.approx(100 * np.sqrt(((p - q) ** 2).mean()))
    assert rmse_points(p, q) == rmse_points(q, p)
    assert rmse_points(p, p) == 0
    assert rmse_points(p, q) <= 100


@given(pair=distributions(2, 8), n=st.integers(1, 50))
def test_likelihood_is_scipys_without_its_constant(pair: list[Floats], n: int) -> None:
    p, q = pair
    counts = np.round(n * q)
    p = floored(p, 1e-6)
    theirs = sum(
        stats.multinomial.logpmf(c, c.sum(), a)
        - stats.multinomial.logpmf(c, c.sum(), np.full(8, 1 / 8))
        for c, a in zip(counts, p / p.sum(axis=-1, keepdims=True), strict=True)
    )
    ours = float(log_likelihood(counts, p)) - uniform_likelihood(counts)
    assert ours == pytest.approx(theirs, abs=1e-6 * (1 + abs(theirs)))


@given(pair=distributions(2, 8), n=st.integers(1, 200))
def test_no_prediction_is_likelier_than_saturated(pair: list[Floats], n: int) -> None:
    p, q = pair
    counts = np.round(n * q)
    assert float(log_likelihood(counts, p)) <= saturated_likelihood(counts) + 1e-9


def test_the_ends_of_the_likelihood_are_the_published_ones() -> None:
    counts = people("2").counts
    assert counts is not None
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert saturated_likelihood(counts) == pytest.approx(-2598.1, abs=0.05)
    assert uniform_likelihood(counts) == pytest.approx(-5065.5, abs=0.05)
    assert float(log_likelihood(counts, shares)) == pytest.approx(-2598.1, abs=0.05)
    assert float(log_likelihood(counts, np.full((12, 8), 1 / 8))) == pytest.approx(
        -5065.5, abs=0.05
    )


def test_a_floor_bounds_what_one_answer_can_cost() -> None:
    counts = np.array([[1.0, 0.0]])
    never = np.array([[0.0, 1.0]])
    assert float(log_likelihood(counts, never, 1e-3)) == pytest.approx(math.log(1e-3), abs=1e-2)
    assert np.isfinite(log_likelihood(counts, never))


@given(pair=distributions(), which=st.integers(0, 5))
def test_a_missing_cell_is_left_out_of_every_summary(pair: list[Floats], which: int) -> None:
    p, q = pair
    assume(len(p) > 1)
    gone = which % len(p)
    holed = p.copy()
    holed[gone] = np.nan
    rest = [i for i in range(len(p)) if i != gone]
    assert rmse_points(holed, q) == pytest.approx(rmse_points(p[rest], q[rest]))
    assert correlation(holed, q) == pytest.approx(correlation(p[rest], q[rest]), nan_ok=True)
    for distance in BOUNDS:
        assert np.isnan(distance(holed, q)[gone])
        found = over_cells(distance(holed, q))
        assert found == pytest.approx(distance(p[rest], q[rest]).mean())


@given(pair=distributions(4, 8))
def test_draws_are_measured_all_at_once_as_one_by_one(pair: list[Floats]) -> None:
    *draws, reference = pair
    for statistic in (rmse_points, correlation, lambda p, q: over_cells(jensen_shannon(p, q))):
        together = statistic(np.stack(draws), reference)
        alone = [float(statistic(draw, reference)) for draw in draws]
        assert together == pytest.approx(np.array(alone), nan_ok=True)


def test_negation_is_the_share_of_wasnt() -> None:
    assert negation(np.array([0.1, 0.1, 0.1, 0.2, 0.05, 0.15, 0.2, 0.1])) == pytest.approx(0.5)
