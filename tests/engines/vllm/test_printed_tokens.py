"""However a server prints parts of characters, the exact mass lies within the bounds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from grace.config.settings import LocalSettings, ModelSettings
from grace.engines.local import LocalEngine
from grace.engines.vllm.bounds_from_texts import TextPrompts, bound_texts, read_first_token
from grace.engines.vllm.printed_tokens import may_begin, shows_parts
from grace.engines.vllm.problems import BadAnswerError
from grace.types import Message, Option, OptionScores, Prompt, Query

Tiny = Callable[[str], Path]
TEXTS = [
    "yes", "no", "Yes", "10%", "100%", "wasn't", "was", "good enough", "good", "a", "I",
    "😊", "😊!", "😢", "👍🏽", "👩‍👩‍👧", "I 😊", "是", "是的", "不是", "はい", "いいえ",
    "नहीं", "हाँ", "نعم", "لا",
    "naïve", "nai\u0308ve", "é", "e\u0301", "Ärger", "ja", "für", "5️⃣", "½", "€5", "𓂀", "\u200bx",
]  # fmt: skip


def escaped(raw: bytes) -> str:
    return "".join(chr(b) if b < 128 else f"\\x{b:02x}" for b in raw)


def raw_bytes(tokenizer: Any, token: int) -> bytes | None:
    """A token's bytes, where its tokeniser is made of them."""
    from grace.engines.vllm.printed_tokens import _letters

    letters, piece = _letters(), tokenizer.convert_ids_to_tokens(token)
    known = all(letter in letters for letter in piece) and token not in tokenizer.all_special_ids
    return bytes(letters[letter] for letter in piece) if known else None


def decoded(tokenizer: Any, token: int) -> str:
    return str(tokenizer.decode([token]))


def vanishing(tokenizer: Any, token: int) -> str:
    text = decoded(tokenizer, token)
    return "" if "\ufffd" in text or token in tokenizer.all_special_ids else text


def escapes(tokenizer: Any, token: int) -> str:
    raw = raw_bytes(tokenizer, token)
    text = decoded(tokenizer, token)
    return escaped(raw) if raw and "\ufffd" in text else text


def wrapped(tokenizer: Any, token: int) -> str:
    text = escapes(tokenizer, token)
    return f"bytes:{text}" if "\\x" in text else text


def one_a_byte(tokenizer: Any, token: int) -> str:
    raw = raw_bytes(tokenizer, token)
    if raw is None or "\ufffd" not in decoded(tokenizer, token):
        return decoded(tokenizer, token)
    return "".join(chr(b) if b < 128 else "\ufffd" for b in raw)


PRINTS: dict[str, Callable[[Any, int], str]] = {
    "�": decoded,
    "nothing": vanishing,
    "escapes": escapes,
    "OpenAI's": wrapped,
    "a sign a byte": one_a_byte,
    "pieces": lambda tokenizer, token: str(tokenizer.convert_ids_to_tokens(token)),
    "no spaces": lambda tokenizer, token: decoded(tokenizer, token).lstrip(" "),
}


@pytest.fixture(scope="module")
def known(tiny: Tiny) -> Callable[[str], tuple[LocalEngine, Any]]:
    """A family's engine, and its model to read whole rows from."""
    made: dict[str, tuple[LocalEngine, Any]] = {}

    def of(family: str) -> tuple[LocalEngine, Any]:
        if family not in made:
            settings_ = ModelSettings(name="tiny", path=str(tiny(family)))
            engine = LocalEngine(settings_, LocalSettings(kind="local"))
            model = AutoModelForCausalLM.from_pretrained(tiny(family), dtype=torch.float32)
            made[family] = engine, model.eval()
        return made[family]

    return of


def exactly(engine: LocalEngine, query: Query) -> tuple[Prompt, OptionScores]:
    async def asked() -> tuple[Prompt, OptionScores]:
        (prompt,) = await engine.prepare([query])
        assert isinstance(prompt, Prompt)
        async for answered in engine.answer(engine.batches([prompt])):
            ((_, answer),) = answered
            assert isinstance(answer, OptionScores)
            return prompt, answer
        raise AssertionError

    return asyncio.run(asked())


