"""Figures: every run has its own, they can be read, and they show the tables' numbers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib as mpl
import matplotlib.image as mpl_image
import numpy as np
import pytest
from matplotlib.figure import Figure

from grace import figures
from grace.errors import ConfigError, GraceError
from grace.figures.style import MODEL, PEOPLE, RSA, look, styled
from tests.figures.figure_runs import EXPECTED
from tests.figures.figure_texts import BLIND, lab, outside, touching
from tests.runs.test_run import run

ALL = [(which, name) for which, found in EXPECTED.items() for name in found]


# Every run has its figures, in three formats


def test_every_run_has_its_figures(
    views: dict[str, figures.View], drawn: dict[tuple[str, str], Figure]
) -> None:
    assert list(drawn) == ALL
    for view in views.values():
        for plot in figures.plots(view):
            assert plot.title, plot.name
            assert plot.caption.endswith("."), plot.name


@pytest.mark.parametrize(("which", "name"), ALL)
def test_files(which: str, name: str, drawn: dict[tuple[str, str], Figure], tmp_path: Path) -> None:
    figure = drawn[which, name]
    svg, pdf, png = (figures.save(figure, tmp_path / f"a.{e}") for e in ("svg", "pdf", "png"))
    _is_drawn(svg, pdf, png)


def test_the_same_run_gives_the_same_files(views: dict[str, figures.View], tmp_path: Path) -> None:
    """Nothing of when and where is in them."""
    for ending in ("svg", "pdf", "png"):
        one, other = (
            figures.save(figures.mass(views["2/2"]), tmp_path / f"{name}.{ending}").read_bytes()
            for name in "ab"
        )
        assert one == other, ending


def _is_drawn(svg: Path, pdf: Path, png: Path) -> None:
    root = ET.fromstring(svg.read_bytes())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert list(root.iter("{http://www.w3.org/2000/svg}text")), "no text can be selected"
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert b"/FontFile2" in content  # the fonts travel with it
    pixels = mpl_image.imread(png)[..., :3]
    assert pixels.shape[1] >= 1800  # 6 inches at 300 dpi
    assert np.mean(pixels.min(axis=2) < 0.9) > 0.002, "empty"


@pytest.mark.full
def test_the_command_writes_what_the_catalogue_has(four_runs: Path, tmp_path: Path) -> None:
    """Two runs in a real process: a folder each, and both beside each other."""
    runs = [str(four_runs / which / "tiny") for which in ("2/1", "2/2")]
    printed = run(*runs, f"output={tmp_path / 'out'}", cwd=tmp_path, module="grace.figures")
    found = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    names = [f"study2-exp{n}-tiny/{name}" for n in (1, 2) for name in EXPECTED[f"2/{n}"]]
    assert found == {f"{n}.{e}" for n in [*names, "models-2"] for e in ("svg", "pdf", "png")}
    assert len(printed.splitlines()) == len(found)
    out = tmp_path / "out"
    _is_drawn(*(out / f"models-2.{ending}" for ending in ("svg", "pdf", "png")))


# They can be read


@pytest.mark.parametrize(("which", "name"), ALL)
def test_no_text_is_cut_off_or_covered(
    which: str, name: str, drawn: dict[tuple[str, str], Figure]
) -> None:
    assert outside(drawn[which, name]) == []
    assert touching(drawn[which, name]) == []


@pytest.mark.parametrize("study", ["1", "2"])
def test_no_text_of_several_models_is_cut_off_or_covered(
    study: str, panels: dict[str, Figure]
) -> None:
    assert outside(panels[study]) == []
    assert touching(panels[study]) == []


def test_no_text_of_answers_that_were_read_is_cut_off(read: dict[str, figures.View]) -> None:
    for view in read.values():
        for plot in figures.plots(view):
            figure = plot.draw(view)
            assert outside(figure) == [], plot.name
            assert touching(figure) == [], plot.name


def test_a_long_name_is_not_cut_off(views: dict[str, figures.View]) -> None:
    found = []
    for which in ("1/2", "2/2"):
        settings = views[which].settings
        name = "granite-4.0-h-tiny-of-somebody-with-a-very-long-name"
        model = settings.model.model_copy(update={"name": name})
        found.append(replace(views[which], settings=settings.model_copy(update={"model": model})))
    for view in found:
        for plot in figures.plots(view):
            figure = plot.draw(view)
            assert outside(figure) == [], plot.name
            assert touching(figure) == [], plot.name
        assert outside(figures.models([view, view])) == []


def test_people_model_and_rsa_differ_for_everybody() -> None:
    """In colour, without one kind of cone, in grey; and by marker and line where all fails."""
    with styled():
        looks = [look(place) for place in (PEOPLE, MODEL, RSA)]
    for one, other in combinations(looks, 2):
        for blindness in (None, *BLIND):
            far = np.linalg.norm(lab(one.color, blindness) - lab(other.color, blindness))
            assert far > 25, (one, other, blindness)
        assert abs(lab(one.color)[0] - lab(other.color)[0]) > 12, (one, other)  # L*: print in grey
        assert one.marker != other.marker
        assert one.linestyle != other.linestyle


def test_more_in_a_heat_map_is_brighter_for_everybody() -> None:
    with styled():
        colors = mpl.colormaps[mpl.rcParams["image.cmap"]](np.linspace(0, 1, 33))
    for blindness in (None, *BLIND):
        lightness = np.array([lab(color, blindness)[0] for color in colors])
        assert np.all(np.diff(lightness) > 0), blindness


def test_what_could_not_be_read_is_hatched(read: dict[str, figures.View]) -> None:
    good, bad = figures.readable(read["2/1"]).axes[0].patches
    assert not good.get_hatch()
    assert bad.get_hatch()


# A style of one's own


def test_a_style_file_restyles(views: dict[str, figures.View], tmp_path: Path) -> None:
    style = tmp_path / "mine.mplstyle"
    style.write_text(
        "axes.prop_cycle: cycler('color', ['112233', '445566', '778899'])\nfont.size: 13\n"
        "axes.labelsize: 13\n"
    )
    before = dict(mpl.rcParams)
    figure = figures.bets(views["1/2"], style=style)
    axes = figure.axes[0]
    assert mpl.colors.to_hex(axes.patches[0].get_facecolor()) == "#112233"
    assert [line.get_color() for line in axes.lines] == ["#445566", "#778899"]
    svg = figures.save(figure, tmp_path / "a.svg", style).read_text()
    assert "#112233" in svg
    assert "#56b4e9" not in svg.lower()
    again = figures.bets(views["1/2"]).axes[0]
    assert mpl.colors.to_hex(again.patches[0].get_facecolor()) == "#56b4e9"
    assert dict(mpl.rcParams) == before
    dark = figures.mass(views["1/2"], style="dark_background")
    pixels = mpl_image.imread(figures.save(dark, tmp_path / "dark.png"))
    assert pixels[0, 0, :3].max() == 0  # it keeps its style when it is saved


# Errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "RUN"),
        (["nowhere"], "nowhere"),
        (["RUN", "style=none.mplstyle"], "style=none.mplstyle: no such file, and no style"),
        (["RUN", "figure=bets"], "figure=bets: no such setting; expected one of output, style"),
        (["RUN", "output="], "output=: expected a value"),
    ],
)
def test_errors(words: list[str], message: str, four_runs: Path, tmp_path: Path) -> None:
    found = [str(four_runs / "2/1/tiny") if word == "RUN" else word for word in words]
    printed = run(*found, cwd=tmp_path, code=1, module="grace.figures")
    assert message in printed


def test_errors_from_python(views: dict[str, figures.View], tmp_path: Path) -> None:
    with pytest.raises(GraceError, match=r"reading='both': expected one of means, coherent"):
        figures.bets(views["1/2"], reading="both")
    with pytest.raises(GraceError, match=r"a\.jpg: expected a name that ends in \.svg, \.pdf"):
        figures.save(figures.mass(views["2/2"]), tmp_path / "a.jpg")
    with pytest.raises(ConfigError, match=r"style=nothing: no such file"):
        figures.mass(views["2/2"], style="nothing")
    with pytest.raises(GraceError, match=r"expected runs of one study"):
        figures.models([views["1/2"], views["2/2"]])
    (tmp_path / "file").write_text("")
    with pytest.raises(GraceError, match=r"file.*cannot be made"):
        list(figures.write_figures(views["2/2"], tmp_path / "file", figures.plots(views["2/2"])))


def test_a_run_without_its_store_has_its_figures(
    four_runs: Path, tmp_path: Path, drawn: dict[tuple[str, str], Figure]
) -> None:
    """Tables and manifest are enough: a folder sent by mail."""
    shutil.copytree(four_runs / "2/2/tiny", tmp_path / "mailed")
    view = figures.view(tmp_path / "mailed")
    assert [plot.name for plot in figures.plots(view)] == EXPECTED["2/2"]
    assert json.loads((tmp_path / "mailed" / "manifest.json").read_text())["status"] == "complete"
