"""Drawing texts on a server: chat completions, or completions for base models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grace.engines.vllm.problems import BadAnswerError
from grace.types import Generation, Prompt, Sampling


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


#: Why an answer ended otherwise than by the model or the limit, and its flag.
FLAGS = {"content_filter": "filtered", "tool_calls": "tool_call", "function_call": "tool_call"}
#: Ends that are none of the answer's: the server gave the request up.
UNFINISHED = frozenset({"abort", "error"})
#: vLLM's own additions to the protocol.
OWN = (
    "top_k",
    "min_p",
    "repetition_penalty",
    "add_generation_prompt",
    "chat_template_kwargs",
    "stop_token_ids",
)


def standard(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without what is not in OpenAI's protocol: other servers refuse it."""
    return {name: value for name, value in body.items() if name not in OWN}


def chat_body(
    model: str,
    turns: Sequence[Mapping[str, Any]],
    prompt: Prompt,
    template_kwargs: Mapping[str, Any],
    stops: Sequence[int] = (),
) -> dict[str, Any]:
    """A conversation, the last turn the model's own where the query starts it.

    `stops` are tokens that end the answer beside those the server knows.
    """
    started = prompt.query.answer_prefix
    body: dict[str, Any] = {
        "model": model,
        "messages": list(turns),
        "add_generation_prompt": not started,
    }
    if stops:
        body["stop_token_ids"] = list(stops)
    if started:
        body["continue_final_message"] = True
    if template_kwargs:
        body["chat_template_kwargs"] = dict(template_kwargs)
    return body | settings_body(_sampling(prompt))


def completion_body(model: str, prompt: Prompt) -> dict[str, Any]:
    """A plain text to go on from, as ids, so that nothing is tokenised anew."""
    return {"model": model, "prompt": list(prompt.context)} | settings_body(_sampling(prompt))


def read_text(answer: Any, prompt: Prompt, *, chat: bool) -> Generation:
    """The text, why it ended, and what it took.

    An answer without a text is final where it says why: it was cut, or ended, while the model
    was still thinking, the model refused, a filter took it, or a tool was called. Any other is
    no answer, and asked again.
    """
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise BadAnswerError("the server gave no answer, or several")
    choice = choices[0]
    message = choice.get("message") if chat else choice
    reason = choice.get("finish_reason")
    if not isinstance(message, dict) or not isinstance(reason, str) or reason in UNFINISHED:
        raise BadAnswerError("the server's answer has no text, or no reason why it ended")
    text = _joined(message.get("content" if chat else "text"))
    trace = _joined(message.get("reasoning")) or _joined(message.get("reasoning_content")) or ""
    flags = [] if reason == "stop" else [FLAGS.get(reason, "truncated")]
    if not text and isinstance(refusal := message.get("refusal"), str) and refusal:
        text = refusal
        flags.append("refused")
    elif not text and (trace or (text is None and reason == "length")):
        text = ""
        flags.append("unfinished_thoughts")
    elif text is None and reason not in FLAGS:
        raise BadAnswerError("the server's answer has no text, or no reason why it ended")
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Generation(
        text=text or "",
        finish_reason=reason,
        n_prompt_tokens=_count(usage.get("prompt_tokens")) or len(prompt.context),
        n_tokens=_count(usage.get("completion_tokens")),
        flags=(*prompt.flags, *flags),
        trace=trace,
    )


def _joined(content: Any) -> str | None:
    """A text, or the texts of its parts; None where there is none."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        parts = [text for text in texts if isinstance(text, str)]
        return "".join(parts) if parts or not content else None
    return content if isinstance(content, str) else None


def _count(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0


def _sampling(prompt: Prompt) -> Sampling:
    if prompt.query.sampling is None:
        raise ValueError("a text can only be drawn for a query with sampling settings")
    return prompt.query.sampling
