"""stats.R: reads the data beside it and fits each suggested model with lme4, brms and others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from grace.config import one_line
from grace.stats.models import EDGE, MixedModel, obstacles
from grace.stats.rows import Rows
from grace.tables.write import as_formula

_HEAD = """\
# {title}
#
# Rscript stats.R        fits with lme4, and with glmmTMB and ordinal where they are installed
# Rscript stats.R brms   fits with brms too (minutes: each model is compiled)
#
{caution}

# Text is read as text: "01" is no number and "T" no truth value.
d <- read.csv("stats.csv", na.strings = "", stringsAsFactors = FALSE, check.names = FALSE,
              colClasses = c({texts}))
{cells}for (name in c({factors})) d[[name]] <- factor(d[[name]])
{levels}if (all(c("hearts", "goal_type") %in% names(d)))
  d$goal_type <- relevel(d$goal_type, ref = "informative")

# Exact 0 and 1 have no logit and no beta density: where a value is as near as {edge}, all move a
# little towards 1/2, to (y (n - 1) + 1/2) / n (Smithson & Verkuilen 2006, Psych. Methods 11:54).
squeeze <- function(y) {{
  n <- sum(!is.na(y))
  if (any(y < {edge} | y > 1 - {edge}, na.rm = TRUE)) (y * (n - 1) + 0.5) / n else y
}}

# Intervals say how large an effect is and how sure; stars do not.
options(show.signif.stars = FALSE)
all_rows <- d
fit <- function(package, call) {{
  if (!requireNamespace(package, quietly = TRUE)) {{
    cat(package, "is not installed: left out\\n")
    return(invisible(NULL))
  }}
  suppressPackageStartupMessages(library(package, character.only = TRUE))
  cat("\\n", package, "\\n", sep = "")
  fitted <- eval.parent(substitute(call))
  print(summary(fitted))
  if (package != "brms") {{
    cat("\n95% intervals (Wald)\n")
    print(if (package == "lme4") confint(fitted, method = "Wald") else confint(fitted))
  }}
}}
with_brms <- "brms" %in% commandArgs(trailingOnly = TRUE)
"""


def r_script(rows: Rows, models: Sequence[MixedModel], caution: str) -> str:
    """The script's text."""
    factors = dict.fromkeys(["model", "item", *(n for m in models for n in m.categorical)])
    head = _HEAD.format(
        title=f"{one_line(rows.title, 200)}: mixed models",
        caution=_comment(caution),
        edge=f"{EDGE:g}",
        texts=", ".join(f'{_text(name)} = "character"' for name in _texts(rows)),
        cells="".join(_cells(rows, tuple(factors))),
        factors=", ".join(map(_text, factors)),
        levels="".join(_levels(models)),
    )
    parts = [_fits(model, len(rows.models), obstacles(model, rows.frame)) for model in models]
    return "\n".join([head, *parts])


def _texts(rows: Rows) -> list[str]:
    """The columns of text."""
    return [column.name for column in rows.columns if column.type == "text"]


def _cells(rows: Rows, factors: Sequence[str]) -> Iterator[str]:
    """How factors' cells become again what they are: a CSV writes some texts otherwise."""
    known = {name: [v for v in rows.frame[name].unique() if isinstance(v, str)] for name in factors}
    if escaped := [name for name, values in known.items() if any(map(as_formula, values))]:
        yield "# The apostrophe before what a spreadsheet would run as a formula is no part.\n"
        yield f"for (name in c({', '.join(map(_text, escaped))}))\n"
        yield '  d[[name]] <- sub("^\'([-=+@\\t\\r])", "\\\\1", d[[name]])\n'
    if empty := [name for name, values in known.items() if "" in values]:
        yield "# An empty cell is a level of these factors, and no missing value.\n"
        yield f"for (name in c({', '.join(map(_text, empty))}))\n"
        yield '  d[[name]][is.na(d[[name]])] <- ""\n'


def _levels(models: Sequence[MixedModel]) -> Iterator[str]:
    """Factors whose levels have an order, each once."""
    orders = {name: levels for model in models for name, levels in model.levels.items()}
    for name, levels in orders.items():
        shown = ", ".join(_text(str(level)) for level in levels)
        yield f"d[[{_text(name)}]] <- factor(d[[{_text(name)}]], levels = c({shown}))\n"


def _text(text: str) -> str:
    """A text as R writes it."""
    return json.dumps(text, ensure_ascii=False)


def _say(text: str) -> str:
    return f"cat({_text(text)})"


def _fits(model: MixedModel, n_models: int, why_not: Sequence[str]) -> str:
    """One model: its rows, then its fits; or why there is nothing to fit."""
    name = model.name if model.name == model.outcome else f"{model.name}: {model.outcome}"
    lines = [f"# {one_line(f'{model.name}: {model.outcome}', 200)} ({model.family})"]
    lines.append(_say(f"\n== {name} ==\n"))
    if why_not:
        lines.append(_say(f"left out: {why_not[0]}\n"))
    begin = len(lines)
    lines.append("d <- all_rows")
    for name, values in model.where.items():
        shown = ", ".join(_text(str(value)) for value in values)
        column = f"d[[{_text(name)}]]"
        lines += [f"# {model.why_where}", f"d <- droplevels(d[{column} %in% c({shown}), ])"]
    for package, call in model.calls(n_models).items():
        if package == "brms":
            lines.append(f'if (with_brms) fit("brms", {call})')
        elif package != "bambi":
            lines.append(f'fit("{package}", {call})')
    if why_not:
        lines[begin:] = [f"# {line}" for line in lines[begin:]]
    return "\n".join(lines) + "\n"


def _comment(text: str, width: int = 96) -> str:
    """A text as comment lines."""
    import textwrap

    return "\n".join(f"# {line}" for line in textwrap.wrap(text, width))
