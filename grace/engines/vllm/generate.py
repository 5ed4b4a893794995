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


#: Ends of a whole answer, by the words of several servers; letter case is overlooked.
ENDS = frozenset((
    "stop", "eos", "eos_token", "end_turn", "end_of_turn", "stop_sequence", "stop_token",
    "stop_string", "end", "complete", "completed", "finished",
))  # fmt: skip
#: Answers that were cut; any other reason is taken for one of these, too.
CUT = frozenset(("length", "max_tokens", "max_new_tokens", "max_output_tokens", "model_length"))
#: Why an answer ended otherwise than by the model or the limit, and its flag.
FLAGS = {
    "content_filter": "filtered", "safety": "filtered", "recitation": "filtered",
    "tool_calls": "tool_call", "tool_use": "tool_call", "function_call": "tool_call",
    "refusal": "refused",
}  # fmt: skip
#: Kinds of parts of a content: of the answer, and of what was thought before.
SAID, THOUGHT = frozenset(("text", "output_text")), ("reason", "think", "thought", "summary")
#: Names under which a message has what was thought before.
TRACES = ("reasoning", "reasoning_content", "reasoning_details", "thinking", "reasoning_text")
#: Ends that are none of the answer's: the server gave the request up.
UNFINISHED = frozenset({"abort", "error", "cancelled"})
#: Most tokens that anything holds; a server that says more has lost count.
MOST = 2**31
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
    content = message.get("content" if chat else "text")
    text = _said(content)
    trace = next(filter(None, (_texts(message.get(name)) for name in TRACES)), "")
    trace = trace or _thought(content)
    ended = reason.casefold()
    flags = [] if ended in ENDS else [FLAGS.get(ended, "truncated")]
    if not text and (refusal := _refusal(message)):
        text = refusal
        flags = [*(flag for flag in flags if flag != "refused"), "refused"]
    elif not text and (trace or (text is None and ended in CUT)):
        text = ""
        flags.append("unfinished_thoughts")
    elif text is None and ended not in FLAGS:
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


def _said(content: Any) -> str | None:
    """The answer: a text, or those parts of it that are said; None where there is none."""
    if isinstance(content, list):
        said = [part for part in content if _kind(part) in SAID]
        texts = [part["text"] for part in said if isinstance(part.get("text"), str)]
        return "".join(texts) if texts or not content else None
    return content if isinstance(content, str) else None


def _thought(content: Any) -> str:
    """What was thought before, where it comes as parts of the content."""
    parts = content if isinstance(content, list) else []
    return "".join(_texts(part) for part in parts if any(t in _kind(part) for t in THOUGHT))


def _refusal(message: Mapping[str, Any]) -> str:
    """The words with which the model refuses."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    given = [message.get("refusal"), *(p for p in parts if _kind(p) == "refusal")]
    return "".join(_texts(one) for one in given)


def _kind(part: Any) -> str:
    """A part's type; a part without one is a text."""
    kind = part.get("type", "text") if isinstance(part, dict) else None
    return kind.casefold() if isinstance(kind, str) else ""


def _texts(value: Any, depth: int = 3) -> str:
    """All texts in a text, a part, or a list of them."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and depth:
        names = ("text", "thinking", "reasoning", "summary", "content", "refusal")
        return next(filter(None, (_texts(value.get(n), depth - 1) for n in names)), "")
    if isinstance(value, list) and depth:
        return "".join(_texts(one, depth - 1) for one in value)
    return ""


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < MOST else 0


def _sampling(prompt: Prompt) -> Sampling:
    if prompt.query.sampling is None:
        raise ValueError("a text can only be drawn for a query with sampling settings")
    return prompt.query.sampling
