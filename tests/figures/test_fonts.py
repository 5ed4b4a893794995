"""Labels in any script: a font that has them where there is one, one note where there is none."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from grace.figures import fonts
from grace.figures.style import canvas, styled
from grace.figures.write import as_bytes


def labelled(*labels: str) -> Figure:
    with styled():
        figure = canvas(3, 1)
        figure.subplots().set_xticks(range(len(labels)), labels)
    return figure


@pytest.fixture
def one_more_font(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which only the mathematical font has the letter 𝔄, and none has the others."""
    there = [("STIXGeneral", font_manager.findfont("STIXGeneral"))]
    monkeypatch.setattr(fonts, "_installed", lambda: there)


def has(family: str, letter: str) -> bool:
    return letter in fonts._has(font_manager.findfont(family))


def test_a_font_that_has_the_letter_is_found(one_more_font: None) -> None:
    letter = next(
        chr(code)
        for code in range(0x2200, 0x2C00)
        if has("STIXGeneral", chr(code)) and not has("DejaVu Sans", chr(code))
    )
    figure = labelled(letter, "cake")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = as_bytes(figure, "svg").decode()
        as_bytes(figure, "png")
        as_bytes(figure, "pdf")
    assert fonts.borrows(figure)
    assert fonts.said_of(figure) == ""
    assert "STIXGeneral" in svg


def test_letters_that_no_font_has_are_said_once_and_not_on_the_console(
    one_more_font: None, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    figure = labelled("蛋糕", "面包", "🦆", "cake")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("svg", "png", "pdf"):
            as_bytes(figure, kind)
    with styled():
        said = fonts.said_of(figure)
    assert said.startswith("no font on this machine has ")
    assert {"蛋", "糕", "面", "包"} <= set(said)
    said_of_all = capsys.readouterr()
    assert said_of_all.out + said_of_all.err == ""
    assert not caplog.records


def test_arabic_is_written_right_only_in_svg() -> None:
    with styled():
        said = fonts.said_of(labelled("خبز", "bread"))
    assert "Arabic letters are neither joined nor put in order in PNG and PDF" in said


def test_latin_figures_are_as_they_were(tmp_path: Path) -> None:
    figure = labelled("cake", "Größe", "0–1 × “α”")
    with styled():
        assert fonts.said_of(figure) == ""
    assert not fonts.borrows(figure)
    assert b"/FontFile2" in as_bytes(figure, "pdf")


@pytest.mark.parametrize("text", ["\U000e0001", "a\u200bb", "\n", "$x^2$", ""])
def test_odd_texts_do_no_harm(text: str) -> None:
    figure = labelled(text)
    with styled():
        fonts.said_of(figure)
    as_bytes(figure, "png")
