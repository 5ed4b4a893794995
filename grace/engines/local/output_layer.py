"""The output layer, for the few hidden states that are read and never for all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

#: Bytes of logits at a time: what fits a processor's cache, and a small part of a card.
SLICE_CPU, SLICE_ELSEWHERE = 16 * 2**20, 256 * 2**20


class Head:
    """A causal language model's logits from its hidden states.

    Some families divide, multiply or soft-cap them (Granite, Cohere, Gemma): the probe at
    load compares with the model's own pass, so that no other way goes unnoticed.
    """

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config()
        self.layer = model.get_output_embeddings()
        if self.layer is None:
            raise TypeError("the model has no output layer")
        self.scale = 1.0 / (getattr(config, "logits_scaling", None) or 1.0)
        self.scale *= getattr(config, "logit_scale", None) or 1.0
        self.cap: float | None = getattr(config, "final_logit_softcapping", None)
        self.vocabulary = int(self.layer.weight.shape[0])

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(rows, hidden size) -> (rows, vocabulary), float32."""
        logits: torch.Tensor = self.layer(hidden)
        if self.scale != 1.0:
            logits.mul_(self.scale)
        if self.cap is not None:
            logits.div_(self.cap).tanh_().mul_(self.cap)
        return logits.float()

    def logprobs(self, hidden: torch.Tensor, wanted: Sequence[Sequence[int]]) -> Iterator[float]:
        """The log-probabilities of row i's wanted tokens, row after row, in order."""
        size = SLICE_CPU if hidden.device.type == "cpu" else SLICE_ELSEWHERE
        step = max(1, size // (4 * self.vocabulary))
        for start in range(0, len(wanted), step):
            some = wanted[start : start + step]
            logits = self.logits(hidden[start : start + step])
            rows = torch.tensor([i for i, tokens in enumerate(some) for _ in tokens])
            tokens = torch.tensor([token for tokens in some for token in tokens])
            rows, tokens = rows.to(logits.device), tokens.to(logits.device)
            found = logits[rows, tokens] - torch.logsumexp(logits, -1)[rows]
            yield from found.double().tolist()
