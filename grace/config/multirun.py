"""A sweep: one run for each combination, told apart, and told together at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.config.missing_library import in_words
from grace.config.resources import expand
from grace.errors import GraceError

OK, BAD_INPUT, FAILED_QUERIES, INTERRUPTED = 0, 1, 3, 130
#: Of a command that looks for trouble: it found some.
TROUBLE = 3
_TOLD = {
    OK: "done",
    BAD_INPUT: "not ready",
    FAILED_QUERIES: "finished, but some queries failed",
    INTERRUPTED: "interrupted",
}


@dataclass(frozen=True)
class OneOf:
    """A run of a sweep."""

    label: str  # the settings that vary: "study=1 exp=2"
    config: dict[str, Any]


def keep_words(words: Sequence[str], runs: Sequence[OneOf]) -> None:
    """Keep what a sweep was asked for beside its results, as OUTPUT/multirun.yaml."""
    import yaml

    for output in dict.fromkeys(one.config["output"] for one in runs if not one.config["dry_run"]):
        path = Path(expand(str(output))) / "multirun.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"settings": list(words), "runs": [one.label for one in runs]}
        path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")


def run_several(
    runs: Sequence[OneOf],
    job: Callable[[dict[str, Any]], int],
    together: Callable[[Sequence[dict[str, Any]]], str | None] | None = None,
) -> int:
    """Run one after another, whatever becomes of the others; returns the largest exit code.

    `together` is given the configurations of the runs that have results, and returns what to
    say of them. What interrupts a run ends the sweep.
    """
    told: list[str] = []
    codes: list[int] = []
    for number, one in enumerate(runs, 1):
        print(f"\n== run {number} of {len(runs)}: {one.label} ==", flush=True)
        try:
            codes.append(job(one.config))
            told.append(_TOLD.get(codes[-1], f"exit code {codes[-1]}"))
        except (GraceError, ImportError) as error:
            said = in_words(error)
            print(f"error: {said}", file=sys.stderr, flush=True)
            codes.append(BAD_INPUT)
            told.append(f"failed: {said}")
        except KeyboardInterrupt:
            codes.append(INTERRUPTED)
            told.append(_TOLD[INTERRUPTED])
        if codes[-1] == INTERRUPTED:
            break
    told += ["not begun"] * (len(runs) - len(told))
    print(f"\n== {len(runs)} runs ==")
    for number, (one, outcome) in enumerate(zip(runs, told, strict=True), 1):
        print(f"{number:>{len(str(len(runs)))}}  {one.label}: {outcome}")
    whole = [one.config for one, code in zip(runs, codes, strict=False) if code in _WHOLE]
    if together is not None and INTERRUPTED not in codes and (line := together(whole)):
        print(line, flush=True)
    return max(codes, default=OK)


#: Exit codes of runs that have results.
_WHOLE = (OK, FAILED_QUERIES)
