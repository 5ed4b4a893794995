"""Runs as rows: one a model × item × condition × replicate, without pseudo-replication."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from grace.config import ExperimentSpec, StudySpec
from grace.errors import ConfigError
from grace.runs import load, manifest_of
from grace.stats.fields import derived_fields
from grace.stats.outcomes import derive
from grace.tables import Column
from grace.tables.cells import level_text
from grace.tables.columns import refuse_clashes
from grace.tables.wide import FLAGS, MODEL

#: Columns of a raw answer that are no outcome. Its seed tells one draw from another.
_NO_OUTCOME = ("response", "finish_reason", "n_tokens", "seed")
REPLICATE = Column(
    "replicate",
    "number of the row within its model, item and condition, from 0: a draw of a raw answer, or "
    "another wording of the item (other names in it)",
    type="integer",
)
N_TRIALS = Column(
    "n_trials",
    "how many trials gave this very answer: the same prompt asked again. A count, not a weight: "
    "it is one observation",
    "trials",
    "1 and above",
    type="integer",
)


@dataclass(frozen=True)
class Rows:
    """The data of some runs of one study and experiment, with what to know about them."""

    study: StudySpec
    experiment: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    models: tuple[str, ...]
    n_trials: int
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """The study and experiment, for people."""
        return f"Study {self.study.name} ({self.study.title}), experiment {self.experiment}"


@dataclass(frozen=True)
class _Source:
    """One run as it was read."""

    folder: Path
    study: StudySpec
    experiment: str
    model: str
    made: str  # all that makes the same prompt's answer another one
    trials: pd.DataFrame
    columns: tuple[Column, ...]  # of its answers
    status: str


def read_rows(folders: Sequence[Path]) -> Rows:
    """Rows of all the runs together; ConfigError where they do not belong together."""
    sources = [_read(folder) for folder in dict.fromkeys(f.resolve() for f in folders)]
    _same_experiment(sources)
    first = sources[0]
    study, item = first.study, first.study.item
    if item is None:
        raise ConfigError(
            f"{first.folder}: study {study.name} does not say what its items are; expected "
            "`item: COLUMN` in its YAML"
        )
    parts = [
        _answers(source, label, item)
        for source, label in zip(sources, _labels(sources), strict=True)
    ]
    together = pd.concat(parts, ignore_index=True)
    frame = _one_row_each(together, [key.name for key in _keys(study)], first.columns)
    spec = study.experiments[first.experiment]
    outcomes = [column for column in first.columns if column.name not in _no_outcomes(spec)]
    columns, frame = derive(
        study.name,
        (*_keys(study), REPLICATE, N_TRIALS, *outcomes, FLAGS),
        frame,
        list(derived_fields(spec)),
    )
    refuse_clashes(columns)
    frame = frame[[column.name for column in columns]]
    models = tuple(dict.fromkeys(frame["model"]))
    return Rows(
        study, first.experiment, frame, columns, models, len(together), _notes(sources, frame)
    )


def _read(folder: Path) -> _Source:
    manifest = manifest_of(folder)
    settings = manifest["settings"]
    study = StudySpec.model_validate(settings["study"])
    experiment = str(settings["exp"]["name"])
    run = load(folder)
    engine = manifest["engine"]
    made = {
        "exp": settings["exp"],
        "templates": manifest["templates"],
        "engine": [engine.get(key) for key in ("model", "revision", "dtype")],
    }
    return _Source(
        folder,
        study,
        experiment,
        str(settings["model"]["name"]),
        json.dumps(made, sort_keys=True),
        run.trials,
        _answer_columns(folder, study.experiments[experiment]),
        str(manifest.get("status")),
    )


def _same_experiment(sources: Sequence[_Source]) -> None:
    first = sources[0]
    for other in sources[1:]:
        if (other.study.name, other.experiment) != (first.study.name, first.experiment):
            raise ConfigError(
                f"{other.folder} is study {other.study.name}, experiment {other.experiment}, and "
                f"{first.folder} study {first.study.name}, experiment {first.experiment}; "
                "expected runs of one study and experiment"
            )


def _labels(sources: Sequence[_Source]) -> list[str]:
    """Each run's model. A model asked in several ways is told apart by its runs' folders."""
    ways: dict[str, set[str]] = {}
    for source in sources:
        ways.setdefault(source.model, set()).add(source.made)
    return [s.model if len(ways[s.model]) == 1 else s.folder.name for s in sources]


def _answer_columns(folder: Path, spec: ExperimentSpec) -> tuple[Column, ...]:
    """The columns of a run's answers, from its codebook, without the large matrices."""
    path = folder / "codebook.json"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))["tables"]["trials"]
        columns = [Column(**column) for column in table]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: cannot be read; write it again with python -m grace.tables {folder}"
        ) from error
    names = [column.name for column in columns]
    dropped = {REPLICATE.name, FLAGS.name, *_matrix_columns(spec)}
    return tuple(c for c in columns[names.index(MODEL.name) + 1 :] if c.name not in dropped)


