"""stats.R: reads the data beside it and fits each suggested model with lme4, brms and others."""

from __future__ import annotations

from collections.abc import Sequence

from grace.stats.models import EDGE, MixedModel
from grace.stats.rows import Rows

_HEAD = """\
# {title}
#
# Rscript stats.R        fits with lme4, and with glmmTMB and ordinal where they are installed
# Rscript stats.R brms   fits with brms too (minutes: each model is compiled)
#
{caution}

d <- read.csv("stats.csv", na.strings = "", stringsAsFactors = FALSE)
for (name in c({factors})) d[[name]] <- factor(d[[name]])
if (all(c("hearts", "goal_type") %in% names(d)))
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
        title=f"{rows.title}: mixed models",
        caution=_comment(caution),
        edge=f"{EDGE:g}",
        factors=", ".join(f'"{name}"' for name in factors),
    )
    return "\n".join([head, *(_fits(model, len(rows.models)) for model in models)])


def _fits(model: MixedModel, n_models: int) -> str:
    """One model: its rows, then its fits."""
    lines = [f"# {model.name}: {model.outcome} ({model.family})"]
    lines += [f'cat("\\n== {model.name}: {model.outcome} ==\\n")', "d <- all_rows"]
    for name, values in model.where.items():
        shown = ", ".join(f'"{value}"' for value in values)
        lines += [f"# {model.why_where}", f"d <- droplevels(d[d${name} %in% c({shown}), ])"]
    for package, call in model.calls(n_models).items():
        if package == "brms":
            lines.append(f'if (with_brms) fit("brms", {call})')
        elif package != "bambi":
            lines.append(f'fit("{package}", {call})')
    return "\n".join(lines) + "\n"


def _comment(text: str, width: int = 96) -> str:
    """A text as comment lines."""
    import textwrap

    return "\n".join(f"# {line}" for line in textwrap.wrap(text, width))
