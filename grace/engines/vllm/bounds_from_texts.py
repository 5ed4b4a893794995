"""Servers that show no token ids: bounds from the texts of the most probable first tokens.

Hosted APIs, llama.cpp, TGI and SGLang list the most probable tokens as texts at the start of an
answer, and cannot go on from a token of one's choice. So an option that is itself one of the
tokens shown has a number, where the tokeniser is seen to be made of bytes; any other keeps between
nothing and what the tokens that may begin it leave open.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grace.engines.system_turn import merge_system
from grace.engines.vllm.endpoint_pool import Pool
from grace.engines.vllm.logprob_requests import checked
from grace.engines.vllm.printed_tokens import may_begin, shows_parts
from grace.engines.vllm.problems import BadAnswerError, RefusedError
from grace.errors import ConfigError
from grace.questions.rendered_chat import refuse_blank
from grace.scoring.boundary import spelling_in_context
from grace.types import Failure, Form, FormScore, Message, OptionScore, OptionScores, Prompt, Query

#: Log-probabilities by the text a token is printed as; several where tokens print alike.
Row = Mapping[str, float | tuple[float, ...]]


@dataclass
class TextPrompts:
    """Queries as conversations: what `ServerTokeniser` is where there are token ids."""

    pool: Pool
    model: str
    chat: bool
    top: int
    whole: bool = False  # whether tokens are seen to be made of bytes
    _merge_system: bool = field(default=False)

    async def prompts(self, queries: Sequence[Query]) -> list[Prompt | Failure]:
        """Every query, in order; the forms of its options have no ids."""
        if any(query.options for query in queries) and not self.top:
            raise ConfigError(
                "the server shows no probabilities; expected vLLM, or a server that lists the "
                "most probable tokens (top_logprobs)"
            )
        if self.chat and any(query.answer_prefix for query in queries):
            raise ConfigError(
                "exp.answer_prefix: this server cannot go on from a started turn; expected vLLM"
            )
        if self.chat and any(m.role == "system" for q in queries for m in q.messages):
            await self._probe_system()
        for query in queries:
            refuse_blank(query)
        return [self._prompt(query) for query in queries]

    def _prompt(self, query: Query) -> Prompt:
        text = self.render(query)
        forms = tuple(
            tuple(
                Form(spelling, ())
                for spelling in dict.fromkeys(
                    spelling_in_context(query, text, s) for s in option.spellings
                )
            )
            for option in query.options
        )
        return Prompt(query, text, (), forms)

    def render(self, query: Query) -> str:
        """The conversation as text; for a base model, what it is to go on from."""
        messages = self.merged(query.messages)
        if self.chat:
            return "".join(f"[{m.role}]\n{m.content}\n" for m in messages)
        parts = [message.content for message in messages]
        return "\n\n".join([*parts, query.answer_prefix] if query.answer_prefix else parts)

    def merged(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages as the template takes them."""
        return merge_system(messages) if self._merge_system else tuple(messages)

    async def _probe_system(self) -> None:
        """Whether the server refuses a system turn, as Gemma's template does."""
        body = {
            "model": self.model,
            "messages": [{"role": r, "content": "a"} for r in ("system", "user")],
            "max_tokens": 1,
        }
        try:
            await self.pool.post("/v1/chat/completions", body)
        except RefusedError:
            self._merge_system = True

    async def spell(self, token: int) -> str:
        """No ids, no spelling."""
        return f"<{token}>"

    async def score(self, batch: Sequence[Prompt], affinity: int) -> list[OptionScores]:
        """Bounds on every option of every prompt, in order."""
        rows = await asyncio.gather(*(self._first(prompt, affinity) for prompt in batch))
        return [
            bound_texts(prompt, row, whole=self.whole, chat=self.chat)
            for prompt, row in zip(batch, rows, strict=True)
        ]

    async def _first(self, prompt: Prompt, affinity: int) -> Row:
        path, body = first_token_body(
            self.model, self.merged(prompt.query.messages), prompt.text, self.top, chat=self.chat
        )
        row: Row = await self.pool.post(path, body, affinity=affinity, check=read_first_token)
        return row


def first_token_body(
    model: str, messages: Sequence[Message], text: str, k: int, *, chat: bool
) -> tuple[str, dict[str, Any]]:
    """Path and body of a request for one token and the texts of the k most probable.

    At temperature 1 and with nothing cut off, what is shown are the model's own probabilities
    on every server.
    """
    plain = {"model": model, "max_tokens": 1, "temperature": 1.0, "top_p": 1.0}
    if not chat:
        return "/v1/completions", plain | {"prompt": text, "logprobs": k}
    turns = [{"role": m.role, "content": m.content} for m in messages]
    return "/v1/chat/completions", plain | {"messages": turns, "logprobs": True, "top_logprobs": k}


