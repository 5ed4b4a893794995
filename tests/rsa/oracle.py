"""Both models once more, slowly: plain loops over single objects and single words.

Study 1 goes through all eight ways in which three objects can have the property, with the
speaker looking at the first ones; it knows nothing of binomial or hypergeometric numbers.
"""

from __future__ import annotations

import math
from itertools import product

NUMBERS = ("one", "two", "three")
QUANTIFIERS = ("none", "some", "all")
EXTENSION = {
    "none": {0}, "some": {1, 2, 3}, "all": {3}, "one": {1, 2, 3}, "two": {2, 3}, "three": {3},
}  # fmt: skip
WORLDS = list(product((0, 1), repeat=3))


def chance(world: tuple[int, ...], b: float) -> float:
    return math.prod(b if object_ else 1 - b for object_ in world)


def lexical(word: str, world: tuple[int, ...], b: float, variant: str) -> float:
    """P_lex of the count (or, for "sampled", of the world) given the word."""
    if sum(world) not in EXTENSION[word]:
        return 0.0
    if variant == "published":
        return 1 / len(EXTENSION[word])
    true = [w for w in WORLDS if sum(w) in EXTENSION[word]]
    total = sum(chance(w, b) for w in true)
    if not total:
        return 0.0
    same = [world] if variant == "sampled" else [w for w in true if sum(w) == sum(world)]
    return sum(chance(w, b) for w in same) / total


def say(
    seen: tuple[int, ...], b: float, alpha: float, words: tuple[str, ...], variant: str
) -> dict[str, float]:
    """What a speaker says who has seen the first objects: {word: probability}, {} if nothing."""
    believed = {
        seen + rest: chance(rest, b)
        for rest in product((0, 1), repeat=3 - len(seen))
        if chance(rest, b) > 0
    }
    scores = {}
    for word in words:
        meaning = {world: lexical(word, world, b, variant) for world in believed}
        if variant == "sampled":
            scores[word] = sum(
                p * meaning[world] ** alpha for world, p in believed.items() if meaning[world] > 0
            )
        elif all(p > 0 for p in meaning.values()):
            utility = sum(p * math.log(meaning[world]) for world, p in believed.items())
            scores[word] = math.exp(alpha * utility)
    total = sum(scores.values())
    return {word: score / total for word, score in scores.items()} if total > 0 else {}


def heard(
    word: str, access: int, b: float, alpha: float, variant: str = "published"
) -> tuple[list[float], list[float]]:
    """The listener: ([P(0) … P(3)], [P(o = 0) … P(o = 3)]), NaN where nobody could say it."""
    words = NUMBERS if word in NUMBERS else QUANTIFIERS
    counts, observations = [0.0] * 4, [0.0] * 4
    for world in WORLDS:
        seen = world[:access]
        weight = chance(world, b) * say(seen, b, alpha, words, variant).get(word, 0.0)
        counts[sum(world)] += weight
        observations[sum(seen)] += weight
    total = sum(counts)
    if not total:
        return [math.nan] * 4, [math.nan] * 4
    return [c / total for c in counts], [o / total for o in observations]


def speech(
    theta: list[list[float]],
    alpha: float,
    omega: tuple[float, float, float],
    phi: float,
    cost_was: float,
    cost_wasnt: float,
    grid: list[float],
    *,
    cost_times_alpha: bool = False,
    between: bool = False,
) -> list[list[float]]:
    """The polite speaker: P(utterance | state), 4 × 8. All θ must be above 0."""
    words, states = range(8), range(4)
    price = [cost_was if w < 4 else cost_wasnt for w in words]
    price = [alpha * c for c in price] if cost_times_alpha else price
    l0 = [[theta[w][s] / sum(theta[w]) for s in states] for w in words]

    def softmax(utility: list[float]) -> list[float]:
        weights = [alpha * u - c for u, c in zip(utility, price, strict=True)]
        top = max(weights)
        weights = [math.exp(x - top) for x in weights]
        return [x / sum(weights) for x in weights]

    def s1(s: int, f: float) -> list[float]:
        return softmax(
            [f * math.log(l0[w][s]) + (1 - f) * sum(t * l0[w][t] for t in states) for w in words]
        )

    joint = {(s, f): s1(s, f) for s in states for f in grid}
    total = [sum(p[w] for p in joint.values()) for w in words]
    l1 = [[sum(joint[s, f][w] for f in grid) / total[w] for s in states] for w in words]
    near = phi if between else min(grid, key=lambda f: abs(f - phi))
    shown = [sum(s1(s, near)[w] for s in states) / total[w] for w in words]
    return [
        softmax(
            [
                omega[0] * math.log(l1[w][s])
                + omega[1] * sum(t * l1[w][t] for t in states)
                + omega[2] * math.log(shown[w])
                for w in words
            ]
        )
        for s in states
    ]
