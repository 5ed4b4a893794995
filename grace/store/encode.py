"""Prompts and answers as bytes, and back, exactly.

What many rows share (messages and token ids, option lists, the forms an answer was measured
on) is kept apart from what is each row's own, so that the store holds it once. Log-probabilities
are packed as 8-byte floats: NaN and −inf are numbers like any other and the last digit is kept.
Text is JSON in UTF-8 that lets lone surrogates and NUL through. Everything is deflated, and the
checksum of that format tells a damaged answer from a sound one. Nothing is pickled.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple, cast, get_args

from grace.types import (
    EngineInfo,
    Form,
    FormScore,
    Generation,
    Message,
    Method,
    Option,
    OptionScore,
    OptionScores,
    Prompt,
    Query,
    Role,
    Sampling,
)

Kind = Literal["scores", "generation"]
#: Numbers kept of each option beside its forms' token log-probabilities.
OWN_NUMBERS = 4


class EncodedAnswer(NamedTuple):
    """An answer as the store keeps it: `shape` is shared by many, `content` is its own."""

    kind: Kind
    method: Method | None
    shape: bytes
    content: bytes


class EncodedPrompt(NamedTuple):
    """A prompt in two parts that other prompts share: what is read, and what is asked of it."""

    context: bytes
    asked: bytes


def encode_prompt(prompt: Prompt) -> EncodedPrompt:
    """All of a prompt, the query it came from included."""
    query = prompt.query
    messages = [(message.role, message.content) for message in query.messages]
    sampling = query.sampling
    asked = (
        [(option.name, option.text, option.forms, option.value) for option in query.options],
        [[(form.text, form.ids) for form in forms] for forms in prompt.forms],
        sampling and (sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.seed),
        query.replicate,
        query.answer_prefix,
        query.spaced,
        prompt.flags,
        *((prompt.ends,) if prompt.ends else ()),
    )
    return EncodedPrompt(to_json((prompt.text, prompt.context, messages)), to_json(asked))


def encode_engine(info: EngineInfo) -> bytes:
    """All that is known of an engine; details that JSON does not know as their `str`."""
    return to_json(vars(info) | {"details": dict(info.details)}, default=str)


def decode_engine(encoded: bytes) -> EngineInfo:
    """The engine that was encoded."""
    return EngineInfo(**from_json(encoded))


def decode_prompt(encoded: EncodedPrompt) -> Prompt:
    """The prompt that was encoded."""
    text, context, messages = from_json(encoded.context)
    asked = _decode_asked(encoded.asked)
    query = Query(
        messages=tuple(Message(cast(Role, role), content) for role, content in messages),
        options=asked.options,
        sampling=asked.sampling,
        answer_prefix=asked.answer_prefix,
        spaced=asked.spaced,
        replicate=asked.replicate,
    )
    return Prompt(query, text, tuple(context), asked.forms, asked.flags, asked.ends)


class _Asked(NamedTuple):
    """What is asked behind the context, in the order in which it is written down."""

    options: tuple[Option, ...]
    forms: tuple[tuple[Form, ...], ...]
    sampling: Sampling | None
    replicate: int
    answer_prefix: str
    spaced: bool | Literal["auto"]
    flags: tuple[str, ...]
    ends: tuple[int | str, ...]


@lru_cache(maxsize=256)
def _decode_asked(encoded: bytes) -> _Asked:
    """Decoded once for the many prompts that ask the same, which share it."""
    options, forms, sampling, replicate, prefix, spaced, flags, *ends = from_json(encoded)
    return _Asked(
        tuple(Option(name, text, tuple(further), value) for name, text, further, value in options),
        tuple(tuple(Form(t, tuple(ids)) for t, ids in of_one) for of_one in forms),
        Sampling(*sampling) if sampling else None,
        replicate,
        prefix,
        spaced,
        tuple(flags),
        tuple(ends[0]) if ends else (),
    )


def encode_answer(answer: OptionScores | Generation) -> EncodedAnswer:
    """What was measured, or drawn."""
    if isinstance(answer, OptionScores):
        return _encode_scores(answer)
    shape = to_json((answer.flags, answer.finish_reason))
    trace = (answer.trace,) if answer.trace else ()
    own = to_json((answer.text, answer.n_prompt_tokens, answer.n_tokens, *trace))
    return EncodedAnswer("generation", None, shape, deflate(own))


def decode_answer(encoded: EncodedAnswer, shape: Any) -> OptionScores | Generation:
    """The answer that was encoded. `shape` is read already: many answers share it."""
    content = inflate(encoded.content)
    if encoded.kind == "scores":
        return _decode_scores(_known_method(encoded.method), shape, content)
    flags, finish_reason = shape
    text, n_prompt_tokens, n_tokens, *trace = from_json(content)
    return Generation(text, finish_reason, n_prompt_tokens, n_tokens, tuple(flags), *trace)


def _known_method(method: str | None) -> Method:
    if method not in get_args(Method):
        raise ValueError(f"{method!r} is no method")
    return cast(Method, method)


def _encode_scores(scores: OptionScores) -> EncodedAnswer:
    shape = (
        scores.flags,
        [
            (
                option.name,
                option.n_tokens,
                [(form.text, form.ids, len(form.token_logprobs)) for form in option.forms],
            )
            for option in scores.options
        ],
    )
    # Columns, not records: the bounds are mostly all NaN, and deflate to nothing.
    numbers = [x for o in scores.options for form in o.forms for x in form.token_logprobs]
    numbers += [option.logprob for option in scores.options]
    numbers += [option.log_mass for option in scores.options]
    numbers += [option.log_mass_low for option in scores.options]
    numbers += [option.log_mass_high for option in scores.options]
    content = deflate(struct.pack(f"<{len(numbers)}d", *numbers))
    return EncodedAnswer("scores", scores.method, to_json(shape), content)


def _decode_scores(method: Method, shape: Any, content: bytes) -> OptionScores:
    flags, options = shape
    numbers = struct.unpack(f"<{len(content) // 8}d", content)
    n = len(options)
    own = len(numbers) - OWN_NUMBERS * n
    logprobs, masses, lows, highs = (
        numbers[own + i * n : own + (i + 1) * n] for i in range(OWN_NUMBERS)
    )
    at = 0
    decoded = []
    for i, (name, n_tokens, forms) in enumerate(options):
        scored = []
        for text, ids, length in forms:
            scored.append(FormScore(text, ids, numbers[at : at + length]))
            at += length
        decoded.append(
            OptionScore(name, logprobs[i], n_tokens, masses[i], tuple(scored), lows[i], highs[i])
        )
    if at != own:
        raise ValueError(f"{own} token log-probabilities where {at} are expected")
    return OptionScores(tuple(decoded), method, flags)


def decode_shape(kind: Kind, shape: bytes) -> Any:
    """What answers share, as tuples that they can share."""
    content = from_json(shape)
    if kind == "generation":
        return content
    flags, options = content
    return (
        tuple(flags),
        [(name, n, [(t, tuple(ids), m) for t, ids, m in forms]) for name, n, forms in options],
    )


def to_json(content: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    """JSON in UTF-8. Not in ASCII: two lone surrogates would come back as one character."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=default)
    return encode_text(text)


def from_json(content: bytes) -> Any:
    """What `to_json` wrote, tuples as lists."""
    return json.loads(decode_text(content))


def deflate(content: bytes) -> bytes:
    """Compressed, with a checksum."""
    return zlib.compress(content, level=6)


def inflate(content: bytes) -> bytes:
    """What `deflate` compressed; zlib.error where it is damaged."""
    return zlib.decompress(content)


def encode_text(text: str) -> bytes:
    """Any text, lone surrogates and NUL included."""
    return text.encode("utf-8", "surrogatepass")


def decode_text(content: bytes) -> str:
    """What `encode_text` encoded."""
    return content.decode("utf-8", "surrogatepass")
