"""Figures of a run: one function each, which returns a matplotlib Figure.

    from grace import figures

    run = figures.view("outputs/1/2/smollm2-135m")
    figures.bets(run)
    figures.save(figures.scatter(run, style="mine.mplstyle"), "scatter.pdf")

`figures.plots(run)` lists all that a run has; `python -m grace.figures RUN` writes them.
"""

from __future__ import annotations

import logging

from grace.figures.against_people import models, scatter
from grace.figures.catalogue import Plot, plots
from grace.figures.heatmaps import distributions, fields
from grace.figures.study1 import bets, knowledge
from grace.figures.study2 import negations, utterances
from grace.figures.style import styled
from grace.figures.validity import coherence, mass, readable
from grace.figures.view import View, view
from grace.figures.write import save, write_figures

# Where the home folder cannot be written matplotlib goes on with a temporary one, and says so in
# five lines that nobody who draws a figure has asked for.
logging.getLogger("matplotlib").addFilter(
    lambda record: record.funcName != "_get_config_or_cache_dir"
)

__all__ = [
    "Plot",
    "View",
    "bets",
    "coherence",
    "distributions",
    "fields",
    "knowledge",
    "mass",
    "models",
    "negations",
    "plots",
    "readable",
    "save",
    "scatter",
    "styled",
    "utterances",
    "view",
    "write_figures",
]
