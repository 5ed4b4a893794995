"""`python -m grace.merge OUT IN...`: bring the answers of several stores into one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grace.command import OK, Parser, plain_main


def merge_stores(words: Sequence[str]) -> int:
    """Merge, or refuse where two stores disagree; returns the exit code."""
    from grace.store import merge

    parser = Parser(
        prog="python -m grace.merge",
        description="Merge answer stores, such as those of shards. Where two disagree on an "
        "answer nothing is written.",
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="the store to merge into")
    parser.add_argument("sources", metavar="IN", type=Path, nargs="+", help="a store")
    chosen = parser.parse_args(words)
    merged = merge(chosen.out, chosen.sources)
    print(
        f"{chosen.out}: {merged.answers:,} answers added, {merged.known:,} were there already, "
        f"{merged.failures:,} failures left"
    )
    return OK


if __name__ == "__main__":
    plain_main(merge_stores)
