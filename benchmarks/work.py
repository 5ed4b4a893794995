"""The work that is timed, as token ids: the same for every way.

*The 48-prompt work*: the questions for states 0–3 of the first 12 rows of study 1 (experiment 2)
with the eleven percentages, in the bundled model's chat template. The rows are those of the
predecessor's stimuli where they are at hand (`--stimuli`), else of Grace's own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from grace.scoring.trie import common_prefix

Ids = tuple[int, ...]

ROWS = 12


@dataclass(frozen=True)
class Item:
    """A prompt's token ids, and those of each of its options behind it."""

    context: Ids
    options: tuple[Ids, ...]


@dataclass(frozen=True)
class Work:
    """Prompts with their options.

    `passes` are those of asking every query of every row on its own, a pass an option.
    """

    name: str
    items: tuple[Item, ...]
    passes: int

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Work:
        found = json.loads(text)
        items = (
            Item(tuple(item["context"]), tuple(tuple(ids) for ids in item["options"]))
            for item in found["items"]
        )
        return Work(found["name"], tuple(items), found["passes"])

    @property
    def options(self) -> int:
        return sum(len(item.options) for item in self.items)

    @cached_property
    def distinct(self) -> int:
        """Tokens that must be computed: nodes of the trie that have a child to be read."""
        wholes = sorted(
            {
                item.context + ids[:n]
                for item in self.items
                for ids in item.options
                for n in range(len(ids))
            }
        )
        pairs = zip([(), *wholes], wholes, strict=False)
        return sum(len(ids) - common_prefix(before, ids) for before, ids in pairs)


def study_work(stimuli: Path | None, *, rows: int | None, questions: Sequence[str]) -> Work:
    """Study 1, experiment 2, of so many rows, as the bundled model reads it."""
    from grace.asking.job import load_job
    from grace.config.command_line import compose
    from grace.config.settings import read_settings
    from grace.engines.make import make_engine
    from grace.questions.queries import ask
    from grace.types import Prompt

    words = [f"data='{stimuli}'"] if stimuli else []
    settings = read_settings(compose(["study=1", "exp=2", *words]))
    job = load_job(settings)
    chosen = {name: job.spec.questions[name] for name in questions}
    spec = job.spec.model_copy(update={"questions": chosen})
    trials = job.stimuli.trials[:rows]
    asked = list(ask(trials, spec, settings.exp, job.templates, chat=True, seed=0))
    engine = asyncio.run(make_engine(settings.model, settings.engine))
    prompts = asyncio.run(engine.prepare(list(dict.fromkeys(asked))))
    items = tuple(
        Item(prompt.context, tuple(form.ids for forms in prompt.forms for form in forms))
        for prompt in prompts
        if isinstance(prompt, Prompt)
    )
    passes = sum(len(query.options) for query in asked)
    return Work(f"study 1, {len(trials)} rows", items, passes)


def made_up_work(prompts: int, options: int, length: int, vocabulary: int = 40_000) -> Work:
    """Random prompts: four of a set-up share its first half; options of three tokens."""
    rng = np.random.default_rng([prompts, options, length])

    def draw(n: int) -> Ids:
        return tuple(rng.integers(100, vocabulary, n).tolist())

    choices = tuple(dict.fromkeys(draw(3) for _ in range(options)))
    items: list[Item] = []
    while len(items) < prompts:
        shared = draw(length // 2)
        items += [Item(shared + draw(length - len(shared)), choices) for _ in range(4)]
    return Work(f"{prompts} × {options} × {length}", tuple(items[:prompts]), prompts * len(choices))
