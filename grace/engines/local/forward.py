"""Reading next-token log-probabilities from a transformers model, two exact ways.

*Packed*: a batch's token tree (see `tree`, `attend`, `packed`). *Plain*: each path as a
sequence of its own, which every architecture allows; it is also what the packed way is
checked against when a model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from grace.engines.local import attend
from grace.engines.local.cut import Batch
from grace.engines.local.decode import Decoder, PackedDecoder, PlainDecoder
from grace.engines.local.packed import Ids, Packed, Reading, check_numbers
from grace.errors import GraceError
from grace.trie import NodeLogprobs, Path, prompt_nodes
from grace.types import Form, Message, Option, Prompt, Query

#: Largest difference in log-probability that two ways of the same sum may show, by type.
PROBE_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.5, torch.float16: 0.1}
#: What an architecture that does not go with a token tree raises.
REFUSALS = (TypeError, ValueError, RuntimeError, LookupError, AttributeError, AssertionError)


class Reader:
    """Reads the children of every prompt's inner option nodes from one model.

    `way` is "packed", or "plain" where the architecture does not allow the packed tree;
    `why` then says what was found. Beyond `limit` tokens every prompt goes the plain way.
    """

    def __init__(self, model: Any, max_tokens: int) -> None:
        self.model = model
        self.own_attention = model.config._attn_implementation
        self.packed: Packed | None = None
        self.limit: int | None = None
        self.why = self._probe(max_tokens)
        if self.why:
            self.packed = None

    @property
    def way(self) -> str:
        """How trees are read."""
        return "packed" if self.packed else "plain"

    def read(self, batch: Batch) -> Reading:
        """The log-probabilities (natural) at each prompt's inner option nodes."""
        with torch.inference_mode():
            if self.packed and self._short(batch):
                self._attend(attend.NAME)
                return self.packed.read(batch)
            self._attend(self.own_attention)
            nodes = tuple(self._plain(prompt) for prompt in batch.prompts)
        check_numbers(nodes)
        return Reading(nodes)

    def decoder(self, reading: Reading, rows: Sequence[Ids], pad: int) -> Decoder:
        """What goes on from the contexts of a batch that was read, a row each."""
        if self.packed and reading.contexts:
            return PackedDecoder(self.packed, reading.contexts, rows)
        return PlainDecoder(self.model, rows, pad)

    def _short(self, batch: Batch) -> bool:
        """Whether every sequence of a batch stays within the limit."""
        beyond = (
            prompt.query.sampling.max_tokens
            if prompt.query.sampling
            else max(len(form.ids) for forms in prompt.forms for form in forms)
            for prompt in batch.prompts
        )
        lengths = (len(prompt.context) for prompt in batch.prompts)
        return self.limit is None or max(map(sum, zip(lengths, beyond, strict=True))) <= self.limit

    def _attend(self, name: str) -> None:
        if self.model.config._attn_implementation != name:
            self.model.set_attn_implementation(name)

    def _plain(self, prompt: Prompt) -> NodeLogprobs:
        """One unpadded pass for each path that no other path continues."""
        nodes = prompt_nodes(prompt)
        read: dict[Path, dict[int, float]] = {}
        for path in sorted(nodes, key=len, reverse=True):
            if path in read:
                continue
            ids = torch.tensor([prompt.context + path], device=self.model.device)
            keep = len(path) + 1
            logits = self.model(input_ids=ids, logits_to_keep=keep, use_cache=False).logits[0]
            logprobs = torch.log_softmax(logits.float(), dim=-1)
            for n in range(keep):
                if path[:n] not in read:
                    children = list(nodes[path[:n]])
                    values = logprobs[n, children].double().tolist()
                    read[path[:n]] = dict(zip(children, values, strict=True))
        return read

    def _probe(self, max_tokens: int) -> str:
        """Compare the packed tree with the plain pass on a small made-up batch."""
        config = self.model.config.get_text_config()
        prompts = _probe_prompts(int(config.vocab_size))
        plain = self.read(Batch(prompts)).nodes
        attend.register()
        try:
            self.packed = Packed(self.model, max_tokens)
            packed = self.read(Batch(prompts, trunk=(3, 7))).nodes
            self.packed.forget()
        except (*REFUSALS, GraceError) as error:
            return f"the packed pass failed: {error}"
        worst = max(
            abs(packed[i][path][token] - value)
            for i, nodes in enumerate(plain)
            for path, children in nodes.items()
            for token, value in children.items()
        )
        if not worst <= PROBE_TOLERANCE.get(self.model.dtype, 1e-3):
            return f"the packed pass differed by {worst:.2g} in log-probability"
        self.limit = _limit(config, set(self.packed.windows.values()))
        return ""


def _limit(config: Any, windows: set[int | None]) -> int | None:
    """The length up to which a tree and a sequence are the same, where there is one.

    Beyond it a model may look back through a window that its attention is not told of, or
    turn its positions by the length of the whole sequence.
    """
    limits = [getattr(config, "attention_chunk_size", None)]
    if getattr(config, "sliding_window", None) not in windows:
        limits.append(config.sliding_window)
    ropes = getattr(config, "rope_parameters", None) or {}
    for rope in (ropes, *(rope for rope in ropes.values() if isinstance(rope, dict))):
        if rope.get("rope_type") in ("dynamic", "longrope"):
            own = getattr(config, "original_max_position_embeddings", None)
            limits.append(rope.get("original_max_position_embeddings") or own)
    return min((limit for limit in limits if limit), default=None)


def _probe_prompts(vocabulary: int) -> tuple[Prompt, ...]:
    """Two prompts that share a trunk and branch, with options that branch again."""
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
    return (
        Prompt(query, "", tuple(draw[:12]), forms),
        Prompt(query, "", tuple(draw[:8] + draw[30:36]), forms),
    )
