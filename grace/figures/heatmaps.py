"""What a model answers on average in each cell of the design, of any study, as heat maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grace.figures.style import canvas, drawn, say_nothing
from grace.figures.view import Floats, View
from grace.parsing.spec import PercentField
from grace.study import QuestionSpec
from grace.visible import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

#: More panels or rows than these would be too small to read: the first are shown, and it is said.
PANELS, ROWS = 12, 36
#: Values of a field that was read from raw answers that stand by themselves.
VALUES = 12
#: With so many answers or fewer there is room for the numbers.
NUMBERED = 16
#: Longer names are cut.
LABEL = 32
#: Letters that stand side by side below a panel where so many are beside each other.
_LETTERS = {1: 78, 2: 38, 3: 24}
_MISSING = "#FFFFFF"


@dataclass(frozen=True)
class Means:
    """Mean distribution over a question's options, (cells, variants, options); NaN is missing."""

    question: str
    cells: tuple[str, ...]
    variants: tuple[str, ...]
    options: tuple[str, ...]
    values: tuple[float | None, ...]  # the options' numbers
    probs: Floats

    @property
    def any(self) -> bool:
        """Whether there is anything to draw."""
        return bool(np.isfinite(self.probs).any())


def mean_distributions(view: View, name: str) -> Means:
    """Average over trials of each cell, each trial normalised first."""
    question = view.spec.questions[name]
    keys = [*view.factors, *question.over]
    means = view.means([*keys, "option"], "prob", question=name)
    options = [spec.option(forms=True) for spec in question.options]
    cells = list(view.cells[view.factors].itertuples(index=False, name=None))
    variants = [tuple(variant.values()) for variant in question.variants()]
    places = pd.MultiIndex.from_tuples(
        [(*cell, *variant, o.name) for cell in cells for variant in variants for o in options],
        names=means.index.names,
    )
    probs: Floats = np.asarray(means.reindex(places), dtype=np.float64)
    return Means(
        name,
        tuple(cell_name(view.factors, cell) for cell in cells),
        tuple(" ".join(map(str, variant)) for variant in variants),
        tuple(one_line(option.text, LABEL) for option in options),
        tuple(option.value for option in options),
        probs.reshape(len(cells), len(variants), len(options)),
    )


def cell_name(factors: Sequence[str], levels: Sequence[object]) -> str:
    """A cell for people: “access 1, observe 1”; a text stands for itself."""
    return ", ".join(
        one_line(level if isinstance(level, str) else f"{factor} {level}", LABEL)
        for factor, level in zip(factors, levels, strict=True)
    )


def shares_of_fields(view: View, name: str) -> Means:
    """Of a question answered in text: how often each value of each field was read, by cell.

    A field of percentages gives its mean; of a field with many values the most frequent stand
    by themselves.
    """
    question = view.spec.questions[name]
    fields = question.parse.fields if question.parse else {}
    table = view.answers([*view.factors, "option", "answer", "value"], question=name)
    table = table[table["answer"].notna()]
    cells = list(view.cells[view.factors].itertuples(index=False, name=None))
    columns: dict[str, pd.Series[float]] = {}
    for field, spec in fields.items():
        own = table[table["option"] == field]
        cell = [own[factor] for factor in view.factors]
        if isinstance(spec, PercentField):
            columns[field] = own["value"].groupby(cell).mean() / 100
            continue
        frequent = own["answer"].value_counts()
        kept = sorted(frequent.index[:VALUES]) + (["other"] if len(frequent) > VALUES else [])
        answer = own["answer"].where(own["answer"].isin(kept), "other")
        for value in kept:
            columns[f"{field} {value}"] = (answer == value).groupby(cell).mean()
    places = pd.MultiIndex.from_tuples(cells) if len(view.factors) > 1 else [c for (c,) in cells]
    probs = [values.reindex(places).to_numpy(dtype=float) for values in columns.values()]
    return Means(
        name,
        tuple(cell_name(view.factors, cell) for cell in cells),
        ("",),
        tuple(one_line(column, LABEL) for column in columns),
        (None,) * len(columns),
        np.asarray(probs, dtype=np.float64).reshape(len(columns), 1, len(cells)).T,
    )


@drawn
def fields(view: View, question: str) -> Figure:
    """How often each value was read from raw answers, by cell; of percentages the mean."""
    found = shares_of_fields(view, question)
    return _rows(found, "share of the answers read (%)") if found.any else _nothing()


