"""The ways of scoring options that are compared: a class each, and one registry.

A way is made once, in a process of its own (`worker`), and then asked again and again in turn
with the others. What it does not do in full it samples: `share` says how much it did.
"""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.work import Ids, Item, Work
from grace.engines.vllm import logprob_requests


@dataclass(frozen=True)
class Setup:
    """What a way is given to start with."""

    model: str  # a folder
    work: Work
    sample: tuple[int, ...]  # prompts a slow way does, and whose answers all give
    full: bool = False  # do all of it
    dtype: str = "float32"
    threads: int | None = None
    endpoint: str | None = None


@dataclass(frozen=True)
class Measured:
    """One go: seconds for `share` of the work, tokens read, log-probabilities by prompt."""

    seconds: float
    share: float
    tokens: int
    logprobs: dict[int, list[float]] = field(default_factory=dict)


class Way(Protocol):
    """A way of scoring options."""

    def go(self) -> Measured: ...


def prompts_of(work: Work) -> list[Any]:
    """The work as Grace's engines take it."""
    from grace.types import Form, Option, Prompt, Query

    found = []
    for i, item in enumerate(work.items):
        options = tuple(Option(str(k), str(k)) for k in range(len(item.options)))
        forms = tuple((Form(str(k), ids),) for k, ids in enumerate(item.options))
        found.append(Prompt(Query((), options, replicate=i), "", item.context, forms))
    return found


class PackedTree:
    """Grace's local engine, with its default settings."""

    def __init__(self, setup: Setup) -> None:
        import asyncio

        from grace.config.command_line import compose
        from grace.config.settings import read_settings
        from grace.engines.make import make_engine

        self.setup = setup
        words = [f"model.path='{setup.model}'", f"engine.dtype={setup.dtype}"]
        words += [f"engine.threads={setup.threads}"] if setup.threads else []
        settings = read_settings(compose(words))
        self.engine: Any = asyncio.run(make_engine(settings.model, settings.engine))
        self.prompts = prompts_of(setup.work)
        few = self.prompts[:1]
        self._answer(few)  # loads the weights and touches them

    def go(self) -> Measured:
        before = self.engine._reader.packed.tokens
        self.engine._reader.packed.forget()
        start = time.perf_counter()
        answers = self._answer(self.prompts)
        seconds = time.perf_counter() - start
        tokens = self.engine._reader.packed.tokens - before
        logprobs = {
            i: [option.logprob for option in answers[self.prompts[i].key].options]
            for i in self.setup.sample
        }
        return Measured(seconds, 1.0, tokens, logprobs)

    def _answer(self, prompts: Sequence[Any]) -> dict[str, Any]:
        import asyncio

        async def answer() -> dict[str, Any]:
            found: dict[str, Any] = {}
            async for answered in self.engine.answer(self.engine.batches(prompts)):
                found |= {prompt.key: scores for prompt, scores in answered}
            return found

        return asyncio.run(answer())


class PlainModel:
    """A model as transformers loads it."""

    def __init__(self, setup: Setup) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        self.setup = setup
        if setup.threads:
            torch.set_num_threads(setup.threads)
        dtype = getattr(torch, setup.dtype)
        self.model: Any = AutoModelForCausalLM.from_pretrained(setup.model, dtype=dtype).eval()
        self.model(torch.tensor([setup.work.items[0].context]), use_cache=False)

    def chosen(self) -> tuple[list[int], float]:
        """The prompts done, and their share of the options."""
        work = self.setup.work
        chosen = list(range(len(work.items))) if self.setup.full else list(self.setup.sample)
        return chosen, sum(len(work.items[i].options) for i in chosen) / work.options


class OnePass(PlainModel):
    """One forward pass for each option, alone: what the predecessor did."""

    def go(self) -> Measured:
        import torch

        chosen, share = self.chosen()
        found, tokens = {}, 0
        start = time.perf_counter()
        with torch.inference_mode():
            for i in chosen:
                item = self.setup.work.items[i]
                found[i] = [self._score(item.context, ids) for ids in item.options]
                tokens += sum(len(item.context + ids) for ids in item.options)
        return Measured(time.perf_counter() - start, share, tokens, found)

    def _score(self, context: Ids, option: Ids) -> float:
        import torch

        ids = torch.tensor([context + option])
        logits = self.model(ids, use_cache=False).logits[0, len(context) - 1 : -1]
        logprobs = torch.log_softmax(logits.float(), -1)
        return float(logprobs[range(len(option)), list(option)].double().sum())


class LmEval:
    """lm-eval's Hugging Face backend, eight sequences a batch."""

    BATCH = 8

    def __init__(self, setup: Setup) -> None:
        import logging

        import torch
        from lm_eval.models.huggingface import HFLM

        logging.disable(logging.WARNING)
        self.setup = setup
        if setup.threads:
            torch.set_num_threads(setup.threads)
        self.model = HFLM(
            pretrained=setup.model, dtype=setup.dtype, device="cpu", batch_size=self.BATCH
        )
        self._score([setup.work.items[0]])

    def go(self) -> Measured:
        work = self.setup.work
        chosen = list(range(len(work.items))) if self.setup.full else list(self.setup.sample)
        items = [work.items[i] for i in chosen]
        start = time.perf_counter()
        values = iter(self._score(items))
        seconds = time.perf_counter() - start
        found = {i: [next(values) for _ in work.items[i].options] for i in chosen}
        share = sum(len(item.options) for item in items) / work.options
        tokens = sum(len(item.context + ids) for item in items for ids in item.options)
        return Measured(seconds, share, tokens, found)

    def _score(self, items: Sequence[Item]) -> list[float]:
        """By token ids: from texts it would put the template's last line break elsewhere."""
        requests = [
            ((str(i), str(k)), list(item.context), list(ids))
            for i, item in enumerate(items)
            for k, ids in enumerate(item.options)
        ]
        found = self.model._loglikelihood_tokens(requests, disable_tqdm=True)
        return [float(logprob) for logprob, _ in found]


