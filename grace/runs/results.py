"""A finished run, for analysis in Python."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grace.config import one_line
from grace.config.argument_kinds import found
from grace.config.resources import expand
from grace.errors import ConfigError, GraceError


@dataclass(frozen=True)
class Run:
    """A run's folder and what is in it, read when first wanted."""

    path: Path

    @cached_property
    def trials(self) -> pd.DataFrame:
        """The wide table: one row a trial. NaN where a value is missing."""
        table = pq.read_table(self.path / "trials.parquet")
        frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True)
        return frame

    @cached_property
    def responses(self) -> pd.DataFrame:
        """The tidy table: one row a trial × question × option (× replicate)."""
        return pd.read_parquet(self.path / "responses.parquet")

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """All settings, versions, hashes, counts and timings."""
        content: dict[str, Any] = json.loads(
            (self.path / "manifest.json").read_text(encoding="utf-8")
        )
        return content

    @cached_property
    def matrices(self) -> NDArray[np.float64]:
        """Probabilities of shape (trials, states, options); study 1 exp 2: (trials, 4, 11).

        Entry [t, k, j] is the share of the j-th answer to “exactly k”; NaN where missing.
        """
        names = self.manifest["matrices"]
        if not names:
            raise GraceError(f"{self.path}: this study and experiment has no matrices")
        return np.stack([self.trials[row].to_numpy(dtype=np.float64) for row in names], axis=1)


def load(path: str | Path | Run) -> Run:
    """The run in a folder, e.g. "outputs/1/2/smollm2-135m"; GraceError if there is none."""
    folder = run_folder(path)
    for name in ("manifest.json", "trials.parquet", "responses.parquet"):
        if not os.path.isfile(folder / name):  # noqa: PTH113  (Path's fails on a long name)
            raise GraceError(
                f"{one_line(str(folder), 200)}: no {name}; expected the folder of a run"
            )
    return Run(folder)


def run_folder(run: Any, name: str = "run") -> Path:
    """The folder of a run that is given as such, or as a path; a ConfigError for what is none."""
    if isinstance(run, Run):
        return run.path
    if (
        isinstance(run, (str, os.PathLike))
        and isinstance(os.fspath(run), str)
        and "\0" not in str(run)
    ):
        return Path(expand(os.fspath(run)))
    raise ConfigError(f"{name}: {found(run)}, expected the folder of a run")