@pytest.mark.parametrize("family", ["llama-byte", "qwen-whole", "gemma-piece", "mistral-piece"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=6, unique=True),
    more=st.lists(st.sampled_from(TEXTS), max_size=3),
    asked=st.sampled_from(["Is it?", "Wie?", "好吗?", "😊"]),
    top=st.sampled_from([1, 5, 20, 200]),
    how=st.sampled_from(sorted(PRINTS)),
)
@example(texts=["yes"], more=[], asked="Is it?", top=200, how="no spaces")
def test_bounds_hold(
    family: str,
    texts: list[str],
    more: list[str],
    asked: str,
    top: int,
    how: str,
    known: Callable[[str], tuple[LocalEngine, Any]],
) -> None:
    engine, model = known(family)
    options = [Option(text, text) for text in texts]
    free = tuple(text for text in dict.fromkeys(more) if text not in texts)
    options[0] = Option(texts[0], texts[0], free)
    query = Query((Message("user", asked),), tuple(options))
    try:
        prompt, exact = exactly(engine, query)
    except Exception as error:
        if "same tokens" in str(error) or "no tokens" in str(error) or "unknown" in str(error):
            return  # refused, and rightly
        raise
    tokenizer = engine._tokeniser.hf
    with torch.no_grad():
        row = torch.log_softmax(model(torch.tensor([prompt.context])).logits[0, -1].double(), -1)
    values, ids = row.topk(min(top, len(row)))
    shown: list[dict[str, Any]] = [
        {"token": PRINTS[how](tokenizer, int(token)), "logprob": float(value)}
        for value, token in zip(values, ids, strict=True)
    ]
    if "boundary_merged" in prompt.flags:
        return
    read = read_first_token(content(shown))
    texts_ = TextPrompts(None, "tiny", chat=True, top=top)  # type: ignore[arg-type]
    whole = any(shows_parts(entry["token"]) for entry in shown)
    bounded = bound_texts(texts_._prompt(query), read, whole=whole)
    for ours, point in zip(bounded.options, exact.options, strict=True):
        assert ours.log_mass_low <= point.log_mass + 1e-4, (ours, point, shown)
        assert point.log_mass <= ours.log_mass_high + 1e-4, (ours, point, shown)
        if not math.isnan(ours.log_mass):
            assert ours.log_mass == pytest.approx(point.log_mass, abs=1e-4)


def content(entries: list[dict[str, Any]]) -> dict[str, Any]:
    first = {"token": "?", "top_logprobs": entries}
    return {"choices": [{"logprobs": {"content": [first]}}]}


@pytest.mark.parametrize(
    ("token", "text", "begins"),
    [
        ("�", "😊", True),
        ("", "😊", True),
        ("\\xf0\\x9f", "😊", True),
        ("bytes:\\xf0\\x9f", "😊", True),
        ("b'\\xf0\\x9f'", "😊", True),
        ("\\xe6", "😊", False),
        ("<0xF0>", "😊", True),
        ("<0xE6>", "😊", False),
        ("ðŁ", "😊", True),
        (" �", "😊", True),
        ("�", "yes", False),
        ("", "yes", True),
        ("▁", "10%", True),
        ("▁1", "10%", True),
        (" 1", "10%", True),
        ("1", " 10%", True),
        ("Ġyes", " yes", True),
        ("na�", "naïve", True),
        ("no�", "naïve", False),
        ("yes,", "yes", False),
        ("<unk>", "是", True),
        ("e", "é", True),  # decomposed
        ("½", "1⁄2", False),
    ],
)
def test_what_may_begin_what(token: str, text: str, begins: bool) -> None:
    assert may_begin(token, text, cased=True) is begins


def test_half_a_pair_of_surrogates_is_a_part() -> None:
    assert may_begin("\ud83d", "😊")
    assert shows_parts("\ud83d")


def row(*entries: Mapping[str, Any]) -> Any:
    return read_first_token(content([dict(entry) for entry in entries]))


def test_a_token_listed_twice_leaves_no_less_for_others() -> None:
    options = (Option("yes", "yes"), Option("no", "no"))
    prompt = TextPrompts(None, "tiny", chat=True, top=5)._prompt(  # type: ignore[arg-type]
        Query((Message("user", "?"),), options)
    )
    half = {"token": "yes", "logprob": math.log(0.5)}
    yes, no = bound_texts(prompt, row(half, half)).options
    assert math.isnan(yes.log_mass)  # one token listed twice, or two that print alike
    assert math.exp(yes.log_mass_high) == pytest.approx(1)
    assert math.exp(no.log_mass_high) == pytest.approx(0.5)


def test_bytes_beside_the_text_say_what_it_is() -> None:
    found = row(
        {"token": "�", "logprob": -1.0, "bytes": [0xF0, 0x9F]},
        {"token": "�", "logprob": -2.0, "bytes": [0xE6]},
        {"token": "yes", "logprob": -3.0, "bytes": None},
    )
    assert dict(found) == {"\\xf0\\x9f": (-1.0,), "\\xe6": (-2.0,), "yes": (-3.0,)}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "x", True, 0.5, [1]])
def test_what_is_no_log_probability_is_no_answer(value: Any) -> None:
    with pytest.raises(BadAnswerError):
        row({"token": "yes", "logprob": value})
