"""A run's folder opened again: its settings, its plan and its store, with no engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.asking import Job, load_job
from grace.config import read_settings
from grace.errors import ConfigError
from grace.runs.resume import Recalled, recall
from grace.runs.settings_differences import manifest_of
from grace.store import Store
from grace.types import EngineInfo


@dataclass(frozen=True)
class Reopened:
    """What is known of a run from its folder."""

    folder: Path
    manifest: Mapping[str, Any]
    job: Job
    store: Path


def reopen(folder: Path) -> Reopened:
    """The run in a folder, wherever the folder is now; the stimuli file must still be there.

    Where Grace itself has moved, so have the stimuli that come with it.
    """
    manifest = manifest_of(folder)
    settings = read_settings(manifest["settings"])
    path = Path(manifest["stimuli"]["file"])
    job = load_job(settings, path if path.exists() else None)
    return Reopened(folder, manifest, job, _store(folder, manifest, job))


def _store(folder: Path, manifest: Mapping[str, Any], job: Job) -> Path:
    """The store as the run named it, or at its place in an output root that was moved.

    Where a run named it by a path from where it was started, another run's may stand there now.
    """
    named = Path(manifest["store"])
    places = [named]
    if not job.settings.store and len(folder.resolve().parents) > 2:
        places.insert(named.is_absolute(), folder.resolve().parents[2] / named.name)
    for place in places:
        if place.is_file() and _knows(place, manifest):
            return place
    raise ConfigError(f"{named}: the run's store is not there; run this where the run was started")


def _knows(place: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether a store has answers of the run's engine, if the run has any."""
    try:
        engine = EngineInfo(**manifest["engine"])
    except TypeError as error:
        raise ConfigError(
            "manifest.json: its engine is none that this version of Grace knows"
        ) from error
    with Store.open(place, read_only=True) as store:
        return not manifest["counts"]["answered"] or store.knows(engine)


def changed_inputs(run: Reopened) -> list[str]:
    """Which of the files a run was made from have changed since."""
    before, now = run.manifest["stimuli"]["sha256"], run.job.stimuli.sha256
    changed = [] if before == now else [f"stimuli {run.job.stimuli.path}"]
    old, new = run.manifest["templates"], run.job.template_hashes
    changed += [f"template {n}" for n in sorted({*old, *new}) if old.get(n) != new.get(n)]
    return changed


def recall_plan(run: Reopened) -> Recalled:
    """The run's plan, ConfigError where its files have changed or its index is gone."""
    if changed := changed_inputs(run):
        raise ConfigError(
            f"{run.folder}: changed since the run: {', '.join(changed)}; "
            "bring back what it was, or run it again"
        )
    found = recall(run.job, run.folder)
    if found is None:
        raise ConfigError(
            f"{run.folder}: queries.parquet is not there or does not fit this version of Grace; "
            "run the same command again"
        )
    return found
