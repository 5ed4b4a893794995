"""What a loaded model must show before anything is read from it, and how its texts may be drawn.

A list of names would miss the next architecture, so every model is tried: later tokens must
change nothing before them, and a short cut must give what a pass of its own gives. Differences
are held against how much a token matters to this model at all: where nothing matters much, a
wrong sum is as near to the right one as noise is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from grace.engines.local.decoding import MANNERS, Decoder, Manner, plain_decoder
from grace.errors import ConfigError
from grace.types import Form, Message, Option, Prompt, Query, Sampling

#: Largest difference in log-probability that two ways of the same sum may show, by type; and
#: what is rounding in any case.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.5, torch.float16: 0.1}
ROUNDING = {torch.float32: 2e-5, torch.bfloat16: 0.02, torch.float16: 0.005}
#: The same as a share of what other tokens before it change; rounding is coarser in few bits.
SHARE, SHARE_FEW_BITS = 0.05, 0.25
#: Later tokens may seem to change so much through rounding (the shape is the same): a share of
#: what earlier ones change, and a share of what is rounding otherwise.
LEAK, LEAK_ROUNDING = 0.01, 0.1
#: Tokens of each half of the sequence that is tried.
HALF = 12
#: What an architecture that does not go with a way of reading raises.
REFUSALS = (TypeError, ValueError, RuntimeError, LookupError, AttributeError, AssertionError)

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Tried:
    """What tokens before matter (log-probability), and the difference that is rounding."""

    matters: float
    limit: float


def try_model(model: Any, name: str) -> Tried:
    """See that later tokens change nothing; ConfigError for what is no causal language model."""
    begin, end, other_begin, other_end = _halves(model)
    try:
        one = logprobs(model, begin + end)
        later, earlier = logprobs(model, begin + other_end), logprobs(model, other_begin + end)
    except (*REFUSALS, ImportError) as error:
        raise ConfigError(f"model {name} cannot be read: {_first_line(error)}") from error
    if one.dim() != 2 or one.shape[0] != 2 * HALF:
        raise ConfigError(
            f"model {name} gives no probabilities of the next token after each token; "
            "expected a causal language model"
        )
    if any(torch.isnan(found).any() for found in (one, later, earlier)):
        raise ConfigError(_nan(model, name))
    matters = float((one[HALF:] - earlier[HALF:]).abs().max())
    before = float((one[:HALF] - later[:HALF]).abs().max())
    rounding = ROUNDING.get(model.dtype, 2e-5)
    if before > max(LEAK * matters, LEAK_ROUNDING * rounding):
        raise ConfigError(
            f"model {name} ({type(model).__name__}) is not a causal language model: what it "
            "computes at a token depends on later tokens, so that its numbers are no "
            "probabilities of an answer; expected a model that reads from left to right"
        )
    share = SHARE if model.dtype == torch.float32 else SHARE_FEW_BITS
    most = TOLERANCE.get(model.dtype, 1e-3)
    tried = Tried(matters, max(rounding, min(most, share * matters)))
    again = float((one - logprobs(model, begin + end)).abs().max())
    if not again <= tried.limit:
        raise ConfigError(
            f"model {name} ({type(model).__name__}) gives other numbers when the same text is "
            f"asked again (by {again:.2g} in log-probability); expected a model that keeps "
            "nothing of what it read before and draws nothing at random"
        )
    return tried


def keeps_last(model: Any, tried: Tried) -> bool:
    """Whether `logits_to_keep` leaves the last logits as they are in a full pass.

    A forward may not know it, or swallow it among its further arguments and return all.
    """
    begin, end, *_ = _halves(model)
    whole = logprobs(model, begin + end)
    for keep in (1, 3):
        try:
            last = last_logprobs(model, begin + end, keep, short=True)
        except REFUSALS:
            return False
        right = whole[-keep:]
        if last.shape != right.shape or not float((last.cpu() - right).abs().max()) <= tried.limit:
            return False
    return True


def last_logprobs(model: Any, ids: Sequence[int], keep: int, *, short: bool) -> torch.Tensor:
    """The log-probabilities after the last tokens of a sequence, (keep, vocabulary).

    Where the model takes it (`short`), the logits before them are not computed.
    """
    given = torch.tensor([list(ids)], device=model.device)
    further = {"logits_to_keep": keep} if short else {}
    logits = model(input_ids=given, use_cache=False, **further).logits[0]
    return torch.log_softmax(logits[-keep:].float(), dim=-1)


def drawing_manner(model: Any, tried: Tried, *, short: bool) -> Manner:
    """The first manner of drawing texts that gives what passes of their own give."""
    draw = tuple(_draw(model, 3))
    known = continuations(model, (draw[:5], draw[5:16], draw[:5]))
    for manner in MANNERS[:-1]:
        try:
            decoder = plain_decoder(model, known.rows, 0, manner, short=short)
            if known.fit(decoder, tried.limit):
                return manner
        except REFUSALS:
            continue
    return MANNERS[-1]


def probe_prompts(vocabulary: int) -> tuple[Prompt, ...]:
    """Two prompts that share a trunk and branch, whose options branch again; and texts of both."""
    draw = np.random.default_rng(0).integers(0, vocabulary, 40).tolist()
    options = (Option("a", "a"), Option("b", "b"), Option("c", "c"))
    forms = tuple(
        (Form(o.name, ids),)
        for o, ids in zip(
            options,
            [tuple(draw[20:23]), (draw[20], draw[24], draw[25]), (draw[26],)],
            strict=True,
        )
    )
    query = Query((Message("user", ""),), options)
    text = Query((Message("user", ""),), (), Sampling(0, 1, 3, 0))
    contexts = (tuple(draw[:12]), tuple(draw[:8] + draw[30:36]))
    return (
        *(Prompt(query, "", context, forms) for context in contexts),
        *(Prompt(text, "", context) for context in contexts),
    )


def logprobs(model: Any, ids: Sequence[int]) -> torch.Tensor:
    """One sequence in one pass: the log-probabilities after each token, (tokens, vocabulary)."""
    given = torch.tensor([list(ids)], device=model.device)
    logits = model(input_ids=given, use_cache=False).logits[0]
    return torch.log_softmax(logits.float(), dim=-1).cpu()


@dataclass(frozen=True)
class Continuations:
    """Contexts, tokens they go on with, and what passes of their own give for each."""

    rows: tuple[Ids, ...]
    more: Ids
    right: tuple[torch.Tensor, ...]  # of each row: (1 + more, vocabulary)

    def fit(self, decoder: Decoder, limit: float) -> bool:
        """Whether a decoder gives the same, also behind fewer rows."""
        left = list(range(len(self.rows)))
        logits = decoder.first()
        for step, token in enumerate(self.more):
            shown = torch.log_softmax(logits.float(), -1).cpu()
            right = torch.stack([self.right[row][step] for row in left])
            if not float((shown - right).abs().max()) <= limit:
                return False
            if step == 1:
                decoder.keep([1])
                left = [left[1]]
            logits = decoder.step(torch.full((len(left),), token))
        return True


def continuations(model: Any, rows: Sequence[Ids]) -> Continuations:
    """Some tokens behind each context, by passes of their own."""
    more = tuple(_draw(model, 2)[:3])
    right = tuple(logprobs(model, row + more)[len(row) - 1 :] for row in rows)
    return Continuations(tuple(rows), more, right)


def _halves(model: Any) -> list[Ids]:
    """Two beginnings and two ends of a sequence."""
    draw = _draw(model, 1)
    return [tuple(draw[i * HALF : (i + 1) * HALF]) for i in range(4)]


def _draw(model: Any, seed: int) -> list[int]:
    vocabulary = int(model.config.get_text_config().vocab_size)
    found: list[int] = np.random.default_rng(seed).integers(0, vocabulary, 4 * HALF).tolist()
    return found


def _nan(model: Any, name: str) -> str:
    """Why a model computes NaN."""
    broken = next((n for n, p in model.named_parameters() if not torch.isfinite(p).all()), None)
    if broken is not None:
        return f"model {name}: its weights {broken} hold NaN or infinity; expected sound weights"
    return f"model {name} computed NaN: try another numeric type (model.dtype, engine.dtype)"


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
