"""Study 1's listener: published numbers, an independent slow model, limits, invariances."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import grace
from grace import rsa
from grace.errors import GraceError
from grace.rsa.knowledge import Variant
from tests.rsa.oracle import EXTENSION, heard

VARIANTS = list(rsa.LISTENER_VARIANTS)
cells = st.tuples(st.sampled_from(rsa.WORDS), st.sampled_from(rsa.ACCESSES))


@pytest.mark.parametrize(
    ("word", "access", "printed"),
    [
        ("one", 1, "0.00 14.44 47.12 38.44"),
        ("two", 2, "0.0 0.0 38.0 62.0"),
        ("two", 3, "0.00 0.00 93.67 6.33"),
    ],
)
def test_published_numbers(word: str, access: int, printed: str) -> None:
    digits = len(printed.split(maxsplit=1)[0]) - 2
    shown = [f"{100 * p:.{digits}f}" for p in grace.rsa.listener(word, access)]
    assert shown == [f"{float(p):.{digits}f}" for p in printed.split()]


def test_defaults_are_those_of_the_figure() -> None:
    table = rsa.listener_table(0.62, 3.17)
    for i, word in enumerate(rsa.WORDS):
        for j, access in enumerate(rsa.ACCESSES):
            np.testing.assert_array_equal(rsa.listener(word, access), table[i, j])
    assert not np.allclose(rsa.listener("two", 3), rsa.listener("two", 3, alpha=rsa.ALPHA_TEXT))


@settings(max_examples=150, deadline=None)
@given(
    cells,
    st.floats(0, 1),
    st.floats(0, 40),
    st.sampled_from(VARIANTS),
)
@example(("one", 1), 0.0, 3.17, "published")
@example(("all", 1), 1.0, 3.17, "published")
@example(("none", 2), 0.0, 3.17, "literal-prior")
@example(("some", 2), 0.62, 0.0, "published")
def test_as_the_slow_model_says(
    cell: tuple[str, int], b: float, alpha: float, variant: Variant
) -> None:
    assume(b in {0.0, 1.0} or 1e-3 < b < 1 - 1e-3)
    counts, observations = heard(*cell, b, alpha, variant)
    np.testing.assert_allclose(rsa.listener(*cell, b, alpha, variant=variant), counts, atol=1e-9)
    np.testing.assert_allclose(
        rsa.observed(*cell, b, alpha, variant=variant), observations, atol=1e-9
    )


def test_a_word_that_nobody_could_say_has_no_reading() -> None:
    for word in rsa.WORDS:
        for access in rsa.ACCESSES:
            sayable = any(
                set(range(seen, seen + 4 - access)) <= EXTENSION[word] for seen in range(access + 1)
            )
            assert np.isfinite(rsa.listener(word, access)).all() == sayable
            assert np.isnan(rsa.listener(word, access)).all() == (not sayable)
            assert math.isnan(rsa.knows(word, access)) == (not sayable)


def test_a_sure_base_rate_makes_words_sayable() -> None:
    """With every object known to have the property, one glance is enough for "all"."""
    np.testing.assert_array_equal(rsa.listener("all", 1, base_rate=1), [0, 0, 0, 1])
    np.testing.assert_array_equal(rsa.listener("none", 1, base_rate=0), [1, 0, 0, 0])
    assert np.isnan(rsa.listener("one", 1, base_rate=0)).all()
    assert rsa.knows("all", 1, base_rate=1) == 1


@given(cells, st.floats(0.01, 0.99), st.floats(0, 1e6), st.sampled_from(VARIANTS))
@settings(max_examples=60, deadline=None)
def test_a_distribution_over_true_counts(
    cell: tuple[str, int], b: float, alpha: float, variant: Variant
) -> None:
    p = rsa.listener(*cell, b, alpha, variant=variant)
    if np.isnan(p).any():
        assert np.isnan(p).all()
        return
    assert p.sum() == pytest.approx(1)
    assert (p >= 0).all()
    if variant != "sampled":  # nobody says what may be false
        assert set(np.flatnonzero(p)) <= EXTENSION[cell[0]]


def test_a_perfect_speaker_says_the_strongest_word() -> None:
    for word, count in (("one", 1), ("two", 2), ("three", 3), ("none", 0), ("all", 3)):
        assert rsa.listener(word, 3, alpha=1e4)[count] == pytest.approx(1)
    np.testing.assert_allclose(rsa.listener("some", 3, 0.5, 1e4), [0, 0.5, 0.5, 0], atol=1e-12)


def test_an_indifferent_speaker_says_any_true_word() -> None:
    prior = np.array([1, 3, 3, 1]) / 8
    said = prior * [0, 1, 1 / 2, 1 / 3]
    np.testing.assert_allclose(rsa.listener("one", 3, 0.5, 0), said / said.sum())


def test_partial_access_weakens_the_implicature() -> None:
    """The paper's central finding, for numbers and for "some"."""
    one = [rsa.listener("one", access)[1] for access in rsa.ACCESSES]
    assert one[0] < one[1] < one[2]
    some = [rsa.listener("some", access)[3] for access in rsa.ACCESSES]
    assert some[0] > some[1] > some[2]


def test_knowing_is_having_seen_all() -> None:
    assert [rsa.knows("some", access) for access in rsa.ACCESSES] == [0, 0, 1]


def test_arrays_of_parameters_broadcast() -> None:
    b, alpha = np.linspace(0.1, 0.9, 5)[:, None], np.array([0.5, 3.0])
    table = rsa.listener_table(b, alpha)
    assert table.shape == (5, 2, 6, 3, 4)
    np.testing.assert_array_equal(table[3, 1, 3, 1], rsa.listener("one", 2, b[3, 0], alpha[1]))
    assert rsa.listener("one", 2, b, alpha).shape == (5, 2, 4)
    assert rsa.knows("one", 2, b, alpha).shape == (5, 2)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("four", 3), "word='four': expected one of none, some, all, one, two, three"),
        (("one", 4), "access=4: expected 1, 2 or 3"),
        (("one", True), "access=True"),
        (("one", 1, 1.5), "base_rate=1.5: expected a probability"),
        (("one", 1, 0.5, -1), "alpha=-1: expected"),
        (("one", 1, 0.5, math.nan), "alpha=nan: expected"),
        (("one", 1, 0.5, "many"), "alpha='many': expected"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[Any, ...], found: str) -> None:
    with pytest.raises(GraceError, match=found.replace("(", r"\(")):
        rsa.listener(*arguments)


def test_unknown_variant_is_named() -> None:
    with pytest.raises(GraceError, match="variant='other': expected one of published"):
        rsa.listener("one", 1, variant="other")  # type: ignore[arg-type]


def test_nothing_heavy_is_imported() -> None:
    code = "import grace, sys; grace.rsa.listener('one', 2); print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
