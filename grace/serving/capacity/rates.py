"""How fast a model reads and writes: stated, measured in an earlier run, or from data sheets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.config import CapacitySettings
from grace.serving.capacity.cards import GIB
from grace.serving.capacity.estimates import Case, Row
from grace.serving.capacity.parameters import active_share

#: Of a card's arithmetic, and of its memory's bandwidth, what a server reaches: least, usual, most.
REACHED = ((0.1, 0.3, 0.55), (0.3, 0.5, 0.8))
#: What a measurement under other load, or a stated rate, may be off by.
SPREAD = (0.8, 1.0, 1.25)
#: Sequences written side by side where the server's arguments do not say.
TOGETHER = 64


@dataclass(frozen=True)
class Rate:
    """Tokens a second of all cards together, each as least, usual and most."""

    prompt: tuple[float, float, float]
    generate: tuple[float, float, float] | None  # None: not known, and not needed where all is read
    said: str

    def minutes(self, distinct: int, generated: int, way: int) -> float:
        """Minutes for the least, the expected, the most work: the least at the highest rate."""
        at = 2 - way
        seconds = distinct / self.prompt[at]
        if self.generate is not None:
            seconds += generated / self.generate[at]
        return round(seconds / 60, 3)


def find_rate(settings: CapacitySettings, case: Case, row: Row | None) -> Rate | None:
    """The best rate there is: stated, else measured, else of a data sheet; None without."""
    writes = settings.exp.name == "1"
    if settings.prompt_rate and (settings.generate_rate or not writes):
        generate = settings.generate_rate
        said = f"at the stated {settings.prompt_rate:g} tokens of prompts a second"
        said += f" and {generate:g} generated" if generate else ""
        return Rate(_spread(settings.prompt_rate), _spread(generate) if generate else None, said)
    sheet = _of_data_sheet(settings, case, row) if row else None
    if settings.prompt_rate or settings.generate_rate:
        return _mixed(settings, sheet)
    return _measured(settings) or sheet


def _mixed(settings: CapacitySettings, sheet: Rate | None) -> Rate | None:
    """The one rate that is stated, and the data sheet's for the other."""
    if sheet is None or sheet.generate is None:
        return sheet
    read, written = settings.prompt_rate, settings.generate_rate
    prompt = _spread(read) if read else sheet.prompt
    generate = _spread(written) if written else sheet.generate
    ways = [("stated" if one else "data sheet's") for one in (read, written)]
    return Rate(
        prompt,
        generate,
        f"at {prompt[1]:,.0f} tokens read (the {ways[0]}) and {generate[1]:,.0f} written (the "
        f"{ways[1]}) a second; {'generate_rate' if read else 'prompt_rate'}= states the other",
    )


def _spread(rate: float) -> tuple[float, float, float]:
    return rate * SPREAD[0], rate * SPREAD[1], rate * SPREAD[2]


def _measured(settings: CapacitySettings) -> Rate | None:
    """The last finished run of the same model and experiment in OUTPUT, per distinct token."""
    best: tuple[str, float, Path] | None = None
    for path, manifest in _manifests(settings):
        try:
            seconds = float(manifest["seconds"]["compute"])
            tokens = int(manifest["plan"]["distinct_tokens"])
            asked = int(manifest["plan"]["queries"]) - int(manifest["plan"]["known"] or 0)
            if manifest["status"] != "complete" or seconds <= 0 or asked <= 0:
                continue
            share = asked / int(manifest["plan"]["queries"])
            when = str(manifest["written"])
        except (KeyError, TypeError, ValueError):
            continue
        if best is None or when > best[0]:
            best = when, tokens * share / seconds, path
    if best is None:
        return None
    said = f"at {best[1]:,.0f} distinct tokens a second, generating included, as {best[2]} measured"
    return Rate(_spread(best[1]), None, said)


def _manifests(settings: CapacitySettings) -> Iterator[tuple[Path, dict[str, Any]]]:
    output = Path(settings.output)
    if output.suffix == ".json":
        return
    for path in output.glob(f"*/{settings.exp.name}/{settings.model.name}*/manifest.json"):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        model = manifest.get("settings", {}).get("model", {}) if isinstance(manifest, dict) else {}
        if model.get("name") == settings.model.name:
            yield path, manifest


def _of_data_sheet(settings: CapacitySettings, case: Case, row: Row) -> Rate | None:
    """From arithmetic (reading) and bandwidth (writing), at the share of them usually reached."""
    card, parts = case.card, case.weights.counted
    if card.teraflops is None or card.bandwidth is None or parts is None:
        return None
    active = parts.total * active_share(case.a, parts)
    flops = card.teraflops * 1e12 * row.tp / (2 * active)
    together = int(case.server.arguments.get("max-num-seqs") or TOGETHER)
    if settings.engine.kind == "vllm":
        together = min(together, settings.engine.max_concurrency)
    together = max(1, min(together, int(row.concurrency)))
    steps = card.bandwidth * 1e9 / (row.weights_gib * GIB)
    prompt = tuple(flops * share for share in REACHED[0])
    generate = tuple(steps * together * share for share in REACHED[1])
    return Rate(
        (prompt[0], prompt[1], prompt[2]),
        (generate[0], generate[1], generate[2]),
        f"assumed from the data sheet of {row.tp} × {card.name} ({prompt[1]:,.0f} tokens read, "
        f"{generate[1]:,.0f} written a second); prompt_rate= and generate_rate= state better ones",
    )
