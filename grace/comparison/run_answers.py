"""A run's folder as answers: which columns of its trials are compared with what people did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grace.comparison.answers import Answers, Reading, normalised, one_hot, settled, there
from grace.comparison.bootstrap import Floats
from grace.comparison.design import (
    ASSESSMENTS,
    DESIGNS,
    STUDY1,
    UTTERANCES,
    Design,
    word_of,
)
from grace.errors import GraceError
from grace.runs import Run, load, manifest_of

#: Warn where more than this share of the compared trials are flagged low_mass.
LOW_MASS_SHARE = 0.1


def read_run(run: Run | Path) -> Answers:
    """The answers in a run's folder; GraceError where people did nothing like it."""
    run = run if isinstance(run, Run) else load(run)
    folder = run.path
    manifest = manifest_of(folder)
    settings = manifest["settings"]
    study, experiment = str(settings["study"]["name"]), str(settings["exp"]["name"])
    if study not in DESIGNS:
        raise GraceError(
            f"{folder}: there are no human figures for study {study}; expected study 1 or 2"
        )
    design = DESIGNS[study]
    table = run.trials
    cells = _cells(folder, design, table)
    readings = _readings(folder, design, experiment, table)
    deterministic = experiment == "2" or settings["exp"].get("temperature") == 0
    answers = Answers(
        model=str(settings["model"]["name"]),
        tag=str(settings.get("tag") or ""),
        source=str(folder),
        design=design,
        experiment=experiment,
        cells=cells,
        weights=np.ones(len(cells)),
        readings=readings,
        given=table["response"].notna().to_numpy() if "response" in table else None,
        items=_labels(table, settings["study"].get("item")),
        participants=_labels(table, settings["study"].get("participant")),
        knowledge=_knowledge(experiment, table) if design is STUDY1 else None,
        coherence=_column(table, "coherence"),
        coherence_z=_column(table, "coherence_z"),
        deterministic=deterministic,
    )
    return settled(answers.warn(*_doubts(manifest, table, answers)))


def _readings(
    folder: Path, design: Design, experiment: str, table: pd.DataFrame
) -> tuple[Reading, ...]:
    try:
        if design is STUDY1:
            return _study1(experiment, table)
        return _study2(experiment, table)
    except KeyError as error:
        raise GraceError(
            f"{folder / 'trials.parquet'}: no column {error.args[0]}; expected the columns of "
            f"study {design.study}, experiment {experiment}"
        ) from error


def _study1(experiment: str, table: pd.DataFrame) -> tuple[Reading, ...]:
    if experiment == "1":
        bets = normalised(_columns(table, [f"p_{k}" for k in range(4)]))
        chosen = [None if pd.isna(a) else str(int(a)) for a in table["initial_answer"]]
        return (
            Reading("percentages", "the four stated percentages, normalised", bets),
            Reading("answers", "the stated number, as proportions", one_hot(chosen, tuple("0123"))),
        )
    return (
        Reading(
            "means",
            "mean answer about each state, normalised",
            _columns(table, [f"p_state_{k}" for k in range(4)]),
        ),
        Reading(
            "coherent",
            "the four answers given that they add up to 100%",
            _columns(table, [f"p_state_{k}_coherent" for k in range(4)]),
        ),
    )


def _study2(experiment: str, table: pd.DataFrame) -> tuple[Reading, ...]:
    if experiment == "1":
        said = [
            None if pd.isna(frame) or pd.isna(word) else f"{frame}_{word}"
            for frame, word in zip(table["frame"], table["assessment"], strict=True)
        ]
        return (Reading("answers", "the sentences, as proportions", one_hot(said, UTTERANCES)),)
    whole = _columns(table, [f"prob_{name}" for name in UTTERANCES])
    frames = _columns(table, ["prob_was", "prob_wasnt"])
    words = _columns(table, [f"prob_{word}" for word in ASSESSMENTS])
    product = (frames[:, :, np.newaxis] * words[:, np.newaxis, :]).reshape(len(table), -1)
    return (
        Reading("utterance", "the probability of each whole utterance", whole),
        Reading("frame × assessment", "was or wasn't times the adjective, asked apart", product),
    )


def _cells(folder: Path, design: Design, table: pd.DataFrame) -> NDArray[np.int64]:
    """The design's cell of each row."""
    first, second = ("observe", "access") if design is STUDY1 else ("goal_type", "hearts")
    places = []
    for one, two in zip(table[first], table[second], strict=True):
        name = word_of(str(one)) if design is STUDY1 else str(one)
        place = design.places.get((str(name), int(two)))
        if place is None:
            raise GraceError(
                f"{folder / 'trials.parquet'}: {first} {one} with {second} {two} is no cell of "
                f"study {design.study}"
            )
        places.append(place)
    return np.array(places, dtype=np.int64)


def _knowledge(experiment: str, table: pd.DataFrame) -> Floats | None:
    """Probability of “yes, the speaker knows”: of a raw answer 1 or 0."""
    if experiment == "1":
        answers = table["knowledge"].map({"yes": 1.0, "no": 0.0})
        return np.asarray(answers, dtype=np.float64)
    return _column(table, "prob_knowledge_yes")


def _column(table: pd.DataFrame, name: str) -> Floats | None:
    return np.asarray(table[name], dtype=np.float64) if name in table else None


def _columns(table: pd.DataFrame, names: Sequence[str]) -> Floats:
    return np.column_stack([table[name].to_numpy(dtype=np.float64) for name in names])


def _labels(table: pd.DataFrame, name: str | None) -> tuple[str, ...] | None:
    return None if name is None or name not in table else tuple(map(str, table[name]))


def _doubts(manifest: Mapping[str, Any], table: pd.DataFrame, answers: Answers) -> list[str]:
    """What a reader must know before believing a number of this run."""
    found = []
    status = manifest.get("status")
    if status != "complete":
        found.append(f"the run's status is {status}: answers are missing")
    main = answers.readings[0].values
    rows = len(main)
    missing = int((~there(main)).sum())
    if missing:
        why = "no readable answer" if answers.experiment == "1" else "no answer"
        if "bounded" in str(manifest["engine"].get("method")):
            why = "an answer only within bounds"
        found.append(f"{missing} of {rows} trials have {why} and are left out")
    low = int(table["flags"].fillna("").str.contains("low_mass").sum())
    if low > LOW_MASS_SHARE * rows:
        found.append(
            f"{low} of {rows} trials are flagged low_mass: the model would mostly answer "
            "something else than one of the options"
        )
    return found
