"""The page: everything about one or more runs in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import logging
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grace.comparison import DESIGNS, Comparison
from grace.comparison.show import OPEN, same_way
from grace.comparison.study1 import PLANNED, READING_A_CELL
from grace.errors import ConfigError, visible
from grace.figures import Plot, View, models, plots
from grace.figures.catalogue import Part
from grace.figures.fonts import NAMED, fit_fonts
from grace.figures.run_groups import alike, names, short_names
from grace.figures.write import as_bytes
from grace.report import provenance
from grace.report.doubts import Doubt, doubts
from grace.report.verdict import WORDS, Verdict, verdict
from grace.runs.prompt_examples import Example, sound
from grace.tables import CellTable
from grace.version import __version__

log = logging.getLogger("grace")
FOLDER = Path(__file__).parent
#: Characters of a prompt that are shown in the page itself; the look-up has more.
SHOWN = 6000
#: Dots to an inch of a figure's parts that are not lines.
SCREEN = 150
#: Rows of the table of means by cell, and its columns of numbers: more do not fit on paper.
CELLS, COLUMNS = 400, 12
#: Matplotlib names an image after its content: two alike have one name, and nothing uses it.
_IMAGE_ID = re.compile(r'(<image\b[^>]*?) id="[^"]*"')
_ID = re.compile(r'(\bid="|url\(#|href="#)')


@dataclass(frozen=True)
class Drawing:
    """A figure in the page."""

    title: str
    caption: str
    svg: Markup
    error: Exception | None = None  # it could not be drawn


@dataclass(frozen=True)
class Table:
    """A table that can be sorted: numbers stand right, None is missing."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    why: str = ""  # there are no rows


@dataclass(frozen=True)
class Chapter:
    """All that is said about one run."""

    id: str
    view: View
    name: str
    short: str  # where study and experiment stand beside it
    verdict: Verdict | None
    uncompared: tuple[str, str]  # that there is no verdict, and why
    doubts: tuple[Doubt, ...]
    examples: tuple[Example, ...]
    mass: Table | None
    cells: tuple[Table, ...]
    comparison: tuple[Table, ...]
    drawings: dict[Part, list[Drawing]]
    book: str


@dataclass(frozen=True)
class Source:
    """What a chapter is made from."""

    view: View
    examples: Sequence[Example]
    book: str  # see `grace.report.trials.pack`


def chapter(place: int, name: str, short: str, source: Source, style: str | None) -> Chapter:
    """Everything of one run, figures drawn."""
    view = source.view
    compared = None if isinstance(view.compared, str) else view.compared
    drawn = [(plot.part, draw(plot, view, f"f{place}-{plot.name}", style)) for plot in plots(view)]
    errors = [drawing.error for _, drawing in drawn if drawing.error]
    if errors and len(errors) == len(drawn):  # nothing can be drawn here at all
        raise errors[0]
    return Chapter(
        id=f"run{place}",
        view=view,
        name=name,
        short=short,
        verdict=verdict(compared) if compared else None,
        uncompared=uncompared(view),
        doubts=tuple(doubts(view)),
        examples=tuple(source.examples),
        mass=mass_table(view) if view.spec.scored else None,
        cells=tuple(table for found in view.cell_tables for table in cell_table(found)),
        comparison=tuple(comparison_tables(compared)) if compared else (),
        drawings={
            part: [one for _, one in found]
            for part, found in groupby(sorted(drawn, key=lambda d: d[0]), key=lambda d: d[0])
        },
        book=source.book,
    )


def uncompared(view: View) -> tuple[str, str]:
    """Why a run is not compared with people, for who reads the report; nothing where it is."""
    if not isinstance(view.compared, str):
        return "", ""
    if view.settings.study.name not in DESIGNS:
        has = " and ".join(DESIGNS)
        return (
            "There are no people to compare with.",
            f"Grace knows what people did in studies {has} alone.",
        )
    return "It is not compared with people.", f"{view.compared.removesuffix('.')}."


def render(sources: Sequence[Source], style: str | None = None) -> str:
    """The report of one run or several as HTML."""
    views = [source.view for source in sources]
    chapters = [
        chapter(place, name, short, source, style)
        for place, (name, short, source) in enumerate(
            zip(names(views), short_names(views), sources, strict=True), 1
        )
    ]
    panels = [
        Drawing(
            f"Study {study}: all runs beside each other",
            "Smallest model first. Whiskers are 95% intervals, the dashed line is how well people "
            "agree with each other; the diamond in the last row is the RSA model.",
            inlined(as_bytes(models(group, style=style), "svg", style), f"models-{study}", "Runs"),
        )
        for study, group in alike(views).items()
        if len(group) > 1
    ]
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            chapters=chapters,
            panels=panels,
            css=Markup((FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704  (our own)
            script=Markup(script),  # noqa: S704  (our own)
            digest=digest,
            words=WORDS,
            version=__version__,
            origin=provenance,
            shown_length=SHOWN,
        )
    )


