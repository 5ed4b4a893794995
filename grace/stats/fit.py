"""One suggested model fitted with bambi: estimates, how well it was sampled, contrasts."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grace.errors import GraceError
from grace.stats.arguments import Sampler
from grace.stats.models import EDGE, FEWEST_LEVELS, Contrast, MixedModel, complete, left_out

Floats = NDArray[np.float64]
SQUEEZE = (
    "some values are 0 or 1 (or nearer than {edge:g}), where there is no beta density: all were "
    "moved to (y (N - 1) + 1/2) / N, N = {n} rows (Smithson & Verkuilen 2006, Psychological "
    "Methods 11, 54–71)"
)
#: Beyond these the draws do not yet stand for the posterior (Vehtari et al. 2021, Bayesian
#: Analysis 16, 667).
MOST_RHAT, LEAST_ESS = 1.01, 400.0
#: An item's effect, and how it differs by condition, are not known from fewer rows.
ROWS_AN_ITEM = 3
#: How bambi names a family, and what predicts the mean.
FAMILIES = {"bernoulli": "p", "beta": "mu", "cumulative": "p", "gaussian": "mu"}


@dataclass(frozen=True)
class Estimate:
    """A parameter's posterior: mean, standard deviation, central 95%, and its diagnostics."""

    mean: float
    sd: float
    low: float
    high: float
    rhat: float
    ess_bulk: float
    ess_tail: float


@dataclass(frozen=True)
class Effect:
    """A contrast's posterior in its model's unit: median and central 95%."""

    contrast: Contrast
    model: str | None  # the language model it is of; None: over all of them
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Prepared:
    """The rows a model is fitted to."""

    frame: pd.DataFrame
    n_missing: int  # without an answer
    left_out: tuple[str, ...]  # which rows are left out, and why
    squeezed: str  # what was done to values at the edges, "" if nothing


@dataclass(frozen=True)
class Fit:
    """What came out of one model. Where there are problems there are no effects."""

    model: MixedModel
    formula: str
    prepared: Prepared
    problems: tuple[str, ...]
    estimates: dict[str, Estimate]
    divergences: int
    effects: tuple[Effect, ...]


def squeeze(values: Floats) -> Floats:
    """Values from 0 to 1 moved inside, so that they have a beta density.

    y' = (y (N - 1) + 1/2) / N, Smithson & Verkuilen (2006), page 55.
    """
    n = len(values)
    return (values * (n - 1) + 0.5) / n


def fit(model: MixedModel, frame: pd.DataFrame, models: tuple[str, ...], sampler: Sampler) -> Fit:
    """Fit one model, or say why it cannot be."""
    prepared = prepare(model, frame)
    formula = model.calls(len(models))["bambi"]
    problems = too_little(model, prepared.frame, len(models))
    if problems:
        return Fit(model, formula, prepared, problems, {}, 0, ())
    with _quiet():
        import arviz
        import bambi

        fitted = bambi.Model(formula, prepared.frame, family=model.family)
        draws = fitted.fit(
            draws=sampler.draws,
            tune=sampler.tune,
            chains=sampler.chains,
            cores=min(sampler.chains, os.cpu_count() or 1),
            random_seed=sampler.seed,
            target_accept=sampler.target_accept,
            progressbar=False,
        )
        summary = arviz.summary(draws, stat_funcs={"low": _low, "high": _high}, round_to="none")
        divergences = int(draws.sample_stats["diverging"].sum())
        problems = badly_sampled(summary, divergences, sampler)
        effects = () if problems else _effects(model, fitted, draws, prepared.frame, models)
    return Fit(model, formula, prepared, problems, _estimates(summary), divergences, effects)


def prepare(model: MixedModel, frame: pd.DataFrame) -> Prepared:
    """The model's rows, without those that lack something it needs, in types bambi understands."""
    known = complete(model, frame)
    kept = known[known[model.outcome].notna()].copy()
    squeezed = ""
    if model.family == "beta":
        values = _shares(model.outcome, kept[model.outcome].to_numpy(dtype=np.float64))
        if ((values < EDGE) | (values > 1 - EDGE)).any():
            values, squeezed = squeeze(values), SQUEEZE.format(edge=EDGE, n=len(values))
        kept[model.outcome] = values
    elif model.family == "cumulative":
        kept[model.outcome] = pd.Categorical(kept[model.outcome].astype(int), ordered=True)
    elif model.family == "gaussian":
        kept[model.outcome] = kept[model.outcome].astype(float)
    else:
        kept[model.outcome] = kept[model.outcome].astype(int)
    for name in {"model", "item", *model.categorical}:
        levels = [level for level in model.levels.get(name, ()) if (kept[name] == level).any()]
        kept[name] = pd.Categorical(kept[name], categories=levels or _levels(kept[name]))
    if model.main not in model.categorical:
        kept[model.main] = kept[model.main].astype(float)
    return Prepared(kept, len(known) - len(kept), left_out(model, frame), squeezed)


def _levels(column: pd.Series) -> list[Any]:
    """Levels in order, a reference level that hypotheses name first."""
    levels: list[Any] = sorted(column.unique())
    return sorted(levels, key=lambda level: level != "informative")


def _shares(name: str, values: Floats) -> Floats:
    """Values that are shares; rounding beyond 0 or 1 is taken off."""
    if len(values) and not (values.min() >= -1e-9 and values.max() <= 1 + 1e-9):
        raise GraceError(
            f"column {name}: found {values.min():g} to {values.max():g}, expected 0 to 1"
        )
    return np.clip(values, 0.0, 1.0)


