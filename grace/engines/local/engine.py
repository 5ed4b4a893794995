"""The local engine: tokeniser, packed tree and sampler behind the engine protocol."""

from __future__ import annotations

import asyncio
import contextvars
import importlib.metadata
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, TypeVar

from grace.config import LocalSettings, ModelSettings
from grace.engines.local.batch_cutting import Batch, cut_batches
from grace.engines.local.load import load_config, load_model, load_tokenizer, own_ends, stop_ids
from grace.engines.local.memory_budget import Room, find_room
from grace.engines.local.model_files import describe, find_source
from grace.engines.local.model_kinds import returns_all
from grace.engines.local.tokenise import Tokeniser
from grace.scoring import assemble
from grace.types import UNCHANGED_SINCE, Answer, Answered, EngineInfo, Failure, Prompt, Query

T = TypeVar("T")


class LocalEngine:
    """A model in this process. The weights are loaded when the first answer is asked for."""

    chat: bool

    def __init__(self, model: ModelSettings, engine: LocalSettings) -> None:
        self._model_settings = model
        self._settings = engine
        self._source = find_source(model)
        tokenizer = load_tokenizer(self._source)
        chat = bool(tokenizer.chat_template) if model.chat is None else model.chat
        self.chat = chat
        self._config = load_config(self._source)
        self._tokeniser = Tokeniser(
            tokenizer,
            chat=chat,
            template_kwargs=model.chat_template_kwargs,
            date=model.date,
            control=model.control_tokens == "allow",
            vocabulary=getattr(self._config.get_text_config(), "vocab_size", None),
        )
        self.requests = 0
        self._thread = ThreadPoolExecutor(1, "model")
        self._trunks: dict[str, tuple[int, ...]] = {}  # of the prompts that have one, by key
        self._model: Any = None
        self._reader: Any = None

    @property
    def info(self) -> EngineInfo:
        """What the numbers depend on; `details` says how the tree is read once loaded."""
        if self._reader is None:
            return self._known
        details = {**self._known.details, "way": self._reader.way}
        if self._reader.why:
            details["why"] = self._reader.why
        return replace(self._known, details=details)

    @cached_property
    def _known(self) -> EngineInfo:
        """What is known before the weights are loaded."""
        from grace.engines.local.load import choose_device, choose_dtype

        device = choose_device(self._settings.device)
        dtype = choose_dtype(self._model_settings, self._settings, device, self._config)
        versions = [
            f"{name} {importlib.metadata.version(name)}" for name in ("transformers", "torch")
        ]
        config, since = describe(self._source)
        if returns_all(self._config):  # other numbers than those of 0.1.0
            config, since = f"{config} all logits".strip(), None
        details = {"device": str(device), "chat": self.chat, **self._noted()}
        return EngineInfo(
            kind="local",
            version=", ".join(versions),
            model=self._source.name,
            revision=self._source.revision,
            dtype=str(dtype).removeprefix("torch."),
            method="exact",
            details=details if since is None else details | {UNCHANGED_SINCE: since},
            config=config,
        )

    def _noted(self) -> dict[str, Any]:
        """What is to be known of the chat template, the date that it writes, and the tokeniser."""
        template = self._tokeniser.template
        found: dict[str, Any] = {}
        if template is not None and template.dated:
            found["date"] = template.date
        if notices := self._tokeniser.notices(dated=self._model_settings.date is None):
            found["notices"] = notices
        return found

    @property
    def bos(self) -> int | None:
        """The tokeniser's own, whether it is put first or not."""
        return self._tokeniser.bos

    async def ready(self) -> None:
        """Load the weights and try them."""
        await self._in_thread(self._load)

    @cached_property
    def max_length(self) -> int | None:
        """The longest sequence the model takes, where its configuration says."""
        limit = getattr(self._config.get_text_config(), "max_position_embeddings", None)
        own = self._model_settings.max_length
        return min((n for n in (limit, own) if n), default=None)

    async def prepare(self, queries: Sequence[Query]) -> list[Prompt | Failure]:
        """Render and tokenise; a query longer than the model takes is a failure, never cut."""
        return [self._fitting(self._ending(p)) for p in self._tokeniser.prompts(queries)]

    def _ending(self, prompt: Prompt) -> Prompt:
        """A text's prompt with what ends it, if that is more than the model's own end tokens.

        It belongs to the store's key: version 0.1.0 let such texts run on.
        """
        if prompt.query.options or not self._further_ends:
            return prompt
        return replace(prompt, ends=self._further_ends)

    @cached_property
    def _further_ends(self) -> tuple[int | str, ...]:
        ids, texts = self._endings
        own = own_ends(self._source, self._config, self._tokeniser.hf)
        return (*sorted(ids - own), *texts)

    def _fitting(self, prompt: Prompt) -> Prompt | Failure:
        sampling = prompt.query.sampling
        beyond = max((len(f.ids) - 1 for forms in prompt.forms for f in forms), default=0)
        need = len(prompt.context) + (sampling.max_tokens if sampling else beyond)
        if self.max_length is not None and need > self.max_length:
            return Failure(f"the prompt needs {need} tokens and the model takes {self.max_length}")
        return prompt

    async def spell(self, ids: Sequence[int]) -> list[str]:
        """Each token as text."""
        return [self._tokeniser.hf.decode([token]) for token in ids]

    def batches(self, prompts: Sequence[Prompt]) -> list[list[Prompt]]:
        """Prompts by shared prefix, cut where little is shared (see batch_cutting.py)."""
        cut = cut_batches(prompts, self._room.tokens, self._room.texts(prompts))
        self._trunks |= {p.key: batch.trunk for batch in cut if batch.trunk for p in batch.prompts}
        return [list(batch.prompts) for batch in cut]

    @cached_property
    def _room(self) -> Room:
        """How much is computed together."""
        from grace.engines.local.load import choose_device, choose_dtype

        device = choose_device(self._settings.device)
        dtype = choose_dtype(self._model_settings, self._settings, device, self._config)
        return find_room(self._config, dtype, device, self._settings)

    def forecast(self, batches: Iterable[Sequence[Prompt]]) -> None:
        """There is no server."""

    async def answer(
        self, batches: Iterable[Sequence[Prompt]]
    ) -> AsyncIterator[Sequence[Answered]]:
        """One batch after another, computed off the event loop so that signals are heard."""
        for batch in batches:
            if batch:
                self.requests += 1
                yield await self._in_thread(partial(self._answer_batch, batch))

    async def _in_thread(self, action: Callable[[], T]) -> T:
        """Do it in the model's thread: each thread that computes has workers of its own."""
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, context.run, action)

    def _answer_batch(self, prompts: Sequence[Prompt]) -> list[Answered]:
        import torch

        self._load()
        trunks = {self._trunks.get(prompt.key, ()) for prompt in prompts}
        batch = Batch(tuple(prompts), trunks.pop() if len(trunks) == 1 else ())
        with torch.inference_mode():
            reading = self._reader.read(batch)
            drawn = [prompt for prompt in prompts if not prompt.query.options]
            answers = self._draw(drawn, reading) if drawn else {}
        answers |= {
            prompt.key: assemble(prompt, nodes)
            for prompt, nodes in zip(prompts, reading.nodes, strict=True)
            if prompt.query.options
        }
        return [(prompt, answers[prompt.key]) for prompt in prompts]

    def _draw(self, prompts: Sequence[Prompt], reading: Any) -> dict[str, Answer]:
        from grace.engines.local.sampling import draw_texts

        ends, texts = self._endings
        stops = stop_ids(self._model, self._tokeniser.hf) | ends
        decoder = self._reader.decoder(reading, prompts, min(stops, default=0))
        drawn = draw_texts(decoder, self._tokeniser.hf, prompts, stops, texts)
        return {prompt.key: text for prompt, text in zip(prompts, drawn, strict=True)}

    @cached_property
    def _endings(self) -> tuple[frozenset[int], tuple[str, ...]]:
        """How the chat template ends the model's turn."""
        return self._tokeniser.endings()

    def _load(self) -> None:
        if self._model is None:
            from grace.engines.local.forward import Reader

            self._model = load_model(self._source, self._model_settings, self._settings)
            self._reader = Reader(self._model, self._room.tokens, self._source.name)

    async def close(self) -> None:
        """Let the weights go."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._model = self._reader = None
