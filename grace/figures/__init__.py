"""A run in; figures out: one function each, which returns a matplotlib Figure.

    from grace import figures

    run = figures.view("outputs/1/2/smollm2-135m")
    figures.bets(run)
    figures.save(figures.scatter(run, style="mine.mplstyle"), "scatter.pdf")

`figures.plots(run)` lists all that a run has; `python -m grace.figures RUN` writes them.
"""

import logging

import lazy_loader

# Where the home folder cannot be written matplotlib goes on with a temporary one, and says so in
# five lines that nobody who draws a figure has asked for.
logging.getLogger("matplotlib").addFilter(
    lambda record: record.funcName != "_get_config_or_cache_dir"
)

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
