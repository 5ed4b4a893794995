"""Several endpoints of one model: the same context always asks the same one, while it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from grace.engines.vllm.endpoint import Endpoint, retrying
from grace.engines.vllm.problems import PassingError


class Pool:
    """Chooses an endpoint for each request and moves work away from those that fail."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        verify: Callable[[Endpoint], Awaitable[None]],
        deadline: float,
    ) -> None:
        self.endpoints = list(endpoints)
        self._verify = verify
        self._deadline = deadline
        self.requests = 0  # for answers, retries included

    async def post(
        self,
        path: str,
        body: dict[str, Any],
        *,
        affinity: int = 0,
        check: Callable[[Any], Any] = lambda answer: answer,
    ) -> Any:
        """POST until an answer passes `check`, or the deadline is over; returns check's value.

        `affinity` names the endpoint that has the context in its cache. An endpoint whose
        connection was lost must first prove that it still serves the model.
        """
        async for attempt in retrying(self._deadline):
            with attempt:
                return check(await self._anywhere(path, body, affinity))
        raise AssertionError("retrying ends with an answer or an error")

    async def _anywhere(self, path: str, body: dict[str, Any], affinity: int) -> Any:
        """The answer of the first endpoint that gives one: the context's own, then the others."""
        problem: PassingError | None = None
        for endpoint in await self._awake(affinity):
            try:
                if endpoint.suspect:
                    await self._verify(endpoint)
                    endpoint.suspect = False
                self.requests += path.endswith("completions")
                return await endpoint.post(path, body)
            except PassingError as error:
                problem = error
        raise problem or PassingError("no endpoint")

    async def _awake(self, affinity: int) -> list[Endpoint]:
        """The endpoints that do not rest, in order; if all do, the first to wake, once awake."""
        n = len(self.endpoints)
        order = [self.endpoints[(affinity + i) % n] for i in range(n)]
        awake = [endpoint for endpoint in order if not endpoint.breaker.resting()]
        if awake:
            return awake
        soonest = min(order, key=lambda e: e.breaker.resting())
        await asyncio.sleep(soonest.breaker.resting())
        return [soonest]

    async def close(self) -> None:
        """Close all connections."""
        for endpoint in self.endpoints:
            await endpoint.close()
