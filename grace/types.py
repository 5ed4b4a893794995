"""The architecture in one file: what flows from one stage to the next.

    stimuli -> Trial -> Query -> Prompt -> OptionScores | Generation | Failure -> tables

A *Trial* is one CSV row. The study's *Questions* turn each trial into *Queries*, identified
by their content, so that many trials share one. An *Engine* turns a query into a *Prompt*
(the very token ids its model will read) and a prompt into an *Answer*. Every type is frozen:
no stage reaches back.
"""

from __future__ import annotations

if __name__ == "types":  # a file beside this one was run as a script: it stands in Python's place
    raise SystemExit("error: Grace's commands are started as modules: python -m grace.run")

import hashlib
import json
import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant"]
Method = Literal["exact", "prompt_logprobs", "bounded"]

#: Which probability a number in a table is: read for exactly these token ids (`exact`), the
#: same read through a server's prompt log-probabilities, or only known between two bounds.
METHODS: tuple[Method, ...] = ("exact", "prompt_logprobs", "bounded")


@dataclass(frozen=True)
class Trial:
    """One row of the stimuli, checked and with its derived columns."""

    row: int  # 1 for the first row below the header, as a reader counts
    key: tuple[str, ...]
    values: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)  # cells that tables have otherwise


@dataclass(frozen=True)
class Option:
    """One admissible answer and the surface forms that count as it (the first as written)."""

    name: str  # used in column names: "wasnt"
    text: str  # as written: "wasn't"
    forms: tuple[str, ...] = ()  # further spellings: "Wasn't"
    value: float | None = None  # the number it stands for: 10 for "10%"

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every surface form, as written first, each once."""
        return tuple(dict.fromkeys((self.text, *self.forms)))


@dataclass(frozen=True)
class Sampling:
    """How a free-text answer is drawn. All of it is sent; no server default applies."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True)
class Query:
    """One thing to ask a model: a conversation, and options to score or a text to draw.

    `spaced` asks for a space before each option where the context does not end in white
    space (a base model's "Answer:", a started answer); without it options stand as written.
    "auto" asks for one only in writing that has spaces between words.
    """

    messages: tuple[Message, ...]
    options: tuple[Option, ...] = ()
    sampling: Sampling | None = None
    answer_prefix: str = ""
    spaced: bool | Literal["auto"] = False
    replicate: int = 0

    @cached_property
    def key(self) -> str:
        """A hash of the content: equal questions are one query, wherever they come from."""
        rest = (self.messages, self.sampling, self.answer_prefix, self.spaced, self.replicate)
        content = _written(self.options) + repr(rest)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=256)
def _written(options: tuple[Option, ...]) -> str:
    """Options written out, once for all queries that have them."""
    return repr(options)


@dataclass(frozen=True)
class Form:
    """One surface form of an option as token ids that follow the context."""

    text: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Prompt:
    """A query as token ids: what the model will read.

    `forms[i]` are the surface forms of `query.options[i]`; each form's ids follow `context`.
    Behind a server that shows no token ids there are none, and the texts stand for them.
    """

    query: Query
    text: str  # the rendered context, for people
    context: tuple[int, ...]
    forms: tuple[tuple[Form, ...], ...] = ()
    flags: tuple[str, ...] = ()
    ends: tuple[int | str, ...] = ()  # what ends a text beside the model's own end tokens

    @cached_property
    def key(self) -> str:
        """A hash of the token ids, option names and sampling settings: the store's key."""
        sampling = self.query.sampling
        content: dict[str, Any] = {
            "context": self.context,
            "options": [
                [option.name, [form.ids for form in forms]]
                for option, forms in zip(self.query.options, self.forms, strict=True)
            ],
            "sampling": asdict(sampling) if sampling else None,
            "replicate": self.query.replicate,
        }
        if self.ends:
            content["ends"] = self.ends
        if not self.context:  # a server that shows no ids: the texts stand for them
            content["text"] = self.text
            content["spelt"] = [[form.text for form in forms] for forms in self.forms]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class FormScore:
    """The log-probability (natural log) of each token of one surface form, in order."""

    text: str
    ids: tuple[int, ...]
    token_logprobs: tuple[float, ...]

    @property
    def logprob(self) -> float:
        """The log-probability of the whole form: the sum over its tokens."""
        return math.fsum(self.token_logprobs)


