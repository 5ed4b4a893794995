"""Study 1: a listener who knows how much the speaker has seen.

Three objects have a property, each with probability `base_rate`; s of them do. A speaker looks at
`access` of the three, sees that o of those have it, and says a word. The listener knows `access`
but not o:

    L(s | w, a)  ∝  P(s) Σ_o S(w | o, a) P(o | a, s)
    S(w | o, a)  ∝  exp(α E_{P(s | o, a)}[ln P_lex(s | w)])      over the words that compete

(Goodman & Stuhlmüller 2013). P(s) is Binomial(3, b), P(o | a, s) hypergeometric, P_lex uniform over
the counts of which the word is true. ln 0 = −∞: a word that may be false, for all that the speaker
has seen, is never said. Two things follow. A speaker to whom no word is left ("none", "some" and
"all" with nothing seen to be so among one or two objects) says nothing, and the listener does not
count that case. And a word that no speaker could say ("three" by one who saw two) has no reading:
its probabilities are NaN, not a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from types import MappingProxyType, ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from grace.config.argument_kinds import strict
from grace.errors import GraceError
from grace.rsa.arrays import checked, log, over, share
from grace.rsa.published import ALPHA_FIGURE, BASE_RATE, Floats

#: The words of study 1. The first three compete among themselves, and so do the last three.
WORDS = ("none", "some", "all", "one", "two", "three")
ACCESSES = (1, 2, 3)

Variant = Literal["published", "literal-prior", "sampled"]

#: What each variant of the listener is.
LISTENER_VARIANTS: Mapping[Variant, str] = MappingProxyType(
    {
        "published": "as in the paper: expected utility, P_lex uniform over the counts",
        "literal-prior": "P_lex(s | w) ∝ P(s): the literal listener knows the base rate too",
        "sampled": "as in the WebPPL code of the model: the literal listener has the base rate, "
        "over which objects have the property, and the speaker draws one possibility from what "
        "they believe and speaks of that: S(w | o, a) ∝ Σ_s P(s | o, a) exp(α ln P_lex(s | w))",
    }
)

#: Of which counts 0 … 3 each word is true (6 words × 4 counts): numbers mean "at least".
TRUE = np.array(
    [[1, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]], dtype=bool
)


@dataclass(frozen=True)
class _Counting:
    """Combinatorics of 3 objects: the last three are (3 accesses, 4 observations, 4 counts)."""

    ways: Floats  # (4 counts,) ways to choose which objects have the property
    seen: Floats  # P(o | a, s), hypergeometric
    unseen: Floats  # ways to choose which of the objects not seen have the property
    positive: Floats  # how many of those have it
    negative: Floats  # and how many have not


def _counting() -> _Counting:
    ways = np.array([comb(3, s) for s in range(4)], dtype=np.float64)
    seen, unseen, positive, negative = np.zeros((4, len(ACCESSES), 4, 4))
    for i, a in enumerate(ACCESSES):
        for o in range(a + 1):
            for s in range(o, o + 4 - a):
                seen[i, o, s] = comb(s, o) * comb(3 - s, a - o) / comb(3, a)
                unseen[i, o, s] = comb(3 - a, s - o)
                positive[i, o, s], negative[i, o, s] = s - o, 3 - a - (s - o)
    return _Counting(ways, seen, unseen, positive, negative)


_COUNTING = _counting()


@strict
def listener(
    word: str,
    access: int,
    base_rate: ArrayLike = BASE_RATE,
    alpha: ArrayLike = ALPHA_FIGURE,
    *,
    variant: Variant = "published",
) -> Floats:
    """P(s | word, access) for s = 0 … 3 of 3 objects: shape (4,), or (…, 4) for arrays.

    `base_rate` and `alpha` broadcast together. NaN where no speaker with that access could say
    the word. The text of the paper prints α = 3.4, its figure was made with 3.17 (the default).
    """
    w, a = _places(word, access)
    reading: Floats = listener_table(base_rate, alpha, variant=variant)[..., w, a, :]
    return reading


@strict
def listener_table(
    base_rate: ArrayLike = BASE_RATE,
    alpha: ArrayLike = ALPHA_FIGURE,
    *,
    variant: Variant = "published",
) -> Floats:
    """Every reading at once: (…, 6 WORDS, 3 ACCESSES, 4 counts), for arrays of parameters."""
    table: Floats = readings(joint_table(base_rate, alpha, variant).sum(axis=-2))
    return table


@strict
def observed(
    word: str,
    access: int,
    base_rate: ArrayLike = BASE_RATE,
    alpha: ArrayLike = ALPHA_FIGURE,
    *,
    variant: Variant = "published",
) -> Floats:
    """P(o | word, access): how many of the objects they saw had the property, for the listener.

    (…, 4) over o = 0 … 3; NaN where no speaker could say the word.
    """
    w, a = _places(word, access)
    seen: Floats = readings(joint_table(base_rate, alpha, variant).sum(axis=-1))[..., w, a, :]
    return seen


@strict
def knows(
    word: str,
    access: int,
    base_rate: ArrayLike = BASE_RATE,
    alpha: ArrayLike = ALPHA_FIGURE,
    *,
    variant: Variant = "published",
) -> Floats:
    """P(the speaker knows the exact count | word, access): (…), 0 or 1 for all but odd base rates.

    A speaker knows the count if what they saw leaves one possible. The paper's model takes
    access as given, so that this is all or none: 1 with access 3, 0 below it (at a base rate
    of 0 or 1 everybody knows).
    """
    b = checked("base_rate", base_rate, 0, 1, "a probability")
    sure = np.max(_belief(b, np), axis=-1)[..., _places(word, access)[1], :] == 1
    chance: Floats = np.sum(observed(word, access, b, alpha, variant=variant) * sure, axis=-1)
    return chance


def joint_table(base_rate: ArrayLike, alpha: ArrayLike, variant: Variant = "published") -> Floats:
    """P(s) S(w | o, a) P(o | a, s): (…, 6 words, 3 accesses, 4 observations, 4 counts)."""
    if variant not in LISTENER_VARIANTS:
        raise GraceError(f"variant={variant!r}: expected one of {', '.join(LISTENER_VARIANTS)}")
    b = checked("base_rate", base_rate, 0, 1, "a probability")
    high = np.finfo(float).max
    strength = checked("alpha", alpha, 0, high, "a finite number, 0 or more")
    joint: Floats = joint_core(b, strength, variant, np)
    return joint


def joint_core(base_rate: Any, alpha: Any, variant: Variant, xp: ModuleType) -> Any:
    """`joint_table` unchecked, over numpy or jax.numpy.

    Axes within: (…, 2 sets of words that compete, 3 words, 3 accesses, 4 observations, 4 counts).
    """
    base_rate, alpha = xp.broadcast_arrays(xp.asarray(base_rate), xp.asarray(alpha))
    b, strength = (x[..., None, None, None, None, None] for x in (base_rate, alpha))
    counts = np.arange(4)
    one_way = b**counts * (1 - b) ** (3 - counts)  # of one way in which s objects have it
    prior = _COUNTING.ways * one_way
    belief = _belief(base_rate, xp)[..., None, None, :, :, :]  # P(s | o, a)
    true = TRUE.reshape(2, 3, 1, 1, 4)
    extension, size = {
        "published": (xp.ones_like(prior), 1),
        "literal-prior": (prior, 1),
        "sampled": (one_way, _COUNTING.ways),
    }[variant]
    total = xp.sum(true * extension * size, axis=-1, keepdims=True)
    literal = log(over(true * extension, total, 0.0, xp), xp)  # ln P_lex(s | w)
    if variant == "sampled":
        spoken = xp.where(literal > -xp.inf, literal, 0.0)
        utility = xp.where(literal > -xp.inf, strength * spoken, -xp.inf)
        top = xp.max(utility, axis=(-4, -1), keepdims=True)
        top = xp.where(xp.isfinite(top), top, 0.0)
        appeal = log(xp.sum(belief * xp.exp(utility - top), axis=-1), xp)
    else:
        truth = xp.all((belief == 0) | (literal > -xp.inf), axis=-1)
        expected = xp.sum(belief * xp.where(literal > -xp.inf, literal, 0.0), axis=-1)
        appeal = xp.where(truth, strength[..., 0] * expected, -xp.inf)
    joint = prior * share(appeal, -3, xp)[..., None] * _COUNTING.seen
    return xp.reshape(joint, (*base_rate.shape, len(WORDS), *_COUNTING.seen.shape))


def _belief(base_rate: Any, xp: ModuleType) -> Any:
    """P(s | o, a), what the speaker believes: (…, 3 accesses, 4 observations, 4 counts)."""
    b = xp.asarray(base_rate)[..., None, None, None]
    return _COUNTING.unseen * b**_COUNTING.positive * (1 - b) ** _COUNTING.negative


def readings(summed: Any, xp: ModuleType = np) -> Any:
    """Weights over alternatives (last axis) as a distribution; NaN where there are none."""
    return over(summed, xp.sum(summed, axis=-1, keepdims=True), xp.nan, xp)


def _places(word: str, access: int) -> tuple[int, int]:
    """Where a word and an access are in the tables; a GraceError for any other."""
    if word not in WORDS:
        raise GraceError(f"word={word!r}: expected one of {', '.join(WORDS)}")
    if isinstance(access, bool) or access not in ACCESSES:
        raise GraceError(f"access={access!r}: expected 1, 2 or 3 (of 3 objects)")
    return WORDS.index(word), ACCESSES.index(access)
