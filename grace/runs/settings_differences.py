"""What a results folder was made with, against what is asked for now.

A folder holds one run. Other settings, stimuli or templates would put numbers of another origin
under the same name, so they are refused. What does not change the meaning of an answer may
differ; and a pilot may grow, for its rows are among those of every larger one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grace.asking import Job
from grace.config import one_line
from grace.errors import ConfigError

#: Settings that may differ, whole groups where they end in a dot. The stimuli and the templates
#: are compared by their content.
FREE = (
    "output",
    "store",
    "dry_run",
    "overwrite",
    "report",
    "profile",
    "max_failures",
    "data",
    "pilot",
    "tag",
    "study.data",
    "engine.max_batch_tokens",
    "engine.max_batch_texts",
    "engine.threads",
    "engine.endpoints",
    "engine.managed",
    "engine.max_concurrency",
    "engine.nodes_per_request",
    "engine.timeout",
    "engine.deadline",
    "model.licence",
    "model.gated",
    "model.parameters",
    "model.memory_gib",
    "model.cards",
    "model.weights_gib",
    "serve.",
)
#: What a study says for its readers alone, and how its tables are made of the same answers.
TOLD_OF_STUDY = ("title", "source", "item", "participant")
TOLD_OF_EXPERIMENT = ("reductions",)
TOLD_OF_QUESTION = ("meaning", "wide", "marginals")
#: Settings that earlier versions did not have, and the values that are as they were.
AS_BEFORE: Mapping[str, Any] = {"exp.option_space": "auto", "model.control_tokens": "refuse"}
#: Differences told; more are counted.
TOLD = 6
_NOTHING: Any = (None, False, "", [], {})


def refuse_differences(job: Job) -> None:
    """ConfigError where the folder's manifest tells of another run."""
    path = job.settings.folder / "manifest.json"
    if job.settings.overwrite or not path.is_file():
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        found = list(differences(before, job))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path}: cannot be read, so what made this folder is not known; "
            "keep this run apart with tag=NAME, or replace the results with overwrite=true"
        ) from error
    if found:
        now = job.settings.study.file
        if now and before.get("study_file") not in (None, "", now):
            found.insert(0, f"the study's file: {before['study_file']} → {now}")
        more = f"; and {len(found) - TOLD} more" if len(found) > TOLD else ""
        raise ConfigError(
            f"{job.settings.folder} holds a run with other settings: {'; '.join(found[:TOLD])}"
            f"{more}. Keep this run apart with tag=NAME, or replace the results with "
            "overwrite=true, which asks only what changed: the store keeps every answer"
        )


def differences(before: Mapping[str, Any], job: Job) -> Iterator[str]:
    """Each difference as "setting: old → new"."""
    old = dict(_leaves(that_ask(before["settings"])))
    new = dict(_leaves(that_ask(job.settings.model_dump(mode="json"))))
    for name in dict.fromkeys([*old, *new]):
        a, b = old.get(name, AS_BEFORE.get(name)), new.get(name)
        if name == "model.date" and b == before["engine"]["details"].get("date"):
            continue  # said now, and meant then
        if a != b and not _free(name) and not (a in _NOTHING and b in _NOTHING):
            yield f"{name}: {_show(a)} → {_show(b)}"
    yield from _pilot(before, job)
    sha = before["stimuli"]["sha256"]
    if sha != job.stimuli.sha256:
        yield f"stimuli: {before['stimuli']['file']} ({sha[:8]}) → {job.stimuli.path} " + (
            f"({job.stimuli.sha256[:8]})"
        )
    hashes = before["templates"]
    for name in sorted({*hashes, *job.template_hashes}):
        a, b = (kept.get(name, "none")[:8] for kept in (hashes, job.template_hashes))
        if a != b:
            yield f"template {name}: {a} → {b}"


def that_ask(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without what a study says for readers, of other experiments, and of its tables.

    Where that has changed the tables are written anew, of the same answers.
    """
    study = _without(settings["study"], TOLD_OF_STUDY)
    study["columns"] = {
        name: _without(column, ("meaning",)) for name, column in study["columns"].items()
    }
    study["experiments"] = {
        name: _without(experiment, TOLD_OF_EXPERIMENT)
        | {
            "questions": {
                title: _without(question, TOLD_OF_QUESTION)
                for title, question in experiment["questions"].items()
            }
        }
        for name, experiment in study["experiments"].items()
        if name == str(settings["exp"]["name"])
    }
    return {**settings, "study": study}


def _without(group: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name not in names}


def _pilot(before: Mapping[str, Any], job: Job) -> Iterator[str]:
    """A run may become larger; a smaller one would drop rows that are in the tables."""
    old, new = before["settings"].get("pilot"), job.settings.pilot
    if new is not None and (old is None or new < old):
        yield f"pilot: {'all rows' if old is None else old} → {new}"


def _free(name: str) -> bool:
    return any(name == free or (free[-1] == "." and name.startswith(free)) for free in FREE)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted names; a list is one setting."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _show(value: Any) -> str:
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"


def manifest_of(folder: Path) -> dict[str, Any]:
    """A run folder's manifest; ConfigError where there is none."""
    path = folder / "manifest.json"
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        if {"settings", "stimuli", "templates", "engine", "plan"} <= found.keys():
            return dict(found)
    except FileNotFoundError as error:
        raise ConfigError(f"{folder}: no manifest.json; expected the folder of a run") from error
    except (OSError, ValueError, AttributeError) as error:
        told = f"{one_line(str(path), 200)}: cannot be read ({type(error).__name__})"
        raise ConfigError(f"{told}; expected the folder of a run") from error
    raise ConfigError(f"{path}: expected the manifest of a run")
