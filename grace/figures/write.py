"""Figures as files: SVG and PDF for print, PNG for slides."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from grace.config import one_line
from grace.config.argument_kinds import strict
from grace.errors import GraceError
from grace.figures.catalogue import Plot
from grace.figures.fonts import borrows, fit_fonts, said_of, without_talk
from grace.figures.run_view import View
from grace.figures.style import styled
from grace.tables.write import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("grace")
FORMATS = ("svg", "pdf", "png")
#: Nothing of when and where: the same run gives the same file.
_METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


class UndrawnError(GraceError):
    """Some figures could not be drawn; all others are written."""


@strict
def write_figures(
    view: View,
    folder: Path,
    found: Iterable[Plot],
    style: str | Path | None = None,
    notes: set[str] | None = None,
) -> Iterator[Path]:
    """Draw each and write it in every format; the paths, as they are written.

    A figure that cannot be drawn costs none of the others; UndrawnError at the end names it.
    `notes` takes up what is to be said of letters without a font.
    """
    failed = []
    for plot in found:
        try:
            figure = plot.draw(view, style=style)
        except GraceError:
            raise
        except Exception as error:
            log.info("no figure %s", plot.name, exc_info=True)
            why = one_line(f"{type(error).__name__}: {error}", 200)
            failed.append(f"{plot.name}: could not be drawn ({why})")
            continue
        if notes is not None:
            with styled(style):
                notes |= {said_of(figure)} - {""}
        yield from save_all(figure, folder, plot.name, style)
    if failed:
        raise UndrawnError(f"{folder}: {'; '.join(failed)}")


def save_all(
    figure: Figure, folder: Path, name: str, style: str | Path | None = None
) -> Iterator[Path]:
    """Write one figure in every format."""
    make_folder(folder)
    for kind in FORMATS:
        yield save(figure, folder / f"{name}.{kind}", style)


def make_folder(folder: Path) -> None:
    """Make a folder; GraceError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GraceError(f"{folder}: cannot be made ({error.strerror})") from error


@strict
def save(figure: Figure, path: str | Path, style: str | Path | None = None) -> Path:
    """Write a figure in the format its name ends in, moved into place when whole."""
    path = Path(path)
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise GraceError(f"{path}: expected a name that ends in .{', .'.join(FORMATS)}")
    content = as_bytes(figure, kind, style)
    with replacing(path) as partial:
        partial.write_bytes(content)
    return path


def as_bytes(
    figure: Figure, kind: str, style: str | Path | None = None, dpi: int | None = None
) -> bytes:
    """The figure as the content of a file; `dpi` of what is not lines, else the style's."""
    import matplotlib as mpl

    content = io.BytesIO()
    with (
        without_talk(),
        styled(style),
        _with_letters(figure),
        mpl.rc_context({"svg.hashsalt": "grace"}),
        _laid_out(figure),
    ):
        figure.savefig(content, format=kind, metadata=_METADATA[kind], dpi=dpi)
    return content.getvalue()


@contextmanager
def _with_letters(figure: Figure) -> Iterator[None]:
    """Fonts for all letters that there are fonts for.

    Those of large scripts are often of a kind (CFF) that a PDF only holds right as shapes.
    """
    import matplotlib as mpl

    fit_fonts(figure)
    with mpl.rc_context({"pdf.fonttype": 3} if borrows(figure) else {}):
        yield


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """Lay the figure out, and hide the layout engine: matplotlib draws twice where it sees one."""
    import matplotlib as mpl

    engine = figure.get_layout_engine()
    if engine is None:
        yield
        return
    engine.execute(figure)
    with mpl.rc_context({"figure.constrained_layout.use": False, "figure.autolayout": False}):
        figure.set_layout_engine(None)
    try:
        yield
    finally:
        figure.set_layout_engine(engine)
