"""Bounds on options where a server shows only the most probable tokens.

An option outside of them has no point value, only how probable it is at least and at most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from grace.scoring import disjoint_log_masses, log_sum_exp
from grace.scoring.trie import Path
from grace.types import Form, FormScore, OptionScore, OptionScores, Prompt


def unseen_limit(row: Mapping[int, float]) -> float:
    """How probable (log) a token that is not among the most probable can be.

    No more than the least of those shown, and no more than what they leave.
    """
    left = 1 - math.fsum(math.exp(v) for v in row.values())
    return min(min(row.values(), default=0.0), math.log(left) if left > 0 else -math.inf)


def bound(prompt: Prompt, nodes: Mapping[Path, Mapping[int, float]]) -> OptionScores:
    """Bounds on every option's mass from the most probable tokens at each inner node.

    A point where all its tokens were shown.

    A form is at least 0 and at most its tokens' limits where one was not shown. An option
    whose form begins another's keeps between what is left at worst and at best.
    """
    limits = {path: unseen_limit(row) for path, row in nodes.items()}
    options = []
    for option, forms in zip(prompt.query.options, prompt.forms, strict=True):
        scores = [_form(form, nodes, limits) for form in forms]
        seen = [score for score, _ in scores if not math.isnan(score.logprob)]
        high = log_sum_exp([top for _, top in scores])
        alone = not _continued(prompt, forms)
        low = log_sum_exp([score.logprob for score in seen]) if alone else -math.inf
        exact = alone and len(seen) == len(scores)
        options.append(
            OptionScore(
                name=option.name,
                logprob=scores[0][0].logprob,
                n_tokens=len(forms[0].ids),
                log_mass=low if exact else math.nan,
                forms=tuple(score for score, _ in scores),
                log_mass_low=low,
                log_mass_high=min(high, 0.0),
            )
        )
    all_seen = not any(math.isnan(form.logprob) for option in options for form in option.forms)
    if all_seen:
        masses, _ = disjoint_log_masses([option.forms for option in options])
        options = [
            OptionScore(o.name, o.logprob, o.n_tokens, m, o.forms, m, m)
            for o, m in zip(options, masses, strict=True)
        ]
    return OptionScores(tuple(options), "bounded", prompt.flags)


def _form(
    form: Form, nodes: Mapping[Path, Mapping[int, float]], limits: Mapping[Path, float]
) -> tuple[FormScore, float]:
    """A form's log-probabilities, NaN where not shown, and the most it can be."""
    values, high = [], 0.0
    for depth, token in enumerate(form.ids):
        path = form.ids[:depth]
        value = nodes[path].get(token, math.nan)
        values.append(value)
        high += limits[path] if math.isnan(value) else value
    return FormScore(form.text, form.ids, tuple(values)), high


def _continued(prompt: Prompt, forms: Sequence[Form]) -> bool:
    """Whether a longer form goes on from one of these."""
    return any(
        len(other.ids) > len(form.ids) and other.ids[: len(form.ids)] == form.ids
        for form in forms
        for others in prompt.forms
        for other in others
    )
