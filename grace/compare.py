"""`python -m grace.compare RUN [RUN ...]`: models against people, and against RSA models."""

from __future__ import annotations

from collections.abc import Sequence

from grace.config import OK, plain_main, read_words
from grace.config.manual.commands import COMPARE
from grace.errors import ConfigError


def compare_command(words: Sequence[str]) -> int:
    """Compare, print and write; returns the exit code."""
    folders, settings = read_words(words, COMPARE, runs=0)
    from rich.console import Console

    from grace.comparison import show_all
    from grace.comparison.compare_many import check, compare_all, write_all

    asked = check(folders, settings)
    if asked.results is not None and asked.output is None:
        raise ConfigError(f"results={asked.results} needs a folder to write to: output=DIR")
    comparisons = compare_all(asked)
    console = Console(soft_wrap=False, emoji=False)
    show_all(comparisons, console)
    for path in write_all(comparisons, asked):
        console.print(f"{path}", markup=False, highlight=False, soft_wrap=True)
    return OK


if __name__ == "__main__":
    plain_main(compare_command)
