"""Whether two answers to one question agree.

The same model gives the same question slightly different numbers: batches are cut differently,
kernels add in another order. How different depends on the numeric type. An answer of another
model, chat template or revision is further away in some token than any of this.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from grace.types import Generation, OptionScore, OptionScores

#: How far two log-probabilities (natural log) of one token may be apart. The half-precision
#: types keep 11 and 8 bits, so that a step of a logit between 16 and 32 is 1/64 and 1/8; the
#: tolerance is eight steps. Measured between two ways to cut the same 48 prompts into batches
#: (SmolLM2-135M): 0.00003 in float32, 0.035 in float16, 0.35 in bfloat16.
TOLERANCES = {"float64": 1e-3, "float32": 1e-3, "float16": 1 / 8, "bfloat16": 1.0}
#: For quantised types, and those a server calls by names of its own.
COARSEST = 1.0


def default_tolerance(dtype: str) -> float:
    """The tolerance for a numeric type."""
    return TOLERANCES.get(dtype, COARSEST)


def largest_difference(ours: OptionScores, theirs: OptionScores) -> float:
    """The largest difference of two measured numbers; infinite where only one was measured."""
    pairs = zip(ours.options, theirs.options, strict=True)
    return max((d for one, other in pairs for d in _differences(one, other)), default=0.0)


def disagreement(
    ours: OptionScores | Generation, theirs: OptionScores | Generation, tolerance: float
) -> str:
    """What two answers disagree on, "" where they agree."""
    if isinstance(ours, Generation) or isinstance(theirs, Generation):
        if type(ours) is not type(theirs):
            return "scores and a text"
        same = isinstance(ours, Generation) and ours.text == getattr(theirs, "text", None)
        return "" if same else "different texts"
    if [_measured(option) for option in ours.options] != [
        _measured(option) for option in theirs.options
    ]:
        return "different options or tokens"
    for one, other in zip(ours.options, theirs.options, strict=True):
        difference = max(_differences(one, other), default=0.0)
        if difference > tolerance:
            return f"log-probabilities of {one.name} are {difference:.3g} apart"
    return ""


def _measured(option: OptionScore) -> tuple[object, ...]:
    forms = tuple((form.ids, len(form.token_logprobs)) for form in option.forms)
    return (option.name, option.n_tokens, forms)


def _differences(ours: OptionScore, theirs: OptionScore) -> Iterator[float]:
    """Of each token's log-probability; a bound's, and a mass without tokens, per token."""
    for one, other in zip(ours.forms, theirs.forms, strict=True):
        for a, b in zip(one.token_logprobs, other.token_logprobs, strict=True):
            yield _apart(a, b)
    tokens = max(1, ours.n_tokens)
    if not ours.forms:
        yield _apart(ours.log_mass, theirs.log_mass) / tokens
    yield _apart(ours.log_mass_low, theirs.log_mass_low) / tokens
    yield _apart(ours.log_mass_high, theirs.log_mass_high) / tokens


def _apart(a: float, b: float) -> float:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    return math.inf if math.isnan(a) or math.isnan(b) else abs(a - b)