@drawn
def distributions(view: View, question: str) -> Figure:
    """Mean distribution over the answers by cell: a panel a cell where a question has variants.

    Study 1's state question gives the 4 × 11 matrices. White with a dash is missing.
    """
    found = mean_distributions(view, question)
    spec = view.spec.questions[question]
    if not found.any:
        return _nothing()
    return _panels(found, spec) if len(found.variants) > 1 else _rows(found, "mean probability (%)")


def _panels(found: Means, spec: QuestionSpec) -> Figure:
    shown = min(len(found.cells), PANELS)
    columns = min(3, shown)
    height = 0.28 * len(found.variants) + 0.75
    rows = math.ceil(shown / columns)
    figure = canvas(7.2, rows * height + 0.9)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    numbers = [value for value in found.values if value is not None]
    image = None
    for i, axes in enumerate(grid.flat):
        if i >= shown:
            axes.set_visible(False)
            continue
        image = _map(axes, found.probs[i], np.nanmax(found.probs, initial=0.0))
        axes.set_title(found.cells[i])
        axes.set_yticks(range(len(found.variants)), found.variants)
        if len(numbers) == len(found.options):
            _mark_means(axes, found.probs[i], np.array(numbers))
        below = i + columns >= shown
        axes.tick_params(labelbottom=below)
        _name_options(axes, found.options, room=_LETTERS[columns])
    over = ", ".join(spec.over)
    figure.supylabel(f"{over} asked about", fontsize="medium")
    figure.supxlabel("answer", fontsize="medium")
    _bar(figure, image, grid, "mean probability (%)")
    _say_cut(figure, found, shown)
    return figure


def _rows(found: Means, unit: str) -> Figure:
    shown = min(len(found.cells), ROWS)
    figure = canvas(6.4, 0.24 * shown + 1.3)
    axes: Any = figure.subplots()
    probs, top = found.probs[:shown, 0], np.nanmax(found.probs, initial=0.0)
    image = _map(axes, probs, top)
    if len(found.options) <= NUMBERED:
        _write_numbers(axes, probs, top)
    axes.set_yticks(range(shown), found.cells[:shown])
    _name_options(axes, found.options, room=60)
    _bar(figure, image, axes, unit)
    _say_cut(figure, found, shown)
    return figure


def _nothing() -> Figure:
    figure = canvas(6.4, 1.0)
    axes: Any = figure.subplots()
    axes.set_axis_off()
    say_nothing(axes, "no answers")
    return figure


def _map(axes: Axes, probs: Floats, top: float) -> AxesImage:
    """Probabilities as colours from 0 to the highest there is; missing is white with a dash."""
    image = axes.imshow(100 * probs, vmin=0, vmax=100 * top or 1, aspect="auto")
    axes.set_facecolor(_MISSING)
    axes.grid(visible=False)
    for row, column in np.argwhere(~np.isfinite(probs)):
        axes.text(column, row, "–", ha="center", va="center", color="#333333")
    return image


def _write_numbers(axes: Axes, probs: Floats, top: float) -> None:
    """The percentage in each field, dark on bright and bright on dark."""
    for row, column in np.argwhere(np.isfinite(probs)):
        share = probs[row, column]
        color = "black" if share > 0.6 * top else "white"
        axes.text(
            column, row, f"{100 * share:.0f}", ha="center", va="center", color=color, fontsize=7
        )


def _mark_means(axes: Axes, probs: Floats, values: Floats) -> None:
    """The mean answer of each row, where it falls among the options."""
    means = probs @ values
    places = np.interp(means, values, np.arange(len(values)))
    places[~np.isfinite(means)] = np.nan
    rows = np.arange(len(places))
    axes.plot(places, rows, "o", color="white", markeredgecolor="black", markersize=4.5)


def _name_options(axes: Axes, options: Sequence[str], room: int) -> None:
    """Every option's text, fewer where they would touch; long ones stand aslant.

    `room` is how many letters stand side by side.
    """
    places = range(len(options))
    width = max(map(len, options), default=1)
    if width * len(options) <= room:
        axes.set_xticks(places, options)
    elif width <= 4:
        axes.set_xticks([0, len(options) // 2, len(options) - 1])
        axes.set_xticklabels([options[k] for k in axes.get_xticks().astype(int)])
    else:
        axes.set_xticks(places, options, rotation=35, ha="right", rotation_mode="anchor")


def _bar(figure: Figure, image: AxesImage | None, axes: Any, unit: str) -> None:
    if image is not None:
        figure.colorbar(image, ax=axes, label=unit, shrink=0.9, pad=0.02)


def _say_cut(figure: Figure, found: Means, shown: int) -> None:
    if shown < len(found.cells):
        figure.suptitle(f"the first {shown} of {len(found.cells)} cells")
