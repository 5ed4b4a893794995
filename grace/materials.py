"""Build the stimuli that come with Grace from readable material files.

    python -m grace.materials            data/materials/study?.yaml -> data/study?.csv
    python -m grace.materials check=true do the CSV files agree with the materials?

What a material file may say is in grace.stimuli.stories, who sees what in grace.stimuli.counterbalance.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from grace.config.command_line import OK, plain_main
from grace.config.manual.commands import MATERIALS
from grace.config.resources import shipped
from grace.config.run_folders import read_words, switch, whole
from grace.errors import ConfigError
from grace.stimuli.stories import STUDIES, Materials


def read(path: Path, kind: type[Materials]) -> Materials:
    """Read and check a material file; a ConfigError says file, item and expectation."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file, expected a material file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read, expected UTF-8 text ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "something else"
        raise ConfigError(f"{path}{line}: expected YAML, {problem}") from error
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}{_first_problem(error, content)}") from error


def build(materials: Materials, participants: int, seed: int) -> bytes:
    """Make the CSV file: UTF-8 without a BOM, LF at every line's end on every system."""
    text = io.StringIO()
    writer = csv.DictWriter(text, materials.columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(materials.rows(participants, seed))
    return text.getvalue().encode("utf-8")


def balance(materials: Materials, participants: int, seed: int) -> str:
    """Say how often each item is in each condition, and what would even it out."""
    rows = materials.rows(participants, seed)
    counts = Counter(tuple(row[column] for column in materials.design) for row in rows)
    items, conditions = materials.sizes
    most = max(counts.values())
    least = min(counts.values()) if len(counts) == items * conditions else 0
    times = f"{most} times" if least == most else f"{least} or {most} times"
    even = lcm(items, conditions)
    advice = f" (multiples of {even} participants balance fully)" if participants % even else ""
    return (
        f"{participants} participants of {items} trials, "
        f"each of the {items} x {conditions} cells {times}{advice}"
    )


@dataclass(frozen=True)
class Wanted:
    """What to build, and where."""

    studies: tuple[str, ...]
    output: Path
    materials: Path
    check: bool
    participants: int | None
    seed: int | None


def build_stimuli(words: Sequence[str]) -> int:
    """Write or compare the CSV files of the studies; returns the exit code."""
    wanted = read_wanted(words)
    for study in wanted.studies:
        print(_make(study, wanted))
    return OK


def read_wanted(words: Sequence[str]) -> Wanted:
    """The words as they are needed; ConfigError says which is wrong."""
    others, settings = read_words(words, MATERIALS, runs=0)
    if others:
        raise ConfigError(f"{others[0]}: expected setting=value ({MATERIALS.program} --help)")
    study = settings.get("study", "all")
    if study not in (*STUDIES, "all"):
        raise ConfigError(f"study={study}: expected one of {', '.join(STUDIES)}, all")
    return Wanted(
        studies=tuple(STUDIES) if study == "all" else (study,),
        output=Path(settings.get("output", "data")),
        materials=Path(settings.get("materials", shipped("data") / "materials")),
        check=switch(settings, "check"),
        participants=whole(settings, "participants", 1, 1_000_000),
        seed=whole(settings, "seed", 0, 2**63 - 1),
    )


def _make(study: str, options: Wanted) -> str:
    """Write one study's CSV, or compare it, and say what came of it."""
    materials = read(options.materials / f"study{study}.yaml", STUDIES[study])
    seed = materials.seed if options.seed is None else options.seed
    participants = options.participants or materials.participants
    path = options.output / f"study{study}.csv"
    content = build(materials, participants, seed)
    if options.check:
        _compare(path, content)
        return f"{path}: agrees with its materials"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error})") from error
    return f"{path}: {balance(materials, participants, seed)}"


def _compare(path: Path, content: bytes) -> None:
    """Raise ConfigError, with the first line that differs, unless the file is the content."""
    try:
        found = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read, expected the stimuli ({error})") from error
    if found != content:
        old, new = found.split(b"\n"), content.split(b"\n")
        same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), None)
        line = 1 + (min(len(old), len(new)) if same is None else same)
        raise ConfigError(
            f"{path}, line {line}: differs from what its materials give, "
            "expected the output of python -m grace.materials"
        )


def _first_problem(error: ValidationError, content: Any) -> str:
    """Say what is wrong first, as ", scenarios 3 (batteries), today: found 'x', expected y"."""
    problem = error.errors()[0]
    place = ""
    for step in problem["loc"]:
        if isinstance(content, list):
            content = content[int(step)]
            place += f" {int(step) + 1}"
        elif isinstance(content, dict):
            content = content.get(step)
            place += f", {step}"
        if isinstance(content, dict) and "id" in content:
            place += f" ({content['id']})"
    if problem["type"] == "missing":
        return f"{place}: found nothing, expected a value"
    if problem["type"] == "extra_forbidden":
        return f"{place}: found an unknown key, expected none"
    message = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "expected", 1)
    whole = isinstance(problem["input"], dict | list | tuple)
    found = "" if whole else f"found {problem['input']!r}, "
    return f"{place}: {found}{message}"


if __name__ == "__main__":
    plain_main(build_stimuli)
