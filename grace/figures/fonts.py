"""Letters that a figure's own font lacks: another font is found that has them, or it is said.

Labels come from stimuli and options in any script. In an SVG text stays text, and whoever looks
at it uses fonts of their own; in PNG and PDF a letter without a font is an empty box.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING
from warnings import catch_warnings, filterwarnings

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

#: Letters named in a note; there may be thousands.
NAMED = 12
#: Scripts whose letters join or change places, which matplotlib does not do.
_SHAPED = ("ARABIC", "SYRIAC", "HEBREW", "DEVANAGARI", "BENGALI", "GUJARATI", "GURMUKHI", "TAMIL",
           "TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "KHMER", "MYANMAR", "TIBETAN")  # fmt: skip


def fit_fonts(figure: Figure) -> str:
    """Give each text fonts that have all its letters; returns the letters that none has."""
    from matplotlib.text import Text

    lacking: dict[str, None] = {}
    for text in figure.findobj(Text):
        wanted = _unknown(text, text.get_text())
        if not wanted:
            continue
        more = _families(wanted)
        if more:
            text.set_fontfamily([*text.get_fontfamily(), *more])
        lacking |= dict.fromkeys(sorted(_unknown(text, "".join(wanted))))
    return "".join(lacking)


def borrows(figure: Figure) -> bool:
    """Whether some text has letters of another font than the style's."""
    from matplotlib.text import Text

    return any(len(text.get_fontfamily()) > 1 for text in figure.findobj(Text))


def said_of(figure: Figure) -> str:
    """What to say of letters without a font, and of scripts that are only written right in SVG."""
    lacking, texts = fit_fonts(figure), texts_of(figure)
    said = []
    if lacking:
        shown = " ".join(lacking[:NAMED]) + (" …" if len(lacking) > NAMED else "")
        said.append(
            f"no font on this machine has {shown}: they are boxes in PNG and PDF, and letters in "
            "SVG where the reader's machine has a font. On Debian and Ubuntu fonts-noto-core and "
            "fonts-noto-cjk have most scripts"
        )
    if shaped := sorted({name for letter in texts if (name := _script(letter)) in _SHAPED}):
        said.append(
            f"{', '.join(name.capitalize() for name in shaped)} letters are neither joined nor "
            "put in order in PNG and PDF; in SVG they are"
        )
    return "; ".join(said)


def texts_of(figure: Figure) -> str:
    """All that is written in a figure."""
    from matplotlib.text import Text

    return "".join(text.get_text() for text in figure.findobj(Text))


@contextmanager
def without_talk() -> Iterator[None]:
    """Say nothing of missing letters and fonts: `note` says it once."""
    talk = logging.getLogger("matplotlib.font_manager")
    before = talk.level
    talk.setLevel(logging.ERROR)
    try:
        with catch_warnings():
            filterwarnings("ignore", message=r"Glyph .* missing from")
            filterwarnings("ignore", message=r"Matplotlib currently does not support .* natively")
            yield
    finally:
        talk.setLevel(before)


def _unknown(text: Text, letters: str) -> set[str]:
    """Which letters none of a text's fonts has."""
    wanted = {letter for letter in letters if not letter.isspace() and letter.isprintable()}
    if not wanted or all(letter.isascii() for letter in wanted):
        return set()
    from matplotlib.font_manager import findfont

    found: set[str] = set()
    for family in text.get_fontfamily():
        properties = text.get_fontproperties().copy()
        properties.set_family(family)
        with without_talk():
            found |= _has(str(findfont(properties)))
    return wanted - found


def _families(wanted: set[str]) -> list[str]:
    """Families that have these letters: those the style names first, then any there is."""
    found: list[str] = []
    left = set(wanted)
    for family, path in _candidates():
        has = left & _has(path)
        if has:
            found.append(family)
            left -= has
        if not left:
            break
    return found


def _candidates() -> Iterator[tuple[str, str]]:
    """Every upright font by family: in the order of the style, sans-serif ones before others."""
    import matplotlib as mpl

    named = [str(name) for name in mpl.rcParams["font.sans-serif"]]
    places = {name: i for i, name in enumerate(named)}
    fonts = sorted(
        _installed(),
        key=lambda font: (places.get(font[0], len(places)), "Sans" not in font[0], font),
    )
    yield from fonts


@cache
def _installed() -> list[tuple[str, str]]:
    """Family and file of every upright font of usual weight, also of those installed of late.

    Matplotlib's own list is kept from when it was first imported.
    """
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {entry.fname for entry in fontManager.ttflist}
    for path in sorted(set(findSystemFonts()) - known):
        try:
            fontManager.addfont(path)
        except Exception:  # noqa: BLE001  (a file that is no font it can read)
            logging.getLogger("grace").debug("%s: not a font that can be read", path)
    upright = {
        entry.name: entry.fname
        for entry in sorted(fontManager.ttflist, key=lambda e: (str(e.weight) != "400", e.fname),
                            reverse=True)
        if entry.style == "normal" and "Last Resort" not in entry.name
    }  # fmt: skip
    return list(upright.items())


@cache
def _has(path: str) -> frozenset[str]:
    """The letters of a font's file."""
    from matplotlib.font_manager import get_font

    return frozenset(map(chr, get_font(path).get_charmap()))


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ", 1)[0]
