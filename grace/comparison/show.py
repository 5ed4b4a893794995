"""A comparison for a reader at a terminal: cells beside people's, distances, what to doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grace.comparison.bootstrap import Floats
from grace.comparison.comparing import Comparison
from grace.comparison.measure import ALL, Contrast, Estimate, Measured
from grace.comparison.study1 import PLANNED, READING_A_CELL
from grace.tables import print_table
from grace.tables.terminal import Row

NAMES = {
    "rmse": "RMSE, points",
    "mae": "mean absolute error, points",
    "r": "correlation r",
    "tvd": "total variation",
    "emd": "earth mover's, states",
    "jsd": "Jensen–Shannon, bits",
    "loglik": "log-likelihood",
    "p_negation": "share of “wasn't”",
}
#: What “(open)” says of a direction.
OPEN = "(open): the interval holds 0, or there is none, so the direction is not known"
#: What people's own numbers are called, by metric; the rest are split halves.
BESIDE = {
    "rmse": "noise of means",
    "mae": "noise of means",
    "loglik": "saturated",
    "p_negation": "people",
}


def show_all(comparisons: Sequence[Comparison], console: Console) -> None:
    """Print each comparison, then those of one study side by side."""
    for one in comparisons:
        show(one, console)
    study = attrgetter("study")
    for _, group in groupby(sorted(comparisons, key=study), key=study):
        alike = list(group)
        if len(alike) > 1:
            show_together(alike, console)


def show(comparison: Comparison, console: Console) -> None:
    """Print one comparison."""
    answers = comparison.answers
    experiment = f", experiment {answers.experiment}" if answers.experiment else ""
    console.rule(escape(f"{answers.label}: study {comparison.study}{experiment}"), align="left")
    console.print(f"people: {comparison.people.source}", markup=False, highlight=False)
    _cells(comparison, comparison.main, console)
    _metrics(comparison.main, console)
    _others(comparison.measured[1:], console)
    _rsa(comparison, console)
    if comparison.study == "1":
        _contrasts(comparison.main, console)
        _knowledge(comparison, console)
    else:
        _likelihood(comparison.main, console)
    for warning in comparison.warnings:
        console.print(f"[yellow]note[/yellow]: {escape(warning)}", highlight=False)


def show_together(comparisons: Sequence[Comparison], console: Console) -> None:
    """Print the first metrics of several models of one study, a row each."""
    first = comparisons[0].main.estimates
    rows = [
        Row((one.answers.label,), tuple(_interval(e) for e in one.main.estimates.values()))
        for one in comparisons
    ]
    rows.append(Row(("ceiling",), tuple(_number(e.ceiling) for e in first.values())))
    print_table(console, "All together", ("model",), tuple(first), rows)


def _cells(comparison: Comparison, measured: Measured, console: Console) -> None:
    """Two lines a cell: people, and the model; in percent."""
    design = comparison.answers.design
    table = _table(
        f"Percent by cell: people, and the model ({measured.reading.name})",
        ["/".join(design.factors), "", *map(_short, design.options), "n", *measured.by_cell],
    )
    for i, (one, two) in enumerate(design.cells):
        n = comparison.people.n[i]
        shown = "" if math.isnan(n) else f"{n:.0f}"
        table.add_row(f"{one}/{two}", "people", *_percent(comparison.people.means[i]), shown)
        distances = [_number(float(values[i])) for values in measured.by_cell.values()]
        table.add_row("", "model", *_percent(measured.means[i]), str(measured.n[i]), *distances)
    console.print(table)
    if design.study == "2":
        console.print("  T B G A: terrible, bad, good, amazing; ¬: wasn't", highlight=False)


def _metrics(measured: Measured, console: Console) -> None:
    """The first reading of all trials, with intervals and people's own numbers."""
    title = f"{measured.reading.name}: {measured.reading.meaning}"
    table = _table(title, ["", "model", "95% interval", "people"])
    for name, estimate in measured.estimates.items():
        top = estimate.more.get("people", estimate.ceiling)
        beside = "" if top is None else f"{_number(top)} ({BESIDE.get(name, 'halves')})"
        table.add_row(NAMES[name], _number(estimate.value), _limits(estimate), beside)
    console.print(table)
    console.print(
        f"  {measured.n.sum():,} answers, {measured.missing.sum():,} missing; "
        f"intervals over {measured.resamples.basis}",
        highlight=False,
    )


