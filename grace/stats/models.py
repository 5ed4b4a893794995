"""The mixed models suggested for a study and experiment: one list for lme4, brms and bambi.

A model explains one outcome by the condition its hypothesis is about (`main`), crossed with the
other conditions, with random effects of items and of models, which are crossed as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from grace.stats.rows import Rows

Family = Literal["bernoulli", "beta", "cumulative", "gaussian"]
#: From so many levels on a variance between them can be estimated, and not before: with fewer
#: models the model is a fixed effect, with fewer items nothing is fitted (Bolker et al. 2009).
FEWEST_LEVELS = 5
#: Nearer to 0 or 1 than this a probability is as good as exact, in float32.
EDGE = 1e-6


#: A name that stands in a formula as it is, in R and in Python.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED = {
    "if", "else", "for", "in", "while", "repeat", "function", "next", "break", "TRUE", "FALSE",
    "NULL", "NA", "NaN", "Inf",
}  # fmt: skip


def quoted(name: str) -> str:
    """A column's name in a formula: in backticks where it is no plain name."""
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED else f"`{name}`"


@dataclass(frozen=True)
class Contrast:
    """A difference a hypothesis is about: the mean over some cells less that over others.

    `sentence` has a place, {}, for how much and in which direction: "12.3 points higher".
    """

    name: str
    sentence: str
    high: Mapping[str, tuple[object, ...]]
    low: Mapping[str, tuple[object, ...]]


@dataclass(frozen=True)
class MixedModel:
    """One outcome and what explains it; the same for every language and library."""

    name: str
    outcome: str
    family: Family
    main: str
    others: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    where: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    why_where: str = ""
    unit: str = "points"  # of a contrast; points are hundredths of a probability
    contrasts: tuple[Contrast, ...] = ()
    slopes: bool = True
    levels: Mapping[str, tuple[object, ...]] = field(default_factory=dict)  # the first is reference

    @property
    def conditions(self) -> list[str]:
        """The columns that a row must have: its item, and what its outcome is explained by."""
        return ["item", self.main, *self.others]

    def fixed(self, n_models: int) -> str:
        """The fixed effects: the main condition crossed with each other one."""
        names = [*self.others, *(["model"] if 1 < n_models < FEWEST_LEVELS else [])]
        main, others = quoted(self.main), [quoted(name) for name in names]
        if len(others) > 1:
            return f"{main} * ({' + '.join(others)})"
        return " * ".join([main, *others])

    def random(self, n_models: int, *, bar: str) -> list[str]:
        """Random intercepts, and slopes of the main condition, uncorrelated.

        A number has a slope; a category has an intercept for each group and level. `bar` is
        how the language writes uncorrelated effects: "||" in lme4 and brms, "|" in bambi.
        """
        groups = ["item", *(["model"] if n_models >= FEWEST_LEVELS else [])]
        terms = []
        for group in groups:
            if not self.slopes:
                terms.append(f"(1 | {group})")
            elif self.main in self.categorical:
                terms += [f"(1 | {group})", f"(1 | {group}:{self.main})"]
            else:
                terms.append(f"(1 + {self.main} {bar} {group})")
        return terms

    def right(self, n_models: int, *, bar: str) -> str:
        """The right-hand side of the formula."""
        return " + ".join([self.fixed(n_models), *self.random(n_models, bar=bar)])

    def calls(self, n_models: int) -> dict[str, str]:
        """The model as calls in R and as a formula of bambi; `d` is the data."""
        right = self.right(n_models, bar="||")
        single = self.right(n_models, bar="|")
        y = quoted(self.outcome)
        bambi = f"{y} ~ {single}"
        match self.family:
            case "bernoulli":
                return {
                    "lme4": f"glmer({y} ~ {right}, data = d, family = binomial)",
                    "brms": f"brm({y} ~ {right}, data = d, family = bernoulli())",
                    "bambi": bambi,
                }
            case "beta":
                return {
                    "lme4": f"lmer(qlogis(squeeze({y})) ~ {right}, data = d)",
                    "glmmTMB": f"glmmTMB(squeeze({y}) ~ {right}, data = d, family = beta_family())",
                    # `transform` would rename columns whose names are no names of R's.
                    "brms": f"brm(squeezed ~ {right}, data = within(d, squeezed <- "
                    f"squeeze({y})), family = Beta())",
                    "bambi": bambi,
                }
            case "gaussian":
                return {
                    "lme4": f"lmer({y} ~ {right}, data = d)",
                    "brms": f"brm({y} ~ {right}, data = d, family = gaussian())",
                    "bambi": bambi,
                }
            case "cumulative":
                return {
                    "ordinal": f"clmm(factor({y}, ordered = TRUE) ~ {single}, data = d)",
                    "brms": f"brm(ordered({y}) ~ {right}, data = d, family = cumulative())",
                    "bambi": bambi,
                }