def is_answer(answer: Any) -> bool:
    """Whether it has the shape of one answer, whatever it holds."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    return isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict)


def read_first_token(answer: Any) -> Row:
    """Log-probabilities by text of the first token's alternatives, in either dialect."""
    if not is_answer(answer):
        raise BadAnswerError("the server gave no answer, or several")
    logprobs = answer["choices"][0].get("logprobs")
    logprobs = logprobs if isinstance(logprobs, dict) else {}
    content = logprobs.get("content") or logprobs.get("top_logprobs")
    first = content[0] if isinstance(content, list) and content else None
    entries = first.get("top_logprobs", first) if isinstance(first, dict) else None
    if isinstance(entries, list):
        pairs = [(_print(e), e.get("logprob")) for e in entries if isinstance(e, dict)]
    else:
        pairs = list(entries.items()) if isinstance(entries, dict) else []
    row: dict[str, tuple[float, ...]] = {}
    for text, value in pairs:
        if not isinstance(text, str):
            raise BadAnswerError("the server shows a token without its text")
        row[text] = (*row.get(text, ()), checked(value))
    if not row or _least(row) > 1.01:
        raise BadAnswerError("the server's answer has no log-probabilities, or none that can be")
    return row


def _print(entry: Mapping[str, Any]) -> Any:
    """A token's text; from its bytes where the text does not say which they are."""
    text, own = entry.get("token"), entry.get("bytes")
    if not isinstance(own, list) or not all(type(b) is int and 0 <= b < 256 for b in own):
        return text
    try:
        whole = bytes(own).decode()
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in own)
    return whole or text


def _least(row: Row) -> float:
    """The least that the tokens shown have together: one that is listed twice counts once."""
    return math.fsum(math.exp(value) for values in row.values() for value in set(_all(values)))


def _all(values: float | tuple[float, ...]) -> tuple[float, ...]:
    return values if isinstance(values, tuple) else (values,)


def _apart(context: str, text: str, *, chat: bool) -> bool:
    """Whether a text begins a token of its own: behind "Answer:" a "no" may be merged to ":no"."""
    return chat or not context or context[-1].isspace() or text[:1].isspace()


def bound_texts(prompt: Prompt, row: Row, *, whole: bool = True, chat: bool = True) -> OptionScores:
    """Bounds on every option's mass from the first token's alternatives.

    With a tokeniser made of bytes (`whole`) a form that is itself a token shown is that token,
    if spaces before tokens are seen to be shown: "yes" could be " yes". One of another kind may
    put a space before it that is not shown, or not be the one meant. Any
    other form is at most what the tokens shown that may begin it, and those not shown, have
    together; nothing is known of one that may be merged with the context's end.
    """
    whole = whole or any(shows_parts(token) for token in row)
    letters = any("Ġ" in token for token in row)  # then "é" is no é, but a byte
    spaced = any(token.startswith((" ", "Ġ")) for token in row)

    def sure(text: str) -> bool:
        return (
            whole
            and spaced
            and (text.isascii() or not letters)
            and _apart(prompt.text, text, chat=chat)
        )

    shown = {text: [math.exp(value) for value in _all(values)] for text, values in row.items()}
    rest = max(0.0, 1 - _least(row))
    spellings = [form.text for forms in prompt.forms for form in forms]
    options = []
    for option, forms in zip(prompt.query.options, prompt.forms, strict=True):
        texts = [form.text for form in forms]
        points = {t: shown[t][0] for t in texts if len(shown.get(t, ())) == 1 and sure(t)}
        own = [text for text in points if not _goes_on(text, texts, spellings)]
        low = math.fsum(points[text] for text in own)
        unseen = [text for text in texts if text not in points]
        counted = {
            *points,
            *(t for t in shown if any(may_begin(t, text, cased=whole) for text in unseen)),
        }
        high = math.fsum(p for text in counted for p in shown[text])
        high = min(1.0, high + (rest if unseen else 0.0))
        if not all(_apart(prompt.text, text, chat=chat) for text in texts):
            high = 1.0
        point = not unseen and len(own) == len(points)
        options.append(
            OptionScore(
                name=option.name,
                logprob=_all(row[texts[0]])[0] if texts[0] in points else math.nan,
                n_tokens=1 if texts[0] in points else 0,
                log_mass=_log(low) if point else math.nan,
                forms=tuple(
                    FormScore(t, (), (_all(row[t])[0] if t in points else math.nan,)) for t in texts
                ),
                log_mass_low=_log(low),
                log_mass_high=_log(high),
            )
        )
    return OptionScores(tuple(options), "bounded", prompt.flags)


def _goes_on(text: str, own: Sequence[str], spellings: Sequence[str]) -> bool:
    """Whether another option's form begins with this one and takes some of its mass."""
    return any(s != text and s not in own and s.startswith(text) for s in spellings)


def _log(p: float) -> float:
    return math.log(p) if p > 0 else -math.inf
