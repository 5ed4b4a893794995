"""Figures show the tables' numbers, and what is missing is a gap."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from grace import figures
from grace.comparison.compare_many import compare_runs
from grace.config.resources import shipped
from tests.figures.figure_runs import WORDS

HUMAN = shipped("data") / "human"
CELLS = [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)]  # (number word, access)
GOALS = ("both", "informative", "kind")
ALLOWED = ("informative", "kind", "both")  # in conf/study/2.yaml
UTTERANCES = [f"{frame}_{word}" for frame in ("was", "wasnt") for word in WORDS]


def _points(axes: Axes, label: str) -> NDArray[np.float64]:
    """The heights of the series of a name."""
    (line,) = [one for one in axes.lines if str(one.get_label()).startswith(label)]
    return _up(line)


def _up(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_ydata(), dtype=float)


def _across(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_xdata(), dtype=float)


def _bars(axes: Axes) -> list[Rectangle]:
    found = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(found) == len(axes.patches)
    return found


def _picture(axes: Axes) -> NDArray[Any]:
    """The numbers that the panel shows as colours."""
    found = axes.images[0].get_array()
    assert found is not None
    return found


def test_bets_are_those_of_people_and_of_the_table(
    views: dict[str, figures.View], drawn: dict[tuple[str, str], Figure]
) -> None:
    people = pd.read_csv(HUMAN / "study1_bets.csv")
    trials = views["1/2"].run.trials
    for name, ending in (("bets", ""), ("bets-coherent", "_coherent")):
        for axes, (word, access) in zip(drawn["1/2", name].axes, CELLS, strict=True):
            cell = trials[(trials["observe"] == word) & (trials["access"] == access)]
            mean = cell[[f"p_state_{k}{ending}" for k in range(4)]].mean()
            assert np.allclose(_points(axes, "model"), 100 * mean, rtol=0, atol=1e-9)
            spoken = ("one", "two", "three")[word - 1]
            own = people[(people["word"] == spoken) & (people["access"] == access)]
            bars = [bar.get_height() for bar in _bars(axes)]
            shares = own.sort_values("state")["mean"].to_numpy()
            assert np.allclose(bars, 100 * shares / shares.sum(), rtol=0, atol=0.2)


def test_knowledge_is_that_of_the_table(
    views: dict[str, figures.View], drawn: dict[tuple[str, str], Figure]
) -> None:
    found = views["1/2"].run.trials.groupby(["observe", "access"])["prob_knowledge_yes"].mean()
    (axes,) = drawn["1/2", "knowledge"].axes
    assert np.allclose(_points(axes, "tiny"), 100 * found.loc[CELLS], rtol=0, atol=1e-9)
    assert list(_points(axes, "expected")) == [0, 0, 100, 0, 100, 100]


def test_utterances_are_those_of_people_and_of_the_table(
    views: dict[str, figures.View], drawn: dict[tuple[str, str], Figure]
) -> None:
    people = pd.read_csv(HUMAN / "study2_production.csv")
    trials = views["2/2"].run.trials
    cells = [(goal, hearts) for goal in GOALS for hearts in range(4)]
    for axes, (goal, hearts) in zip(drawn["2/2", "utterances"].axes, cells, strict=True):
        cell = trials[(trials["goal_type"] == goal) & (trials["hearts"] == hearts)]
        mean = cell[[f"prob_{name}" for name in UTTERANCES]].mean()
        assert np.allclose(_points(axes, "model"), 100 * mean, rtol=0, atol=1e-9)
        own = people[(people["goal"] == goal) & (people["state"] == hearts)].set_index("utterance")
        said = own.loc[UTTERANCES, "count"]
        bars = [bar.get_height() for bar in _bars(axes)]
        assert np.allclose(bars, 100 * said / said.sum(), rtol=0, atol=1e-9)


def test_negation_is_that_of_people_and_of_the_table(
    views: dict[str, figures.View], drawn: dict[tuple[str, str], Figure]
) -> None:
    people = pd.read_csv(HUMAN / "study2_production.csv")
    people["no"] = people["count"].where(people["utterance"].str.startswith("wasnt"), 0)
    trials = views["2/2"].run.trials
    wasnt = trials[[f"prob_{name}" for name in UTTERANCES[4:]]].sum(axis=1)
    model = wasnt.groupby([trials["goal_type"], trials["hearts"]]).mean()
    for axes, goal in zip(drawn["2/2", "negation"].axes, GOALS, strict=True):
        sums = people[people["goal"] == goal].groupby("state")[["no", "count"]].sum()
        assert np.allclose(_points(axes, "people"), 100 * sums["no"] / sums["count"])
        assert np.allclose(_points(axes, "model"), 100 * model[goal].loc[range(4)])


def test_scatter_is_the_comparison(four_runs: Path, drawn: dict[tuple[str, str], Figure]) -> None:
    found = compare_runs(four_runs / "2/2/tiny", bootstrap=100)
    left, right = drawn["2/2", "scatter"].axes
    places = [line for line in left.lines if line.get_marker() != ""]
    assert len(_across(places[0])) == 12 * 8
    people, model = (100 * np.asarray(v) for v in places[0].get_data())
    r = np.corrcoef(people, model)[0, 1]
    assert r == pytest.approx(found["r"]["value"])
    assert left.texts[0].get_text() == f"r = {r:.2f}".replace("-", "−")
    assert right.get_title() == "RSA model"


def test_heat_maps_are_the_tidy_table(
    views: dict[str, figures.View], drawn: dict[tuple[str, str], Figure]
) -> None:
    table = views["1/2"].run.responses
    means = table[table["question"] == "state"].groupby(["access", "observe", "state", "value"])
    shares = means["prob"].mean()
    cells = sorted((access, word) for word, access in CELLS)
    shown = [
        axes for axes in drawn["1/2", "answers-state"].axes if axes.get_label() != "<colorbar>"
    ]
    for axes, cell in zip(shown, cells, strict=True):
        matrix = shares.loc[cell].unstack().to_numpy()  # (4, 11), values in order
        assert np.allclose(_picture(axes), 100 * matrix, rtol=0, atol=1e-9)
        dots = _across(axes.lines[0])
        assert np.allclose(dots, matrix @ np.arange(0, 101, 10) / 10)  # places of 0%, 10%, …
        assert axes.get_title() == f"access {cell[0]}, observe {cell[1]}"
    trials = views["2/2"].run.trials
    image = drawn["2/2", "answers-assessment"].axes[0]
    words = trials.groupby(["goal_type", "hearts"])[[f"prob_{word}" for word in WORDS]].mean()
    words = words.reindex(ALLOWED, level=0)  # as the study allows them
    assert np.allclose(_picture(image), 100 * words, rtol=0, atol=1e-9)
    rounded = [f"{100 * p:.0f}" for p in words.to_numpy().ravel()]
    assert [text.get_text() for text in image.texts] == rounded


def test_heat_map_of_raw_answers_is_the_table(read: dict[str, figures.View]) -> None:
    trials = read["2/1"].run.trials
    (axes, _) = figures.fields(read["2/1"], "answer").axes
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["frame was", "frame wasnt", *(f"assessment {w}" for w in WORDS)]
    for column, name in enumerate(names):
        field, value = name.split()
        own = trials[trials[field].notna()]
        shares = (own[field] == value).groupby([own["goal_type"], own["hearts"]]).mean()
        shares = shares.reindex(ALLOWED, level=0)
        assert np.allclose(_picture(axes)[:, column], 100 * shares)


def test_mass_and_coherence_are_those_of_the_table(
    views: dict[str, figures.View], drawn: dict[tuple[str, str], Figure]
) -> None:
    trials = views["1/2"].run.trials
    (axes,) = drawn["1/2", "mass"].axes
    labels = [label.get_text().split(": ") for label in axes.get_yticklabels()]
    asked = [name for name, _ in labels]
    assert asked == [*(f"state {k}" for k in range(4)), "knowledge"]
    columns = [f"{name.replace(' ', '')}_mass" for name in asked]
    assert [shown for _, shown in labels] == [f"{trials[c].median():.2g}" for c in columns]
    medians = [float(_across(line)[0]) for line in axes.lines if len(_across(line)) == 1]
    assert np.allclose(medians, trials[columns].median().clip(lower=1e-8))
    sums, z = drawn["1/2", "coherence"].axes
    for panel, values in ((sums, trials["coherence"]), (z, np.log10(trials["coherence_z"]))):
        counts = [bar.get_height() for bar in _bars(panel)]
        edges = [bar.get_x() for bar in _bars(panel)]
        edges.append(_bars(panel)[-1].get_x() + _bars(panel)[-1].get_width())
        assert sum(counts) == len(trials)
        assert np.array_equal(counts, np.histogram(np.maximum(values, -8), edges)[0])


def test_answers_that_lack_the_same_count_together(read: dict[str, figures.View]) -> None:
    (axes,) = figures.readable(read["2/1"]).axes
    counts = read["2/1"].run.trials["parse_status"].value_counts()
    shown = {label.get_text(): bar.get_width()
             for label, bar in zip(axes.get_yticklabels(), _bars(axes), strict=True)}  # fmt: skip
    assert shown == {
        "ok": counts["ok"],
        "not in the format: frame": len(read["2/1"].run.trials) - counts["ok"],
    }


def test_the_panel_of_several_models_is_their_comparison(
    four_runs: Path, views: dict[str, figures.View], read: dict[str, figures.View]
) -> None:
    figure = figures.models([read["2/1"], views["2/2"]])
    paths = [read["2/1"].run.path, views["2/2"].run.path]
    for axes, name in zip(figure.axes, ("r", "tvd", "jsd"), strict=True):
        shown = {int(_up(line)[0]): float(_across(line)[0])
                 for line in axes.lines if len(_up(line)) == 1}  # fmt: skip
        for place, path in enumerate(paths):
            assert shown[place] == pytest.approx(compare_runs(path, bootstrap=100)[name]["value"])
        (top,) = [line for line in axes.lines if line.get_label() == "people among themselves"]
        assert _across(top)[0] == pytest.approx(
            {"r": 0.988, "tvd": 0.089, "jsd": 0.023}[name], abs=0.01
        )
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows[-1] == "RSA model"


def test_models_stand_by_size(views: dict[str, figures.View]) -> None:
    def sized(name: str, billions: float | None) -> figures.View:
        settings = views["1/2"].settings
        model = settings.model.model_copy(update={"name": name, "parameters": billions})
        return replace(views["1/2"], settings=settings.model_copy(update={"model": model}))

    group = [sized("big", 70.0), sized("unknown", None), sized("small", 0.135), sized("mid", 8.0)]
    figure = figures.models(group)
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == ["small (135 M)", "mid (8 B)", "big (70 B)", "unknown", "RSA model"]


# What is missing is a gap


@pytest.fixture(scope="module")
def holed(four_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> figures.View:
    """Study 1 without answers in the cell access 3, observe 1, and without state 2 in another."""
    path = tmp_path_factory.mktemp("holed") / "run"
    shutil.copytree(four_runs / "1/2/tiny", path)
    trials = pd.read_parquet(path / "trials.parquet")
    responses = pd.read_parquet(path / "responses.parquet")
    gone = (trials["access"] == 3) & (trials["observe"] == 1)
    numbers = [
        c for c in trials.columns if c.startswith(("state", "p_state", "prob_", "coherence"))
    ]
    trials.loc[gone, [c for c in numbers if trials[c].dtype == float]] = np.nan
    away = (responses["access"] == 3) & (responses["observe"] == 1)
    away |= (responses["access"] == 1) & (responses["state"] == 2)
    responses.loc[away, ["prob", "mass", "logprob"]] = np.nan
    trials.to_parquet(path / "trials.parquet")
    responses.to_parquet(path / "responses.parquet")
    return figures.view(path)


def test_missing_answers_are_a_gap_and_not_a_zero(holed: figures.View) -> None:
    empty, full = CELLS.index((1, 3)), CELLS.index((1, 1))
    bets = figures.bets(holed).axes
    assert np.isnan(_points(bets[empty], "model")).all()
    assert [text.get_text() for text in bets[empty].texts] == ["no usable answers"]
    assert np.isfinite(_points(bets[full], "model")).all()
    assert not bets[full].texts
    (axes,) = figures.knowledge(holed).axes
    assert np.array_equal(np.isnan(_points(axes, "tiny")), np.arange(6) == empty)
    maps = {axes.get_title(): axes for axes in figures.distributions(holed, "state").axes}
    gone = maps["access 3, observe 1"]
    assert np.ma.masked_invalid(_picture(gone)).mask.all()
    assert len(gone.texts) == 44
    shown = np.ma.masked_invalid(_picture(maps["access 1, observe 1"]))
    assert [row.all() for row in np.ma.getmaskarray(shown)] == [False, False, True, False]
    (axes,) = [figures.mass(holed).axes[0]]
    assert len(axes.lines) > 0
    sums = figures.coherence(holed).axes[0]
    known = holed.run.trials["coherence"].notna().sum()
    assert sum(bar.get_height() for bar in _bars(sums)) == known < len(holed.run.trials)


def test_figures_of_no_answers_say_so(
    views: dict[str, figures.View], panels: dict[str, Figure]
) -> None:
    """The tiny model's raw answers cannot be read at all."""
    for which, figure in (
        ("1/1", figures.fields(views["1/1"], "answer")),
        ("2/1", figures.fields(views["2/1"], "answer")),
        ("2/1", figures.scatter(views["2/1"])),
        ("1/1", figures.bets(views["1/1"])),
    ):
        texts = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert "no usable answers" in texts, which
        assert not any(axes.images for axes in figure.axes)
    for axes in panels["2"].axes:
        assert "missing" in [text.get_text() for text in axes.texts]
