"""What of a drawn figure can be measured: its texts and where they stand, and its colours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

#: Linear sRGB to what a person without one kind of cone sees: Machado, Oliveira & Fernandes
#: (2009), severity 1.0.
BLIND = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def boxes(figure: Figure, level: bool = False) -> list[tuple[str, Bbox]]:
    """Every text that is drawn, and where, in pixels; without those at an angle if `level`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = [*_own_texts(figure)]
    for axes in figure.axes:
        if axes.get_visible():
            found += _texts_of(axes)
    return [
        (text.get_text(), text.get_window_extent(renderer))
        for text in found
        if text.get_visible() and text.get_text().strip()
        if not (level and text.get_rotation() % 90)
    ]


def _own_texts(figure: Figure) -> Iterator[Text]:
    yield from figure.texts
    for legend in figure.legends:
        yield from legend.get_texts()


def _texts_of(axes: Axes) -> Iterator[Text]:
    yield from (axes.title, *axes.texts)
    if not axes.axison:
        return
    for axis in (axes.xaxis, axes.yaxis):
        yield from (axis.label, axis.get_offset_text())
        low, high = sorted(axis.get_view_interval())
        room = 1e-9 * (high - low)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if low - room <= tick.get_loc() <= high + room:
                yield tick.label1


def outside(figure: Figure) -> list[str]:
    """Texts that are cut off by the figure's edge."""
    width, height = figure.canvas.get_width_height()
    return [
        name
        for name, box in boxes(figure)
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]


def touching(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts of which each covers part of the other (a pixel does not count)."""
    found = aslant(figure)
    for (one, a), (other, b) in combinations(boxes(figure, level=True), 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        if wide > 1 and high > 1:
            found.append((one, other))
    return found


def aslant(figure: Figure) -> list[tuple[str, str]]:
    """Neighbouring tick labels at an angle whose lines are nearer than they are high."""
    found = []
    for axes in figure.axes:
        labels = [t for t in axes.get_xticklabels() if t.get_rotation() % 90 and t.get_text()]
        for one, other in pairwise(labels):
            apart = abs(np.subtract(*(axes.transData.transform((t.get_position()[0], 0))[0]
                                      for t in (one, other))))  # fmt: skip
            height = float(one.get_fontsize()) * figure.dpi / 72
            if apart * np.sin(np.radians(one.get_rotation())) < height:
                found.append((one.get_text(), other.get_text()))
    return found


def lab(color: Any, blindness: str | None = None) -> NDArray[np.float64]:
    """A colour as CIE L*a*b* (D65), as somebody colour-blind sees it where that is named."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if blindness:
        linear = np.clip(np.array(BLIND[blindness]) @ linear, 0, 1)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    t = (to_xyz @ linear) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
