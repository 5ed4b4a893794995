"""Options as a token trie: what must be read, and the exact masses that follow from it.

Every inner node of the trie needs the next-token log-probabilities of its children and
nothing else; "10%" and "100%" share "1", "10". An option's mass is the probability of all
answers that begin with it; where one form's tokens begin another's ("was", "wasn't"), the
shorter keeps what does not go on into the longer, so that the masses are disjoint and their
sum is a coverage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from grace.types import Form, FormScore, Method, OptionScore, OptionScores, Prompt

Path = tuple[int, ...]
#: For each inner node (the tokens after the context) the log-probabilities of its children.
NodeLogprobs = Mapping[Path, Mapping[int, float]]

#: Longer forms may exceed their prefix by this much in probability through rounding alone.
ROUNDING = 1e-5


def inner_nodes(forms: Iterable[Path]) -> dict[Path, tuple[int, ...]]:
    """Each inner node's children, nodes and children in sorted order.

    A node is the tuple of token ids that lead to it from the end of the context; the root is
    the empty tuple.
    """
    children: dict[Path, set[int]] = {}
    for ids in forms:
        for depth, token in enumerate(ids):
            children.setdefault(ids[:depth], set()).add(token)
    return {path: tuple(sorted(children[path])) for path in sorted(children)}


def prompt_nodes(prompt: Prompt) -> Mapping[Path, tuple[int, ...]]:
    """The inner nodes of all forms of all options of a prompt."""
    return _shared_nodes(tuple(form.ids for forms in prompt.forms for form in forms))


@lru_cache(maxsize=256)
def _shared_nodes(forms: tuple[Path, ...]) -> Mapping[Path, tuple[int, ...]]:
    """Most prompts have the same options, and their nodes are wanted again and again."""
    return MappingProxyType(inner_nodes(forms))


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """The length of the longest common prefix, by bisection on slices (they compare fast)."""
    low, high = 0, min(len(first), len(second))
    if first[:high] == second[:high]:  # often, and quickly seen
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def form_score(form: Form, nodes: NodeLogprobs) -> FormScore:
    """A form's token log-probabilities, looked up along its path."""
    logprobs = tuple(nodes[form.ids[:i]][token] for i, token in enumerate(form.ids))
    return FormScore(form.text, form.ids, logprobs)


def assemble(prompt: Prompt, nodes: NodeLogprobs, method: Method = "exact") -> OptionScores:
    """All options' scores from the log-probabilities at the prompt's inner nodes.

    Raises KeyError where a node or child was not read: nothing is made up for it. A value
    that is NaN or above zero is no log-probability and raises ValueError.
    """
    scored = [[form_score(form, nodes) for form in forms] for forms in prompt.forms]
    for forms in scored:
        for form in forms:
            check_logprobs(form)
    masses, rounded = disjoint_log_masses(scored)
    options = tuple(
        OptionScore(
            name=option.name,
            logprob=forms[0].logprob,
            n_tokens=len(forms[0].ids),
            log_mass=log_mass,
            forms=tuple(forms),
        )
        for option, forms, log_mass in zip(prompt.query.options, scored, masses, strict=True)
    )
    flags = prompt.flags + (("prefix_rounded",) if rounded else ())
    return OptionScores(options, method, flags)


def check_logprobs(form: FormScore) -> None:
    """Refuse what is no log-probability: an engine's fault must not become a number."""
    for token, value in zip(form.ids, form.token_logprobs, strict=True):
        if math.isnan(value) or value > ROUNDING:
            raise ValueError(
                f"the engine gave {value} as the log-probability of token {token} "
                f"of {form.text!r}: expected a number of at most 0"
            )


def disjoint_log_masses(options: Sequence[Sequence[FormScore]]) -> tuple[list[float], bool]:
    """Each option's log-mass, summed over its forms, no answer counted twice.

    Returns the natural logs and whether rounding had to be cut off (the longer forms came
    out as more probable than what they begin with by more than `ROUNDING`).
    """
    by_path = {form.ids: form for forms in options for form in forms}
    taken: dict[Path, float] = {}  # of each form: the share that goes on into longer forms
    for ids, form in by_path.items():
        shorter = next((ids[:n] for n in range(len(ids) - 1, 0, -1) if ids[:n] in by_path), None)
        if shorter is not None:
            onward = math.exp(math.fsum(form.token_logprobs[len(shorter) :]))
            taken[shorter] = taken.get(shorter, 0.0) + onward
    rounded = any(share > 1 + ROUNDING for share in taken.values())
    masses = []
    for forms in options:
        own = [_less(form.logprob, taken.get(form.ids, 0.0)) for form in forms]
        masses.append(log_sum_exp(own))
    return masses, rounded


def _less(logprob: float, share: float) -> float:
    """ln(P · (1 − share)), −inf where nothing is left."""
    return logprob + math.log1p(-share) if share < 1 else -math.inf


def log_sum_exp(values: Sequence[float]) -> float:
    """Ln Σ exp(values), −inf for none."""
    top = max(values, default=-math.inf)
    if math.isinf(top):
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))
