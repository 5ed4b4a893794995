"""Small prompts and answers, made from a number, for tests of the store."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

from grace.store import Store
from grace.types import (
    EngineInfo,
    Failure,
    Form,
    FormScore,
    Generation,
    Message,
    Option,
    OptionScore,
    OptionScores,
    Prompt,
    Query,
    Sampling,
)

INFO = EngineInfo("local", "1.0", "a/model", "abc", "float32", "exact", {"device": "cpu"})
OPTIONS = (Option("yes", "yes", ("Yes",)), Option("no", "no"))
FORMS = ((Form("yes", (5,)), Form("Yes", (6,))), (Form("no", (7, 8)),))


def scored(number: int, shift: float = 0.0) -> tuple[Prompt, OptionScores]:
    """A prompt with options, and its scores, moved by a shift."""
    query = Query((Message("user", f"question {number}"),), OPTIONS)
    prompt = Prompt(query, f"<user>question {number}", (1, 2, number), FORMS)
    options = []
    for option, forms in zip(OPTIONS, FORMS, strict=True):
        scores = tuple(
            FormScore(f.text, f.ids, tuple(-1 - t / 3 - number % 50 / 7 + shift for t in f.ids))
            for f in forms
        )
        mass = math.log(math.fsum(math.exp(score.logprob) for score in scores))
        own = scores[0]
        options.append(OptionScore(option.name, own.logprob, len(own.ids), mass, scores))
    return prompt, OptionScores(tuple(options), "exact")


def drawn(number: int, text: str = "It was good.") -> tuple[Prompt, Generation]:
    """A prompt for a text, and a text."""
    query = Query((Message("user", f"task {number}"),), sampling=Sampling(0.7, 0.9, 150, 0))
    prompt = Prompt(query, f"<user>task {number}", (1, 3, number))
    return prompt, Generation(text, "stop", 3, len(text))


def failed(number: int, reason: str = "no answer") -> tuple[Prompt, Failure]:
    """The prompt of `scored`, and a failure."""
    return scored(number)[0], Failure(reason, 3)


def exact(thing: Any) -> Any:
    """A copy that is equal to another's only if every bit of every number is, NaN included."""
    if isinstance(thing, float):
        return struct.pack("<d", thing)
    if isinstance(thing, list | tuple):
        return [exact(part) for part in thing]
    if hasattr(thing, "__dataclass_fields__"):
        return [type(thing).__name__, {n: exact(v) for n, v in vars(thing).items()}]
    return thing


def fill(path: Path, count: int, start: int = 0, **changes: Any) -> list[str]:
    """A store of so many scores; their keys."""
    pairs = [scored(n, **changes) for n in range(start, start + count)]
    with Store.open(path) as store:
        store.add_batch(INFO, pairs)
    return [prompt.key for prompt, _ in pairs]


def sentence(error: Any, path: Path) -> str:
    """What the user is told of a caught error: one line that names the file."""
    told = str(error.value)
    assert str(path) in told
    assert "\n" not in told
    return told
