"""The manifest: all that a number in the tables depends on, for whoever reads it later."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grace.asking import Job, Plan
from grace.config import ExperimentSpec
from grace.version import __version__

LIBRARIES = (
    "numpy",
    "pandas",
    "pyarrow",
    "jinja2",
    "hydra-core",
    "torch",
    "transformers",
    "openai",
)


def make_manifest(
    job: Job,
    plan: Plan,
    *,
    counts: Mapping[str, Any],
    seconds: Mapping[str, float],
    status: str,
) -> dict[str, Any]:
    """The manifest as plain containers; see docs/results.md for what each entry means."""
    return {
        "grace": {"version": __version__, **git_state(Path(__file__).parents[1])},
        "status": status,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": job.settings.model_dump(mode="json"),
        "study_file": job.settings.study.file,
        "stimuli": {
            "file": str(job.stimuli.path),
            "sha256": job.stimuli.sha256,
            "rows_run": [trial.row for trial in job.stimuli.trials],
            "derived": list(job.stimuli.derived),
        },
        "templates": job.template_hashes,
        "engine": asdict(plan.info) | {"method": plan.method},
        "plan": {
            "rows": plan.rows,
            "rows_in_file": plan.rows_in_file,
            "answers": plan.answers,
            "queries": plan.queries,
            "questions": plan.questions,
            "chat": plan.chat,
            "tokens": plan.tokens,
            "distinct_tokens": plan.distinct_tokens,
            "forecast": asdict(plan.forecast) if plan.forecast else None,
            "unused": [asdict(unused) for unused in plan.unused],
        },
        "counts": dict(counts),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "libraries": library_versions(),
        "store": str(job.store_path),
        "matrices": matrices(job.spec),
    }


def matrices(spec: ExperimentSpec) -> list[list[str]]:
    """The wide columns that form each trial's matrix, by state, for `Run.matrices`."""
    for reduction in spec.reductions:
        question = spec.questions.get(reduction.question)
        if question is not None and question.wide.prob:
            options = [option.option(forms=True).name for option in question.options]
            prob = question.wide.prob
            return [
                [prob.format(option=name, **over) for name in options]
                for over in question.variants()
            ]
    return []


def library_versions() -> dict[str, str]:
    """The versions of the libraries that matter, of those installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> dict[str, Any]:
    """The commit and whether the tree was changed; nothing for an installed package."""
    if not (folder.parent / ".git").exists():
        return {}
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        dirty = bool(_git(folder, "status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit, "dirty": dirty}


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["git", "-C", str(folder), *words],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return done.stdout.strip()
