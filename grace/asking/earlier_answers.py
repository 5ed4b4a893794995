"""Answers that a store holds of the same model and that a run does not take, and why not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grace.asking.query_table import QueryTable, as_texts
from grace.store import Store
from grace.types import EngineInfo


@dataclass(frozen=True)
class Unused:
    """Answers to this run's queries that were given under other circumstances."""

    answers: int
    why: str

    def __str__(self) -> str:
        them = "answer is" if self.answers == 1 else "answers are"
        return f"{self.answers:,} {them} in the store and not used, for {self.why}; asked again"


def unused(store: Store, query_table: QueryTable, info: EngineInfo) -> tuple[Unused, ...]:
    """What is asked again although the same model has answered it, most answers first."""
    left = query_table.prompts[
        query_table.mine & ~query_table.answered(store, info) & (query_table.prompts != b"")
    ]
    if not left.size:
        return ()
    found: dict[str, int] = {}
    for other, answers in store.of_others(info, as_texts(np.unique(left))):
        why = differing(other, info)
        found[why] = found.get(why, 0) + answers
    return tuple(Unused(answers, why) for why, answers in found.items())


def differing(before: EngineInfo, now: EngineInfo) -> str:
    """Why an answer of then may not be one of now's, in words."""
    reasons = []
    if before.version != now.version:
        reasons.append(f"they came from {before.version}, this is {now.version}")
    if before.dtype != now.dtype:
        reasons.append(f"they were computed in {before.dtype}, not {now.dtype}")
    if before.revision != now.revision:
        if before.revision:
            reasons.append(
                f"the model's weights were others (revision {before.revision[:12]}, "
                f"now {now.revision[:12] or 'not known'})"
            )
        else:
            reasons.append("the version of Grace that asked did not note the model's revision")
    elif before.config != now.config:
        if before.config:
            reasons.append("the model's configuration, tokeniser or server was another")
        else:
            reasons.append(
                "the version of Grace that asked did not note the model's configuration, and it "
                "cannot be shown to be the same"
            )
    return ", and ".join(reasons) or "they were given to another engine"
