"""`python -m grace.verify RUN`: whether a run's numbers are as stored, and come out again."""

from __future__ import annotations

from collections.abc import Sequence

from grace.config import BAD_INPUT, OK, one_run, plain_main
from grace.config.folder_arguments import whole
from grace.config.manual.commands import VERIFY


def verify_run(words: Sequence[str]) -> int:
    """Look at everything, say what was found; 0 if the run is reproducible, else 1."""
    folder, settings = one_run(words, VERIFY)
    seed = whole(settings, "seed", 0, 2**63 - 1) or 0
    from grace.runs import verify

    return OK if verify(folder, seed) else BAD_INPUT


if __name__ == "__main__":
    plain_main(verify_run)
