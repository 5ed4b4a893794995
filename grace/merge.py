"""`python -m grace.merge OUT IN...`: bring the answers of several stores into one."""

from __future__ import annotations

from collections.abc import Sequence

from grace.config import OK, plain_main, read_words
from grace.config.manual.commands import MERGE


def merge_stores(words: Sequence[str]) -> int:
    """Merge, or refuse where two stores disagree; returns the exit code."""
    (out, *sources), _ = read_words(words, MERGE, runs=2)
    from grace.store import merge

    merged = merge(out, sources)
    print(
        f"{out}: {merged.answers:,} answers added, {merged.known:,} were there already, "
        f"{merged.failures:,} failures left"
    )
    return OK


if __name__ == "__main__":
    plain_main(merge_stores)
