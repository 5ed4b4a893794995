"""How many option-tree nodes a second the client reads, against a server that computes nothing.

    python -m benchmarks.client [--prompts 4000]

The server is another process and answers at once, so what is measured is Grace: planning the
requests, HTTP, reading and checking the answers, assembling the scores. The client is pinned to one
core where the system can. Expected: at least 1,500 nodes a second, in constant memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import time
from multiprocessing.connection import Connection
from typing import Any

from grace.config.settings import ModelSettings, VllmSettings
from grace.engines.vllm import VllmEngine
from grace.scoring.trie import prompt_nodes
from grace.types import Form, Message, Option, OptionScores, Prompt, Query

VALUE = -2.3  # any log-probability: each node has fewer children than would exceed a sum of 1


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: requests one after another, until the client closes it."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return writer.close()
        request, *lines = head.decode("latin-1").split("\r\n")
        lengths = [
            line.split(":")[1] for line in lines if line.lower().startswith("content-length")
        ]
        body = json.loads(await reader.readexactly(int(lengths[0]))) if lengths else {}
        status, text = respond(request.split(" ")[1], body)
        data = text.encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n".encode()
            + data
        )
        await writer.drain()


def respond(path: str, body: dict[str, Any]) -> tuple[int, str]:
    """What a server would say whose every token is equally probable."""
    if path == "/v1/models":
        return 200, '{"data": [{"id": "trivial", "max_model_len": 4096}]}'
    if path == "/tokenize":
        return 200, '{"tokens": [5, 6]}'
    if path != "/v1/completions" or "logprob_token_ids" not in body:
        return 404, '{"error": {"message": "no"}}'
    row = json.dumps({f"token_id:{t}": VALUE for t in body["logprob_token_ids"]})
    forced = (body.get("allowed_token_ids") or [body["logprob_token_ids"][0]])[0]
    steps = body["max_tokens"]
    rows, tokens = ", ".join([row] * steps), json.dumps([f"token_id:{forced}"] * steps)
    choices = ", ".join(
        f'{{"index": {i}, "text": "", "finish_reason": "length", '
        f'"logprobs": {{"top_logprobs": [{rows}], "tokens": {tokens}}}}}'
        for i in range(len(body["prompt"]))
    )
    return 200, f'{{"choices": [{choices}]}}'


def serve(pipe: Connection) -> None:
    """Serve until killed; tells its port."""

    async def forever() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def prompts(n: int) -> list[Prompt]:
    """Contexts of 160 tokens, four at a time alike but for their end; the eleven percentages."""
    options = tuple(Option(str(p), f"{p}%") for p in range(0, 101, 10))
    forms = tuple((Form(o.text, (*(100 + int(d) for d in o.name), 99)),) for o in options)
    found = []
    for i in range(n):
        row = [1000 + (i // 4 * 7919 + j) % 40_000 for j in range(120)]
        context = (*row, *(2000 + (i * 31 + j) % 40_000 for j in range(40)))
        query = Query((Message("user", str(i)),), options)
        found.append(Prompt(query, str(i), tuple(context), forms))
    return found


def peak_mib() -> float:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measure(url: str, asked: list[Prompt]) -> tuple[float, float, list[float]]:
    """Seconds, processor seconds, and the peak memory at each quarter."""
    engine = await VllmEngine(
        ModelSettings(name="trivial", chat=False), VllmSettings(kind="vllm", endpoints=(url,))
    ).start()
    batches = engine.batches(asked)
    done = 0
    peaks: list[float] = []
    start, processor = time.monotonic(), time.process_time()
    async for part in engine.answer(batches):
        assert all(isinstance(scores, OptionScores) for _, scores in part)
        done += len(part)
        if done >= len(asked) * (len(peaks) + 1) / 4:
            peaks.append(peak_mib())
    seconds, processor = time.monotonic() - start, time.process_time() - processor
    await engine.close()
    return seconds, processor, peaks


def main(n: int) -> None:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}/v1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    asked = prompts(n)
    nodes = sum(len(prompt_nodes(prompt)) for prompt in asked)
    seconds, processor, peaks = asyncio.run(measure(url, asked))
    print(f"{n:,} prompts, {nodes:,} nodes in {seconds:.1f} s ({processor:.1f} s of processor)")
    print(f"{nodes / seconds:,.0f} nodes a second; {nodes / processor:,.0f} a processor second")
    print("peak memory after each quarter, MiB: " + ", ".join(f"{p:.0f}" for p in peaks))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=4000)
    main(parser.parse_args().prompts)
