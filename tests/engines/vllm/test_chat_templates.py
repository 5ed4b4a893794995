"""The chat template of a server's model, seen through what the server makes of it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, normalizers
from transformers import AutoTokenizer

import grace
from grace.config.settings import LocalSettings, ModelSettings, VllmSettings
from grace.engines.local import LocalEngine
from grace.engines.vllm import VllmEngine
from grace.types import Message, Option, Prompt, Query, Sampling
from tests.engines.local.test_chat_templates import DATED, PARTS
from tests.engines.local.test_tokenisers_tried import NORMALISERS, trained
from tests.engines.vllm.server import ModelServer
from tests.tiny import CHATML

USER = (Message("user", "Is the soup warm?"),)
WORDS = (Option("yes", "yes"), Option("no", "no"))


@pytest.fixture
def with_template(tiny: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    def make(template: str) -> Path:
        folder = shutil.copytree(tiny("llama-byte"), tmp_path / "other")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = template
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        tokenizer.save_pretrained(folder)
        return folder

    return make


def started(server: ModelServer, act: Callable[[VllmEngine], Any], **model: Any) -> Any:
    async def go() -> Any:
        settings = VllmSettings(kind="vllm", endpoints=(server.url,), deadline=5, timeout=5)
        engine = await VllmEngine(ModelSettings(name="tiny", **model), settings).start()
        try:
            return await act(engine)
        finally:
            await engine.close()

    return asyncio.run(go())


def prepared(server: ModelServer, queries: Sequence[Query], **model: Any) -> Any:
    return started(server, lambda engine: engine.prepare(queries), **model)


def test_contents_come_as_parts(with_template: Callable[[str], Path]) -> None:
    folder = with_template(PARTS)
    queries = [Query((Message("system", "Be brief."), *USER), WORDS), Query(USER, WORDS)]
    local = LocalEngine(ModelSettings(name="t", path=str(folder)), LocalSettings(kind="local"))
    with ModelServer(folder) as server:
        theirs = prepared(server, queries)
    for one, other in zip(asyncio.run(local.prepare(queries)), theirs, strict=True):
        assert isinstance(one, Prompt)
        assert isinstance(other, Prompt)
        assert (one.context, one.forms) == (other.context, other.forms)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (CHATML.replace("m['content']", "''"), "leaves out what the user says"),
        (CHATML.replace("m['content']", "(m['content'] | lower)"), "changes what the user says"),
        ("{{ raise_exception('never') }}", "never"),
        (CHATML.replace("assistant\n'", "assistant\n<think>\n'"), "inside its thoughts"),
        (CHATML.replace("assistant\n'", "assistant\n<inner>\n'"), "inside its thoughts"),
        (CHATML.replace("assistant\n'", "assistant\n<mull>'"), r"thoughts \(<mull>\)"),
        (CHATML.replace("assistant\n'", "assistant\nThinking:\n'"), "inside its thoughts"),
        (CHATML.replace("m['content']", "(m['content'] * 2)"), "more than once"),
        ("{{ range(9999) | random }}" + CHATML, "draws at random"),
        (CHATML.split("{% if add_generation_prompt")[0], "does not begin the model's turn"),
    ],
)
def test_what_is_not_asked_as_it_was_meant_is_refused(
    template: str, message: str, with_template: Callable[[str], Path]
) -> None:
    with (
        ModelServer(with_template(template)) as server,
        pytest.raises(grace.GraceError, match=message),
    ):
        prepared(server, [Query(USER, WORDS)], chat=True)


@pytest.mark.full
def test_control_tokens_spelt_in_texts_are_refused(tiny: Callable[[str], Path]) -> None:
    with ModelServer(tiny("llama-byte")) as server:
        for text in ("a </s> b", "It says <|im_end|> there."):
            with pytest.raises(grace.GraceError, match="reads as a control token"):
                prepared(server, [Query((Message("user", text),), WORDS)])
        fine = [Query((Message("user", "a <b>bold</b> <|word|> [NOTE] b"),), WORDS)]
        assert prepared(server, fine)[0].flags == ()
        meant = Query((Message("user", "a </s> b"),), WORDS)
        assert isinstance(prepared(server, [meant], control_tokens="allow")[0], Prompt)


def test_a_date_is_noticed(with_template: Callable[[str], Path]) -> None:
    """The template is not word for word that of other tests, whose clock this process keeps."""
    with ModelServer(with_template(DATED + "{# of a server #}")) as server:
        info = started(server, _info)
    assert info.details["date"] == date.today().isoformat()
    assert "another day" in info.details["notices"][0]


def test_turns_are_missed_though_their_text_stands_elsewhere(
    with_template: Callable[[str], Path],
) -> None:
    talk = (*USER, Message("assistant", "warm"), Message("user", "Sure, warm? Why?"))
    dropping = CHATML.replace("in messages", "in messages if m['role'] != 'assistant'")
    with ModelServer(with_template(dropping)) as server:
        assert isinstance(prepared(server, [Query(USER, WORDS)])[0], Prompt)
        with pytest.raises(grace.GraceError, match="leaves out"):
            prepared(server, [Query(talk, WORDS)])


def test_a_date_beside_a_system_turn_is_noticed(with_template: Callable[[str], Path]) -> None:
    beside = "{% if messages[0]['role'] == 'system' %}{{ strftime_now('%B %dth, %Y') }}{% endif %}"
    with ModelServer(with_template(beside + CHATML)) as server:
        info = started(server, _info)
    assert info.details["date"] == date.today().isoformat()


def test_texts_behind_no_turn_are_flagged(with_template: Callable[[str], Path]) -> None:
    template = CHATML.split("{% if add_generation_prompt")[0]
    drawn = Query(USER, sampling=Sampling(0, 1, 5, 0))
    with ModelServer(with_template(template)) as server:
        assert prepared(server, [drawn])[0].flags == ("turn_not_begun",)
        (notice,) = started(server, _info).details["notices"]
    assert "lacks '<|im_start|>assistant'" in notice


@pytest.mark.parametrize(
    ("normaliser", "text"),
    [(normalizers.Lowercase(), "a <|STOP|> b"), (normalizers.NFKC(), "a ＜|stop|＞ b")],
)
@pytest.mark.full
def test_a_control_token_by_another_spelling(
    normaliser: Any, text: str, tiny: Callable[[str], Path]
) -> None:
    with ModelServer(tiny("llama-byte")) as server:
        server.tokenizer.backend_tokenizer.normalizer = normaliser
        server.tokenizer.add_tokens([AddedToken("<|stop|>", special=True, normalized=True)])
        server.tokenizer.add_tokens(["<tool_call>"])
        for said in (text, "a <tool_call> b"):
            with pytest.raises(grace.GraceError, match="reads as a control token"):
                prepared(server, [Query((Message("user", said),), WORDS)])
        fine = prepared(server, [Query((Message("user", "a <|halt|> b"),), WORDS)])
    assert fine[0].flags == ()


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "drops"])
def test_characters_without_a_token_are_flagged(kind: str, tiny: Callable[[str], Path]) -> None:
    with ModelServer(tiny("llama-base-no-bos")) as server:
        server.tokenizer = trained(kind, NORMALISERS["bert"])
        texts = ["is it 😀 ?", "is it 龍 ?", "is it \U000f0041 it ?", "is it"]
        asked = [Query((Message("user", text),), WORDS, spaced=True) for text in texts]
        flags = [found.flags for found in prepared(server, asked)]
        notice = started(server, _info).details["notices"][0]
    assert flags == [("unknown_token",)] * 3 + [()]
    assert "letter case" in notice


@pytest.mark.parametrize("said", ["", " \n"])
def test_an_empty_prompt_is_refused(said: str, tiny: Callable[[str], Path]) -> None:
    with (
        ModelServer(tiny("llama-byte")) as server,
        pytest.raises(grace.GraceError, match="what the user says is empty"),
    ):
        prepared(server, [Query((Message("user", said),), WORDS)])
    with pytest.raises(grace.GraceError, match="prompt 2: what the user says is empty"):
        grace.score(str(tiny("llama-byte")), ["Warm?", said], ["yes", "no"])


def test_a_date_that_the_template_takes_is_kept(with_template: Callable[[str], Path]) -> None:
    given = "{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}"
    template = given + "{% endif %}{{ 'Today: ' + date_string + '\n' }}" + CHATML
    with ModelServer(with_template(template)) as server:
        info = started(server, _info, date="2026-03-01")
        (prompt,) = prepared(server, [Query(USER, WORDS)], date="2026-03-01")
    assert info.details["date"] == "2026-03-01"
    assert "notices" not in info.details
    assert "Today: 01 Mar 2026" in prompt.text


def test_the_turn_s_end_stops_an_answer(tiny: Callable[[str], Path]) -> None:
    folder = tiny("llama-byte")  # its end of text is another token
    end = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("<|im_end|>")

    async def stops(engine: VllmEngine) -> list[int]:
        return await engine._tokeniser.template.stops()  # type: ignore[union-attr]

    with ModelServer(folder) as server:
        assert started(server, stops) == [end]


def test_a_server_of_texts_alone_says_what_is_not_checked(tiny: Callable[[str], Path]) -> None:
    lacks = frozenset({"tokenize"})
    with ModelServer(tiny("llama-byte"), lacks=lacks) as server:
        info = started(server, _info)
    assert "not checked" in info.details["notices"][0]


async def _info(engine: VllmEngine) -> Any:
    return engine.info
