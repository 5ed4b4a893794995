"""Reading next-token log-probabilities from a transformers model, two exact ways.

*Packed*: a batch's token tree (see token_tree.py, tree_attention.py, packed_pass.py). *Plain*:
each path as a sequence of its own, which every architecture allows; it is also what the packed
way is checked against when a model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch

from grace.engines.local import tree_attention
from grace.engines.local.batch_cutting import Batch
from grace.engines.local.decoding import Decoder, Manner, PackedDecoder, plain_decoder
from grace.engines.local.packed_pass import Packed, Reading, check_numbers
from grace.engines.local.probe import (
    REFUSALS,
    continuations,
    drawing_manner,
    keeps_last,
    last_logprobs,
    probe_prompts,
    try_model,
)
from grace.errors import GraceError
from grace.scoring import NodeLogprobs, prompt_nodes
from grace.scoring.trie import Path
from grace.types import Prompt


class Reader:
    """Reads the children of every prompt's inner option nodes from one model.

    `way` is "packed", or "plain" where the architecture does not allow the packed tree;
    `why` then says what was found. Beyond `limit` tokens every prompt goes the plain way.
    `short` says whether the model can leave out the logits that nobody reads.
    Raises ConfigError for what is no causal language model.
    """

    def __init__(self, model: Any, max_tokens: int, name: str = "") -> None:
        self.model = model
        self.own_attention = model.config._attn_implementation
        self.packed: Packed | None = None
        self.limit: int | None = None
        with torch.inference_mode():
            self.tried = try_model(model, name or type(model).__name__)
            self.short = keeps_last(model, self.tried)
            self.why = self._probe(max_tokens)
        if self.why:
            self.packed = None

    @cached_property
    def manner(self) -> Manner:
        """How texts are drawn the plain way."""
        self._attend(self.own_attention)
        with torch.inference_mode():
            return drawing_manner(self.model, self.tried, short=self.short)

    @property
    def way(self) -> str:
        """How trees are read."""
        return "packed" if self.packed else "plain"

    def read(self, batch: Batch) -> Reading:
        """The log-probabilities (natural) at each prompt's inner option nodes."""
        with torch.inference_mode():
            if self.packed and self._short(batch):
                self._attend(tree_attention.NAME)
                return self.packed.read(batch)
            self._attend(self.own_attention)
            nodes = tuple(self._plain(prompt) for prompt in batch.prompts)
        check_numbers(nodes)
        return Reading(nodes)

    def decoder(self, reading: Reading, prompts: Sequence[Prompt], pad: int) -> Decoder:
        """What goes on from the contexts of a batch that was read, a row each.

        Where positions turn with the length of the whole, so that what is kept of a shorter
        text is not that of a longer one, each text goes through whole at every step.
        """
        rows = [prompt.context for prompt in prompts]
        if self.packed and reading.contexts:
            return PackedDecoder(self.packed, reading.contexts, rows)
        turns = _turning_limit(self.model.config.get_text_config())
        longest = max(_length(prompt) for prompt in prompts)
        manner: Manner = "anew" if turns is not None and longest > turns else self.manner
        return plain_decoder(self.model, rows, pad, manner, short=self.short)

    def _short(self, batch: Batch) -> bool:
        """Whether every sequence of a batch stays within the limit."""
        return self.limit is None or max(map(_length, batch.prompts)) <= self.limit

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
            keep = len(path) + 1
            logprobs = last_logprobs(self.model, prompt.context + path, keep, short=self.short)
            for n in range(keep):
                if path[:n] not in read:
                    children = list(nodes[path[:n]])
                    values = logprobs[n, children].double().tolist()
                    read[path[:n]] = dict(zip(children, values, strict=True))
        return read

    def _probe(self, max_tokens: int) -> str:
        """Compare the packed tree with the plain pass on a small made-up batch."""
        config = self.model.config.get_text_config()
        prompts = probe_prompts(int(config.vocab_size))
        plain = self.read(Batch(prompts)).nodes
        texts = [prompt for prompt in prompts if not prompt.query.options]
        known = continuations(self.model, [prompt.context for prompt in texts])
        tree_attention.register()
        try:
            self.packed = Packed(self.model, max_tokens)
            reading = self.read(Batch(prompts, trunk=(3, 7)))
            packed = reading.nodes
            drawn = known.fit(self.decoder(reading, texts, 0), self.tried.limit)
            self.packed.forget()
        except (*REFUSALS, GraceError) as error:
            self._attend(self.own_attention)
            return f"the packed pass failed: {error}"
        worst = max(
            abs(packed[i][path][token] - value)
            for i, nodes in enumerate(plain)
            for path, children in nodes.items()
            for token, value in children.items()
        )
        if not worst <= self.tried.limit:
            return f"the packed pass differed by {worst:.2g} in log-probability"
        if not drawn:
            return "texts that go on from the packed pass differed"
        self.limit = _limit(config, set(self.packed.windows.values()))
        return ""


def _length(prompt: Prompt) -> int:
    """The tokens of a prompt with its longest option, or its text."""
    sampling = prompt.query.sampling
    longest = max((len(form.ids) for forms in prompt.forms for form in forms), default=0)
    return len(prompt.context) + (sampling.max_tokens if sampling else longest)


def _limit(config: Any, windows: set[int | None]) -> int | None:
    """The length up to which a tree and a sequence are the same, where there is one.

    Beyond it a model may look back through a window that its attention is not told of, or
    turn its positions by the length of the whole sequence.
    """
    limits = [getattr(config, "attention_chunk_size", None), _turning_limit(config)]
    if getattr(config, "sliding_window", None) not in windows:
        limits.append(config.sliding_window)
    return min((limit for limit in limits if limit), default=None)


def _turning_limit(config: Any) -> int | None:
    """The length from which positions turn by the length of the whole sequence."""
    limits = []
    ropes = getattr(config, "rope_parameters", None) or {}
    for rope in (ropes, *(rope for rope in ropes.values() if isinstance(rope, dict))):
        if rope.get("rope_type") in ("dynamic", "longrope"):
            own = getattr(config, "original_max_position_embeddings", None)
            limits.append(rope.get("original_max_position_embeddings") or own)
    return min((limit for limit in limits if limit), default=None)
