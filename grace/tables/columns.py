"""The columns of the tables: names, meanings, units and how each is computed, in one place.

The codebook is written from the same list as the tables, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from grace.config import ExperimentSpec, MarginalSpec, QuestionSpec, ReductionSpec
from grace.errors import ConfigError
from grace.questions import Slot
from grace.scoring import distributions as scores
from grace.tables.block import Block, Floats


@dataclass(frozen=True)
class Column:
    """A column for the codebook; `type` is what its cells hold."""

    name: str
    meaning: str
    unit: str = ""
    range: str = ""
    source: str = ""
    type: Literal["number", "integer", "text"] = "number"


@dataclass(frozen=True)
class Computed:
    """A column of the wide table and how a block of trials gives its values, (n,)."""

    column: Column
    values: Callable[[Block], Floats]


def computed_columns(spec: ExperimentSpec) -> list[Computed]:
    """All numbers of the wide table: by question and variant, then what is derived of them."""
    found = []
    for name, question in spec.scored.items():
        for i, over in enumerate(question.variants()):
            found += _question_columns(name, i, question, question.meant(over))
        for marginal in question.marginals.values():
            found += _marginal_columns(name, question, marginal)
    for reduction in spec.reductions:
        if reduction.question in spec.questions:
            found += _reduction_columns(reduction, spec.questions[reduction.question])
    return found


def _question_columns(
    name: str, variant: int, question: QuestionSpec, meaning: str
) -> list[Computed]:
    slot: Slot = (name, variant)
    over = question.variants()[variant]
    wide = question.wide
    about = f" ({meaning})" if meaning else ""
    options = [spec.option(forms=True) for spec in question.options]
    values = np.array([np.nan if o.value is None else o.value for o in options])
    what = f"question {name}" + "".join(f", {key} {value}" for key, value in over.items())
    found = []
    if wide.prob:
        for k, option in enumerate(options):
            found.append(
                Computed(
                    Column(
                        wide.prob.format(option=option.name, **over),
                        f"probability of “{option.text}” among the options{about}",
                        "probability",
                        "0–1",
                        what,
                    ),
                    lambda block, k=k: block.probs[slot][:, k],  # type: ignore[misc]
                )
            )
    computed: list[tuple[str | None, str, str, str, Callable[[Block], Floats]]] = [
        (wide.mean, "mean of the answer distribution", "as the options", "",
         lambda block: scores.mean(block.probs[slot], values)),
        (wide.std, "standard deviation of the answer distribution", "as the options", "",
         lambda block: scores.std(block.probs[slot], values)),
        (wide.entropy, "entropy of the answer distribution", "bits",
         f"0–{np.log2(len(options)):.3g}",
         lambda block: scores.entropy_bits(block.probs[slot])),
        (wide.mass, "mass: the probability of all options together, before normalising",
         "probability", "0–1", lambda block: block.masses[slot]),
    ]  # fmt: skip
    for template, text, unit, limits, compute in computed:
        if template:
            column = Column(template.format(**over), f"{text}{about}", unit, limits, what)
            found.append(Computed(column, compute))
    return found


def _marginal_columns(name: str, question: QuestionSpec, marginal: MarginalSpec) -> list[Computed]:
    """Sums over named groups of options, of every variant of the question."""
    names = [spec.option(forms=True).name for spec in question.options]
    found = []
    for i, over in enumerate(question.variants()):
        slot: Slot = (name, i)
        variant = "".join(f", {key} {value}" for key, value in over.items())
        for group, members in marginal.groups.items():
            index = [names.index(member) for member in members]
            found.append(
                Computed(
                    Column(
                        marginal.column.format(group=group, **over),
                        f"probability of {', '.join(members)} together{variant}",
                        "probability",
                        "0–1",
                        f"question {name}{variant}, marginal",
                    ),
                    lambda block, slot=slot, index=index: block.probs[slot][:, index].sum(axis=1),  # type: ignore[misc]
                )
            )
    return found


def _reduction_columns(reduction: ReductionSpec, question: QuestionSpec) -> list[Computed]:
    states = question.over[reduction.over]
    values = np.array([spec.option(forms=True).value for spec in question.options], dtype=float)

    def means(block: Block) -> tuple[Floats, Floats]:
        matrices = block.matrices(reduction.question, len(states))
        return block.once(
            f"{reduction.question} means",
            lambda: scores.reduce_means(matrices, values, total=reduction.total),
        )

    def coherent(block: Block) -> tuple[Floats, Floats]:
        matrices = block.matrices(reduction.question, len(states))
        return block.once(
            f"{reduction.question} coherent",
            lambda: scores.reduce_coherent(matrices, values, total=reduction.total),
        )

    source = f"question {reduction.question}, all {reduction.over}s"
    unit = "probability"
    found = [
        Computed(
            Column(
                reduction.means.format(**{reduction.over: state}),
                f"{reduction.over} {state}: mean answer divided by the sum of mean answers",
                unit, "0–1", source,
            ),
            lambda block, k=k: means(block)[0][:, k],  # type: ignore[misc]
        )
        for k, state in enumerate(states)
    ]  # fmt: skip
    found.append(
        Computed(
            Column(
                reduction.coherence,
                f"S: the sum of the mean answers divided by {reduction.total:g}; 1 is coherent",
                "ratio", "0 and above", source,
            ),
            lambda block: means(block)[1],
        )
    )  # fmt: skip
    found += [
        Computed(
            Column(
                reduction.coherent.format(**{reduction.over: state}),
                f"{reduction.over} {state}: expected share, given that the answers sum to "
                f"{reduction.total:g}",
                unit, "0–1", source,
            ),
            lambda block, k=k: coherent(block)[0][:, k],  # type: ignore[misc]
        )
        for k, state in enumerate(states)
    ]  # fmt: skip
    found.append(
        Computed(
            Column(
                reduction.z,
                f"Z: the probability that independent answers sum to {reduction.total:g}",
                unit, "0–1", source,
            ),
            lambda block: coherent(block)[1],
        )
    )  # fmt: skip
    return found


def refuse_clashes(columns: Sequence[Column]) -> None:
    """Refuse two columns of one name: one of the stimuli and one of the results, or two results."""
    seen: dict[str, Column] = {}
    for column in columns:
        other = seen.setdefault(column.name, column)
        if other is column:
            continue
        if "stimuli file" in other.source:
            raise ConfigError(
                f"column {column.name} of the stimuli has the name of a column of the results; "
                "expected another name"
            )
        raise ConfigError(
            f"two columns of the results would be called {column.name} ({_told(other)}; "
            f"{_told(column)}); expected names of their own in the study's file (wide, marginals, "
            "reductions, fields)"
        )


def _told(column: Column) -> str:
    return f"{column.source}: {column.meaning}" if column.source else column.meaning