def too_little(model: MixedModel, frame: pd.DataFrame, n_models: int) -> tuple[str, ...]:
    """Why these rows cannot tell the model's parameters; nothing where they can."""
    if frame.empty:
        return ("too little data: no row has an answer",)
    found = []
    items = frame["item"].nunique()
    if items < FEWEST_LEVELS:
        found.append(
            f"too little data: {items} items; how items differ is not known from fewer than "
            f"{FEWEST_LEVELS}"
        )
    if frame[model.outcome].nunique() < 2:
        found.append(f"every answer is {frame[model.outcome].iloc[0]}: nothing varies")
    columns, rank = _fixed_rank(model, frame, n_models)
    if rank < columns:
        found.append("too little data: some combination of the conditions has no answer")
    elif len(frame) < max(2 * columns, ROWS_AN_ITEM * items):
        found.append(
            f"too little data: {len(frame)} rows for {columns} fixed effects and {items} items, "
            f"expected 2 for each effect and {ROWS_AN_ITEM} for each item"
        )
    return tuple(found)


def _fixed_rank(model: MixedModel, frame: pd.DataFrame, n_models: int) -> tuple[int, int]:
    """How many fixed effects the formula has, and how many these rows can tell apart."""
    names = [model.main, *model.others, *(["model"] if 1 < n_models < FEWEST_LEVELS else [])]
    if any(frame[name].nunique() < 2 for name in names):
        return 2, 1  # a condition of one level has no effect to tell from the intercept
    with _quiet():
        from formulae import design_matrices

        made = design_matrices(model.fixed(n_models), frame).common
    return made.design_matrix.shape[1], int(np.linalg.matrix_rank(made.design_matrix))


def badly_sampled(summary: pd.DataFrame, divergences: int, sampler: Sampler) -> tuple[str, ...]:
    """Why the draws are not to be trusted; nothing where they are."""
    found = []
    if sampler.chains < 2:
        found.append("one chain: R-hat, whether chains agree, cannot be known")
    elif not (summary["r_hat"] <= MOST_RHAT).all():
        found.append(f"R-hat is up to {summary['r_hat'].max():.3f}, above {MOST_RHAT}")
    least = float(np.min(summary[["ess_bulk", "ess_tail"]].to_numpy()))
    if not least >= LEAST_ESS:
        found.append(
            f"the effective sample size is as low as {least:.0f}, below {LEAST_ESS:.0f}; "
            "take more draws"
        )
    if divergences:
        found.append(
            f"{divergences} divergent transitions; try target_accept="
            f"{'0.99' if sampler.target_accept < 0.99 else '0.999'}"
        )
    return tuple(found)


def _estimates(summary: pd.DataFrame) -> dict[str, Estimate]:
    """Every parameter but the single items and models."""
    single = summary.index.str.contains(r"\|.*\[")
    names = {
        "mean": "mean", "sd": "sd", "low": "low", "high": "high",
        "r_hat": "rhat", "ess_bulk": "ess_bulk", "ess_tail": "ess_tail",
    }  # fmt: skip
    return {
        str(name): Estimate(**{names[key]: float(row[key]) for key in names})
        for name, row in summary[~single].iterrows()
    }


def _effects(
    model: MixedModel, fitted: Any, draws: Any, frame: pd.DataFrame, models: tuple[str, ...]
) -> tuple[Effect, ...]:
    """Each contrast, of means of cells as the model predicts them for a typical item."""
    apart = models if 1 < len(models) < FEWEST_LEVELS else ()
    names = [model.main, *model.others, *(["model"] if apart else [])]
    grid = frame.drop_duplicates(names).reset_index(drop=True)
    predicted = fitted.predict(
        draws, kind="response_params", data=grid, include_group_specific=False, inplace=False
    ).posterior[FAMILIES[model.family]]
    means = predicted.to_numpy().reshape(-1, *predicted.shape[2:])
    if model.family == "cumulative":
        means = means @ np.asarray(frame[model.outcome].cat.categories, dtype=np.float64)
    scale = 100.0 if model.unit == "points" else 1.0
    found = []
    for contrast in model.contrasts:
        for one in (None, *apart):
            high, low = _cells(grid, contrast.high, one), _cells(grid, contrast.low, one)
            if high.any() and low.any():
                difference = scale * (means[:, high].mean(axis=1) - means[:, low].mean(axis=1))
                middle = float(np.median(difference))
                found.append(Effect(contrast, one, middle, _low(difference), _high(difference)))
    return tuple(found)


def _cells(grid: pd.DataFrame, wanted: Any, model: str | None) -> NDArray[np.bool_]:
    """Which rows of the grid a side of a contrast is over."""
    chosen = np.ones(len(grid), dtype=bool)
    for name, values in wanted.items():
        chosen &= grid[name].isin(values).to_numpy()
    return chosen if model is None else chosen & (grid["model"] == model).to_numpy()


def _low(values: Floats) -> float:
    return float(np.quantile(values, 0.025))


def _high(values: Floats) -> float:
    return float(np.quantile(values, 0.975))


@contextmanager
def _quiet() -> Iterator[None]:
    """The libraries' talk held back: what matters of it is in the diagnostics.

    Compiled by numba, so that no C compiler is needed.
    """
    import bambi  # noqa: F401  (it sets the loggers up)
    from pytensor import config

    loggers = [logging.getLogger(name) for name in ("pymc", "bambi", "pytensor", "arviz")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with config.change_flags(linker="numba"):
                yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
