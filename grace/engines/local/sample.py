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

from grace.errors import GraceError
from grace.types import Generation, Prompt

#: Tokens sorted at first when a nucleus is cut.
HEAD = 512


def draw_texts(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], stops: frozenset[int]
) -> list[Generation]:
    """One text for each prompt, together in one padded batch with cached keys and values."""
    with torch.inference_mode():
        return _draw(model, tokenizer, prompts, stops)


def _draw(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], stops: frozenset[int]
) -> list[Generation]:
    settings = [prompt.query.sampling for prompt in prompts]
    samplings = [s for s in settings if s is not None]
    if len(samplings) != len(prompts):
        raise GraceError("a text can only be drawn for a query with sampling settings")
    longest = max(s.max_tokens for s in samplings)
    uniforms = np.stack([np.random.default_rng(s.seed).random(longest) for s in samplings])
    width = max(len(p.context) for p in prompts)
    device = model.device
    pad = min(stops, default=0)
    ids = torch.tensor([[pad] * (width - len(p.context)) + list(p.context) for p in prompts])
    mask = torch.tensor([[0] * (width - len(p.context)) + [1] * len(p.context) for p in prompts])
    ids, mask = ids.to(device), mask.to(device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)

    texts: list[list[int]] = [[] for _ in prompts]
    reasons: list[str | None] = [None] * len(prompts)
    cache = None
    for step in range(longest):
        out = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = out.past_key_values
        drawn = pick(out.logits[:, -1].float().cpu(), samplings, uniforms[:, step])
        for row, token in enumerate(drawn.tolist()):
            if reasons[row] is None:
                reasons[row] = _take(texts[row], token, stops, samplings[row].max_tokens)
        if all(reasons):
            break
        ids = drawn[:, None].to(device)
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
        positions = positions[:, -1:] + 1
    return [
        Generation(
            text=tokenizer.decode(text, skip_special_tokens=True),
            finish_reason=reason or "length",
            n_prompt_tokens=len(prompt.context),
            n_tokens=len(text),
            flags=prompt.flags + (("truncated",) if reason != "stop" else ()),
        )
        for prompt, text, reason in zip(prompts, texts, reasons, strict=True)
    ]


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
    if torch.isnan(logits).any():
        raise GraceError("the model computed NaN: try another numeric type (model.dtype)")
    temperature = torch.tensor([s.temperature for s in samplings], dtype=torch.float64)
    top_p = torch.tensor([s.top_p for s in samplings], dtype=torch.float64)
    scaled = logits.double() / temperature.clamp(min=1e-9)[:, None]
    probs, order = _nucleus(scaled.softmax(dim=-1), top_p)
    cdf = probs.cumsum(-1)
    target = torch.as_tensor(uniforms)[:, None] * cdf[:, -1:]
    index = torch.searchsorted(cdf, target, right=True).clamp(max=cdf.shape[-1] - 1)
    index = torch.where(temperature[:, None] > 0, index, 0)
    return order.gather(1, index)[:, 0]


def _nucleus(probs: torch.Tensor, top_p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The most probable tokens up to top-p in falling order, zero beyond, and their ids.

    Sorting a whole vocabulary costs more than a small model's forward pass, so the head is
    sorted alone where every row's nucleus lies within it.
    """
    for k in (min(HEAD, probs.shape[-1]), probs.shape[-1]):
        head, order = probs.topk(k, dim=-1)
        before = head.cumsum(-1) - head
        if k == probs.shape[-1] or bool((before[:, -1] >= top_p).all()):
            break
    return torch.where(before < top_p[:, None], head, 0.0), order  # the first always stays
