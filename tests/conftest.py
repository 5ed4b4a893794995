"""Models and files the tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.places import SHARED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from grace.figures import View
    from grace.runs.results import Run

#: Hundreds of runs are made here, and few are about their report.
os.environ["GRACE_REPORT"] = "false"
#: Tests that run side by side have a core each, and so do the processes they start: threads that
#: wait for each other on a busy machine take fifty times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ORIGINAL = Path(os.environ.get("GRACE_ORIGINAL", SHARED / "data/original"))
HUMAN = Path(os.environ.get("GRACE_HUMAN", SHARED / "data/human"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny random model, by family name; built once a session."""
    from tests.tiny import FAMILIES, build

    built: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in built:
            family = next(f for f in FAMILIES if f.name == name)
            built[name] = build(family, tmp_path_factory.mktemp(name))
        return built[name]

    return folder


@pytest.fixture
def original() -> Path:
    """The predecessor's stimuli, which are not ours to ship."""
    if not (ORIGINAL / "study1.csv").is_file():
        pytest.skip("the original stimuli are not here")
    return ORIGINAL


@pytest.fixture
def human() -> Path:
    """People's participant-level files of study 2, which are not ours to ship."""
    if not (HUMAN / "speaker_production.csv").is_file():
        pytest.skip("the participant-level files are not here")
    return HUMAN


@pytest.fixture(scope="session")
def four_runs(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each study and experiment: <study>/<exp>/tiny."""
    from tests.runs.test_run import model, run

    folder = tmp_path_factory.mktemp("runs")
    few = ["pilot=72", "++exp.max_tokens=2"]  # what it says in raw answers does not matter
    run("--multirun", "study=1,2", "exp=1,2", *few, *model(tiny("llama-byte")), cwd=folder)
    return folder / "outputs"


@pytest.fixture(scope="session")
def own_run(
    tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, str]:
    """A run of the study of one's own, and what it said at a terminal."""
    import grace
    from tests.own_study import write_own
    from tests.runs.test_run import model, run

    folder = write_own(tmp_path_factory.mktemp("own"))
    said = run("study=rate", "exp=2", *model(tiny("llama-byte")), cwd=folder)
    return grace.load(folder / "outputs/rate/2/tiny"), said


@pytest.fixture(scope="session")
def views(four_runs: Path) -> dict[str, View]:
    """The four runs as figures are made from them, by "study/exp"."""
    from grace.figures import view

    return {which: view(four_runs / which / "tiny") for which in ("1/1", "1/2", "2/1", "2/2")}


@pytest.fixture(scope="session")
def drawn(views: dict[str, View]) -> dict[tuple[str, str], Figure]:
    """Every figure of the four runs."""
    from grace.figures import plots

    return {
        (which, plot.name): plot.draw(view) for which, view in views.items() for plot in plots(view)
    }


@pytest.fixture(scope="session")
def panels(views: dict[str, View]) -> dict[str, Figure]:
    """Both runs of each study beside each other."""
    from grace.figures import models

    return {study: models([views[f"{study}/1"], views[f"{study}/2"]]) for study in ("1", "2")}


@pytest.fixture(scope="session")
def read(four_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, View]:
    """Runs of raw answers of which most could be read; the tiny model says nothing readable."""
    from tests.figures.figure_runs import with_answers_read

    folder = tmp_path_factory.mktemp("read")
    return {f"{study}/1": with_answers_read(four_runs, folder, study) for study in ("1", "2")}


@pytest.fixture(scope="session")
def report_of(four_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The report of one of the four runs, by "study/exp"; written when first wanted."""
    from grace.report.write import report_folders

    folder = tmp_path_factory.mktemp("reports")

    def written(which: str) -> Path:
        path = folder / f"{which.replace('/', '-')}.html"
        return path if path.exists() else report_folders([four_runs / which / "tiny"], path)

    return written
