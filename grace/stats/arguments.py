"""What `python -m grace.stats` is told: folders of runs, and settings as name=value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from grace.config import read_words
from grace.config.folder_arguments import shared_folder
from grace.config.manual.commands import STATS
from grace.config.settings import Strict
from grace.config.validation_messages import describe
from grace.errors import ConfigError


class Sampler(Strict):
    """How the posterior is sampled. All of it is written into stats_fit.json."""

    draws: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    tune: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    chains: Annotated[int, Field(ge=1, le=64)] = 4
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    target_accept: Annotated[float, Field(gt=0, lt=1)] = 0.95


class Arguments(Strict):
    """The whole command line."""

    runs: tuple[Path, ...]
    output: Path
    fit: bool = False
    sampler: Sampler = Sampler()


def read_arguments(words: Sequence[str]) -> Arguments:
    """Sort words into folders and settings; ConfigError says which is wrong."""
    runs, settings = read_words(words, STATS)
    sampler = {name: settings[name] for name in Sampler.model_fields if name in settings}
    try:
        return Arguments.model_validate(
            {
                "runs": runs,
                "output": settings.get("output") or _place(runs),
                "fit": settings.get("fit", "false"),
                "sampler": Sampler.model_validate(sampler),
            }
        )
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def _place(runs: Sequence[Path]) -> Path:
    """The run's folder, or the folder that all of several runs are in."""
    return runs[0] if len(runs) == 1 else shared_folder(runs)
