"""What cannot be asked as it was meant is refused with its place, before anything is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

import grace
from grace.config.command_line import compose
from grace.config.settings import read_settings
from grace.engines.local.tokenise import Tokeniser
from grace.scoring.option_space import asks_for_space
from grace.types import Message, Option, Query
from tests.runs.test_run import run

STUDY = """
name: tea
title: Tea
data: data/tea.csv
key: [id]
columns:
  id: {meaning: the row}
  g: {meaning: the group}
  text: {meaning: what is asked}
factors: [g]
experiments:
  "2":
    questions:
      warm:
        template: tea/warm.j2
        meaning: warm
        options: [{text: "ANSWER", name: a}, {text: "OTHER", name: b}]
"""


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Path]:
    """A small study in a folder of its own."""

    def write(*cells: str, template: str = "{{ text }}", options: str = "yes no") -> Path:
        answer, other = options.split()
        for name in ("conf/study", "data", "prompts/tea"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
        text = STUDY.replace("ANSWER", answer).replace("OTHER", other)
        (tmp_path / "conf/study/tea.yaml").write_text(text, encoding="utf-8")
        frame = pd.DataFrame({"id": [f"r{i}" for i in range(len(cells))], "g": "a", "text": cells})
        frame.to_csv(tmp_path / "data/tea.csv", index=False)
        block = "{% block user %}" + template + "{% endblock %}"
        (tmp_path / "prompts/tea/warm.j2").write_text(block, encoding="utf-8")
        return tmp_path

    return write


def told(folder: Path, model: Path, *words: str, module: str = "grace.run") -> str:
    settings = ("study=tea", "exp=2", f"model.path={model}", "model.name=m", *words)
    return run(*settings, cwd=folder, module=module, code=1)


def test_a_control_token_in_a_cell(tiny: Callable[[str], Path], study: Callable[..., Path]) -> None:
    folder = study("Is it warm?", "It says: <|im_end|> Warm?")
    output = " ".join(told(folder, tiny("llama-byte")).split())
    assert "row 2, column text: found '<|im_end|>'" in output
    assert "data/tea.csv" in output
    assert not (folder / "outputs/tea/2/m").exists()


def test_control_tokens_that_are_meant(tiny: Callable[[str], Path]) -> None:
    hf = AutoTokenizer.from_pretrained(tiny("llama-byte"))
    query = Query((Message("user", "a </s> b"),), (Option("yes", "yes"),))
    with pytest.raises(grace.GraceError, match="found '</s>'"):
        list(Tokeniser(hf, chat=True).prompts([query]))
    (prompt,) = Tokeniser(hf, chat=True, control=True).prompts([query])
    assert prompt.flags == ("control_token",)
    assert prompt.context.count(hf.eos_token_id) == 1
    started = Query((Message("user", "a"),), (Option("yes", "yes"),), answer_prefix="<s>")
    (prompt,) = Tokeniser(hf, chat=True).prompts([started])  # a setting, and so meant
    assert prompt.context[-1] == hf.convert_tokens_to_ids("<s>")


def test_an_added_token_is_one_of_control_where_the_template_writes_it(
    tiny: Callable[[str], Path],
) -> None:
    """<think> is no special token for some models, and yet theirs."""
    hf = AutoTokenizer.from_pretrained(tiny("llama-byte"))
    hf.add_tokens(["<think>", "<b>", "\n\n"], special_tokens=False)
    hf.chat_template += "{# #}{% if false %}<think>\n\n</think>{% endif %}"
    tokeniser = Tokeniser(hf, chat=True)
    for text, refused in (("<think> it", True), ("<b>bold</b>\n\nso", False)):
        query = Query((Message("user", text),))
        if refused:
            with pytest.raises(grace.GraceError, match="found '<think>'"):
                list(tokeniser.prompts([query]))
        else:
            assert next(iter(tokeniser.prompts([query]))).flags == ()


def rare(folder: Path, *, unknown: bool) -> Path:
    """A model whose tokeniser knows few characters: others become <unk>, or nothing."""
    text = ["yes no Is it warm ? Answer:"] * 5
    inner = Tokenizer(models.BPE(unk_token="<unk>" if unknown else None))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    specials = ["<s>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=80, special_tokens=specials, show_progress=False)
    inner.train_from_iterator(text, trainer)
    hf = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", unk_token="<unk>")
    config = LlamaConfig(
        vocab_size=len(hf), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    hf.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("unknown", [True, False], ids=["unk", "dropped"])
def test_characters_without_a_token(tmp_path: Path, unknown: bool) -> None:
    model = str(rare(tmp_path, unknown=unknown))
    clean = grace.score(model, ["Is it warm ? Answer:"], [" yes", " no"])
    assert set(clean["flags"]) == {""}
    flagged = grace.score(model, ["Is Ω warm ? Answer:"], [" yes", " no"])
    assert set(flagged["flags"]) == {"unknown_token"}
    with pytest.raises(
        grace.GraceError, match=r"prompt 1 and prompt 2 are the same tokens.*'Ω', 'Ψ'"
    ):
        grace.score(model, ["Is Ω warm ? Answer:", "Is Ψ warm ? Answer:"], [" yes", " no"])
    if unknown:
        emoji = grace.score(model, ["Is it warm ? Answer:"], [" yes", " 😀"])
        assert set(emoji["flags"]) == {"unknown_token"}
        with pytest.raises(grace.GraceError, match="same tokens"):
            grace.score(model, ["Is it warm ?"], [" 😀", " 😎"])


def test_rows_that_a_model_cannot_tell_apart(study: Callable[..., Path], tmp_path: Path) -> None:
    model = rare(tmp_path / "model", unknown=True)
    output = " ".join(told(study("Is Ω warm ?", "Is it warm ?", "Is Ψ warm ?"), model).split())
    assert "row 1 (question warm) and row 3 (question warm) are the same tokens" in output


def test_a_context_that_merges_away(tiny: Callable[[str], Path]) -> None:
    hf = AutoTokenizer.from_pretrained(tiny("llama-base-no-bos"))
    options = (Option("yes", "yes"),)
    text = next(t for t in (":", " ", "n") if len(hf.encode(t + "no")) == len(hf.encode("no")))
    query = Query((Message("user", text),), (Option("no", "no"), *options))
    with pytest.raises(grace.GraceError, match=r"a prompt of no tokens|is empty"):
        list(Tokeniser(hf, chat=False).prompts([query]))


def test_a_tokeniser_that_knows_more_than_the_model(
    tiny: Callable[[str], Path],
) -> None:
    hf = AutoTokenizer.from_pretrained(tiny("llama-byte"))
    query = Query((Message("user", "Warm?"),), (Option("yes", "yes"),))
    with pytest.raises(grace.GraceError, match="model knows 20: they do not belong together"):
        list(Tokeniser(hf, chat=True, vocabulary=20).prompts([query]))


@pytest.mark.parametrize(
    ("before", "option", "space"),
    [
        ("Answer:", "yes", True),
        ("Answer:", "3", True),
        ("答案：", "是", False),
        ("Answer:", "是", False),
        ("答案：", "yes", False),
        ("答案：", "3", False),
        ("答え", "はい", False),
        ("คำตอบ:", "ใช่", False),
        ("ຄໍາຕອບ:", "ແມ່ນ", False),
        ("ចម្លើយ:", "បាទ", False),
        ("အဖြေ:", "ဟုတ်", False),
        ("답:", "예", True),
        ("الجواب:", "نعم", True),
        ("उत्तर:", "हाँ", True),
        ("Ответ:", "да", True),
        ("Answer:", "“是”", False),
    ],
)
def test_a_space_where_the_writing_has_one(before: str, option: str, space: bool) -> None:
    assert asks_for_space(before, option) is space


def queries_of(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[Query]:
    from grace.asking.job import load_job
    from grace.asking.query_table import ask_job

    monkeypatch.chdir(folder)
    model = ("model.name=m", f"model.path={folder}")
    settings = read_settings(compose(["study=tea", "exp=2", *model, *words]))
    return list(ask_job(load_job(settings), chat=False))


@pytest.mark.parametrize(
    ("setting", "latin", "chinese"),
    [("auto", True, "auto"), ("always", True, True), ("never", False, False)],
)
def test_the_setting_decides_about_the_space(
    setting: str,
    latin: object,
    chinese: object,
    study: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for options, spaced in (("yes no", latin), ("是 不是", chinese)):
        folder = study("Warm?", options=options)
        (query,) = queries_of(folder, monkeypatch, f"exp.option_space={setting}")
        assert query.spaced == spaced


def test_chinese_options_are_scored_as_they_are_written(
    tiny: Callable[[str], Path], study: Callable[..., Path]
) -> None:
    """Against plain passes over the written text, without and with the space."""
    model = tiny("llama-base-no-bos")
    hf = AutoTokenizer.from_pretrained(model)
    stock = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()

    def plain(text: str, option: str) -> float:
        whole, start = hf.encode(text + option), len(hf.encode(text))
        with torch.no_grad():
            rows = torch.log_softmax(stock(torch.tensor([whole])).logits[0].double(), -1)
        return float(sum(rows[i - 1, whole[i]].item() for i in range(start, len(whole))))

    folder = study("天空是蓝色的吗？", options="是 不是")
    prefix = "exp.base_answer_prefix='答案：'"
    for setting, space in (("auto", ""), ("always", " ")):
        words = ("study=tea", "exp=2", f"model.path={model}", f"model.name={setting}", prefix)
        run(*words, f"exp.option_space={setting}", cwd=folder)
        found = folder / "outputs/tea/2" / setting
        table = pd.read_parquet(found / "responses.parquet")
        text = "天空是蓝色的吗？\n\n答案："
        expected = [plain(text, space + option) for option in ("是", "不是")]
        assert list(table["logprob"]) == pytest.approx(expected, abs=1e-4)
        manifest = json.loads((found / "manifest.json").read_text())
        assert manifest["settings"]["exp"]["option_space"] == setting
