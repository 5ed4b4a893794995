"""The answers of a block of trials as arrays, so that scores are computed many at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grace.config import ExperimentSpec, QuestionSpec
from grace.questions import Asked, Slot
from grace.questions.parsing import parse
from grace.scoring import distributions as scores
from grace.types import Answer, Failure, Generation, OptionScores, Trial

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Item:
    """One asked question with its answer; none where it was not asked yet."""

    asked: Asked
    answer: Answer | None
    seed: int  # of a raw answer


@dataclass(frozen=True)
class Block:
    """n trials, and for each slot the n items; replicates of raw answers are further rows."""

    spec: ExperimentSpec
    trials: Sequence[Trial]
    cells: Sequence[tuple[str, ...]]
    items: Mapping[Slot, Sequence[Item]]
    low_mass: float
    prefix: str = ""  # what the answers were started with
    _memo: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)

    @cached_property
    def log_masses(self) -> dict[Slot, Floats]:
        """Natural logs, (n, options); NaN where an option was not measured. None of raw answers."""
        widths = {name: len(question.options) for name, question in self.spec.scored.items()}
        return {
            slot: np.array([_log_masses(item.answer, widths[slot[0]]) for item in items])
            for slot, items in self.items.items()
            if slot[0] in widths
        }

    @cached_property
    def probs(self) -> dict[Slot, Floats]:
        """Shares among the options, (n, options)."""
        return {slot: scores.softmax(values) for slot, values in self.log_masses.items()}

    @cached_property
    def masses(self) -> dict[Slot, Floats]:
        """What all options hold together, (n,)."""
        return {slot: scores.total_mass(values) for slot, values in self.log_masses.items()}

    @cached_property
    def raw(self) -> dict[Slot, list[dict[str, Any]]]:
        """What is known of each raw answer (see `raw_values`), (n,); each is read once."""
        return {
            slot: [
                raw_values(
                    item, question, self.trials[i * len(self.trials) // len(items)], self.prefix
                )
                for i, item in enumerate(items)
            ]
            for slot, items in self.items.items()
            if (question := self.spec.questions[slot[0]]).parse is not None
        }

    def matrices(self, question: str, variants: int) -> Floats:
        """The distributions of all variants, (n, variants, options)."""
        return np.stack([self.probs[question, i] for i in range(variants)], axis=1)

    def once(
        self, name: str, compute: Callable[[], tuple[Floats, Floats]]
    ) -> tuple[Floats, Floats]:
        """A reduction's result, computed when first wanted: several columns are cut from it."""
        if name not in self._memo:
            self._memo[name] = compute()
        return self._memo[name]

    def flags(self, slot: Slot, row: int) -> list[str]:
        """What to know about one answer: why it is missing, or what to doubt."""
        answer = self.items[slot][row].answer
        if answer is None:
            return ["not_asked"]
        if isinstance(answer, Failure):
            return [f"failed: {answer.reason}"]
        flags = list(answer.flags)
        if isinstance(answer, OptionScores) and self.masses[slot][row] < self.low_mass:
            flags.append("low_mass")
        return flags


def slots(spec: ExperimentSpec) -> list[tuple[Slot, QuestionSpec]]:
    """Every question's variants, in order."""
    return [
        ((name, i), question)
        for name, question in spec.questions.items()
        for i in range(len(question.variants()))
    ]


def _log_masses(answer: Answer | None, width: int) -> list[float]:
    if isinstance(answer, OptionScores):
        return [option.log_mass for option in answer.options]
    if isinstance(answer, Generation):
        raise TypeError("a raw answer has no option scores")
    return [float("nan")] * width


def raw_values(item: Item, question: QuestionSpec, trial: Trial, prefix: str) -> dict[str, Any]:
    """What is known of one raw answer: the text, what was parsed, how it ended.

    The text is as it was drawn; it is read together with `prefix`, which it was started with.
    """
    answer, spec = item.answer, question.parse
    if not isinstance(answer, Generation) or spec is None:
        return {"parse_status": "no answer"}
    parsed = parse(
        answer.text,
        spec,
        prefix=prefix,
        speaker=str(trial.values[spec.speaker]) if spec.speaker else "",
        cut=answer.finish_reason == "length",
    )
    return {
        "response": answer.text,
        **parsed.values,
        "parse_status": parsed.status,
        "parse_flags": parsed.flags,
        "finish_reason": answer.finish_reason,
        "n_tokens": answer.n_tokens,
    }
