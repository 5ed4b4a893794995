"""What a tokeniser does not see of a text, and what it sees in it that nobody meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

import grace
from grace.engines.local.tokenise import Tokeniser
from grace.types import Message, Option, Prompt, Query
from tests.tiny import CHATML, TEXT

WORDS = ("yes", "no")
SPECIAL = ["<s>", "</s>", "<unk>", "<pad>"]
NORMALISERS = {
    "bert": normalizers.BertNormalizer(lowercase=True),
    "cased": normalizers.BertNormalizer(lowercase=False),
    "no control": normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"[\p{C}]"), "")]
    ),
    "none": None,
}


def trained(kind: str, normaliser: Any) -> PreTrainedTokenizerFast:
    """A tokeniser of some kind, without bytes to fall back on."""
    inner, trainer = {
        "wordpiece": (
            Tokenizer(models.WordPiece(unk_token="<unk>")),
            trainers.WordPieceTrainer(vocab_size=400, special_tokens=SPECIAL, show_progress=False),
        ),
        "unigram": (
            Tokenizer(models.Unigram()),
            trainers.UnigramTrainer(
                vocab_size=300, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
            ),
        ),
        "words": (
            Tokenizer(models.WordLevel(unk_token="<unk>")),
            trainers.WordLevelTrainer(vocab_size=400, special_tokens=SPECIAL, show_progress=False),
        ),
        "drops": (
            Tokenizer(models.BPE()),
            trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, show_progress=False),
        ),
    }[kind]
    inner.pre_tokenizer = (
        pre_tokenizers.Metaspace() if kind == "unigram" else (pre_tokenizers.BertPreTokenizer())
    )
    if normaliser is not None:
        inner.normalizer = normaliser
    inner.train_from_iterator([*TEXT, "Is the soup warm? is it a cafe I the 1"], trainer)
    unknown = {} if kind == "drops" else {"unk_token": "<unk>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>", **unknown
    )


def prompt(tokenizer: Any, text: str, *options: str, **given: Any) -> Prompt:
    chosen = tuple(Option(word, word) for word in options or WORDS)
    (found,) = Tokeniser(tokenizer, chat=False, **given).prompts(
        [Query((Message("user", text),), chosen, spaced=True)]
    )
    return found


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "words", "drops"])
@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_characters_without_a_token_are_flagged(kind: str, normaliser: str) -> None:
    tokenizer = trained(kind, NORMALISERS[normaliser])
    for text in ("Is it 😀 ?", "is it 龍 ?", "is it \U000f0041 it ?", "is it \ue000 it ?"):
        if kind == "words" and ord(text[6]) > 0xE000 and normaliser != "none":
            continue  # taken away, and nothing stands for it between known words
        assert prompt(tokenizer, text).flags == ("unknown_token",), text
    if kind != "drops":  # there the option has no tokens, and is refused
        assert prompt(tokenizer, "is it", "yes", "😀").flags == ("unknown_token",)
    assert prompt(tokenizer, "is it", "yes", "no").flags == ()


def test_accents_that_are_stripped_are_flagged() -> None:
    tokenizer = trained("wordpiece", normalizers.BertNormalizer(lowercase=True))
    assert prompt(tokenizer, "is it a cafe\u0301").flags == ("unknown_token",)


@pytest.mark.parametrize("family", ["llama-byte", "opt-base"])
def test_tokenisers_with_bytes_lose_nothing(family: str, tiny: Callable[[str], Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny(family))
    found = Tokeniser(tokenizer, chat=False).notices(dated=True)
    assert found == []
    text = "Ist es 😀 龍 \ue000 e\u0301 \x01 \u200b warm?"
    assert prompt(tokenizer, text).flags == ()


def test_an_unknown_token_that_ends_texts_too() -> None:
    """GPT-2 names its end of text as the unknown token, and begins its prompts with it."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        special_tokens=["<e>"], initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(TEXT, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<e>", eos_token="<e>", unk_token="<e>"
    )
    tokenizer.chat_template = "{{ bos_token }}{{ messages[0]['content'] }}"
    chat = Tokeniser(tokenizer, chat=True)
    (found,) = chat.prompts([Query((Message("user", "Is it 😀 ?"),), (Option("a", "a"),))])
    assert found.flags == ()
    assert found.context[0] == tokenizer.eos_token_id


# Letter case


