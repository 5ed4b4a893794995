"""How figures look: a matplotlib style file, and what people, models and RSA are drawn with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from grace.config import one_line
from grace.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from grace.comparison import Measured
    from grace.figures.run_view import Floats

P = ParamSpec("P")

OWN = Path(__file__).with_name("grace.mplstyle")
#: Places in the style's cycle of colours, markers and lines.
PEOPLE, MODEL, RSA = 0, 1, 2
NAMES = {PEOPLE: "people", MODEL: "model", RSA: "RSA"}
#: What stands for a marker or line where a user's cycle names colours alone.
_MARKERS, _LINES = "soD^vPX*", ("--", "-", ":", "-.")


#: Longer names of models are cut.
LONGEST = 64
#: Letters that fit an inch of a legend, and how many a line or marker takes there.
_LETTERS, _HANDLE = 15, 7


@dataclass(frozen=True)
class Look:
    """How one series is drawn: told apart by colour, by marker and by line."""

    color: str
    marker: str
    linestyle: str


@contextmanager
def styled(style: str | Path | None = None) -> Iterator[None]:
    """Draw and save in Grace's style, and over it a user's own file or matplotlib's own style."""
    import matplotlib.style as mpl_style

    chosen = [OWN] if style is None else [OWN, _style(style)]
    with mpl_style.context(chosen):
        yield


def drawn(function: Callable[P, Figure]) -> Callable[..., Figure]:
    """A figure's function with one keyword more, `style`, that is in force while it draws."""

    @functools.wraps(function)
    def draw(*args: P.args, **kwargs: P.kwargs) -> Figure:
        style: Any = kwargs.pop("style", None)
        with styled(style):
            return function(*args, **kwargs)

    return draw


def look(place: int) -> Look:
    """The colour, marker and line at a place of the style's cycle; it goes round."""
    import matplotlib as mpl

    cycle: dict[str, list[str]] = mpl.rcParams["axes.prop_cycle"].by_key()
    colors = cycle.get("color", ["black"])
    markers, lines = cycle.get("marker", list(_MARKERS)), cycle.get("linestyle", list(_LINES))
    return Look(
        colors[place % len(colors)], markers[place % len(markers)], lines[place % len(lines)]
    )


def canvas(width: float, height: float) -> Figure:
    """An empty figure, in inches; not pyplot's, so that nothing is kept when it is gone."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def points(
    axes: Axes,
    x: Floats,
    y: Floats,
    place: int,
    limits: tuple[Floats, Floats] | None = None,
    **more: Any,
) -> None:
    """A series of points, with whiskers where their limits are given and known."""
    own = look(place)
    if limits is not None:
        axes.vlines(x, *limits, color=own.color, linewidth=1.2, zorder=3)
    options: dict[str, Any] = {"zorder": 4, "clip_on": False, "linestyle": "none"}
    options |= {"markeredgecolor": "white", "markeredgewidth": 0.5} | more
    axes.plot(x, y, color=own.color, marker=own.marker, **options)


def ground(axes: Axes) -> dict[str, Any]:
    """What a text in a panel stands on: bars and lines behind it do not cross it."""
    return {"facecolor": axes.get_facecolor(), "edgecolor": "none", "alpha": 0.85, "pad": 2}


def say_nothing(axes: Axes, text: str = "no usable answers") -> None:
    """Say in the middle of the panel that there is nothing to draw; points stand above it."""
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", zorder=3,
        color=look(MODEL).color, bbox=ground(axes),
    )  # fmt: skip


def _style(style: str | Path) -> str | Path:
    """A style's path or name; ConfigError where matplotlib knows neither."""
    import matplotlib.style as mpl_style

    path = Path(style)
    if path.is_file():
        return path
    if str(style) in mpl_style.library or str(style) == "default":
        return str(style)
    raise ConfigError(
        f"style={style}: no such file, and no style of matplotlib; expected a .mplstyle file"
    )


def legend(figure: Figure, source: Axes, label: str) -> None:
    """Above the panels, from one of them: people, the model by its name, the RSA model."""
    handles, names = source.get_legend_handles_labels()
    named = dict(zip(names, handles, strict=True))
    order = sorted(named, key=lambda name: ("people" not in name, name != "model", name))
    shown = [label if name == "model" else name for name in order]
    above(figure, [named[name] for name in order], shown)


def above(figure: Figure, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """A legend above the panels: side by side where there is room, else below each other."""
    shown = [one_line(name, LONGEST) for name in names]
    room = _LETTERS * figure.get_figwidth()
    columns = len(shown) if sum(len(name) + _HANDLE for name in shown) <= room else 1
    figure.legend(handles, shown, loc="outside upper left", ncols=columns)


def named(label: str, measured: Measured) -> str:
    """The model's name in a legend, and that its whiskers are intervals where it has any."""
    return f"{label} (95% interval)" if measured.resamples.parts else label
