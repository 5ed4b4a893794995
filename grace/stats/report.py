"""What the fits say: stats_fit.json, and the same in plain words."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from grace.stats.arguments import Sampler
from grace.stats.fit import Effect, Fit, fit
from grace.stats.models import suggested
from grace.stats.rows import Rows
from grace.stats.write import CAUTION
from grace.tables import write_json

LIBRARIES = ("bambi", "pymc", "pytensor", "arviz", "numba")
INTERVAL = (
    "Each interval holds the central 95% of the posterior: given these data, the model and bambi's "
    "default priors, the value is in it with probability 95%. Values are for a typical item."
)


def fit_all(folder: Path, rows: Rows, sampler: Sampler) -> str:
    """Fit every suggested model, write stats_fit.json, return what came out in words."""
    fits = []
    for model in suggested(rows):
        print(f"fitting {model.name} ({model.outcome}) …", flush=True)
        fits.append(fit(model, rows.frame, rows.models, sampler))
    path = folder / "stats_fit.json"
    write_json(path, as_json(rows, fits, sampler))
    parts = [f"{path}\n", *(in_words(one) for one in fits)]
    if any(one.effects for one in fits):
        parts.append(INTERVAL)
    return "\n".join(parts)


def as_json(rows: Rows, fits: Sequence[Fit], sampler: Sampler) -> dict[str, Any]:
    """Everything about the fits, as plain containers."""
    return {
        "title": rows.title,
        "models": list(rows.models),
        "caution": CAUTION,
        "notes": list(rows.notes),
        "interval": INTERVAL,
        "sampler": {"method": "NUTS", "priors": "bambi's defaults", **sampler.model_dump()},
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "fits": [_fit(one) for one in fits],
    }


def _fit(one: Fit) -> dict[str, Any]:
    frame = one.prepared.frame
    return {
        "name": one.model.name,
        "outcome": one.model.outcome,
        "family": one.model.family,
        "formula": one.formula,
        "rows": len(frame),
        "items": int(frame["item"].nunique()),
        "missing": one.prepared.n_missing,
        "rows_left_out": list(one.prepared.left_out),
        "rows_used": {name: list(values) for name, values in one.model.where.items()},
        "why_these_rows": one.model.why_where,
        "transform": one.prepared.squeezed or None,
        "ok": not one.problems,
        "problems": list(one.problems),
        "divergences": one.divergences,
        "estimates": {name: asdict(found) for name, found in one.estimates.items()},
        "effects": [
            {
                "name": effect.contrast.name,
                "model": effect.model,
                "unit": one.model.unit,
                "value": effect.value,
                "low": effect.low,
                "high": effect.high,
                "interpretation": sentence(effect, one.model.unit),
            }
            for effect in one.effects
        ],
    }


def in_words(one: Fit) -> str:
    """A fit as lines of text."""
    frame = one.prepared.frame
    lines = [
        f"{one.model.name} ({one.model.outcome}, {one.model.family}): {len(frame)} rows, "
        f"{frame['item'].nunique()} items, {one.prepared.n_missing} left out for a missing answer"
    ]
    if one.model.why_where:
        lines.append(f"  {_shown(one)} only: {one.model.why_where}.")
    lines += [f"  {why}." for why in one.prepared.left_out]
    if one.prepared.squeezed:
        lines.append(f"  {one.prepared.squeezed}.")
    lines += [f"  No interpretation: {problem}." for problem in one.problems]
    lines += [f"  {sentence(effect, one.model.unit)}" for effect in one.effects]
    return "\n".join(lines) + "\n"


def sentence(effect: Effect, unit: str) -> str:
    """An effect with its interval; where that holds 0, the direction is left open."""
    digits = 1 if unit == "points" else 2
    size = round(abs(effect.value), digits)
    amount = f"{size:.{digits}f} {unit} {'lower' if effect.value < 0 else 'higher'}"
    low, high = (f"{value:.{digits}f}".replace("-", "−") for value in (effect.low, effect.high))
    told = effect.contrast.sentence.format(amount)
    told = told if effect.model is None else f"{effect.model}: {told[:1].lower()}{told[1:]}"
    interval = f"{told} (95% interval {low} to {high})."
    if effect.low < 0 < effect.high:
        return f"{interval} The interval holds 0: these data leave the direction open."
    return interval


def _shown(one: Fit) -> str:
    return "; ".join(
        f"{name} {' and '.join(map(str, values))}" for name, values in one.model.where.items()
    )
