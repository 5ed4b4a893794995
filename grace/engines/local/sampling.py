"""Drawing texts: batched sampling in which each query has a random stream of its own.

The draw is by inversion: one uniform number a token, from a generator seeded with the query's
seed, picks the token from the temperature-scaled distribution cut to its nucleus (top-p;
Holtzman et al. 2020, arXiv:1904.09751). So a query's text depends on its own seed and not on
the device or its neighbours in the batch (but for rounding).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from grace.engines.local.decoding import Decoder
from grace.errors import GraceError
from grace.types import Generation, Prompt

#: Tokens sorted at first when a nucleus is cut.
HEAD = 512
#: Tokens at the end of a text in which an ending is looked for.
RECENT = 32
#: The share of texts that must have ended before the others go on without them.
LEAVING = 0.1


def draw_texts(
    decoder: Decoder,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    stops: frozenset[int],
    endings: Sequence[str] = (),
) -> list[Generation]:
    """One text for each prompt; `decoder` has a row for each, in order.

    A text ends before a token of `stops`, and before an ending that is no token of its own.
    """
    samplings = [p.query.sampling for p in prompts if p.query.sampling is not None]
    if len(samplings) != len(prompts):
        raise GraceError("a text can only be drawn for a query with sampling settings")
    longest = max(s.max_tokens for s in samplings)
    uniforms = np.stack([np.random.default_rng(s.seed).random(longest) for s in samplings])
    texts: list[list[int]] = [[] for _ in prompts]
    reasons: list[str | None] = [None] * len(prompts)
    rows = list(range(len(prompts)))  # the prompts whose texts are under way
    logits = decoder.first()
    for step in range(longest):
        drawn = pick(logits, [samplings[row] for row in rows], uniforms[rows, step])
        for row, token in zip(rows, drawn.tolist(), strict=True):
            if reasons[row] is None:
                reasons[row] = _take(texts[row], token, stops, samplings[row].max_tokens)
                if endings and _before_ending(tokenizer.decode(texts[row][-RECENT:]), endings)[1]:
                    reasons[row] = "stop"
        going = [i for i, row in enumerate(rows) if reasons[row] is None]
        if not going:
            break
        if len(rows) - len(going) > LEAVING * len(rows):
            decoder.keep(going)
            drawn, rows = drawn[going], [rows[i] for i in going]
        logits = decoder.step(drawn)
    return [
        Generation(
            text=_before_ending(tokenizer.decode(text, skip_special_tokens=True), endings)[0],
            finish_reason=reason or "length",
            n_prompt_tokens=len(prompt.context),
            n_tokens=len(text),
            flags=prompt.flags + (("truncated",) if reason != "stop" else ()),
        )
        for prompt, text, reason in zip(prompts, texts, reasons, strict=True)
    ]


def _before_ending(text: str, endings: Sequence[str]) -> tuple[str, bool]:
    """The text up to the first ending, and whether there is one."""
    at = min((found for e in endings if (found := text.find(e)) >= 0), default=-1)
    return (text if at < 0 else text[:at].rstrip()), at >= 0


def _take(text: list[int], token: int, stops: frozenset[int], limit: int) -> str | None:
    """Add the token, or say why the text ends here."""
    if token in stops:
        return "stop"
    text.append(token)
    return "length" if len(text) >= limit else None


def pick(logits: torch.Tensor, samplings: Sequence[Any], uniforms: Any) -> torch.Tensor:
    """A token for each row of logits (rows, vocabulary) by inversion of the nucleus's CDF.

    Temperature 0 takes the most probable token.
    """
    temperature = torch.tensor([s.temperature for s in samplings], dtype=torch.float64)
    top_p = torch.tensor([s.top_p for s in samplings], dtype=torch.float64)
    probs, order = _nucleus(logits, temperature, top_p)
    if torch.isnan(probs).any():
        raise GraceError("the model computed NaN: try another numeric type (model.dtype)")
    cdf = probs.cumsum(-1)
    target = torch.as_tensor(uniforms)[:, None] * cdf[:, -1:]
    index = torch.searchsorted(cdf, target, right=True).clamp(max=cdf.shape[-1] - 1)
    index = torch.where(temperature[:, None] > 0, index, 0)
    return order.gather(1, index)[:, 0]


def _nucleus(
    logits: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The most probable tokens up to top-p in falling order, zero beyond, and their ids.

    Sorting a whole vocabulary costs more than a small model's forward pass, so the head is
    sorted alone where every row's nucleus lies within it. Only the head leaves the device.
    """
    warmth = torch.where(temperature > 0, temperature, 1.0)[:, None]
    shifted = logits - logits.amax(-1, keepdim=True)
    total = torch.logsumexp(shifted / warmth.to(shifted), dim=-1, keepdim=True).double().cpu()
    for k in (min(HEAD, logits.shape[-1]), logits.shape[-1]):
        head, order = (x.cpu() for x in shifted.topk(k, dim=-1))
        probs = (head.double() / warmth - total).exp()
        before = probs.cumsum(-1) - probs
        if k == logits.shape[-1] or bool((before[:, -1] >= top_p).all()):
            break
    return torch.where(before < top_p[:, None], probs, 0.0), order  # the first always stays