def suggested(rows: Rows) -> tuple[MixedModel, ...]:
    """The models of a study and experiment, of those whose outcome the data have."""
    from grace.stats.own_study import own_models

    found = MODELS.get((rows.study.name, rows.experiment))
    if found is None:
        return own_models(rows)
    return tuple(model for model in found if model.outcome in rows.frame)


def complete(model: MixedModel, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows a model is of that have everything it needs but its outcome."""
    for name, wanted in model.where.items():
        frame = frame[frame[name].isin(wanted)]
    return frame[frame[_there(model.conditions, frame)].notna().all(axis=1)]


def left_out(model: MixedModel, frame: pd.DataFrame) -> tuple[str, ...]:
    """Of which rows no fit of the model can be, and why; nothing where it is of all."""
    for name, wanted in model.where.items():
        frame = frame[frame[name].isin(wanted)]
    names = _there([*model.conditions, model.outcome], frame)
    lacking = {name: int(frame[name].isna().sum()) for name in names}
    return tuple(
        f"{count:,} of {len(frame):,} rows have no {name} and are in no model of it"
        for name, count in lacking.items()
        if count
    )


def _there(names: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """Those that are columns: a frame of few may be asked about."""
    return [name for name in names if name in frame]


def obstacles(model: MixedModel, frame: pd.DataFrame) -> tuple[str, ...]:
    """Why these rows cannot tell anything about the model; nothing where they may."""
    frame = complete(model, frame)
    known = frame[frame[model.outcome].notna()]
    if frame.empty:
        return ("there are no rows of the conditions it is about",)
    if known.empty:
        return (f"none of the {len(frame):,} rows has an answer",)
    if known[model.outcome].nunique() < 2:
        return (f"every answer is {known[model.outcome].iloc[0]}: nothing varies",)
    same = [name for name in (model.main, *model.others) if known[name].nunique() < 2]
    return tuple(
        f"{name} has one level in these rows: there is nothing to compare" for name in same
    )


def _access(name: str, sentence: str) -> tuple[Contrast, ...]:
    """Full against partial access, over both number words and after each."""
    found = [
        Contrast(name, f"With full access {sentence}", {"full_access": (1,)}, {"full_access": (0,)})
    ]
    found += [
        Contrast(
            f"{name}, {word}",
            f"After “{word}”, with full access {sentence}",
            {"full_access": (1,), "word": (word,)},
            {"full_access": (0,), "word": (word,)},
        )
        for word in ("one", "two")
    ]
    return tuple(found)


def _study1(
    name: str, outcome: str, family: Family, sentence: str, unit: str = "points"
) -> MixedModel:
    return MixedModel(
        name,
        outcome,
        family,
        "full_access",
        ("word",),
        ("word",),
        {"word": ("one", "two")},
        "“three” is only ever said with full access",
        unit,
        _access("full access", sentence),
    )


def _goals(hearts: tuple[int, ...], place: str, sentence: str) -> tuple[Contrast, ...]:
    """Each goal that is not informative alone against the one that is, at some states."""
    said = {"both": "to be both kind and informative", "kind": "to be kind"}
    return tuple(
        Contrast(
            f"{goal} against informative",
            f"{place} with the goal {text} {sentence} than with the goal to be informative",
            {"goal_type": (goal,), "hearts": hearts},
            {"goal_type": ("informative",), "hearts": hearts},
        )
        for goal, text in said.items()
    )


def _study2(
    name: str, outcome: str, family: Family, contrasts: tuple[Contrast, ...], unit: str = "points"
) -> MixedModel:
    return MixedModel(
        name,
        outcome,
        family,
        "goal_type",
        ("hearts",),
        ("goal_type", "hearts"),
        unit=unit,
        contrasts=contrasts,
    )


_BET = "the bet on the reported state is {}"
_KNOWS = "the probability of “yes, the speaker knows” is {}"
_NEGATION = _goals((0, 1), "Of bad work (0 or 1 hearts),", "the probability of “wasn't” is {}")
_PRAISE = _goals((0, 1, 2, 3), "Over all states,", "the adjective is {}")
MODELS: dict[tuple[str, str], tuple[MixedModel, ...]] = {
    ("1", "1"): (
        _study1("reported state", "p_reported", "beta", _BET),
        _study1("knowledge", "knowledge_yes", "bernoulli", _KNOWS),
        _study1(
            "first answer", "initial_answer", "cumulative", "the first answer is {}", "objects"
        ),
    ),
    ("1", "2"): (
        _study1("reported state", "p_reported", "beta", _BET),
        _study1("knowledge", "prob_knowledge_yes", "beta", _KNOWS),
    ),
    ("2", "1"): (
        _study2("negation", "negation", "bernoulli", _NEGATION),
        _study2("assessment", "assessment_rank", "cumulative", _PRAISE, "ranks"),
    ),
    ("2", "2"): (
        _study2("negation", "p_negation", "beta", _NEGATION),
        _study2("assessment", "assessment_share", "beta", _PRAISE),
    ),
}
