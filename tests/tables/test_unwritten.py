"""A run that has its answers leaves tables: what fails costs none of the others, and no answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import grace
import grace.figures.catalogue as catalogue
import grace.runs.build_tables as build
import grace.runs.runner as runner
from grace.errors import GraceError
from grace.figures.__main__ import figures as figures_command
from grace.report.write import report_folders
from grace.runs.settings_differences import manifest_of
from grace.tables.columns import Column
from grace.tables.write import writing
from tests.runs.test_run import model

Tiny = Callable[[str], Path]
BOTH = ("trials", "responses")


def broken(*_: Any, **__: Any) -> Any:
    raise AttributeError("'int' object has no attribute 'isascii'")


@pytest.mark.parametrize(("function", "name"), [("wide_rows", BOTH[0]), ("tidy_rows", BOTH[1])])
def test_a_table_that_fails_leaves_the_other(
    function: str, name: str, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["study=2", "exp=2", "pilot=3", f"output={tmp_path}", *model(tiny("llama-byte"))]
    folder = tmp_path / "2/2/tiny"
    right = getattr(build, function)
    with monkeypatch.context() as patched:
        patched.setattr(build, function, broken)
        with pytest.raises(GraceError, match=f"{name} could not be written .AttributeError: 'int'"):
            grace.run_study(*words)
    (other,) = set(BOTH) - {name}
    assert len(pd.read_parquet(folder / f"{other}.parquet")) == len(
        pd.read_csv(folder / f"{other}.csv")
    )
    assert not list(folder.glob(f"*{name}*"))
    for left in ("codebook.json", "dataset_description.json", "manifest.json"):
        assert (folder / left).is_file()
    assert manifest_of(folder)["status"] == "complete"
    assert "has no attribute 'isascii'" in (folder / "run.log").read_text(encoding="utf-8")
    # the same command again writes what is missing, and asks nothing
    assert getattr(build, function) is right
    run = grace.run_study(*words)
    assert "All of it was answered before" in capsys.readouterr().out
    assert len(run.trials) == 3
    assert len(run.responses) == 3 * 14


def test_stale_tables_do_not_stay_beside_new_ones(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["study=2", "exp=2", f"output={tmp_path}", *model(tiny("llama-byte"))]
    grace.run_study(*words, "pilot=2")
    monkeypatch.setattr(build, "tidy_rows", broken)
    with pytest.raises(GraceError):
        grace.run_study(*words, "pilot=3", "overwrite=true")
    assert len(pd.read_parquet(tmp_path / "2/2/tiny/trials.parquet")) == 3
    assert not (tmp_path / "2/2/tiny/responses.csv").exists()


def test_a_summary_that_fails_is_a_sentence(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "show_summary", broken)
    words = ["study=2", "exp=2", "pilot=1", f"output={tmp_path}", *model(tiny("llama-byte"))]
    assert len(grace.run_study(*words).trials) == 1
    assert "The summary cannot be shown (AttributeError" in capsys.readouterr().out


@pytest.mark.full
def test_a_figure_that_fails_leaves_the_others_and_the_report(
    four_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = four_runs / "2/2/tiny"
    right = catalogue._validity

    def some(view: Any) -> Any:
        for plot in right(view):
            yield catalogue.Plot(plot.name, plot.part, plot.title, plot.caption, broken)

    monkeypatch.setattr(catalogue, "_validity", some)
    page = report_folders([run], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "This figure could not be drawn (AttributeError" in page
    assert page.count("<svg") == 7
    other = four_runs / "1/2/tiny"
    with pytest.raises(GraceError, match=r"mass: could not be drawn \(AttributeError"):
        figures_command([str(run), str(other), f"output={tmp_path / 'figures'}"])
    assert len(list((tmp_path / "figures").glob("*/scatter.svg"))) == 2
    assert not list((tmp_path / "figures").glob("*/mass.svg"))


def test_a_text_column_holds_texts_whatever_it_is_given(tmp_path: Path) -> None:
    with writing(tmp_path / "t", [Column("q", "", type="text")]) as table:
        table.add({"q": [1, True, "x", None, 1.5]})
    found = pd.read_parquet(tmp_path / "t.parquet")["q"]
    assert found.fillna("missing").tolist() == ["1", "True", "x", "missing", "1.5"]
    assert (tmp_path / "t.csv").read_text() == "q\n1\nTrue\nx\n\n1.5\n"
