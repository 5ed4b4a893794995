"""Study 2: which of eight utterances a speaker with a goal says about work of a quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from grace.comparison.bootstrap import interval
from grace.comparison.design import ASSESSMENTS, GOALS
from grace.comparison.metrics import negation
from grace.config.argument_kinds import strict
from grace.figures.run_view import View, measured
from grace.figures.style import (
    MODEL,
    PEOPLE,
    RSA,
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

HEARTS = np.arange(4)
#: The eight utterances stand in two groups of four, “was” and “wasn't”.
_PLACES = np.array([0, 1, 2, 3, 4.6, 5.6, 6.6, 7.6])
_NAMED = {"both": "goal: both", "informative": "goal: informative", "kind": "goal: kind"}


@drawn
@strict
def utterances(view: View, *, reading: str | None = None) -> Figure:
    """Share of each utterance by goal × true state: people, the model, and RSA.

    People's whiskers are standard errors, the model's 95% intervals. `reading` says which
    answers are read (“utterance”, “frame × assessment”); the first where it is not given.
    """
    found = view.comparison
    main = measured(found, reading)
    figure = canvas(8.4, 7.0)
    grid: Any = figure.subplots(len(GOALS), 4, sharey=True)
    for i, (goal, hearts) in enumerate(found.answers.design.cells):
        axes = grid[GOALS.index(goal), hearts]
        _cell(axes, found, main, i)
        if goal == GOALS[0]:
            axes.set_title(f"{hearts} {'heart' if hearts == 1 else 'hearts'}")
        if hearts == 0:
            axes.set_ylabel(f"{_NAMED[goal]}\nshare (%)")
        axes.set_xticks([])
        if goal == GOALS[-1]:
            axes.set_xticks(_PLACES, [*ASSESSMENTS] * 2, rotation=90)
            for place, frame in ((1.5, "was …"), (6.1, "wasn't …")):
                axes.annotate(
                    frame, (place, 0), (place, -52), textcoords=("data", "offset points"),
                    xycoords=("data", "axes fraction"), ha="center", va="top", fontsize="small",
                )  # fmt: skip
    grid[0, 0].set(ylim=(0, 104), yticks=range(0, 101, 25))  # all panels share it
    legend(figure, grid[0, 0], named(view.label, main))
    return figure


def _cell(axes: Axes, found: Comparison, main: Measured, cell: int) -> None:
    own = look(PEOPLE)
    said = found.people.means[cell]
    error = np.sqrt(said * (1 - said) / found.people.n[cell])  # of a proportion of n people
    axes.bar(_PLACES, 100 * said, 0.85, color=own.color, label="people (± SE)")
    axes.vlines(_PLACES, 100 * (said - error), 100 * (said + error), color="#333333", linewidth=0.8)
    limits = (100 * main.low[cell], 100 * main.high[cell])
    points(axes, _PLACES - 0.15, 100 * main.means[cell], MODEL, limits, label="model")
    points(axes, _PLACES + 0.2, 100 * found.rsa[cell], RSA, label="RSA model", markersize=3.5)
    axes.axvline(3.8, color="#BBBBBB", linewidth=0.8)
    axes.set_xlim(-0.7, 8.3)
    if not np.isfinite(main.means[cell]).any():
        say_nothing(axes)


@drawn
@strict
def negations(view: View) -> Figure:
    """How often “wasn't” is said, by true state: a panel a goal, a line each for whom."""
    found = view.comparison
    figure = canvas(7.2, 2.9)
    grid: Any = figure.subplots(1, len(GOALS), sharex=True, sharey=True)
    shares = interval(found.main.resamples, negation)
    lines = {
        "people": (PEOPLE, negation(found.people.means)),
        "model": (MODEL, shares.value),
        "RSA model": (RSA, negation(found.rsa)),
    }
    places = found.answers.design.places
    for axes, goal in zip(grid, GOALS, strict=True):
        cells = [places[goal, hearts] for hearts in range(4)]
        for name, (place, values) in lines.items():
            own = look(place)
            axes.plot(
                HEARTS, 100 * values[cells], color=own.color, marker=own.marker,
                linestyle=own.linestyle, label=name, clip_on=False,
            )  # fmt: skip
        band = look(MODEL).color
        limits = (100 * shares.low[cells], 100 * shares.high[cells])
        axes.fill_between(HEARTS, *limits, color=band, alpha=0.2, linewidth=0)
        axes.set_title(_NAMED[goal])
    grid[0].set(xticks=HEARTS, xlim=(-0.2, 3.2), ylim=(0, 103), yticks=range(0, 101, 25))
    grid[0].set_ylabel("“wasn't” (%)")
    figure.supxlabel("true state (hearts)", fontsize="medium")
    legend(figure, grid[0], named(view.label, found.main))
    return figure
