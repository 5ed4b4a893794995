"""What a model answers on average in each cell of the design, of any study, as heat maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grace.config import ChoiceField, PercentField, QuestionSpec, one_line
from grace.config.argument_kinds import strict
from grace.config.printable import distinct
from grace.figures.run_view import Floats, View
from grace.figures.style import canvas, drawn, say_nothing
from grace.tables.cells import in_order, level_text

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

    @property
    def numbers(self) -> Floats | None:
        """What the options stand for, where each of them is a number."""
        known = [value for value in self.values if value is not None]
        return np.array(known) if known and len(known) == len(self.options) else None


def mean_distributions(view: View, name: str) -> Means:
    """Average over trials of each cell, each trial normalised first."""
    question = view.spec.questions[name]
    means = view.means([*view.factors, *question.over, "option"], "prob", question=name)
    options = [spec.option(forms=True) for spec in question.options]
    cells = view.cells.levels
    variants = [tuple(variant.values()) for variant in question.variants()]
    known = dict(zip(map(_as_texts, means.index), means.tolist(), strict=True))
    probs = [
        known.get(_as_texts((*cell, *variant, option.name)), np.nan)
        for cell in cells
        for variant in variants
        for option in options
    ]
    return Means(
        name,
        tuple(cell_name(view.factors, cell) for cell in cells),
        tuple(distinct([" ".join(map(str, variant)) for variant in variants], LABEL)),
        tuple(distinct([option.text for option in options], LABEL)),
        tuple(option.value for option in options),
        np.array(probs, dtype=np.float64).reshape(len(cells), len(variants), len(options)),
    )


def _as_texts(levels: Sequence[object]) -> tuple[str, ...]:
    """Levels as they are read: the tables may hold one as a number and as a text."""
    return tuple(map(level_text, levels))


def cell_name(factors: Sequence[str], levels: Sequence[object]) -> str:
    """A cell for people: “access 1, observe 1”; a text stands for itself."""
    return ", ".join(
        one_line(level if isinstance(level, str) else f"{factor} {level_text(level)}", LABEL)
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
    cells = view.cells.levels
    places = {_as_texts(cell): i for i, cell in enumerate(cells)}
    columns: dict[str, Floats] = {}
    for field, spec in fields.items():
        own = table[table["option"] == field]
        of_cell = [
            places[_as_texts(row)] for row in own[view.factors].to_numpy(dtype=object).tolist()
        ]

        def by_cell(values: pd.Series, of_cell: Sequence[int] = of_cell) -> Floats:
            means = values.groupby(np.asarray(of_cell, dtype=np.int64)).mean()
            return np.asarray(means.reindex(range(len(cells))), dtype=np.float64)

        if isinstance(spec, PercentField):
            columns[field] = by_cell(own["value"] / 100)
            continue
        frequent = own["answer"].value_counts()
        most = set(frequent.index[:VALUES])
        given = tuple(spec.choices) if isinstance(spec, ChoiceField) else ()
        for value in in_order(most, given):
            columns[f"{field} {value}"] = by_cell(own["answer"] == value)
        if len(frequent) > VALUES:
            columns[f"{field}: other"] = by_cell(~own["answer"].isin(most))
    return Means(
        name,
        tuple(cell_name(view.factors, cell) for cell in cells),
        ("",),
        tuple(distinct(list(columns), LABEL)),
        (None,) * len(columns),
        np.array(list(columns.values()), dtype=np.float64).reshape(len(columns), 1, len(cells)).T,
    )


@drawn
@strict
def fields(view: View, question: str) -> Figure:
    """How often each value was read from raw answers, by cell; of percentages the mean."""
    found = shares_of_fields(view, question)
    return _rows(found, "share of the answers read (%)") if found.any else _nothing()


@drawn
@strict
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
    image = None
    for i, axes in enumerate(grid.flat):
        if i >= shown:
            axes.set_visible(False)
            continue
        image = _map(axes, found.probs[i], np.nanmax(found.probs, initial=0.0))
        axes.set_title(found.cells[i])
        axes.set_yticks(range(len(found.variants)), found.variants)
        if found.numbers is not None:
            _mark_means(axes, found.probs[i], found.numbers)
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
    axes.set_yticks(range(shown), _with_means(found)[:shown])
    _name_options(axes, found.options, room=60)
    _bar(figure, image, axes, unit)
    _say_cut(figure, found, shown)
    return figure


def _with_means(found: Means) -> list[str]:
    """The cells' names, each with its mean answer where the options are numbers."""
    if found.numbers is None:
        return list(found.cells)
    means = found.probs[:, 0] @ found.numbers
    return [
        f"{cell} (mean {level_text(float(f'{mean:.3g}'))})"
        for cell, mean in zip(found.cells, means, strict=True)
    ]


def _nothing() -> Figure:
    figure = canvas(6.4, 1.0)
    axes: Any = figure.subplots()
    axes.set_axis_off()
    say_nothing(axes)
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
    order = np.argsort(values)
    places = np.interp(means, values[order], np.arange(len(values))[order])
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
