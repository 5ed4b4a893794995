"""What figures and report are made from: a run, its settings, and its comparison with people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grace.config import ExperimentSpec, Settings, read_settings
from grace.errors import GraceError
from grace.questions.queries import experiment
from grace.runs import Run, load, manifest_of, run_folder
from grace.tables import Cells, CellTable, cell_tables, design_cells

if TYPE_CHECKING:
    from grace.comparison import Comparison, Measured

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LeanRun(Run):
    """A run whose trials leave out the texts of the stimuli, which may be most of them."""

    kept: tuple[str, ...]  # columns of the stimuli that are read

    @cached_property
    def trials(self) -> pd.DataFrame:
        """The wide table without those columns."""
        path = self.path / "trials.parquet"
        names = pq.read_schema(path).names
        own = names.index("model") if "model" in names else 0
        wanted = [name for i, name in enumerate(names) if i >= own or name in self.kept]
        frame: pd.DataFrame = pq.read_table(path, columns=wanted).to_pandas()
        return frame


@dataclass(frozen=True)
class View:
    """A run with all that is said about it, each part read or computed when first wanted."""

    run: Run
    manifest: dict[str, Any]
    settings: Settings

    @property
    def label(self) -> str:
        """The model's name, and beside it the run's tag and shard."""
        more = []
        if self.settings.tag:
            more.append(f"tag {self.settings.tag}")
        if self.settings.shard:
            more.append("shard {} of {}".format(*self.settings.shard_of))
        name = self.settings.model.name
        return f"{name} ({', '.join(more)})" if more else name

    @cached_property
    def spec(self) -> ExperimentSpec:
        """The questions that were asked."""
        return experiment(self.settings.study, self.settings.exp)

    @property
    def factors(self) -> list[str]:
        """The columns of the design."""
        return list(self.settings.study.factors)

    @cached_property
    def compared(self) -> Comparison | str:
        """The comparison with people, or why there is none."""
        from grace.comparison import compare, people, read_run

        try:
            answers = read_run(self.run)
            return compare(answers, people(answers.design.study))
        except GraceError as error:
            return str(error)

    @property
    def comparison(self) -> Comparison:
        """The comparison with people; GraceError where there is none."""
        if isinstance(self.compared, str):
            raise GraceError(self.compared)
        return self.compared

    @cached_property
    def cells(self) -> Cells:
        """The cells of the design that the run has, in the design's order."""
        return design_cells(self.run.trials, self.factors, self.settings.study)

    @cached_property
    def cell_tables(self) -> list[CellTable]:
        """Means of every question by cell."""
        return cell_tables(self.run.trials, self.settings.study, self.spec)

    @cached_property
    def masses(self) -> pd.DataFrame:
        """Mass of every answer: `asked` (question and variant), `mass` (NaN missing), `low`."""
        parts = []
        for name, question in self.spec.scored.items():
            first = question.options[0].option(forms=True).name  # all have the answer's mass
            own = self.answers([*question.over, "mass", "flags"], question=name, option=first)
            asked = pd.Series(name, own.index)
            for variant in question.over:
                number = pd.api.types.is_numeric_dtype(own[variant])
                asked = asked + " " + own[variant].map("{:g}".format if number else str)
            low = own["flags"].fillna("").str.contains("low_mass")
            parts.append(pd.DataFrame({"asked": asked, "mass": own["mass"], "low": low}))
        return pd.concat(parts) if parts else pd.DataFrame({"asked": [], "mass": [], "low": []})

    def answers(self, columns: Sequence[str], **where: str) -> pd.DataFrame:
        """Columns of those rows of the tidy table in which other columns have these values."""
        parts = list(self._parts(columns, where))
        frame: pd.DataFrame = pa.Table.from_batches(parts).to_pandas()
        return frame

    def means(self, keys: Sequence[str], value: str, **where: str) -> pd.Series[float]:
        """Means of a column of the tidy table by others, NaN where all is missing.

        Summed a few rows at a time: the table may be larger than the memory.
        """
        sums = [
            pa.Table.from_batches([part])
            .group_by(list(keys))
            .aggregate([(value, "sum"), (value, "count")])
            .to_pandas()
            for part in self._parts([*keys, value], where)
        ]
        total = pd.concat(sums).groupby(list(keys), sort=False).sum()
        count = total[f"{value}_count"]
        means: pd.Series[float] = total[f"{value}_sum"] / count.where(count > 0)
        return means

    def _parts(self, columns: Sequence[str], where: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        """The tidy table a few rows at a time; at least one part, if without rows."""
        wanted = list(dict.fromkeys([*columns, *where]))
        with pq.ParquetFile(self.run.path / "responses.parquet") as file:
            empty = file.schema_arrow.empty_table().select(list(columns))
            yield pa.RecordBatch.from_pylist([], schema=empty.schema)
            for part in file.iter_batches(columns=wanted):
                for name, value in where.items():
                    part = part.filter(pc.equal(part[name], value))  # noqa: PLW2901
                if len(part):
                    yield part.select(list(columns))


def view(run: View | Run | str | Path) -> View:
    """The run in a folder; GraceError where there is none, or it was never finished."""
    if isinstance(run, View):
        return run
    folder = run_folder(run)
    manifest = manifest_of(folder)
    settings = read_settings(manifest["settings"])
    lean = LeanRun(load(folder).path, settings.study.named_columns)
    return View(lean, manifest, settings)


def measured(comparison: Comparison, reading: str | None = None) -> Measured:
    """All trials in one reading, the first where none is named; GraceError for an unknown one."""
    from grace.comparison.measure import ALL

    readings = {one.reading.name: one for one in comparison.measured if one.trials == ALL}
    if reading is not None and reading not in readings:
        raise GraceError(f"reading={reading!r}: expected one of {', '.join(readings)}")
    return comparison.main if reading is None else readings[reading]
