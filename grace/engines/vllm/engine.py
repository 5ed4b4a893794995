"""The vLLM engine: endpoints, probe, server-side tokeniser and scorer behind the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from grace.config import ModelSettings, StartedSettings, VllmSettings
from grace.engines.vllm import generate
from grace.engines.vllm.bounds_from_texts import TextPrompts
from grace.engines.vllm.endpoint import Endpoint, endpoint_urls
from grace.engines.vllm.endpoint_pool import Pool
from grace.engines.vllm.forecast import forecast
from grace.engines.vllm.option_scoring import Scorer
from grace.engines.vllm.problems import PassingError, RefusedError, ServerError
from grace.engines.vllm.server import Served, cache_block, check_model, probe
from grace.engines.vllm.server_identity import Numbers, differ, identity, numbers
from grace.engines.vllm.tokenise import ServerTokeniser
from grace.errors import ConfigError
from grace.questions.rendered_chat import turns_of
from grace.types import (
    Answer,
    Answered,
    EngineInfo,
    Failure,
    Forecast,
    Message,
    Prompt,
    Query,
)

#: What a server that works with texts alone does not let one see.
UNCHECKED = (
    "the server neither tokenises nor renders for others, so that it was not checked whether its "
    "chat template writes what is asked as it is, writes the date, begins inside the model's "
    "thoughts or takes a spelling in a text for a control token, nor how many "
    "beginning-of-sequence tokens there are"
)
#: Prompts that are asked together: their requests go to one endpoint, wave by wave.
BATCH = 16


class VllmEngine:
    """One model behind any number of endpoints. `start` before anything else."""

    served: Served
    _identity: str
    _numbers: Numbers
    _scorer: Scorer | TextPrompts
    _tokeniser: ServerTokeniser | TextPrompts

    def __init__(self, model: ModelSettings, engine: VllmSettings) -> None:
        self._model = model
        self._settings = engine
        self._endpoints = [
            Endpoint(url, timeout=engine.timeout, most=engine.max_concurrency)
            for url in endpoint_urls(engine.endpoints)
        ]
        self._pool = Pool(self._endpoints, self._verify, engine.deadline)

    async def start(self) -> VllmEngine:
        """Probe every endpoint; all must serve the model asked for, in the same way."""
        cards = [await self._check(endpoint) for endpoint in self._endpoints]
        pairs = zip(self._endpoints, cards, strict=True)
        found = [await probe(endpoint, card) for endpoint, card in pairs]
        self.served = found[0]
        urls = [endpoint.url for endpoint in self._endpoints]
        self._identity = identity(cards, urls, self._model, self._settings)
        for endpoint, other in zip(self._endpoints, found, strict=True):
            differing = {
                name: (ours, theirs)
                for (name, ours), theirs in zip(
                    asdict(self.served).items(), asdict(other).values(), strict=True
                )
                if ours != theirs
            }
            if differing:
                raise ConfigError(
                    f"{endpoint.url} differs from {self._endpoints[0].url}: "
                    + "; ".join(f"{n} {a!r} / {b!r}" for n, (a, b) in differing.items())
                )
        await self._compare()
        self._block = await cache_block(self._endpoints[0])
        if self.served.tokenizes:
            kwargs = self._model.chat_template_kwargs
            self._scorer = Scorer(self._pool, self.served, self._settings.nodes_per_request)
            self._tokeniser = ServerTokeniser(
                self._pool,
                self.served.name,
                self.chat,
                self.served.bos,
                kwargs,
                self._model.date,
                self._model.control_tokens == "allow",
            )
            try:
                await self._tokeniser.start()
            except (PassingError, RefusedError) as error:
                raise ConfigError(f"the chat template cannot be tried: {error}") from None
        else:
            served = self.served
            texts = TextPrompts(
                self._pool, served.name, self.chat, served.text_top, served.text_bytes
            )
            self._scorer = self._tokeniser = texts
        return self

    async def _check(self, endpoint: Endpoint, *, patient: bool = True) -> dict[str, Any]:
        """An endpoint's entry for the model."""
        own = self._settings
        served_as = own.served_as if isinstance(own, StartedSettings) else ""
        return await check_model(endpoint, self._model, served_as=served_as, patient=patient)

    async def _compare(self) -> None:
        """Refuse endpoints that call different models by one name: their numbers tell."""
        first = self._endpoints[0]
        self._numbers = await numbers(first, self.served.name) if self.served.token_ids else {}
        for endpoint in self._endpoints[1:]:
            if differ(self._numbers, await numbers(endpoint, self.served.name)):
                raise ConfigError(
                    f"{endpoint.url} gives other probabilities than {first.url}: another model, "
                    "other weights or another numeric type; expected endpoints of one model"
                )

    async def _verify(self, endpoint: Endpoint) -> None:
        """Whether, after a lost connection, it is still the same model."""
        try:
            await self._check(endpoint, patient=False)
        except (ServerError, RefusedError, PassingError) as error:
            endpoint.breaker.note(ok=False)
            raise PassingError(str(error), lost=True) from None
        if self._numbers and differ(self._numbers, await numbers(endpoint, self.served.name)):
            endpoint.breaker.note(ok=False)
            raise PassingError(
                f"{endpoint.url} gives other probabilities than when the run began: another "
                "model, other weights or another numeric type",
                lost=True,
            )

    @property
    def chat(self) -> bool:
        """Whether the model takes turns."""
        return self.served.chat if self._model.chat is None else self._model.chat

    @property
    def bos(self) -> int | None:
        """What the server's tokeniser puts first of its own accord."""
        return self.served.bos

    @property
    def requests(self) -> int:
        """Requests for answers so far."""
        return self._pool.requests

    @property
    def info(self) -> EngineInfo:
        """What the numbers depend on."""
        return EngineInfo(
            kind="vllm",
            version=self.served.version,
            model=self._model.id or self._model.name,
            revision=self._model.revision or "",
            dtype=self._model.dtype,
            method=self.served.method,
            details={
                "endpoints": ", ".join(endpoint.url for endpoint in self._endpoints),
                "served": asdict(self.served),
                "chat": self.chat,
                **self._template_details(),
            },
            config=self._identity,
        )

    @property
    def max_length(self) -> int | None:
        """The longest sequence, in tokens."""
        lengths = (self.served.max_length, self._model.max_length)
        return min((n for n in lengths if n), default=None)

    async def prepare(self, queries: Sequence[Query]) -> list[Prompt | Failure]:
        """Render and tokenise on the server; what is too long is a failure, never cut."""
        try:
            prompts = await self._tokeniser.prompts(queries)
        except (PassingError, RefusedError) as error:
            raise ConfigError(f"tokenising failed: {error}") from None
        return [self._fitting(p) if isinstance(p, Prompt) else p for p in prompts]

    def _fitting(self, prompt: Prompt) -> Prompt | Failure:
        sampling = prompt.query.sampling
        longest = max((len(form.ids) for forms in prompt.forms for form in forms), default=0)
        need = len(prompt.context) + (sampling.max_tokens if sampling else longest)
        if self.max_length is not None and need > self.max_length:
            return Failure(f"the prompt needs {need} tokens and the model takes {self.max_length}")
        return prompt

    async def ready(self) -> None:
        """The server has been ready since it was probed."""

    async def spell(self, ids: Sequence[int]) -> list[str]:
        """Each token as text."""
        return [await self._tokeniser.spell(token) for token in ids]

    def forecast(self, batches: Iterable[Sequence[Prompt]]) -> Forecast | None:
        """Of scoring by token ids, where the server says how large its cache's blocks are."""
        if self._block is None or self.served.method != "exact":
            return None
        return forecast(
            (batch for batch in batches if batch[0].query.options),
            joined=self.served.chains,
            most_nodes=self._settings.nodes_per_request,
            block=self._block,
        )

    def batches(self, prompts: Sequence[Prompt]) -> list[list[Prompt]]:
        """Neighbours in prefix order together; texts are drawn one by one."""
        scored = sorted((p for p in prompts if p.query.options), key=lambda p: (p.context, p.key))
        drawn = sorted(
            (p for p in prompts if not p.query.options), key=lambda p: (p.context, p.key)
        )
        return [
            *(scored[i : i + BATCH] for i in range(0, len(scored), BATCH)),
            *([prompt] for prompt in drawn),
        ]

    async def answer(
        self, batches: Iterable[Sequence[Prompt]]
    ) -> AsyncIterator[Sequence[Answered]]:
        """Many batches at a time; each one's answers together, as they arrive."""
        waiting = iter(enumerate(batches))  # taken as there is room: a run may stop early
        running: set[asyncio.Task[list[Answered]]] = set()
        together = self._settings.max_concurrency * len(self._endpoints)
        try:
            while True:
                while len(running) < together:
                    following = next(waiting, None)
                    if following is None:
                        break
                    running.add(asyncio.create_task(self._batch(*following)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _batch(self, number: int, batch: Sequence[Prompt]) -> list[Answered]:
        try:
            if batch[0].query.options:
                scores = await self._scorer.score(batch, number)
                return list(zip(batch, scores, strict=True))
            return [(prompt, await self._draw(prompt, number)) for prompt in batch]
        except (PassingError, RefusedError, ValueError) as error:
            if len(batch) == 1:
                return [(batch[0], Failure(str(error)))]
        # One of them is at fault: ask each alone, so that only it fails.
        alone = [await self._batch(number, [prompt]) for prompt in batch]
        return [answered for part in alone for answered in part]

    async def _draw(self, prompt: Prompt, affinity: int) -> Answer:
        if self.chat:
            body = await self._conversation(prompt)
            path = "/v1/chat/completions"
        else:
            body = generate.completion_body(self.served.name, prompt)
            if not self.served.tokenizes:
                body = generate.standard(body) | {"prompt": prompt.text}
            path = "/v1/completions"
        answer: Answer = await self._pool.post(
            path,
            body,
            affinity=affinity,
            check=lambda found: generate.read_text(found, prompt, chat=self.chat),
        )
        return answer

    async def _conversation(self, prompt: Prompt) -> dict[str, Any]:
        """The body of a request for the answer to a conversation."""
        started = prompt.query.answer_prefix
        turns = [*self._tokeniser.merged(prompt.query.messages)]
        turns += [Message("assistant", started)] if started else []
        name, kwargs = self.served.name, self._model.chat_template_kwargs
        if isinstance(self._tokeniser, TextPrompts):
            plain = turns_of(turns, {})
            return generate.standard(generate.chat_body(name, plain, prompt, kwargs))
        template = self._tokeniser.template
        stops = await template.stops()
        return generate.chat_body(name, template.turns(turns), prompt, template.kwargs, stops)

    def _template_details(self) -> dict[str, Any]:
        """What is to be known of the chat template, and what is not."""
        if isinstance(self._tokeniser, TextPrompts):
            return {"notices": [UNCHECKED]}
        template = self._tokeniser.template
        found: dict[str, Any] = {"date": template.written} if template.written else {}
        return found | ({"notices": list(template.notices)} if template.notices else {})

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()