@pytest.fixture(scope="module")
def lower(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokeniser drops letter case."""
    folder = tmp_path_factory.mktemp("lower")
    tokenizer = AutoTokenizer.from_pretrained(tiny("llama-byte"))
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    AutoModelForCausalLM.from_pretrained(tiny("llama-byte")).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_prompts_that_differ_in_capitals_alone_are_refused(lower: Path) -> None:
    with pytest.raises(
        grace.GraceError, match=r"prompt 1 and prompt 2 .* does not tell letter case"
    ):
        grace.score(str(lower), ["He ate SOME.", "He ate some."], WORDS)
    with pytest.raises(grace.GraceError, match="same tokens"):
        grace.score(str(lower), ["He ate it."], ["YES", "yes"])


def test_spaces_around_a_prompt_make_no_other(tiny: Callable[[str], Path]) -> None:
    table = grace.score(str(tiny("gemma-piece")), ["It is so.", "It is so. "], WORDS)
    assert table["logprob"].nunique() == 2


def test_what_the_tokeniser_drops_is_said(lower: Path) -> None:
    (notice,) = Tokeniser(AutoTokenizer.from_pretrained(lower), chat=False).notices(dated=True)
    assert "differ in letter case alone" in notice
    bert = trained("wordpiece", normalizers.BertNormalizer(lowercase=True))
    (notice,) = Tokeniser(bert, chat=False).notices(dated=True)
    assert "letter case, accents, line breaks and spaces, one space and several" in notice


# Control tokens


def with_tokens(tiny: Callable[[str], Path], normaliser: Any, *tokens: AddedToken) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(tiny("llama-byte"))
    if normaliser is not None:
        tokenizer.backend_tokenizer.normalizer = normaliser
    tokenizer.add_tokens(list(tokens))
    return tokenizer


STOP = AddedToken("<|stop|>", special=True, normalized=True)


@pytest.mark.parametrize(
    ("normaliser", "text"),
    [
        (normalizers.NFKC(), "a ＜|stop|＞ b"),
        (normalizers.Lowercase(), "a <|STOP|> b"),
        (normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]), "a <|stóp|> b"),
        (normalizers.Replace("\u200b", ""), "a <|st\u200bop|> b"),
        (None, "a <|stop|> b"),
    ],
)
def test_a_control_token_by_another_spelling(
    normaliser: Any, text: str, tiny: Callable[[str], Path]
) -> None:
    tokenizer = with_tokens(tiny, normaliser, STOP)
    with pytest.raises(
        grace.GraceError, match=r"'<\|stop\|>', which this model reads as a control"
    ):
        prompt(tokenizer, text)
    with pytest.raises(grace.GraceError, match="as a control token"):
        prompt(tokenizer, "a", text, "no")
    assert "control_token" in prompt(tokenizer, text, control=True).flags
    assert prompt(tokenizer, "a stop b <|halt|>").flags == ()


def test_a_control_token_that_is_looked_for_as_it_is_written(tiny: Callable[[str], Path]) -> None:
    exact = AddedToken("<|stop|>", special=True, normalized=False)
    tokenizer = with_tokens(tiny, normalizers.Lowercase(), exact)
    assert prompt(tokenizer, "a <|STOP|> b").flags == ()


def test_added_tokens_that_are_not_called_special(tiny: Callable[[str], Path]) -> None:
    added = [
        AddedToken(t, special=False) for t in ("<think>", "[NOTE]", "<b>", "Laura", "😀", "\n\n")
    ]
    tokenizer = with_tokens(tiny, None, *added)
    for text in ("He wrote <think> on the wall.", "A [NOTE] said so."):
        with pytest.raises(grace.GraceError, match="as a control token"):
            prompt(tokenizer, text)
    assert prompt(tokenizer, "Laura is <b>glad</b>\n\n😀 [note] <thinks>").flags == ()


def test_the_chat_template_s_own_tokens_are_no_spelling(tiny: Callable[[str], Path]) -> None:
    tokenizer = with_tokens(tiny, normalizers.NFKC(), STOP)
    tokenizer.chat_template = CHATML.replace("<|im_end|>", "<|stop|>")
    (found,) = Tokeniser(tokenizer, chat=True).prompts(
        [Query((Message("user", "warm?"),), (Option("yes", "yes"), Option("no", "no")))]
    )
    assert found.flags == ()