def draw(plot: Plot, view: View, id_: str, style: str | None) -> Drawing:
    """A figure, drawn and made fit to stand in the page; why not, where it cannot be."""
    try:
        figure = plot.draw(view, style=style)
        svg = as_bytes(figure, "svg", style, SCREEN)
        lacking = fit_fonts(figure)
    except ConfigError:  # a style that is none
        raise
    except Exception as error:
        log.info("no figure %s", plot.name, exc_info=True)
        why = f"This figure could not be drawn ({type(error).__name__}: {error})."
        said = Markup('<p class="grave">{}</p>').format(safe(why))
        return Drawing(plot.title, plot.caption, said, error)
    caption = plot.caption
    if lacking:
        caption += (
            f" (No font was found for {' '.join(lacking[:NAMED])}: they are shown in one of your "
            "browser's, and may be wider or narrower than their place.)"
        )
    return Drawing(plot.title, caption, inlined(svg, id_, plot.title))


def inlined(svg: bytes, prefix: str, title: str) -> Markup:
    """An SVG file as an element: no declarations, ids of its own, and a name for screen readers."""
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.S)
    text = _IMAGE_ID.sub(r"\1", text)
    text = _ID.sub(rf"\g<1>{prefix}-", text)
    head, rest = text.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    label = Markup.escape(title)
    opening = f'<svg role="img" aria-label="{label}" {box[0] if box else ""}>'
    return Markup(opening + rest)  # noqa: S704  (matplotlib's own, which escapes its texts)


def mass_table(view: View) -> Table:
    """Mass by question and variant."""
    rows = []
    for asked, group in view.masses.groupby("asked", sort=False):
        known = group["mass"].dropna()
        low = int(group["low"].sum())
        rows.append((asked, len(known), known.mean(), known.median(), known.min(), low))
    header = ("question", "answers", "mean mass", "median", "lowest", "low_mass")
    return Table("Mass by question", header, tuple(rows))


def cell_table(found: CellTable) -> Iterator[Table]:
    """Means by cell, as the summary at the end of a run has them; as wide as a sheet of paper."""
    shown = found.rows[:CELLS]
    title = found.title
    if len(shown) < len(found.rows):
        title += f": the first {CELLS:,} of {len(found.rows):,} rows; trials.csv has all"
    for start in range(0, max(len(found.labels), 1), COLUMNS):
        part = slice(start, start + COLUMNS)
        labels = found.labels[part]
        counted = found.counted(part)
        header = (*found.overs, *found.factors, "rows", *counted.names, *labels)
        rows = tuple(
            (*row.over, *row.levels, row.trials, *answers, *row.means[part])
            for row, answers in zip(shown, counted.rows, strict=False)
        )
        which = ""
        if len(found.labels) > COLUMNS:
            end = start + len(labels)
            which = f" (answers {start + 1} to {end} of {len(found.labels)})"
        yield Table(title + which, header, rows, found.why)


def comparison_tables(found: Comparison) -> Iterator[Table]:
    """The planned comparisons (study 1), and every cell × answer beside people and RSA."""
    main, design = found.main, found.answers.design
    if main.contrasts:
        yield Table(
            "Planned comparisons, in percentage points: what people's bets show, and the model's "
            f"({READING_A_CELL}; {OPEN})",
            ("comparison", "people", "model", "95% low", "95% high", "same direction"),
            tuple(
                (
                    one.name,
                    one.people,
                    one.model.value,
                    one.model.low,
                    one.model.high,
                    same_way(one),
                )
                for one in main.contrasts[: len(PLANNED)]
            ),
        )
    rows = tuple(
        (*cell, option.replace("_", " ").replace("wasnt", "wasn't"), *_percent(
            found.people.means[i, k], main.means[i, k], main.low[i, k], main.high[i, k],
            found.rsa[i, k], main.means[i, k] - found.people.means[i, k],
        ))
        for i, cell in enumerate(design.cells)
        for k, option in enumerate(design.options)
    )  # fmt: skip
    header = ("people %", "model %", "95% low", "95% high", "RSA %", "model − people")
    yield Table("Every cell and answer, in percent", (*design.factors, "answer", *header), rows)


def _percent(*shares: float) -> tuple[float, ...]:
    return tuple(100 * float(share) for share in shares)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "visible": safe}
    environment.tests["number"] = is_number
    return environment


def safe(value: object) -> str:
    """Any text, so that it shows and spoils nothing; Jinja escapes it then."""
    return visible(sound(str(value)))


def is_number(value: Any) -> bool:
    """Whether a cell holds a number, missing or not, and so stands right."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def shown(value: Any) -> str:
    """A cell for people: numbers to three figures that count, “missing” where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e6:
            return f"{value:.0f}".replace("-", "−")
        return (f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}").replace("-", "−")
    if isinstance(value, int):  # a year is a level too
        return (f"{value:,}" if abs(value) >= 10_000 else str(value)).replace("-", "−")
    return safe(value)
