"""What log-masses say: distributions, their mass and moments, and two reductions to states.

Everything is vectorised over leading axes, in float64. NaN means *not measured*: it goes
through to every number that would have needed it, and no number is made up in its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def log_softmax(log_masses: ArrayLike, axis: int = -1) -> Floats:
    """Natural logs of the shares of options from the natural logs of their masses.

    Same shape as `log_masses`. −inf is an option of mass zero. A distribution with one
    option missing (NaN) is unknown, and so is one whose options all have mass zero: both
    give NaN throughout, never a uniform distribution.
    """
    masses = _floats(log_masses)
    with np.errstate(invalid="ignore"):  # −inf − −inf: all masses zero
        shifted: Floats = masses - np.max(masses, axis=axis, keepdims=True)
        normalised: Floats = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return normalised


def softmax(log_masses: ArrayLike, axis: int = -1) -> Floats:
    """Shares of options (sum 1 along `axis`) from natural logs of masses; see `log_softmax`."""
    return np.exp(log_softmax(log_masses, axis))


def total_mass(log_masses: ArrayLike, axis: int = -1) -> Floats:
    """The probability of all options together, before normalising: their *mass*.

    `log_masses` (…, options), natural logs of disjoint masses → (…), a probability; 0 where
    all masses are zero, NaN where one is missing.
    """
    return np.asarray(np.sum(np.exp(_floats(log_masses)), axis=axis))


def entropy_bits(p: ArrayLike, axis: int = -1) -> Floats:
    """Shannon entropy −Σ p log₂ p in bits, with 0 log 0 = 0: (…, options) → (…)."""
    probs = _floats(p)
    logs = np.log2(probs, out=np.zeros_like(probs), where=probs != 0)
    return np.asarray(np.abs(np.sum(probs * logs, axis=axis)))  # abs: no −0.0 of a sure answer


def mean(p: ArrayLike, values: ArrayLike) -> Floats:
    """Expected answer Σ p v: p (…, V) and values (V,) → (…), in the unit of the values."""
    return np.asarray(np.sum(_floats(p) * _floats(values), axis=-1))


def std(p: ArrayLike, values: ArrayLike) -> Floats:
    """Standard deviation √(Σ p (v − mean)²) of the distribution itself, not of a sample.

    p (…, V) and values (V,) → (…), in the unit of the values.
    """
    deviations = _floats(values) - mean(p, values)[..., np.newaxis]
    return np.sqrt(mean(p, deviations**2))


def reduce_means(
    matrices: ArrayLike, values: ArrayLike, total: float = 100
) -> tuple[Floats, Floats]:
    """One distribution over K exclusive states from the mean answer about each: *means*.

    `matrices` (…, K, V): for each state the distribution over the answers `values` (V,), in
    percent where `total` is 100. Returns p (…, K) with p_k = m_k / Σm, and the coherence
    Σm / total (…), which is 1 for someone whose answers add up. p is NaN where all means are
    zero; both are NaN where anything is missing.
    """
    means = mean(matrices, values)
    sums = np.sum(means, axis=-1)
    with np.errstate(invalid="ignore"):  # 0 / 0: nothing was thought likely
        p: Floats = means / sums[..., np.newaxis]
    return p, sums / total


def reduce_coherent(
    matrices: ArrayLike, values: ArrayLike, total: float = 100
) -> tuple[Floats, Floats]:
    """One distribution over K exclusive states, given that the answers add up: *coherent*.

    `matrices` (…, K, V): for each state the distribution over the answers `values` (V,). The
    K answers are taken as independent draws and conditioned on their sum being `total`.
    Returns p (…, K), the expected answer about each state under that condition divided by
    `total` (so that p sums to 1), and z (…), the probability of the condition. p is NaN
    where no composition of the total is possible; both are NaN where anything is missing.

    Instead of the compositions (286 for four states and 0, 10, … 100), sums are added up
    state by state from both ends, in log space: exact for a z far below the smallest float.
    """
    distributions = _floats(matrices)
    answers = _floats(values)
    k = distributions.shape[-2]
    steps, goal = _grid(answers, k, total)
    missing = np.asarray(np.isnan(distributions).any(axis=(-2, -1)))
    with np.errstate(divide="ignore"):  # log 0 = −inf: an answer never given
        logs = np.log(np.where(missing[..., np.newaxis, np.newaxis], 0.0, distributions))
    before = [_start(missing.shape, goal)]  # before[i][..., s]: states 0 … i−1 sum to s
    after = [_start(missing.shape, goal)]  # after[i][..., s]: the last i states sum to s
    for i in range(k):
        before.append(_add(before[-1], logs[..., i, :], steps))
        after.append(_add(after[-1], logs[..., k - 1 - i, :], steps))
    expected = np.stack(
        [
            mean(softmax(logs[..., i, :] + _reach(before[i], after[k - 1 - i], steps)), answers)
            for i in range(k)
        ],
        axis=-1,
    )
    z = np.where(missing, np.nan, np.exp(before[k][..., -1]))
    return np.where(missing[..., np.newaxis], np.nan, expected / total), z


def marginals(p: ArrayLike, groups: Mapping[str, Sequence[int]]) -> dict[str, Floats]:
    """Probability of each named group of options, given by their places: (…, options) → (…)."""
    probs = _floats(p)
    return {name: np.sum(probs[..., list(members)], axis=-1) for name, members in groups.items()}


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _grid(values: Floats, k: int, total: float) -> tuple[list[int], int]:
    """Answers and total as whole steps above K times the lowest answer: [0 … 10] and 10.

    Decimals count as printed, so that 0.1 is a tenth.
    """
    exact = [Fraction(str(value)) for value in values.tolist()]
    low = min(exact)
    distances = [value - low for value in exact]
    goal = Fraction(str(total)) - k * low
    scale = math.lcm(*(x.denominator for x in (*distances, goal)))
    whole = [int(x * scale) for x in (*distances, goal)]
    unit = math.gcd(*whole) or 1
    *steps, end = (x // unit for x in whole)
    return steps, end


def _start(shape: tuple[int, ...], goal: int) -> Floats:
    """Log-probabilities of the sums 0 … goal of no answers, (…, goal + 1): surely 0.

    A goal below the lowest sum is never reached.
    """
    sums = np.full((*shape, max(goal, 0) + 1), -np.inf)
    sums[..., 0] = 0.0 if goal >= 0 else -np.inf
    return sums


def _add(sums: Floats, logs: Floats, steps: Sequence[int]) -> Floats:
    """Log-probabilities of sums up to the goal, (…, S), after one more answer (…, V)."""
    found = np.full_like(sums, -np.inf)
    for j, step in enumerate(steps):
        if step < sums.shape[-1]:
            found[..., step:] = np.logaddexp(
                found[..., step:], sums[..., : sums.shape[-1] - step] + logs[..., j, np.newaxis]
            )
    return found


def _reach(before: Floats, after: Floats, steps: Sequence[int]) -> Floats:
    """Log-probability, for each answer (…, V), that all the others make up the goal."""
    found = np.full((*before.shape[:-1], len(steps)), -np.inf)
    size = before.shape[-1]
    for j, step in enumerate(steps):
        if step < size:
            rest = before[..., : size - step] + after[..., size - step - 1 :: -1]
            found[..., j] = np.logaddexp.reduce(rest, axis=-1)
    return found
