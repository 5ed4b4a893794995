"""`python -m grace.stats RUN [RUN…]`: data for mixed models, and with fit=true the models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from grace.config import OK, plain_main
from grace.config.missing_library import need

if TYPE_CHECKING:
    from grace.stats.rows import Rows


def stats(words: Sequence[str]) -> int:
    """Write the data, fit if asked to, say what came out; returns the exit code."""
    from grace.stats.arguments import read_arguments

    chosen = read_arguments(words)
    if chosen.fit:
        need("stats", "fit=true")
    from grace.stats.own_study import without_a_model
    from grace.stats.rows import read_rows
    from grace.stats.write import write_stats

    rows = read_rows(chosen.runs)
    print(rows.title)
    for note in (*rows.notes, *without_a_model(rows), *_obstacles(rows)):
        print(f"{note}.")
    for path in write_stats(chosen.output, rows):
        print(path)
    if chosen.fit:
        from grace.stats.report import fit_all

        print(fit_all(chosen.output, rows, chosen.sampler))
    return OK


def _obstacles(rows: Rows) -> Iterator[str]:
    """Of which rows no model is, and which models these rows cannot tell anything about."""
    from grace.stats.models import left_out, obstacles, suggested

    models = suggested(rows)
    yield from dict.fromkeys(why for model in models for why in left_out(model, rows.frame))
    for model in models:
        for why in obstacles(model, rows.frame):
            yield f"{model.outcome} cannot be modelled: {why}"


if __name__ == "__main__":
    plain_main(stats)
