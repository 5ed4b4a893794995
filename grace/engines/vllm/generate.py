"""Drawing texts on a server: chat completions, or completions for base models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grace.engines.vllm.problems import BadAnswerError
from grace.types import Generation, Message, Prompt, Sampling


def settings_body(sampling: Sampling) -> dict[str, Any]:
    """Every sampling setting, said outright: no server default and no model default applies."""
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "n": 1,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }


#: vLLM's own additions to the protocol.
OWN = ("top_k", "min_p", "repetition_penalty", "add_generation_prompt", "chat_template_kwargs")


def standard(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without what is not in OpenAI's protocol: other servers refuse it."""
    return {name: value for name, value in body.items() if name not in OWN}


def chat_body(
    model: str,
    messages: Sequence[Message],
    prompt: Prompt,
    template_kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    """A conversation, the model's turn started where the query asks for it."""
    turns = [{"role": m.role, "content": m.content} for m in messages]
    started = prompt.query.answer_prefix
    body: dict[str, Any] = {
        "model": model,
        "messages": [*turns, {"role": "assistant", "content": started}] if started else turns,
        "add_generation_prompt": not started,
    }
    if started:
        body["continue_final_message"] = True
    if template_kwargs:
        body["chat_template_kwargs"] = dict(template_kwargs)
    return body | settings_body(_sampling(prompt))


def completion_body(model: str, prompt: Prompt) -> dict[str, Any]:
    """A plain text to go on from, as ids, so that nothing is tokenised anew."""
    return {"model": model, "prompt": list(prompt.context)} | settings_body(_sampling(prompt))


def read_text(answer: Any, prompt: Prompt, *, chat: bool) -> Generation:
    """The text, why it ended, and what it took."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or len(choices) != 1:
        raise BadAnswerError("the server gave no answer, or several")
    choice = choices[0]
    text = (choice.get("message") or {}).get("content") if chat else choice.get("text")
    reason = choice.get("finish_reason")
    if not isinstance(text, str) or not isinstance(reason, str):
        raise BadAnswerError("the server's answer has no text, or no reason why it ended")
    usage = answer.get("usage") or {}
    return Generation(
        text=text,
        finish_reason=reason,
        n_prompt_tokens=int(usage.get("prompt_tokens") or len(prompt.context)),
        n_tokens=int(usage.get("completion_tokens") or 0),
        flags=prompt.flags + (() if reason == "stop" else ("truncated",)),
    )


def _sampling(prompt: Prompt) -> Sampling:
    if prompt.query.sampling is None:
        raise ValueError("a text can only be drawn for a query with sampling settings")
    return prompt.query.sampling
