"""What is to be asked, in the order and the batches in which it is asked."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from grace.asking.prompt_spool import PromptSpool
from grace.scoring import common_prefix, prompt_nodes
from grace.types import Engine, Prompt

Mask = NDArray[np.bool_]


class Tokens:
    """Tokens of prompts one by one, and of the tree they form together; they come in order."""

    def __init__(self) -> None:
        self.all = self.distinct = 0
        self._previous: tuple[int, ...] = ()

    @property
    def both(self) -> tuple[int, int]:
        """All, and the distinct ones."""
        return self.all, self.distinct

    def add(self, prompts: Iterable[Prompt]) -> None:
        """Count these too."""
        for prompt in prompts:
            inner = max(len(prompt_nodes(prompt)) - 1, 0)
            shared = common_prefix(self._previous, prompt.context)
            self.all += len(prompt.context) + inner
            self.distinct += len(prompt.context) - shared + inner
            self._previous = prompt.context


@dataclass(frozen=True)
class Batches:
    """Prompts by number, in batches; each is fetched from the spool when its turn comes."""

    spool: PromptSpool
    numbers: NDArray[np.int32]  # in the order of asking
    ends: NDArray[np.intp]  # where each batch ends among them

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[list[Prompt]]:
        start = 0
        for end in self.ends.tolist():
            yield self.spool.get(self.numbers[start:end].tolist())
            start = end

    def part(self, k: int, n: int) -> Batches:
        """Every n-th batch, from the k-th on: neighbours share prefixes, and sizes even out."""
        sizes = np.diff(self.ends, prepend=0)
        return self._keeping(np.repeat(np.arange(len(sizes)) % n == k - 1, sizes))

    def only(self, wanted: Mask) -> Batches:
        """What of each batch is wanted, of all queries by number."""
        return self._keeping(wanted[self.numbers])

    def _keeping(self, kept: Mask) -> Batches:
        """The batches without what is not kept; those of which nothing is left are none."""
        before = np.concatenate([[0], np.cumsum(kept)])
        ends = np.unique(before[self.ends])
        return replace(self, numbers=self.numbers[kept], ends=ends[ends > 0])


def cut_work(spool: PromptSpool, engine: Engine) -> tuple[Batches, Tokens]:
    """All that is in the spool as the engine's batches, and how many tokens it is."""
    tokens = Tokens()
    numbers, ends = array("i"), array("l")
    for portion in spool.in_order():
        prompts = [prompt for _, prompt in portion]
        number = {prompt.key: number for number, prompt in portion}
        tokens.add(prompts)
        for batch in engine.batches(prompts):
            numbers.extend(number[prompt.key] for prompt in batch)
            ends.append(len(numbers))
    return Batches(spool, np.array(numbers, np.int32), np.array(ends, np.intp)), tokens
