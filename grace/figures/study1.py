"""Study 1: bets on how many objects have the property, and whether the speaker knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from grace.comparison.answers import KNOWLEDGE_FILTER
from grace.comparison.bootstrap import interval
from grace.comparison.measure import each_trial
from grace.config.argument_kinds import strict
from grace.figures.run_view import View, measured
from grace.figures.style import (
    MODEL,
    PEOPLE,
    RSA,
    above,
    canvas,
    drawn,
    legend,
    look,
    named,
    points,
    say_nothing,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from grace.comparison import Comparison, Measured

STATES = np.arange(4.0)
#: Where people's bars, the model's and the RSA model's points stand beside a state.
_WIDTH, _MODEL_AT, _RSA_AT = 0.8, -0.16, 0.2


@drawn
@strict
def bets(view: View, *, reading: str | None = None) -> Figure:
    """Share of the bet on each state by number word × access: people, the model, and RSA.

    People's whiskers are standard errors, the model's 95% intervals. `reading` says how four
    answers become one distribution (“means”, “coherent”); the first where it is not given.
    """
    found = view.comparison
    main = measured(found, reading)
    figure = canvas(7.2, 4.4)
    grid: Any = figure.subplots(2, 3, sharex=True, sharey=True)
    for i, (word, access) in enumerate(found.answers.design.cells):
        axes = grid.flat[i]
        axes.set_title(f"“{word}”, has looked at {access} of 3")
        _bet(axes, found, main, i)
        axes.set(xticks=STATES, ylim=(0, 104), xlim=(-0.6, 3.6), yticks=range(0, 101, 25))
    figure.supylabel("share of the bet (%)", fontsize="medium")
    figure.supxlabel("objects with the property", fontsize="medium")
    legend(figure, grid.flat[0], named(view.label, main))
    return figure


def _bet(axes: Axes, found: Comparison, main: Measured, cell: int) -> None:
    people = found.people
    se = None if people.se is None else 100 * people.se[cell]
    own = look(PEOPLE)
    axes.bar(STATES, 100 * people.means[cell], _WIDTH, color=own.color, label="people (± SE)")
    if se is not None:
        edges = (100 * people.means[cell] - se, 100 * people.means[cell] + se)
        axes.vlines(STATES, *edges, color="#333333", linewidth=1)
    limits = (100 * main.low[cell], 100 * main.high[cell])
    points(axes, STATES + _MODEL_AT, 100 * main.means[cell], MODEL, limits, label="model")
    points(axes, STATES + _RSA_AT, 100 * found.rsa[cell], RSA, label="RSA model")
    if not np.isfinite(main.means[cell]).any():
        say_nothing(axes)


@drawn
@strict
def knowledge(view: View) -> Figure:
    """How probably the model says that the speaker knows, by cell, and what is expected.

    One who has looked at all 3 objects knows, others do not. The dotted lines are the paper's
    filter: beyond them a trial counts.
    """
    found = view.comparison
    figure = canvas(6.4, 3.0)
    axes: Any = figure.subplots()
    cells = found.answers.design.cells
    places = np.arange(len(cells), dtype=np.float64)
    expected = np.array([100.0 if access == 3 else 0.0 for _, access in cells])
    own, filtered = look(RSA), 100 * KNOWLEDGE_FILTER
    axes.plot(
        places, expected, "_", color=own.color, markersize=18, label="expected", clip_on=False
    )
    for place, right in zip(places, expected, strict=True):
        at = filtered if right else 100 - filtered
        label = "the paper's filter" if place == 0 else None
        axes.hlines(at, place - 0.4, place + 0.4, color="#666666", linestyle=":", label=label)
    if found.answers.knowledge is not None:
        draws = each_trial(found.answers, found.answers.knowledge, found.options)
        yes = interval(draws, lambda means: 100 * means[..., 0])
        points(
            axes, places, yes.value, MODEL, (yes.low, yes.high), label=named(view.label, found.main)
        )
    axes.set_xticks(places, [f"“{word}”\n{access} of 3" for word, access in cells])
    axes.set(ylim=(-3, 103), yticks=range(0, 101, 25), ylabel="“yes, the speaker knows” (%)")
    axes.set_xlabel("number word, and objects the speaker has looked at")
    above(figure, *axes.get_legend_handles_labels())
    return figure
