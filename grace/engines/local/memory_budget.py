"""How much is computed together: as much as is fast, within the memory there is.

The working memory of a pass is a few copies of its widest layer, the logits of a few rows
(see output_layer.py) and keys and values; that of texts is the keys and values of their contexts
and of themselves. A quarter of the free memory is for the first and a quarter for the second, but
on a CPU never more than half a GiB each, so that a machine can be used for something else.

What comes out are powers of two below a size that is fast already. So they hardly depend on
what else runs, and a run that goes on later cuts the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from grace.config import LocalSettings
from grace.types import Prompt

GIB = 2**30
#: Beyond so many tokens in a pass, or texts side by side, nothing gets faster.
TOKENS_CPU, TOKENS_ELSEWHERE = 1024, 16_384
TEXTS_CPU, TEXTS_ELSEWHERE = 64, 512
#: Copies of the widest layer that a pass holds at a time.
COPIES = 8


@dataclass(frozen=True)
class Room:
    """Tokens of one pass, and what there is for texts."""

    tokens: int
    max_texts: int
    text_bytes: int  # for the keys and values of texts
    token_bytes: int  # the keys and values of one token, all layers

    def texts(self, prompts: Sequence[Prompt]) -> int:
        """How many of these prompts' texts may be drawn side by side."""
        drawn = [(p.query.sampling, len(p.context)) for p in prompts if p.query.sampling]
        longest = max((length + s.max_tokens for s, length in drawn), default=1)
        fitting = self.text_bytes // max(longest * self.token_bytes, 1)
        return min(self.max_texts, _power(fitting))


def find_room(
    config: Any,
    dtype: torch.dtype,
    device: torch.device,
    settings: LocalSettings,
    *,
    loaded: bool = False,
) -> Room:
    """The room for a model of this configuration, where settings do not give it.

    What is free on a device is less by the weights that are still to be loaded into it.
    """
    text = config.get_text_config()
    on_cpu = device.type == "cpu"
    free = _free(device)
    if on_cpu:
        budget = min(free // 4, GIB // 2)
    else:
        budget = max(free - (0 if loaded else weight_bytes(config, dtype)), 0) // 4
    layers = int(getattr(text, "num_hidden_layers", 1))
    heads = int(getattr(text, "num_attention_heads", 1) or 1)
    key_heads = int(getattr(text, "num_key_value_heads", None) or heads)
    hidden = int(getattr(text, "hidden_size", 1))
    size = int(getattr(text, "head_dim", None) or hidden // heads)
    token_bytes = 2 * layers * key_heads * size * dtype.itemsize
    widest = max(int(getattr(text, "intermediate_size", None) or 4 * hidden), heads * size)
    tokens = _power(budget // (COPIES * widest * dtype.itemsize + token_bytes))
    most = (TOKENS_CPU, TEXTS_CPU) if on_cpu else (TOKENS_ELSEWHERE, TEXTS_ELSEWHERE)
    return Room(
        tokens=settings.max_batch_tokens or min(max(tokens, 64), most[0]),
        max_texts=settings.max_batch_texts or most[1],
        text_bytes=budget,
        token_bytes=token_bytes,
    )


def weight_bytes(config: Any, dtype: torch.dtype) -> int:
    """The size of a model's weights, counted without making them."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return int(sum(parameter.numel() for parameter in model.parameters()) * dtype.itemsize)


def _free(device: torch.device) -> int:
    """Bytes of memory that are free for use on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    try:  # Linux says what programs could have
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 2 * GIB


def _power(n: int) -> int:
    """The largest power of two that is no larger, at least 1."""
    return 1 << max(n.bit_length() - 1, 0)
