"""A sweep: one run for each combination, told apart, and told together at the end."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.config.missing_library import in_words
from grace.config.resources import expand
from grace.config.validation_messages import NAME_PATTERN
from grace.errors import ConfigError, GraceError

OK, BAD_INPUT, FAILED_QUERIES, INTERRUPTED = 0, 1, 3, 130
#: Of a command that looks for trouble: it found some.
TROUBLE = 3
#: Settings that a run's folder is named by.
_IN_FOLDER = ("study", "exp", "model", "model.name", "tag", "shard", "output")
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
    varied: tuple[str, ...] = ()  # their names


def keep_words(words: Sequence[str], runs: Sequence[OneOf]) -> None:
    """Keep what a sweep was asked for beside its results, as OUTPUT/multirun.yaml."""
    import yaml

    for output in dict.fromkeys(one.config["output"] for one in runs if not one.config["dry_run"]):
        path = Path(expand(str(output))) / "multirun.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"settings": list(words), "runs": [one.label for one in runs]}
        path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")


def refuse_one_folder(runs: Sequence[OneOf], folders: Sequence[Path | None]) -> None:
    """ConfigError where two runs of a sweep would have one folder, which holds one run.

    The second would be refused, or take the first's place, after the first was asked. None is
    the folder of a run that comes to nothing.
    """
    first: dict[str, int] = {}
    for number, (one, folder) in enumerate(zip(runs, folders, strict=True), 1):
        if folder is None or one.config["dry_run"]:
            continue
        before = first.setdefault(os.path.abspath(folder), number)  # noqa: PTH100  (no links)
        if before != number:
            raise ConfigError(
                f"runs {before} and {number} of {len(runs)} ({runs[before - 1].label}; "
                f"{one.label}) would both have the folder {folder}; {_apart(runs)}"
            )


def _apart(runs: Sequence[OneOf]) -> str:
    """How runs are told apart: by a tag made of what varies, where that can be part of a name."""
    names = [name for name in runs[0].varied if name not in _IN_FOLDER]
    values = [tuple(str(_setting(one.config, name)) for name in names) for one in runs]
    tag = runs[0].config.get("tag")
    if names and all(re.fullmatch(NAME_PATTERN, f"t{v}") for some in values for v in some):
        parts = "-".join(f"${{{name}}}" for name in names)
        return f"keep them apart with 'tag={f'{tag}-' if tag else 't'}{parts}'"
    return "run them one after another, each with a tag=NAME of its own"


def _setting(config: Any, name: str) -> Any:
    """A setting by its dotted name; a group is none that can be part of a name."""
    for part in name.split("."):
        config = config.get(part) if isinstance(config, dict) else None
    return config


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
