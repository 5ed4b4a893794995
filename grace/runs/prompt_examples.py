"""One full prompt of each question, kept in the run's folder for whoever reads the run.

What tokens spell is known to the tokeniser alone, so it is written down while there is one. A
report needs neither the model nor the store to show what was asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from grace.asking import Job, PromptSpool, QueryTable
from grace.config.printable import writable
from grace.errors import GraceError
from grace.questions import asked_of_each
from grace.tables import write_json
from grace.types import Engine, Prompt

NAME = "examples.json"
#: Tokens of a prompt, before the answer, that are spelt out: where it meets the options.
LAST = 3


@dataclass(frozen=True)
class Turn:
    """A turn of the conversation."""

    role: str
    content: str


@dataclass(frozen=True)
class Spelt:
    """A surface form of an option, token by token; an id where its text is not known."""

    option: str
    text: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """The prompt of one question as asked of the first trial, or why there is none."""

    question: str
    over: Mapping[str, str | int]
    turns: tuple[Turn, ...] = ()
    text: str = ""  # as the model reads it, with the chat template's marks
    n_tokens: int = 0
    last: tuple[str, ...] = ()  # the last tokens before the answer
    options: tuple[Spelt, ...] = ()
    flags: tuple[str, ...] = ()
    failure: str = ""


async def write_examples(
    job: Job, query_table: QueryTable, spool: PromptSpool, engine: Engine
) -> None:
    """Write the example of each question, and what its options' tokens spell."""
    examples: list[Example] = []
    ids: set[int] = set()
    prompts: dict[str, Prompt] = {}
    for asked, number in zip(
        asked_of_each(job.spec, job.settings.exp), query_table.asked[0].tolist(), strict=True
    ):
        question, variant = asked.slot
        if number not in query_table.failures:
            (prompt,) = spool.get([number])
            ids |= {token for forms in prompt.forms for form in forms for token in form.ids}
            ids |= set(prompt.context[-LAST:])
            prompts.setdefault(question, prompt)
        if not variant and not asked.replicate:
            failure = query_table.failures.get(number)
            examples.append(
                Example(question, dict(asked.over), failure=failure.reason if failure else "")
            )
    known = sorted(ids)
    spelt = dict(zip(known, await engine.spell(known), strict=True))
    whole = [
        example if example.failure else of_prompt(example, prompts[example.question], spelt)
        for example in examples
    ]
    content = {
        "examples": [asdict(example) for example in whole],
        "spelling": {str(token): text for token, text in spelt.items()},
    }
    write_json(job.settings.folder / NAME, sound(content))


def of_prompt(example: Example, prompt: Prompt, spelling: Mapping[int, str]) -> Example:
    """The example with what is asked and how it is tokenised."""

    def spell(ids: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(spelling.get(token, f"#{token}") for token in ids)

    return replace(
        example,
        turns=tuple(Turn(turn.role, turn.content) for turn in prompt.query.messages),
        text=prompt.text,
        n_tokens=len(prompt.context),
        last=spell(prompt.context[-LAST:]),
        options=tuple(
            Spelt(option.name, form.text, spell(form.ids))
            for option, forms in zip(prompt.query.options, prompt.forms, strict=False)
            for form in forms
        ),
        flags=prompt.flags,
    )


def read_examples(folder: Path) -> tuple[list[Example], Mapping[int, str]]:
    """The examples and what tokens spell; nothing of a run that did not write them."""
    path = folder / NAME
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        examples = [
            Example(
                **one
                | {
                    "turns": tuple(Turn(**turn) for turn in one["turns"]),
                    "options": tuple(Spelt(**option) for option in one["options"]),
                }
            )
            for one in found["examples"]
        ]
        return examples, {int(token): text for token, text in found["spelling"].items()}
    except FileNotFoundError:
        return [], {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GraceError(f"{path}: cannot be read ({type(error).__name__}: {error})") from error


def sound(content: Any) -> Any:
    """The same with texts that a file can hold, at any depth."""
    if isinstance(content, str):
        return writable(content)
    if isinstance(content, dict):
        return {sound(key): sound(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [sound(value) for value in content]
    return content