@dataclass(frozen=True)
class OptionScore:
    """What was measured of one option.

    `log_mass` is the natural log of the probability of all answers that begin with one of
    the option's forms and with no longer form of another option; NaN where only the bounds
    `log_mass_low`, `log_mass_high` are known.
    """

    name: str
    logprob: float  # of the form as written, NaN where not measured
    n_tokens: int  # of the form as written
    log_mass: float
    forms: tuple[FormScore, ...] = ()
    log_mass_low: float = math.nan
    log_mass_high: float = math.nan


@dataclass(frozen=True)
class OptionScores:
    """The answer to a query with options, in the order of the query's options."""

    options: tuple[OptionScore, ...]
    method: Method
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generation:
    """The answer to a query for free text."""

    text: str
    finish_reason: str  # "stop", or "length" for an answer cut at max_tokens
    n_prompt_tokens: int
    n_tokens: int
    flags: tuple[str, ...] = ()
    trace: str = ""  # what a reasoning model thought before, where a server tells it apart


@dataclass(frozen=True)
class Failure:
    """A query that could not be answered, and why. Its cells stay missing."""

    reason: str
    attempts: int = 1


Answer = OptionScores | Generation | Failure


def mass(scores: OptionScores) -> float:
    """The probability of all options together; NaN where one is only bounded."""
    return math.fsum(math.exp(option.log_mass) for option in scores.options)


#: Among an engine's details: when the files behind its `config` last changed (seconds since 1970).
UNCHANGED_SINCE = "unchanged_since"


@dataclass(frozen=True)
class EngineInfo:
    """What a number depends on besides the prompt; part of the store's key."""

    kind: str  # "local", "vllm", ...
    version: str  # of the software that computes
    model: str  # Hugging Face id or path
    revision: str  # commit or weights' hash, "" where unknown
    dtype: str  # "float32", "bfloat16", ...
    method: Method
    details: Mapping[str, Any] = field(default_factory=dict)  # device, endpoints, notices ...
    config: str = ""  # hash of the model's other files, what a server says it serves; "" unknown


Answered = tuple[Prompt, Answer]


@dataclass(frozen=True)
class Forecast:
    """What scoring will cost a server: its requests and their tokens."""

    requests: int
    sent: int  # prompt tokens of all sequences
    cached: int  # of these, found in the server's prefix cache
    generated: int  # one for each node read

    @property
    def computed(self) -> int:
        """Tokens the server computes."""
        return self.sent - self.cached + self.generated


class Engine(Protocol):
    """Turns queries into prompts and prompts into answers; knows nothing of studies.

    A *batch* is what the engine computes together. Batches are cut from the whole plan, the
    same way each time, and their answers are stored together: a run that was killed and goes
    on computes the same batches as one that was not, and so the same last digits. A large plan
    passes through `prepare`, `batches` and `answer` in portions: it need not fit in memory.
    """

    @property
    def info(self) -> EngineInfo:
        """What this engine is; fixed once it has started."""
        ...

    @property
    def chat(self) -> bool:
        """Whether the model takes turns; a base model is given plain text."""
        ...

    @property
    def bos(self) -> int | None:
        """The beginning-of-sequence token, as far as it is known that there is one."""
        ...

    @property
    def requests(self) -> int:
        """How many requests for answers it has made so far (batches, in this process)."""
        ...

    async def prepare(self, queries: Sequence[Query]) -> list[Prompt | Failure]:
        """Render and tokenise, in order. A query that cannot be asked becomes a Failure.

        Raises ConfigError where no query of this kind can be asked (an option of no tokens);
        QueryError where it is known which one is to blame.
        """
        ...

    async def spell(self, ids: Sequence[int]) -> list[str]:
        """Each token as text, for people."""
        ...

    async def ready(self) -> None:
        """Make ready to answer; ConfigError where what there is cannot be asked at all."""
        ...

    def batches(self, prompts: Sequence[Prompt]) -> list[list[Prompt]]:
        """Put prompts in the order that shares most work and cut them into batches."""
        ...

    def forecast(self, batches: Iterable[Sequence[Prompt]]) -> Forecast | None:
        """What these will cost, where the engine asks a server that says how it works."""
        ...

    def answer(self, batches: Iterable[Sequence[Prompt]]) -> AsyncIterator[Sequence[Answered]]:
        """Score the prompts with options, draw a text for the others.

        Takes a batch when there is room for it, so that a run can end early. Yields answers as
        they arrive; those that came together come in one sequence.
        """
        ...

    async def close(self) -> None:
        """Let go of what the engine holds."""
        ...
