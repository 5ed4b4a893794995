"""What to doubt about a run: each point in plain words, the gravest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from grace.figures import View
from grace.figures.validity import read_statuses, reductions
from grace.questions.parsing.statuses import shown_reasons
from grace.runs.summary import REASONS, low_mass_advice

Weight = Literal["grave", "note"]

#: From which share of low_mass answers on the whole result is in doubt.
MOST = 0.5
#: Sums of mean answers within this of 1 are called coherent.
NEAR = 0.25
#: A difference that bfloat16 makes in a probability (docs/scores.md).
ROUGH = ("bfloat16", "float16")
#: What a flag means, as in docs/results.md; those of other points are not repeated.
FLAGS = {
    "boundary_merged": "the tokeniser merges the end of the prompt with an option; the options "
    "were scored from the last token that all share with the prompt",
    "form_left_out": "a further spelling of an option would have merged with the prompt and was "
    "not counted",
    "unknown_token": "the model has no token for a character of the prompt or of an option and "
    "reads an unknown token, or nothing, in its place",
    "turn_not_begun": "the model's chat template does not begin its turn: the text begins behind "
    "the end of the user's",
    "control_token": "the text spells a control token of the model, as it was meant to",
    "prefix_rounded": "rounding made an option less probable than what begins with it",
    "truncated": "the answer reached the token limit",
    "sum_not_100": "the stated percentages do not sum to 100 ± 1",
    "unfinished_thoughts": "the model was still thinking when its answer was cut off",
    "refused": "the model refused to answer",
    "filtered": "the server's content filter took the answer, or its end",
    "tool_call": "the model called a tool in place of an answer",
}


@dataclass(frozen=True)
class Doubt:
    """One thing to know before believing a number; `short` fits the first screen."""

    weight: Weight
    short: str
    text: str


def doubts(view: View) -> list[Doubt]:
    """All of them; grave ones put the whole result in question."""
    found = [
        *_unfinished(view),
        *_low_mass(view),
        *_unreadable(view),
        *_incoherent(view),
        *_bounded(view),
        *_flagged(view),
        *_compared(view),
        *_origin(view),
    ]
    return sorted(found, key=lambda doubt: doubt.weight != "grave")


def _unfinished(view: View) -> Iterator[Doubt]:
    counts, plan = view.manifest.get("counts", {}), view.manifest["plan"]
    if counts.get("failed"):
        reasons = "; ".join(shown_reasons(pd.Series(counts["failures"]), REASONS, "queries"))
        yield Doubt(
            "grave",
            f"{counts['failed']:,} queries failed",
            f"{counts['failed']:,} of {plan['queries']:,} queries failed and their cells are "
            f"missing: {reasons}. Run the same command again to ask them again.",
        )
    if counts.get("not_asked"):
        yield Doubt(
            "grave",
            f"{counts['not_asked']:,} queries were not asked yet",
            f"{counts['not_asked']:,} of {plan['queries']:,} queries were not asked yet (status "
            f"{view.manifest['status']}). Run the same command again to go on.",
        )
    if plan["rows"] < plan["rows_in_file"]:
        yield Doubt(
            "note",
            f"a pilot: {plan['rows']:,} of {plan['rows_in_file']:,} rows",
            f"This is a pilot of {plan['rows']:,} of {plan['rows_in_file']:,} rows, spread evenly "
            "over the design. Leave out pilot= to run all.",
        )


def _low_mass(view: View) -> Iterator[Doubt]:
    if not view.spec.scored:
        return
    table = view.masses
    low, known = int(table["low"].sum()), table["mass"].dropna()
    if not low:
        return
    by_question = table[table["low"]]["asked"].value_counts(sort=False)
    where = ", ".join(f"{asked} {count:,}" for asked, count in by_question.items())
    advice = low_mass_advice(view.settings.exp, chat=view.manifest["plan"].get("chat"))
    yield Doubt(
        "grave" if low > MOST * len(known) else "note",
        f"low mass in {low:,} of {len(known):,} answers (median {known.median():.2g})",
        f"{low:,} of {len(known):,} answers have a mass below {view.settings.exp.low_mass:g} "
        f"({where}). Their distributions only say which option the model prefers in the few cases "
        f"in which it picks one. {advice}",
    )


def _unreadable(view: View) -> Iterator[Doubt]:
    if not view.spec.raw:
        return
    counts = read_statuses(view)
    bad = int(counts.sum() - counts.get("ok", 0))
    if bad:
        yield Doubt(
            "grave" if bad > MOST * counts.sum() else "note",
            f"{bad:,} of {counts.sum():,} raw answers could not be read in full",
            f"{bad:,} of {counts.sum():,} raw answers are not in the format that was asked for. "
            "What could not be read is missing and never guessed; if it is missing more in one "
            "cell than in another, means are of the answers that happened to be readable. "
            f"What they lack: {'; '.join(shown_reasons(counts, REASONS))}.",
        )


def _incoherent(view: View) -> Iterator[Doubt]:
    for reduction in reductions(view):
        sums = view.run.trials[reduction.coherence].dropna()
        off = int(((sums - 1).abs() > NEAR).sum())
        if off:
            z = view.run.trials[reduction.z].dropna()
            yield Doubt(
                "note",
                f"answers do not add up: they sum to {100 * sums.mean():.0f}% on average",
                f"The answers to {reduction.question} should sum to {reduction.total:g}. In "
                f"{off:,} of {len(sums):,} trials they are off by more than "
                f"{NEAR * reduction.total:g}; the mean is {reduction.total * sums.mean():.0f}. The "
                "median probability that independent answers add up is "
                f"{z.median():.2g}. Dividing by the sum hides this: look at both ways of "
                "reading the answers, and at the distributions themselves.",
            )


def _bounded(view: View) -> Iterator[Doubt]:
    bounded = view.answers(["prob", "prob_low", "prob_high"], method="bounded")
    if len(bounded):
        width = (bounded["prob_high"] - bounded["prob_low"]).mean()
        missing = int(bounded["prob"].isna().sum())
        yield Doubt(
            "grave" if missing > MOST * len(bounded) else "note",
            f"{missing:,} of {len(bounded):,} probabilities are known only between two bounds",
            "The server shows only its most probable tokens. "
            f"{missing:,} of {len(bounded):,} probabilities are known only between two bounds, "
            f"which are {width:.2g} apart on average; they are missing in every mean.",
        )


def _flagged(view: View) -> Iterator[Doubt]:
    lists = view.run.trials["flags"].dropna().str.split("; ")
    counts = Counter(flag.rsplit(": ", 1)[-1] for flags in lists for flag in flags if flag)
    for flag, meaning in FLAGS.items():
        if counts[flag]:
            yield Doubt(
                "note",
                f"{flag}: {counts[flag]:,} answers",
                f"{flag} ({counts[flag]:,} answers): {meaning}.",
            )


def _compared(view: View) -> Iterator[Doubt]:
    if isinstance(view.compared, str):
        return
    for warning in view.compared.warnings:
        if "low_mass" not in warning and "status is" not in warning:
            yield Doubt("note", warning, f"{warning[:1].upper()}{warning[1:]}.")


def _origin(view: View) -> Iterator[Doubt]:
    dtype, grace = view.manifest["engine"]["dtype"], view.manifest["grace"]
    if dtype in ROUGH:
        yield Doubt(
            "note",
            f"computed in {dtype}",
            f"Probabilities were computed in {dtype}. float32 gives other ones, by some "
            "hundredths: differences of that size mean nothing.",
        )
    if grace.get("dirty"):
        yield Doubt(
            "note",
            "Grace's own files were changed",
            f"Grace's files were changed since its commit {grace['commit'][:8]}: others cannot "
            "get the same version.",
        )
