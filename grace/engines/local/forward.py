"""Reading next-token log-probabilities from a transformers model, two exact ways.

*Packed*: a batch's token tree in one pass (see `tree`). *Plain*: each path as a sequence of
its own, which every architecture allows; it is also what the packed way is checked against
when a model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from grace.engines.local.tree import Read, Tree, build_tree
from grace.errors import GraceError
from grace.trie import NodeLogprobs, Path, prompt_nodes
from grace.types import Form, Message, Option, Prompt, Query

#: Largest difference in log-probability that two ways of the same sum may show, by type.
PROBE_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.5, torch.float16: 0.1}


class Reader:
    """Reads the children of every prompt's inner option nodes from one model.

    `way` is "packed", or "plain" where the architecture does not allow the packed tree;
    `why` then says what was found.
    """

    def __init__(self, model: Any, max_tokens: int) -> None:
        self.model = model
        self.max_tokens = max_tokens
        self.window: int | None = getattr(model.config, "sliding_window", None)
        self.way, self.why = self._probe()

    def read(self, prompts: Sequence[Prompt]) -> list[NodeLogprobs]:
        """For each prompt, the log-probabilities (natural) at its inner option nodes."""
        if self.way == "packed":
            tree = build_tree(prompts)
            # Within the window a sliding layer sees what a full one sees.
            if not self.window or int(tree.depth.max()) < self.window:
                return self._packed(tree, len(prompts))
        return self._plain(prompts)

    def _packed(self, tree: Tree, n_prompts: int) -> list[NodeLogprobs]:
        device = self.model.device
        seen = torch.from_numpy(tree.attends()).to(device)
        mask = torch.zeros(seen.shape, dtype=self.model.dtype, device=device)
        mask.masked_fill_(~seen, torch.finfo(self.model.dtype).min)
        nodes, slot = np.unique([read.node for read in tree.reads], return_inverse=True)
        with torch.inference_mode():
            logits = self.model(
                input_ids=torch.from_numpy(tree.tokens).to(device)[None],
                position_ids=torch.from_numpy(tree.depth).to(device)[None],
                attention_mask=mask[None, None],
                logits_to_keep=torch.from_numpy(nodes).to(device),
                use_cache=False,
            ).logits[0]
        return _gather(tree.reads, slot.tolist(), logits, n_prompts)

    def _plain(self, prompts: Sequence[Prompt]) -> list[NodeLogprobs]:
        with torch.inference_mode():
            return [self._plain_prompt(prompt) for prompt in prompts]

    def _plain_prompt(self, prompt: Prompt) -> NodeLogprobs:
        """One unpadded pass for each path that no other path continues."""
        nodes = prompt_nodes(prompt)
        read: dict[Path, dict[int, float]] = {}
        for path in sorted(nodes, key=len, reverse=True):
            if path in read:
                continue
            ids = torch.tensor([prompt.context + path], device=self.model.device)
            keep = len(path) + 1
            logits = self.model(input_ids=ids, logits_to_keep=keep, use_cache=False).logits[0]
            wanted = [
                Read(0, path[:n], n, nodes[path[:n]]) for n in range(keep) if path[:n] not in read
            ]
            read.update(_gather(wanted, [r.node for r in wanted], logits, 1)[0])  # type: ignore[arg-type]
        return read

    def _probe(self) -> tuple[str, str]:
        """Compare the packed tree with the plain pass on a small made-up batch."""
        prompts = _probe_prompts(int(self.model.config.get_text_config().vocab_size))
        plain = self._plain(prompts)
        try:
            packed = self._packed(build_tree(prompts), len(prompts))
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
            return "plain", f"the packed pass failed: {error}"
        worst = max(
            abs(packed[i][path][token] - value)
            for i, nodes in enumerate(plain)
            for path, children in nodes.items()
            for token, value in children.items()
        )
        if not worst <= PROBE_TOLERANCE.get(self.model.dtype, 1e-3):
            return "plain", f"the packed pass differed by {worst:.2g} in log-probability"
        return "packed", ""


def _gather(
    reads: Sequence[Read], slots: Sequence[int], logits: torch.Tensor, n_prompts: int
) -> list[NodeLogprobs]:
    """Normalise each row of logits (rows, vocabulary) and pick the children."""
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    rows = [slot for read, slot in zip(reads, slots, strict=True) for _ in read.children]
    tokens = [token for read in reads for token in read.children]
    values = iter(logprobs[rows, tokens].double().tolist())
    found: list[dict[Path, dict[int, float]]] = [{} for _ in range(n_prompts)]
    for read in reads:
        found[read.prompt][read.path] = {token: next(values) for token in read.children}
    if any(np.isnan(v) for nodes in found for kids in nodes.values() for v in kids.values()):
        raise GraceError("the model computed NaN: try another numeric type (model.dtype)")
    return list(found)


def _probe_prompts(vocabulary: int) -> list[Prompt]:
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
    return [
        Prompt(query, "", tuple(draw[:12]), forms),
        Prompt(query, "", tuple(draw[:8] + draw[30:36]), forms),
    ]
