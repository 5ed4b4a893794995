"""Whether to believe a run: mass, coherence, and how many raw answers could be read."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grace.config import one_line
from grace.config.argument_kinds import strict
from grace.config.printable import distinct
from grace.figures.run_view import View
from grace.figures.style import MODEL, RSA, canvas, drawn, look, say_nothing
from grace.questions.parsing.statuses import count_answers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Reasons why answers could not be read that are shown; the others are counted together.
REASONS = 8
#: The least a mass is drawn as.
_FLOOR = 1e-8


@drawn
@strict
def mass(view: View) -> Figure:
    """Mass by question: median, middle half, and the middle nine tenths of the answers.

    The scale is logarithmic. Answers left of the dashed line are flagged low_mass.
    """
    groups = view.masses.groupby("asked", sort=False)
    names = list(groups.groups)
    shown = distinct([str(name) for name in names], 40)
    figure = canvas(6.4, 0.34 * len(names) + 1.1)
    axes: Any = figure.subplots()
    own, edge = look(MODEL), view.settings.exp.low_mass
    for place, (_, group) in enumerate(groups):
        values = group["mass"].dropna().clip(lower=_FLOOR)
        if values.empty:
            axes.text(1, place, "missing ", ha="right", va="center")
            continue
        least, low, middle, high, most = values.quantile(list(QUANTILES))
        axes.hlines(place, least, most, color=own.color, linewidth=1.2)
        axes.hlines(place, low, high, color=own.color, linewidth=5)
        axes.plot(
            middle, place, own.marker, color="white", markeredgecolor=own.color, markersize=7,
            clip_on=False,
        )  # fmt: skip
    if edge > 0:
        axes.axvline(edge, color=look(RSA).color, linestyle="--", linewidth=1)
    least_shown = min([edge or 1.0, *(groups["mass"].min().clip(lower=_FLOOR).dropna())])
    axes.set(xscale="log", xlim=(10 ** np.floor(np.log10(least_shown)), 1.0))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    medians = groups["mass"].median().to_dict()
    axes.set_yticks(
        range(len(names)),
        [f"{name}: {medians[full]:.2g}" for full, name in zip(names, shown, strict=True)],
    )
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(f"mass: probability of all options together (dashed: low_mass, {edge:g})")
    axes.grid(axis="x")
    return figure


@drawn
@strict
def coherence(view: View) -> Figure:
    """How many trials' answers add up: the sum of the mean answers, and the probability of 100%.

    A person whose four answers are coherent has a sum of 1.
    """
    figure = canvas(7.2, 2.6)
    left, right = figure.subplots(1, 2)
    reduction = reductions(view)[0]
    sums = view.run.trials[reduction.coherence].dropna().to_numpy(dtype=np.float64)
    z = view.run.trials[reduction.z].dropna().to_numpy(dtype=np.float64)
    _histogram(left, sums, np.linspace(0, max(2.0, np.max(sums, initial=0.0)) * 1.02, 31))
    left.axvline(1, color=look(RSA).color, linestyle="--", linewidth=1)
    left.set_xlabel(f"sum of the answers / {reduction.total:g} (dashed: 1, coherent)")
    left.set_ylabel("trials")
    exponents = np.log10(np.maximum(z, _FLOOR))
    _histogram(right, exponents, np.linspace(min(-3.0, np.min(exponents, initial=0.0)), 0, 31))
    right.set_xlabel(f"Z: log₁₀ probability that answers sum to {reduction.total:g}")
    return figure


def reductions(view: View) -> list[Any]:
    """The reductions of questions that this run has asked."""
    return [r for r in view.spec.reductions if r.question in view.spec.questions]


def _histogram(axes: Axes, values: Any, edges: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    own = look(MODEL)
    axes.hist(values, bins=edges, color=own.color, edgecolor="white", linewidth=0.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if not len(values):
        say_nothing(axes)


def read_statuses(view: View) -> pd.Series:
    """How many raw answers were read, and why the others were not: status → number.

    An answer counts once, whatever the number of fields it has. The words found in an answer,
    which stand in brackets, are left out: answers that lack the same thing count together.
    """
    fields = [name for q in view.spec.raw.values() if q.parse for name in q.parse.fields]
    return count_answers(view.run.trials, fields)


@drawn
@strict
def readable(view: View) -> Figure:
    """How many raw answers are in the asked format, and what the others lack."""
    counts = read_statuses(view)
    shown = counts.head(REASONS)
    if len(counts) > REASONS:
        shown = pd.concat([shown, pd.Series({"other reasons": counts[REASONS:].sum()})])
    names = ["\n".join(textwrap.wrap(one_line(str(name), 80), 42)) for name in shown.index]
    lines = sum(1 + name.count("\n") / 2 for name in names)
    figure = canvas(6.4, 0.34 * lines + 0.9)
    axes: Any = figure.subplots()
    good, bad = look(RSA), look(MODEL)
    for place, (name, count) in enumerate(zip(shown.index, shown, strict=True)):
        ok = name == "ok"
        color, hatch = (good.color, "") if ok else (bad.color, "///")
        axes.barh(place, count, 0.7, color=color, hatch=hatch, edgecolor="white")
        axes.annotate(f" {count:,}", (count, place), va="center")
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, shown.max() * 1.12)
    axes.grid(visible=False)
    axes.set_xlabel("raw answers")
    return figure