def _others(measured: Sequence[Measured], console: Console) -> None:
    """The same numbers of the other readings; their intervals are in comparison.json."""
    if not measured:
        return
    table = _table("Read otherwise", ["", "answers", *measured[0].estimates])
    for one in measured:
        name = one.reading.name if one.trials == ALL else f"{one.reading.name}, {one.trials}"
        values = [_number(estimate.value) for estimate in one.estimates.values()]
        table.add_row(name, f"{one.n.sum():,}", *values)
    console.print(table)


def _rsa(comparison: Comparison, console: Console) -> None:
    """How far the model, the Rational Speech Act model and people are from one another."""
    main = comparison.main.estimates
    table = _table("Who is how far from whom", ["", "model–people", "RSA–people", "model–RSA"])
    for name, estimate in comparison.rsa_to_model.items():
        theirs = comparison.rsa_to_people[name]
        table.add_row(
            NAMES[name], _number(main[name].value), _number(theirs), _number(estimate.value)
        )
    console.print(table)


def _contrasts(measured: Measured, console: Console) -> None:
    table = _table(
        "Planned comparisons, and differences within a cell, in points",
        ["", "people", "model", "95% interval", "same sign"],
    )
    for i, one in enumerate(measured.contrasts):
        if i == len(PLANNED):
            table.add_section()
        table.add_row(
            one.name,
            f"{one.people:+.1f}",
            _number(one.model.value),
            _limits(one.model),
            same_way(one),
        )
    console.print(table)
    console.print(f"  {READING_A_CELL}; {OPEN}", markup=False, highlight=False)


def same_way(one: Contrast) -> str:
    """Whether the model's difference goes the people's way, and whether that is known."""
    if one.same_sign is None:
        return "missing"
    told = "yes" if one.same_sign else "no"
    return told if one.certain else f"{told} (open)"


def _knowledge(comparison: Comparison, console: Console) -> None:
    if comparison.knowledge is not None:
        known = comparison.knowledge
        console.print(
            f"Knowledge: expected answer {_interval(known.expected)}; “yes” at full access less "
            f"at partial access {_interval(known.separation)}; {known.passing.sum()} trials pass "
            "the filter",
            markup=False,
            highlight=False,
        )
    if comparison.coherence:
        shown = ", ".join(f"{name} {_interval(e)}" for name, e in comparison.coherence.items())
        console.print(f"Coherence (ideal sum 1): {shown}", markup=False, highlight=False)


def _likelihood(measured: Measured, console: Console) -> None:
    more = measured.estimates["loglik"].more
    if math.isfinite(more["share"]):
        console.print(
            f"Log-likelihood: at {more['share']:.3f} between uniform (0: {more['uniform']:.1f}) "
            f"and saturated (1: {more['saturated']:.1f}); no probability counts as less than "
            f"{more['floor']:g}, which {more['floored']:.0f} of people's answers needed",
            markup=False,
            highlight=False,
        )


def _table(title: str, names: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.collapse_padding = True
    for i, name in enumerate(names):
        table.add_column(name, justify="left" if i == 0 else "right")
    return table


def _short(option: str) -> str:
    """Names short enough that eight stand in a row: ¬B for wasnt_bad."""
    frame, _, word = option.partition("_")
    return f"{'¬' * (frame == 'wasnt')}{word[0].upper()}" if word else frame


def _percent(shares: Floats) -> list[str]:
    return ["–" if np.isnan(share) else f"{100 * share:.0f}" for share in shares]


def _interval(estimate: Estimate) -> str:
    limits = _limits(estimate)
    return f"{_number(estimate.value)} {limits}".strip()


def _limits(estimate: Estimate) -> str:
    if not math.isfinite(estimate.low):
        return "none"
    return f"[{_number(estimate.low)}, {_number(estimate.high)}]"


def _number(value: float | None) -> str:
    """Three decimals, one for large numbers."""
    if value is None or not math.isfinite(value):
        return "missing" if value is not None else ""
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