class Prefill(PlainModel):
    """A plain batched forward pass over the contexts alone: how fast tokens can be read.

    Contexts are cut to the shortest of their batch of eight, so that there is no padding, and
    go through the output layer at their last token only.
    """

    BATCH = 8

    def go(self) -> Measured:
        import torch

        contexts = sorted((item.context for item in self.setup.work.items), key=len)
        if not self.setup.full:
            contexts = contexts[len(contexts) // 4 : len(contexts) // 4 + 3 * self.BATCH]
        tokens = 0
        start = time.perf_counter()
        with torch.inference_mode():
            for i in range(0, len(contexts), self.BATCH):
                some = contexts[i : i + self.BATCH]
                ids = torch.tensor([context[: len(some[0])] for context in some])
                self.model(ids, use_cache=False, logits_to_keep=1)
                tokens += ids.numel()
        seconds = time.perf_counter() - start
        return Measured(seconds, tokens / self.setup.work.distinct, tokens)


class QuickPrefill(Prefill):
    """The same with the linear layers Grace uses."""

    def __init__(self, setup: Setup) -> None:
        from grace.engines.local.onednn_linear import use_onednn

        super().__init__(setup)
        use_onednn(self.model)


class Server:
    """A vLLM server that is there already; what it computed is read off its own metrics."""

    def __init__(self, setup: Setup) -> None:
        import asyncio

        from grace.config.command_line import compose
        from grace.config.settings import VllmSettings, read_settings
        from grace.engines.vllm import VllmEngine

        self.setup = setup
        self.prompts = prompts_of(setup.work)
        self.loop = asyncio.Runner()
        words = ["engine=vllm", f"engine.endpoints=[{setup.endpoint}]", "engine.timeout=600"]
        settings = read_settings(compose(words))
        assert isinstance(settings.engine, VllmSettings)
        engine = VllmEngine(settings.model, settings.engine)
        self.engine: Any = self.loop.run(engine.start())

    def go(self) -> Measured:
        before, start = self.computed(), time.perf_counter()
        found = self.loop.run(self.ask())
        seconds = time.perf_counter() - start
        tokens = int(self.computed() - before)
        logprobs = {i: found[i] for i in self.setup.sample}
        return Measured(seconds, 1.0, tokens, logprobs)

    async def ask(self) -> dict[int, list[float]]:
        raise NotImplementedError

    def computed(self) -> float:
        """Tokens computed so far."""
        url = f"{str(self.setup.endpoint).removesuffix('/v1')}/metrics"
        text = urllib.request.urlopen(url, timeout=30).read().decode()

        def total(name: str) -> float:
            return sum(float(v) for v in re.findall(rf"^vllm:{name}{{[^\n]*}} (\S+)", text, re.M))

        return total("prompt_tokens_total") - total("prefix_cache_hits_total")


class ServerTree(Server):
    """Grace's vLLM engine: the option tree by token ids."""

    async def ask(self) -> dict[int, list[float]]:
        found = {}
        async for answered in self.engine.answer(self.engine.batches(self.prompts)):
            for prompt, scores in answered:
                found[prompt.query.replicate] = [option.logprob for option in scores.options]
        return found


class ServerPromptLogprobs(Server):
    """One prompt_logprobs request for each option, as harnesses ask; 32 at a time."""

    async def ask(self) -> dict[int, list[float]]:
        import asyncio

        gate = asyncio.Semaphore(32)

        async def one(context: Ids, option: Ids) -> float:

            async with gate:
                values = await self.engine._pool.post(
                    "/v1/completions",
                    logprob_requests.prompt_body(self.engine.served.name, context + option),
                    check=lambda a: logprob_requests.read_prompt(a, context + option, len(context)),
                )
            return float(sum(values))

        async def each(item: Item) -> list[float]:
            return await asyncio.gather(*(one(item.context, option) for option in item.options))

        items = self.setup.work.items
        return dict(enumerate(await asyncio.gather(*map(each, items))))


@dataclass(frozen=True)
class Entry:
    """A way's place in the comparison."""

    label: str
    make: Callable[[Setup], Way]
    floor: bool = False  # no way of scoring, but the rate a floor is computed from
    needs: str = ""  # "lm_eval": another Python may have it; "endpoint": a server
    once: bool = False  # a second go would find the server's cache warm


#: Add a way here: whatever has a `go`. One that talks to `setup.endpoint` needs "endpoint".
WAYS: dict[str, Entry] = {
    "packed": Entry("packed tree (Grace)", PackedTree),
    "one-pass": Entry("one pass per option", OnePass),
    "lm-eval": Entry("lm-eval, HF backend, batch 8", LmEval, needs="lm_eval"),
    "vllm-tree": Entry("vLLM, tree by token ids (Grace)", ServerTree, needs="endpoint", once=True),
    "vllm-prompt-logprobs": Entry(
        "vLLM, prompt_logprobs per option", ServerPromptLogprobs, needs="endpoint", once=True
    ),
    "prefill": Entry("floor: plain batched pass", Prefill, floor=True),
    "quick-prefill": Entry("floor with Grace's linear layers", QuickPrefill, floor=True),
}
