"""Readable material files in; the CSV of stimuli that they make out.

What a material file may say is in grace.stimuli.stories, who sees what in
grace.stimuli.counterbalance.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

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


def make_stimuli(study: str, options: Wanted) -> str:
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
