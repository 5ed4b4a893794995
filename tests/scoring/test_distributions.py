"""Scores against other ways to compute them: exact fractions, enumeration, scipy."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike

from grace.scoring import distributions as scores
from grace.scoring.distributions import Floats

PERCENT = np.arange(0, 101, 10)
NAN, INF = float("nan"), float("inf")

#: Rows of fractions that sum to 1, the answers, and a total.
Design = tuple[list[list[Fraction]], list[int], int]
Moment = Callable[[ArrayLike, ArrayLike], Floats]
Reduction = Callable[[ArrayLike, ArrayLike], tuple[Floats, Floats]]

shapes = st.tuples(st.integers(1, 3), st.integers(1, 6))
#: Log-masses as they come: far below any float's probability, or −inf for an option of none.
log_masses = shapes.flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-2000, 0) | st.just(-INF))
)


@st.composite
def designs(draw: st.DrawFn) -> Design:
    """K rows of fractions that sum to 1, the answers, and a total."""
    k, v = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    values = draw(st.lists(st.integers(-6, 30), min_size=v, max_size=v))
    weights = st.lists(st.integers(0, 9), min_size=v, max_size=v).filter(any)
    rows = [[Fraction(w, sum(row)) for w in row] for row in (draw(weights) for _ in range(k))]
    reachable = sum(draw(st.sampled_from(values)) for _ in range(k))
    return rows, values, draw(st.just(reachable) | st.integers(-10, 60)) or 1


def enumerated(
    rows: list[list[Fraction]], values: list[int], total: int
) -> tuple[Fraction, list[Fraction] | None]:
    """The coherent reduction by its definition: every combination of answers, exactly."""
    z, expected = Fraction(0), [Fraction(0)] * len(rows)
    for places in product(range(len(values)), repeat=len(rows)):
        answers = [values[j] for j in places]
        if sum(answers) != total:
            continue
        weight = Fraction(1)
        for row, j in zip(rows, places, strict=True):
            weight *= row[j]
        z += weight
        expected = [e + weight * a for e, a in zip(expected, answers, strict=True)]
    return z, [e / z / total for e in expected] if z else None


# Shares and mass


@given(log_masses)
def test_softmax_is_scipys_and_sums_to_one(masses: Floats) -> None:
    known = np.isfinite(masses).any(axis=-1)
    found = scores.softmax(masses)
    np.testing.assert_allclose(found[known], scipy.special.softmax(masses[known], axis=-1))
    np.testing.assert_allclose(found[known].sum(axis=-1), 1, atol=1e-12)
    assert np.isnan(found[~known]).all()
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(
            scores.log_softmax(masses)[known], scipy.special.log_softmax(masses[known], axis=-1)
        )


@given(log_masses)
def test_total_mass_is_the_sum_of_the_masses(masses: Floats) -> None:
    exact = [sum(map(Fraction, np.exp(row).tolist()), Fraction(0)) for row in masses]
    np.testing.assert_allclose(scores.total_mass(masses), [float(x) for x in exact])


def test_softmax_of_masses_no_float_can_hold() -> None:
    np.testing.assert_allclose(
        scores.softmax([-800 + np.log(1), -800 + np.log(3)]), [0.25, 0.75], rtol=1e-12
    )
    assert scores.total_mass([-800, -800]) == 0


@pytest.mark.parametrize(
    "masses",
    [[-1.0, NAN], [NAN, NAN], [NAN, -INF], [-INF, -INF], [-INF]],
    ids=["one missing", "all missing", "missing and zero", "all zero", "only option zero"],
)
def test_unknown_distribution_is_missing_and_never_uniform(masses: list[float]) -> None:
    assert np.isnan(scores.softmax(masses)).all()
    assert np.isnan(scores.log_softmax(masses)).all()


def test_missing_option_leaves_other_rows_alone() -> None:
    found = scores.softmax([[-1.0, NAN], [-1.0, -INF]])
    assert np.isnan(found[0]).all()
    assert found[1].tolist() == [1, 0]
    mass = scores.total_mass([[-1.0, NAN], [-INF, -INF], [np.log(0.25), np.log(0.5)]])
    assert np.isnan(mass[0])
    assert mass[1:] == pytest.approx([0, 0.75])


def test_softmax_along_another_axis() -> None:
    masses = np.log([[0.1, 0.3], [0.3, 0.3]])
    np.testing.assert_allclose(scores.softmax(masses, axis=0), [[0.25, 0.5], [0.75, 0.5]])
    np.testing.assert_allclose(scores.total_mass(masses, axis=0), [0.4, 0.6])


@pytest.mark.filterwarnings("error")
def test_edge_cases_do_not_warn() -> None:
    edges = np.array([[NAN, -1.0], [-INF, -INF], [-INF, 0.0]])
    scores.total_mass(edges)
    scores.entropy_bits(scores.softmax(edges))
    scores.reduce_means(scores.softmax(edges), [0, 100])
    scores.reduce_coherent(scores.softmax(edges), [0, 100])
    scores.reduce_means([[1, 0], [1, 0]], [0, 100])


# Moments and entropy


@pytest.mark.parametrize(
    ("p", "bits"),
    [
        ([1, 0, 0], 0),
        ([0.5, 0.5], 1),
        ([0.5, 0.25, 0.125, 0.125], 1.75),
        ([1 / 11] * 11, np.log2(11)),
    ],
)
def test_entropy_worked_by_hand(p: list[float], bits: float) -> None:
    assert scores.entropy_bits(p) == pytest.approx(bits, abs=1e-12)


def test_entropy_of_a_sure_answer_is_a_plain_zero() -> None:
    assert str(float(scores.entropy_bits([0.0, 1.0]))) == "0.0"


@given(log_masses.filter(lambda masses: np.isfinite(masses).any(axis=-1).all()))
def test_entropy_is_scipys(masses: Floats) -> None:
    p = scores.softmax(masses)
    np.testing.assert_allclose(
        scores.entropy_bits(p), scipy.stats.entropy(p, base=2, axis=-1), atol=1e-12
    )


def test_moments_worked_by_hand() -> None:
    p = [[0.5, 0.3, 0.2], [0.0, 1.0, 0.0]]
    np.testing.assert_allclose(scores.mean(p, [0, 50, 100]), [35, 50])
    # 0.5·35² + 0.3·15² + 0.2·65² = 612.5 + 67.5 + 845 = 1525
    np.testing.assert_allclose(scores.std(p, [0, 50, 100]), [np.sqrt(1525), 0])


@given(designs())
def test_moments_are_those_of_exact_arithmetic(design: Design) -> None:
    rows, values, _ = design
    p = np.array(rows, dtype=float)
    means = [sum(x * v for x, v in zip(row, values, strict=True)) for row in rows]
    variances = [
        sum(x * (v - m) ** 2 for x, v in zip(row, values, strict=True))
        for row, m in zip(rows, means, strict=True)
    ]
    np.testing.assert_allclose(scores.mean(p, values), [float(m) for m in means], atol=1e-12)
    np.testing.assert_allclose(
        scores.std(p, values), [float(v) ** 0.5 for v in variances], atol=1e-6
    )


@pytest.mark.parametrize("score", [scores.mean, scores.std])
def test_moments_of_what_is_missing_are_missing(score: Moment) -> None:
    assert np.isnan(score([NAN, 0.5], [0, 100]))
    assert np.isnan(score([0.5, 0.5], [0, NAN]))


def test_entropy_of_what_is_missing_is_missing() -> None:
    assert np.isnan(scores.entropy_bits([NAN, 1.0]))


# The two reductions


def test_reductions_worked_by_hand() -> None:
    matrix = [[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]]
    p, coherence = scores.reduce_means(matrix, [0, 50, 100])
    np.testing.assert_allclose(p, [35 / 95, 60 / 95])
    assert coherence == pytest.approx(0.95)
    # (0, 100): .5·.3 = .15   (50, 50): .3·.6 = .18   (100, 0): .2·.1 = .02
    p, z = scores.reduce_coherent(matrix, [0, 50, 100])
    assert z == pytest.approx(0.35)
    np.testing.assert_allclose(p, [(0.18 * 50 + 0.02 * 100) / 35, (0.15 * 100 + 0.18 * 50) / 35])


def test_four_uniform_rows_have_286_compositions() -> None:
    p, z = scores.reduce_coherent(np.full((4, 11), 1 / 11), PERCENT)
    assert z == pytest.approx(286 / 11**4)
    np.testing.assert_allclose(p, 0.25)


def test_coherent_rows_agree_with_the_enumeration_of_all_compositions() -> None:
    rng = np.random.default_rng(1)
    logs = np.log(rng.dirichlet(np.full(11, 0.2), size=(5, 4)) + 1e-30)
    places = np.array([c for c in product(range(11), repeat=4) if sum(c) == 10])
    assert len(places) == 286
    weights = logs[:, np.arange(4), places].sum(axis=-1)
    log_z = scipy.special.logsumexp(weights, axis=-1)
    posterior = np.exp(weights - log_z[:, np.newaxis])
    p, z = scores.reduce_coherent(np.exp(logs), PERCENT)
    np.testing.assert_allclose(p, posterior @ (places / 10), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(z, np.exp(log_z), rtol=1e-9)


@settings(max_examples=150)
@given(designs())
def test_coherent_is_its_definition_for_any_states_answers_and_total(design: Design) -> None:
    rows, values, total = design
    z, p = enumerated(rows, values, total)
    found_p, found_z = scores.reduce_coherent(np.array(rows, dtype=float), values, total)
    assert found_z == pytest.approx(float(z), rel=1e-9, abs=1e-300)
    if p is None:
        assert np.isnan(found_p).all()
    else:
        np.testing.assert_allclose(found_p, [float(x) for x in p], rtol=1e-9, atol=1e-9)
        assert found_p.sum() == pytest.approx(1, abs=1e-9)


@settings(max_examples=50)
@given(arrays(np.float64, (3, 4, 11), elements=st.floats(-60, 0)))
def test_both_reductions_are_distributions_whatever_the_rows(masses: Floats) -> None:
    matrices = scores.softmax(masses)
    for p, other in (
        scores.reduce_means(matrices, PERCENT),
        scores.reduce_coherent(matrices, PERCENT),
    ):
        assert p.shape == (3, 4)
        assert other.shape == (3,)
        assert (p >= 0).all()
        assert (other > 0).all()
        np.testing.assert_allclose(p.sum(axis=-1), 1, atol=1e-9)


@settings(max_examples=30)
@given(arrays(np.float64, (2, 4, 11), elements=st.floats(-9, 0)), st.permutations(range(4)))
def test_reductions_do_not_depend_on_the_order_of_states_or_other_trials(
    masses: Floats, order: list[int]
) -> None:
    matrices = scores.softmax(masses)
    for reduce in (scores.reduce_means, scores.reduce_coherent):
        p, other = reduce(matrices, PERCENT)
        permuted, same = reduce(matrices[1, order], PERCENT)
        np.testing.assert_allclose(permuted, p[1, order], rtol=1e-9)
        np.testing.assert_allclose(same, other[1], rtol=1e-9)


def test_sure_answers_that_add_up_are_kept_as_they_are() -> None:
    rows = np.eye(11)[[0, 0, 3, 7]]
    for p, one in (scores.reduce_means(rows, PERCENT), scores.reduce_coherent(rows, PERCENT)):
        np.testing.assert_allclose(p, [0, 0, 0.3, 0.7])
        assert one == pytest.approx(1)


def test_sure_answers_that_do_not_add_up_have_no_coherent_reading() -> None:
    rows = np.eye(11)[[0, 0, 3, 8]]
    p, coherence = scores.reduce_means(rows, PERCENT)
    np.testing.assert_allclose(p, [0, 0, 3 / 11, 8 / 11])
    assert coherence == pytest.approx(1.1)
    p, z = scores.reduce_coherent(rows, PERCENT)
    assert z == 0
    assert np.isnan(p).all()


def test_no_state_thought_likely_is_no_distribution() -> None:
    p, coherence = scores.reduce_means(np.eye(11)[[0, 0, 0, 0]], PERCENT)
    assert np.isnan(p).all()
    assert coherence == 0


def test_coherent_where_the_condition_is_less_probable_than_any_float() -> None:
    rare = [[1, 1e-200], [1, 1e-200], [1, 1e-200], [1, 3e-200]]
    p, z = scores.reduce_coherent(rare, [0, 25])  # only 25 + 25 + 25 + 25
    assert z == 0
    np.testing.assert_allclose(p, 0.25)
    p, z = scores.reduce_coherent(rare, [0, 100])  # one state at 100, three at 0
    assert z == pytest.approx(6e-200)
    np.testing.assert_allclose(p, [1 / 6, 1 / 6, 1 / 6, 3 / 6])


@pytest.mark.parametrize("total", [50, 500])
def test_total_out_of_reach(total: int) -> None:
    p, z = scores.reduce_coherent([[0.5, 0.5], [0.5, 0.5]], [60, 100], total)
    assert z == 0
    assert np.isnan(p).all()


def test_decimal_grids_and_totals() -> None:
    matrices = scores.softmax(np.random.default_rng(2).normal(size=(4, 11)))
    p, z = scores.reduce_coherent(matrices, PERCENT, 100)
    tenths, z_tenths = scores.reduce_coherent(matrices, PERCENT / 100, 1.0)
    np.testing.assert_allclose(tenths, p)
    assert z_tenths == pytest.approx(z)


@pytest.mark.parametrize("where", [(1, 2, 5), (1, slice(None), slice(None)), (1, 0, 10)])
@pytest.mark.parametrize("reduce", [scores.reduce_means, scores.reduce_coherent])
def test_trial_with_anything_missing_is_missing_and_no_other(
    reduce: Reduction, where: tuple[int | slice, ...]
) -> None:
    whole = scores.softmax(np.random.default_rng(3).normal(size=(3, 4, 11)))
    holed = whole.copy()
    holed[where] = NAN
    p, other = reduce(holed, PERCENT)
    assert np.isnan(p[1]).all()
    assert np.isnan(other[1])
    expected_p, expected = reduce(whole, PERCENT)
    np.testing.assert_allclose(p[[0, 2]], expected_p[[0, 2]])
    np.testing.assert_allclose(other[[0, 2]], expected[[0, 2]])


def test_no_trials() -> None:
    p, z = scores.reduce_coherent(np.empty((0, 4, 11)), PERCENT)
    assert p.shape == (0, 4)
    assert z.shape == (0,)


# Marginals


def test_marginals_of_the_eight_utterances() -> None:
    p = np.array([[0.1, 0.2, 0.05, 0.05, 0.1, 0.2, 0.1, 0.2], [NAN] * 8])
    found = scores.marginals(p, {"was": range(4), "wasnt": range(4, 8), "bad": [1, 5]})
    assert {name: value[0] for name, value in found.items()} == pytest.approx(
        {"was": 0.4, "wasnt": 0.6, "bad": 0.4}
    )
    assert all(np.isnan(value[1]) for value in found.values())
