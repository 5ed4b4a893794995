"""Models against people: cell by cell, and several models by their size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from grace.comparison.show import NAMES
from grace.config import one_line
from grace.config.argument_kinds import strict
from grace.errors import GraceError
from grace.figures.run_groups import names
from grace.figures.run_view import View
from grace.figures.style import MODEL, PEOPLE, RSA, canvas, drawn, ground, look, say_nothing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: The metrics of a study that several models are shown by, best known first.
SHOWN = {"1": ("rmse", "r", "tvd"), "2": ("r", "tvd", "jsd")}


@drawn
@strict
def scatter(view: View) -> Figure:
    """Every cell × answer: what people did against what the model does, and what RSA says.

    A model like people has its points on the diagonal. Lines are 95% intervals.
    """
    found = view.comparison
    figure = canvas(6.4, 3.5)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    people = 100 * found.people.distribution.ravel()
    main = found.main
    _against(left, people, 100 * main.means.ravel(), MODEL, one_line(view.label, 36))
    if not np.isfinite(main.means).any():
        say_nothing(left)
    limits = (100 * main.low.ravel(), 100 * main.high.ravel())
    left.vlines(people, *limits, color=look(MODEL).color, linewidth=0.8, alpha=0.6)
    _against(right, people, 100 * found.rsa.ravel(), RSA, "RSA model")
    r = found.main.estimates["r"]
    _say(left, r.value)
    _say(right, found.rsa_to_people["r"])
    left.set_ylabel("predicted share (%)")
    figure.supxlabel("people's share (%)", fontsize="medium")
    return figure


def _against(axes: Axes, people: Any, other: Any, place: int, name: str) -> None:
    own = look(place)
    axes.plot([0, 100], [0, 100], color="#888888", linewidth=0.9, linestyle="--", marker="")
    axes.plot(
        people, other, linestyle="none", marker=own.marker, color=own.color, alpha=0.75,
        markersize=4, markeredgecolor="white", markeredgewidth=0.4, clip_on=False,
    )  # fmt: skip
    axes.set(xlim=(-2, 102), ylim=(-2, 102), box_aspect=1)
    axes.set(xticks=range(0, 101, 25), yticks=range(0, 101, 25), title=name)


def _say(axes: Axes, r: float) -> None:
    text = f"r = {r:.2f}" if np.isfinite(r) else "r: missing"
    axes.text(
        0.03, 0.97, text.replace("-", "−"), transform=axes.transAxes, va="top", zorder=6,
        bbox=ground(axes),
    )  # fmt: skip


@drawn
@strict
def models(views: Sequence[View]) -> Figure:
    """Several runs of one study beside each other, smallest model first; last the RSA model.

    Whiskers are 95% intervals, the dashed line is how well people agree with each other. A model
    whose size the registry does not know stands after the others.
    """
    found = sorted(views, key=_size)
    studies = {view.comparison.study for view in found}
    if len(studies) != 1:
        raise GraceError("expected runs of one study")
    metrics = SHOWN[studies.pop()]
    figure = canvas(7.2, 0.32 * len(found) + 1.6)
    grid: Any = figure.subplots(1, len(metrics), sharey=True)
    tops = [_metric(axes, found, name) for axes, name in zip(grid, metrics, strict=True)]
    labels = [
        _sized(view, one_line(name, 44)) for view, name in zip(found, names(found), strict=True)
    ]
    grid[0].set_yticks(range(len(found) + 1), [*labels, "RSA model"])
    grid[0].set_ylim(len(found) + 0.6, -0.6)
    known = [line for line in tops if line is not None]
    if known:
        figure.legend(handles=known[:1], loc="outside upper left")
    return figure


def _metric(axes: Axes, views: Sequence[View], name: str) -> Line2D | None:
    """One panel; the line of people among themselves, where it is known."""
    own, rsa = look(MODEL), look(RSA)
    one = views[0].comparison
    top = one.main.estimates[name].ceiling
    line = None
    if top is not None:
        line = axes.axvline(top, color=look(PEOPLE).color, linestyle="--")
        line.set_label("people among themselves")
    axes.plot(one.rsa_to_people[name], len(views), rsa.marker, color=rsa.color, linestyle="none")
    axes.axhline(len(views) - 0.5, color="#BBBBBB", linewidth=0.8)
    for place, view in enumerate(views):
        estimate = view.comparison.main.estimates[name]
        if not np.isfinite(estimate.value):
            axes.text(0.5, place, "missing", transform=axes.get_yaxis_transform(), ha="center",
                      va="center")  # fmt: skip
            continue
        axes.hlines(place, estimate.low, estimate.high, color=own.color)
        axes.plot(estimate.value, place, own.marker, color=own.color, linestyle="none")
    axes.set_title(NAMES[name])
    axes.grid(axis="both")
    axes.margins(x=0.12)
    return line


def _size(view: View) -> tuple[bool, float, str]:
    parameters = view.settings.model.parameters
    return parameters is None, parameters or 0.0, view.label


def _sized(view: View, name: str) -> str:
    """The run's name and how many parameters the model has."""
    billions = view.settings.model.parameters
    if billions is None:
        return name
    size = f"{1000 * billions:g} M" if billions < 1 else f"{billions:g} B"
    return f"{name} ({size})"
