"""The study of the docs in a folder of one's own, edited, and what it asks: no model is loaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grace.asking.job import Job, load_job
from grace.config.command_line import compose
from grace.config.settings import read_settings
from grace.questions.queries import ask
from grace.types import Query
from tests.places import ROOT

EXAMPLE = ROOT / "docs" / "example-study"
YAML, TEMPLATE, CSV = "conf/study/tea.yaml", "prompts/tea/temperature.j2", "data/tea.csv"

LINES = (EXAMPLE / YAML).read_text("utf-8").splitlines()


def at(words: str, further: int = 0) -> str:
    """The place of the example's line that has some words, or of one below it."""
    return f"tea.yaml, line {next(n for n, line in enumerate(LINES, 1) if words in line) + further}"


Edit = tuple[str, str | None, str | bytes]


@contextmanager
def standing_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def edited(folder: Path, *edits: Edit) -> Path:
    """The example study in a folder, with texts (or, for None, whole files) replaced."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    for name, old, new in edits:
        path = folder / name
        wanted = new if isinstance(new, bytes) else new.encode()
        if old is not None:
            assert old.encode() in path.read_bytes(), old
            wanted = path.read_bytes().replace(old.encode(), wanted)
        path.write_bytes(wanted)
    return folder


def load(folder: Path, exp: str = "2") -> Job:
    with standing_in(folder):
        return load_job(read_settings(compose(["study=tea", f"exp={exp}"])))


def asked(job: Job) -> list[Query]:
    """All queries, as they would be asked."""
    exp = job.settings.exp
    return list(ask(job.stimuli.trials, job.spec, exp, job.templates, chat=True, seed=0))


def prompts(job: Job) -> list[str]:
    """The user's turn of each query."""
    return [query.messages[-1].content for query in asked(job)]
