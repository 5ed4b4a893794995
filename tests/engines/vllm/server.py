"""A small real server with vLLM's protocol around a tiny model, and faults on demand.

It computes real numbers with plain passes and shares no code with Grace. `lacks` takes
abilities away; `fault` is asked before every answer and may spoil it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

Fault = Callable[[str, dict[str, Any], int], "str | None"]


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ModelServer:
    """Serves on a free port of this machine until closed."""

    def __init__(
        self,
        folder: Path,
        name: str = "tiny",
        lacks: frozenset[str] = frozenset(),
        fault: Fault = lambda path, body, number: None,
        port: int = 0,
        key: str = "",
        max_length: int = 2048,
    ) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.name, self.lacks, self.fault, self.key = name, lacks, fault, key
        self.max_length = max_length
        self.lock = threading.Lock()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answered: list[tuple[str, dict[str, Any]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.handle(self, {})

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                server.handle(self, json.loads(self.rfile.read(length)))

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None
    ) -> None:
        self.http.shutdown()
        self.http.server_close()

    def handle(self, http: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with self.lock:
            self.requests.append((http.path, body))
            number = len(self.requests)
        spoil = self.fault(http.path, body, number)
        if (
            self.key
            and http.path.startswith("/v1")
            and http.headers.get("authorization") != f"Bearer {self.key}"
        ):
            return self.send(http, 401, {"error": {"message": "no access"}})
        if spoil == "reset":
            http.close_connection = True
            http.connection.shutdown(socket.SHUT_RDWR)
            return None
        if spoil == "stall":
            time.sleep(1.5)
        if spoil and spoil.isdecimal():
            return self.send(http, int(spoil), {"error": {"message": "not now"}})
        if spoil == "redirect":
            return self.send(http, 302, {}, {"location": "http://127.0.0.1:9/"})
        try:
            answer = self.answer(http.path, body)
        except Refused as refused:
            return self.send(http, refused.status, {"error": {"message": str(refused)}})
        text = json.dumps(spoiled(answer, spoil))
        with self.lock:
            self.answered.append((http.path, body))
        return self.send(http, 200, text[: len(text) // 2] if spoil == "cut" else text)

    @staticmethod
    def send(
        http: BaseHTTPRequestHandler, status: int, body: Any, headers: dict[str, str] | None = None
    ) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        try:
            http.send_response(status)
            for name, value in (headers or {}).items():
                http.send_header(name, value)
            http.send_header("content-type", "application/json")
            http.send_header("content-length", str(len(data)))
            http.end_headers()
            http.wfile.write(data)
        except OSError:
            pass  # the client has gone

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path.strip("/").split("/")[-1] in self.lacks:
            raise Refused(404, "Not Found")
        match path:
            case "/v1/models":
                return {"data": [{"id": self.name, "max_model_len": self.max_length}]}
            case "/health":
                return {}
            case "/version":
                return {"version": "0.0-test"}
            case "/tokenize":
                return {"tokens": self.tokens(body)}
            case "/detokenize":
                return {"prompt": self.tokenizer.decode(body["tokens"])}
            case "/v1/completions":
                return self.completions(body)
            case "/v1/chat/completions":
                return self.chat(body)
        raise Refused(404, "Not Found")

    def tokens(self, body: dict[str, Any]) -> list[int]:
        if "messages" in body:
            if not self.tokenizer.chat_template:
                raise Refused(400, "no chat template")
            try:
                text = self.tokenizer.apply_chat_template(
                    body["messages"], tokenize=False,
                    add_generation_prompt=body.get("add_generation_prompt", True),
                    continue_final_message=body.get("continue_final_message", False),
                    **body.get("chat_template_kwargs", {}),
                )  # fmt: skip
            except Exception as error:
                raise Refused(400, str(error)) from error
            return list(self.tokenizer(text, add_special_tokens=False).input_ids)
        special = body.get("add_special_tokens", True)
        return list(self.tokenizer(body["prompt"], add_special_tokens=special).input_ids)

    def logprobs(self, ids: list[int]) -> torch.Tensor:
        if len(ids) > self.max_length:
            raise Refused(400, f"maximum context length is {self.max_length}")
        with self.lock, torch.no_grad():
            return torch.log_softmax(self.model(torch.tensor([ids])).logits[0].double(), -1)

    def completions(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["model"] != self.name:
            raise Refused(404, f"The model {body['model']} does not exist")
        for name in ("logprob_token_ids", "allowed_token_ids", "prompt_logprobs", "logprobs"):
            if name in body and name in self.lacks:
                raise Refused(400, f"unknown parameter {name}")
        if len(body.get("logprob_token_ids", ())) > 128:
            raise Refused(400, "logprob_token_ids: at most 128")
        if body.get("logprobs", 0) > 20 and "logprob_token_ids" not in body:
            raise Refused(400, "logprobs: at most 20")
        prompts = body["prompt"] if isinstance(body["prompt"][0], list) else [body["prompt"]]
        return {"choices": [self.choice(i, list(p), body) for i, p in enumerate(prompts)]}

    def choice(self, index: int, ids: list[int], body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"index": index, "finish_reason": "length"}
        if "prompt_logprobs" in body:
            rows = self.logprobs(ids)
            found["prompt_logprobs"] = [None] + [
                {str(t): {"logprob": rows[i, t].item()}} for i, t in enumerate(ids[1:])
            ]
        tops, taken = [], []
        for _ in range(min(body["max_tokens"], 8)):
            row = self.logprobs(ids)[-1]
            allowed = body.get("allowed_token_ids")
            token = int(max(allowed, key=lambda t: row[t])) if allowed else int(row.argmax())
            wanted = body.get("logprob_token_ids") or row.topk(max(body.get("logprobs", 1), 1))[1]
            shown = {int(t) for t in wanted} | {token}
            tops.append({self.label(t, body): row[t].item() for t in shown})
            taken.append(token)
            ids = [*ids, token]
        found["text"] = self.tokenizer.decode(taken)
        found["logprobs"] = {"top_logprobs": tops, "tokens": [self.label(t, body) for t in taken]}
        return found

    def label(self, token: int, body: dict[str, Any]) -> str:
        as_ids = body.get("return_tokens_as_token_ids") and "token_labels" not in self.lacks
        return f"token_id:{token}" if as_ids else self.tokenizer.decode([token])

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        text = f"seed {body.get('seed')}, temperature {body['temperature']}"
        message = {"role": "assistant", "content": text}
        return {
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 5},
        }


def spoiled(answer: dict[str, Any], how: str | None) -> dict[str, Any]:
    """The answer with one thing wrong in it."""
    if how == "model":
        return {"data": [{"id": "another-model"}]}
    for choice in answer.get("choices", ()) if how in ("nan", "missing", "infinity") else ():
        for row in (choice.get("logprobs") or {}).get("top_logprobs", ()):
            name = next(iter(row))
            if how == "missing":
                del row[name]
            else:
                row[name] = float("nan") if how == "nan" else -9999.0
    return answer
