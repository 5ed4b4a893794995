"""A run's settings with everything read from files, checked before anything is asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from grace.config import ExperimentSpec, Settings, find_data
from grace.questions import Templates
from grace.questions.queries import (
    check_templates,
    experiment,
    refuse_hidden_columns,
    refuse_same_prompts,
)
from grace.stimuli import Stimuli, pilot_rows, read_stimuli
from grace.tables import tidy_columns, wide_columns
from grace.tables.columns import refuse_clashes


@dataclass(frozen=True)
class Job:
    """What is to be run."""

    settings: Settings
    spec: ExperimentSpec
    templates: Templates
    stimuli: Stimuli  # the rows to run
    rows_in_file: int

    @cached_property
    def template_hashes(self) -> dict[str, str]:
        """SHA-256 of each template file, by name; those that others include too."""
        return {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for question in self.spec.questions.values()
            for name, path in self.templates.source_files(question.template).items()
        }

    @property
    def store_path(self) -> Path:
        """The answer store: the one asked for, or the output root's own (a shard's own)."""
        if self.settings.store:
            return Path(self.settings.store)
        ending = self.settings.shard_ending
        return Path(self.settings.output) / f"answers{ending}.sqlite"


def load_job(settings: Settings, stimuli_file: Path | None = None, *, to_ask: bool = False) -> Job:
    """Read and check the study, its templates and the stimuli.

    What is yet `to_ask` must be worth it: variants of a question must have prompts that differ.
    """
    study = settings.study
    templates = Templates()
    spec = experiment(study, settings.exp)
    path = stimuli_file or find_data(settings.data or study.data)
    stimuli = read_stimuli(path, study, templates)
    refuse_hidden_columns(study, spec, stimuli.header)
    check_templates(study, spec, templates, stimuli.header)
    if to_ask:
        refuse_same_prompts(study, spec, templates, stimuli.trials)
    rows = len(stimuli.trials)
    if settings.pilot is not None:
        stimuli = stimuli.subset(pilot_rows(stimuli.trials, study, settings.pilot, settings.seed))
    refuse_clashes(wide_columns(study, spec, stimuli))
    refuse_clashes(tidy_columns(study, spec))
    return Job(settings, spec, templates, stimuli, rows)
