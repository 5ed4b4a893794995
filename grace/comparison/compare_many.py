"""Runs and tables of results in; models against people and RSA models, and their files, out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grace.config.argument_kinds import found, strict
from grace.config.resources import expand
from grace.errors import ConfigError

if TYPE_CHECKING:
    from grace.comparison.comparing import Comparison
    from grace.runs import Run


@dataclass(frozen=True)
class Asked:
    """What to compare, with what, and where the results go."""

    runs: tuple[Path, ...] = ()
    study: str | None = None
    results: Path | None = None
    output: Path | None = None
    human: Path | None = None
    seed: int = 0
    bootstrap: int = 2000
    floor: float = 1e-6


@strict
def compare_runs(
    *runs: str | Path | Run,
    results: str | Path | None = None,
    study: str | int | None = None,
    output: str | Path | None = None,
    human: str | Path | None = None,
    seed: int = 0,
    bootstrap: int = 2000,
    floor: float = 1e-6,
) -> dict[str, Any]:
    """The same from Python: writes comparison.json and .csv, returns what the JSON holds.

        found = grace.compare_runs("outputs/2/2/smollm2-135m")
        found["r"]["value"], found["r"]["low"], found["r"]["high"], found["r"]["ceiling"]

    Of several runs each is found under found["runs"]. A table (`results`) is compared without
    writing where there is no `output`.
    """
    from grace.comparison.write import together
    from grace.runs import run_folder

    given = {"study": study, "results": results, "output": output, "human": human}
    for name, value in given.items():
        if not (value is None or isinstance(value, (str, os.PathLike)) or name == "study"):
            raise ConfigError(f"{name}: {found(value)}, expected a path")
    settings = {
        name: str(value) if name == "study" else expand(str(value))
        for name, value in given.items()
        if value is not None
    }
    settings |= {"seed": str(seed), "bootstrap": str(bootstrap), "floor": str(floor)}
    folders = [run_folder(run) for run in runs]
    asked = check(folders, settings)
    comparisons = compare_all(asked)
    write_all(comparisons, asked)
    return together(comparisons)


def compare_all(asked: Asked) -> list[Comparison]:
    """Every run, then the table's models, against people."""
    from grace.comparison.comparing import compare
    from grace.comparison.humans import people
    from grace.comparison.measure import Options
    from grace.comparison.other_results import read_results
    from grace.comparison.run_answers import read_run

    found = [read_run(folder) for folder in asked.runs]
    if asked.results is not None:
        found += read_results(asked.results, asked.study)
    studies = dict.fromkeys(answers.design.study for answers in found)
    if asked.human is not None and len(studies) > 1:
        raise ConfigError(f"human={asked.human}: expected runs of one study, found both")
    for answers in found:
        if asked.study not in {None, answers.design.study}:
            raise ConfigError(
                f"study={asked.study}: {answers.source} is of study {answers.design.study}"
            )
    references = {study: people(study, asked.human) for study in studies}
    options = Options(asked.bootstrap, asked.seed, asked.floor)
    return [compare(answers, references[answers.design.study], options) for answers in found]


def write_all(comparisons: Sequence[Comparison], asked: Asked) -> list[Path]:
    """All into the output folder, or each run's into its own."""
    from grace.comparison.write import write

    if asked.output is not None:
        return write(asked.output, comparisons)
    return [
        path
        for folder, one in zip(asked.runs, comparisons, strict=False)
        for path in write(folder, [one])
    ]


def check(folders: Sequence[Path], settings: Mapping[str, str]) -> Asked:
    """Settings as they are needed; ConfigError says which is wrong."""
    if not folders and "results" not in settings:
        raise ConfigError("nothing to compare: expected a run's folder, or results=FILE.csv")
    for name, value in settings.items():
        if not value:
            raise ConfigError(f"{name}=: expected a value")
    study = settings.get("study")
    if study not in {None, "1", "2"}:
        raise ConfigError(f"study={study}: there are no human figures for it; expected 1 or 2")
    named = ("results", "output", "human")
    paths = {name: Path(settings[name]) for name in named if name in settings}
    for name in ("results", "human"):
        if name in paths and not os.path.exists(paths[name]):  # noqa: PTH110  (of a long name)
            raise ConfigError(f"{name}={paths[name]}: no such file")
    if "output" in paths and paths["output"].exists() and not paths["output"].is_dir():
        raise ConfigError(f"output={paths['output']}: is a file, expected a folder")
    return Asked(
        runs=tuple(folders),
        study=study,
        results=paths.get("results"),
        output=paths.get("output"),
        human=paths.get("human"),
        seed=_whole(settings, "seed", 0, 2**63 - 1, default=0),
        bootstrap=_whole(settings, "bootstrap", 100, 1_000_000, default=2000),
        floor=_floor(settings),
    )


def _whole(settings: Mapping[str, str], name: str, low: int, high: int, *, default: int) -> int:
    text = settings.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
        raise ConfigError(f"{name}={text}: expected a whole number from {low} to {high}")
    return int(text)


def _floor(settings: Mapping[str, str]) -> float:
    text = settings.get("floor", "1e-6")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 0.1:
        raise ConfigError(f"floor={text}: expected a probability above 0, at most 0.1")
    return value
