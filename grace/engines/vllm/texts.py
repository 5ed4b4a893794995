"""Servers that show no token ids: bounds from the texts of the most probable first tokens.

Hosted APIs, llama.cpp, TGI and SGLang list the most probable tokens as texts at the start of an
answer, and cannot go on from a token of one's choice. So an option that is itself one of the
tokens shown has a number; any other keeps between nothing and what the tokens that may begin it
leave open.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grace.boundary import spelling_in_context
from grace.engines.vllm.pool import Pool
from grace.engines.vllm.problems import BadAnswerError, RefusedError
from grace.engines.vllm.reading import checked
from grace.errors import ConfigError
from grace.system_turn import merge_system
from grace.types import Failure, Form, FormScore, Message, OptionScore, OptionScores, Prompt, Query

Row = Mapping[str, float]


@dataclass
class TextPrompts:
    """Queries as conversations: what `ServerTokeniser` is where there are token ids."""

    pool: Pool
    model: str
    chat: bool
    top: int
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
        return [bound_texts(p, row) for p, row in zip(batch, rows, strict=True)]

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


def read_first_token(answer: Any) -> Row:
    """Log-probabilities by text of the first token's alternatives, in either dialect."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or len(choices) != 1:
        raise BadAnswerError("the server gave no answer, or several")
    logprobs = choices[0].get("logprobs")
    logprobs = logprobs if isinstance(logprobs, dict) else {}
    content = logprobs.get("content") or logprobs.get("top_logprobs")
    first = content[0] if isinstance(content, list) and content else None
    entries = first.get("top_logprobs", first) if isinstance(first, dict) else None
    if isinstance(entries, list):
        pairs = [(e.get("token"), e.get("logprob")) for e in entries if isinstance(e, dict)]
    else:
        pairs = list(entries.items()) if isinstance(entries, dict) else []
    row: dict[str, float] = {}
    for text, value in pairs:
        if not isinstance(text, str):
            raise BadAnswerError("the server shows a token without its text")
        if text in row:  # tokens that print alike: together
            row[text] = math.log(math.exp(row[text]) + math.exp(checked(value)))
        else:
            row[text] = checked(value)
    if not row or math.fsum(math.exp(v) for v in row.values()) > 1.01:
        raise BadAnswerError("the server's answer has no log-probabilities, or none that can be")
    return row


def bound_texts(prompt: Prompt, row: Row) -> OptionScores:
    """Bounds on every option's mass from the first token's alternatives.

    A form that is itself a token shown is that token: any tokeniser spells it so. Another form
    is at most what the tokens shown that begin it, and those not shown, have together.
    """
    shown = {text: math.exp(value) for text, value in row.items()}
    rest = max(0.0, 1 - math.fsum(shown.values()))
    spellings = [form.text for forms in prompt.forms for form in forms]
    options = []
    for option, forms in zip(prompt.query.options, prompt.forms, strict=True):
        texts = [form.text for form in forms]
        seen = [text for text in texts if text in shown]
        begun = {t for t in shown if t and any(f != t and f.startswith(t) for f in texts)}
        unseen = len(seen) < len(texts)
        own = [text for text in seen if not _goes_on(text, texts, spellings)]
        low = math.fsum(shown[text] for text in own)
        high = math.fsum(shown[text] for text in {*seen, *(begun if unseen else ())})
        high = min(1.0, high + (rest if unseen else 0.0))
        point = not unseen and len(own) == len(seen)
        options.append(
            OptionScore(
                name=option.name,
                logprob=row.get(texts[0], math.nan),
                n_tokens=1 if texts[0] in row else 0,
                log_mass=_log(low) if point else math.nan,
                forms=tuple(
                    FormScore(text, (), (row[text],) if text in row else (math.nan,))
                    for text in texts
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