def _matrix_columns(spec: ExperimentSpec) -> set[str]:
    """The columns that a reduction has reduced: 44 probabilities become 4."""
    found = set()
    for reduction in spec.reductions:
        question = spec.questions[reduction.question]
        if question.wide.prob:
            for over in question.variants():
                options = (option.option(forms=True).name for option in question.options)
                found |= {question.wide.prob.format(option=name, **over) for name in options}
    return found


def _keys(study: StudySpec) -> list[Column]:
    """What says which cell of the design a row is in."""
    item = study.columns[study.item or ""]
    keys = [Column("model", "the model asked", type="text")]
    keys.append(Column("item", f"the item: {item.meaning} ({study.item})", type="text"))
    for name in study.factors:
        factor = study.columns[name]
        limits = ", ".join(str(value) for value in factor.allowed or ())
        keys.append(Column(name, factor.meaning, "", limits, "stimuli", factor.type))
    return keys


def _answers(source: _Source, label: str, item: str) -> pd.DataFrame:
    """A run's trials: the design's cell, and the answers."""
    trials = source.trials
    names = [column.name for column in source.columns]
    lacking = [name for name in (item, *source.study.factors, *names) if name not in trials]
    if lacking:
        raise ConfigError(f"{source.folder / 'trials.parquet'}: no column {lacking[0]}")
    kept = trials[[*source.study.factors, *names, FLAGS.name]].copy()
    kept.insert(0, "item", trials[item].map(_item))
    kept.insert(0, "model", label)
    return kept


def _item(value: Any) -> str | None:
    """An item's name; None for an empty cell, which names none."""
    return None if pd.isna(value) or value == "" else level_text(value)


def _no_outcomes(spec: ExperimentSpec) -> set[str]:
    """What is kept of a raw answer in the run's own tables alone."""
    raw = spec.raw
    before = [""] if len(raw) < 2 else [f"{name}_" for name in raw]
    return {start + name for start in before for name in _NO_OUTCOME if raw}


def _one_row_each(
    table: pd.DataFrame, cell: Sequence[str], answers: Sequence[Column]
) -> pd.DataFrame:
    """Trials of one cell with the same answer are one row, counted in n_trials.

    A scored answer is some dozen probabilities: they agree to the last digit where the prompt
    was the same, for a prompt is asked once. Raw answers agree where prompt, draw and so seed
    are the same; two draws with the same text have two seeds, and stay two rows.
    """
    same = pd.util.hash_pandas_object(table[[c.name for c in answers]], index=False)
    groups = pd.concat([table[list(cell)], same.rename("answer")], axis=1)
    sizes = groups.groupby(list(groups), sort=False, dropna=False)["item"].transform("size")
    first = ~groups.duplicated()
    frame = table[first].copy()
    frame[N_TRIALS.name] = sizes[first]
    frame = frame.sort_values(list(cell), kind="stable", ignore_index=True)
    frame[REPLICATE.name] = frame.groupby(list(cell), sort=False, dropna=False).cumcount()
    return frame


def _notes(sources: Sequence[_Source], frame: pd.DataFrame) -> tuple[str, ...]:
    """What a reader must know before any of it is fitted."""
    n_trials, n_rows = int(frame[N_TRIALS.name].sum()), len(frame)
    found = [f"{n_trials:,} trials are {n_rows:,} rows"]
    if n_rows < n_trials:
        found[0] += (
            ": trials with the same prompt have the same answer, which is one row (n_trials counts "
            "them). A deterministic model has items, not participants"
        )
    found += [
        f"{source.folder}: the run's status is {source.status}, so answers are missing"
        for source in sources
        if source.status != "complete"
    ]
    low = int(frame[FLAGS.name].fillna("").str.contains("low_mass").sum())
    if low:
        found.append(
            f"{low:,} of {n_rows:,} rows are flagged low_mass: the model would mostly answer "
            "something else than one of the options"
        )
    return tuple(found)
