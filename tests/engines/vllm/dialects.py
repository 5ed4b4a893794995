"""Other servers' ways of speaking the protocol, around the same tiny models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.engines.vllm.server import ModelServer, Refused


class TextServer(ModelServer):
    """Shows the most probable tokens as texts, and takes no ids."""

    most = 20  # top_logprobs it allows
    lists = True  # alternatives as a list, else as a table

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        match path:
            case "/v1/models":
                return {"data": [{"id": self.name, "object": "model"}]}
            case "/v1/chat/completions" if self.tokenizer.chat_template:
                return self.chat(body)
            case "/v1/completions":
                return self.completions(body)
        raise Refused(404, "Not Found")

    def completions(self, body: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(body["prompt"], str):
            raise Refused(422, "prompt: expected a string")
        ids = self.tokenizer(body["prompt"]).input_ids
        return {"choices": [self.first(ids, body.get("logprobs")) | {"text": "?"}]}

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        unknown = {"top_k", "min_p", "repetition_penalty"} & set(body)
        if unknown:
            raise Refused(400, f"unknown parameters {unknown}")
        ids = self.tokens({"messages": body["messages"]})
        top = body.get("top_logprobs") if body.get("logprobs") else None
        choice = self.first(ids, top) | {"message": {"role": "assistant", "content": "a text"}}
        return {"choices": [choice], "usage": {"prompt_tokens": len(ids), "completion_tokens": 1}}

    def first(self, ids: list[int], top: int | None) -> dict[str, Any]:
        found: dict[str, Any] = {"index": 0, "finish_reason": "length", "logprobs": None}
        if not top:
            return found
        if top > self.most:
            raise Refused(422, f"top_logprobs: at most {self.most}")
        row = self.logprobs(ids)[-1]
        entries = [
            {"id": int(t), "token": self.tokenizer.decode([t]), "logprob": row[t].item()}
            for t in row.topk(top)[1].tolist()
        ]
        if self.lists:
            found["logprobs"] = {"content": [entries[0] | {"top_logprobs": entries}]}
        else:
            table = {entry["token"]: entry["logprob"] for entry in entries}
            found["logprobs"] = {"tokens": [entries[0]["token"]], "top_logprobs": [table]}
        return found


class LlamaCpp(TextServer):
    """Tokenises `content`, and takes anything else for an empty text."""

    most = 1000

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/tokenize":
            text = body.get("content", "")
            return {"tokens": self.tokenizer(text).input_ids if text else []}
        return super().answer(path, body)


class Tgi(TextServer):
    """Five alternatives at most; tokenises `inputs`."""

    most = 5

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/tokenize":
            if "inputs" not in body:
                raise Refused(422, "missing field `inputs`")
            return [{"id": i} for i in self.tokenizer(body["inputs"]).input_ids]
        return super().answer(path, body)


class SgLang(TextServer):
    """Tokenises as vLLM does, names tokens by their texts, and knows none of vLLM's readings."""

    lists = False

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/v1/models":
            return {"data": [{"id": self.name, "max_model_len": self.max_length}]}
        if path == "/v1/completions" and isinstance(body["prompt"], list):
            prompts = body["prompt"] if isinstance(body["prompt"][0], list) else [body["prompt"]]
            choices = [self.first(list(ids), body.get("logprobs")) for ids in prompts]
            return {"choices": [c | {"index": i, "text": ""} for i, c in enumerate(choices)]}
        if path in ("/tokenize", "/detokenize"):
            return ModelServer.answer(self, path, body)
        return super().answer(path, body)

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        known = {k: v for k, v in body.items() if k not in ("top_k", "min_p", "repetition_penalty")}
        answer = super().chat(known)
        choice = answer["choices"][0]
        if choice["logprobs"]:
            table: Mapping[str, float] = choice["logprobs"]["top_logprobs"][0]
            shown = [{"token": t, "logprob": v} for t, v in table.items()]
            choice["logprobs"] = {"content": [{"token": shown[0]["token"], "top_logprobs": shown}]}
        return answer


class Silent(TextServer):
    """Answers, and shows no probability."""

    def first(self, ids: list[int], top: int | None) -> dict[str, Any]:
        return super().first(ids, None)


DIALECTS = {"llama.cpp": LlamaCpp, "TGI": Tgi, "SGLang": SgLang}
