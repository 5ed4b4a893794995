"""How many raw answers were read, and what the others lack."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

NO_ANSWER = "no answer"


def count_answers(trials: pd.DataFrame, fields: Iterable[str]) -> pd.Series:
    """How many raw answers have each status: "ok" and what others lack → number of answers.

    `trials` is the wide table, in which each raw answer has one cell of a parse_status column:
    an answer counts once, whatever the number of its fields. The words found in an answer,
    which stand in brackets, are left out, so that answers that lack the same count together.
    """
    columns = [name for name in trials if str(name).endswith("parse_status")]
    cells = [trials[name].fillna(NO_ANSWER) for name in columns]
    statuses = pd.concat(cells) if cells else pd.Series(dtype=object)
    names = "|".join(sorted(map(re.escape, fields)))
    quoted = rf" \(.*?\)(?=$|; |, (?:{names})\b)"
    return statuses.astype(str).str.replace(quoted, "", regex=True, flags=re.DOTALL).value_counts()


def shown_reasons(counts: pd.Series, limit: int, of: str = "answers") -> list[str]:
    """The most frequent reasons, a line each, and how many there are beside them."""
    reasons = counts.drop("ok", errors="ignore").sort_values(ascending=False, kind="stable")
    lines = [f"{count:,} × {reason}" for reason, count in reasons.head(limit).items()]
    if len(reasons) > limit:
        left = int(reasons.iloc[limit:].sum())
        more = len(reasons) - limit
        lines.append(f"and {more:,} more reason{'s' * (more > 1)} ({left:,} {of})")
    return lines
