"""Option scores equal an independent reference: one plain float32 pass an option."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import grace
from grace.engines.local.forward import Reader
from grace.engines.local.tokenise import Tokeniser
from grace.types import Message, Option, Prompt, Query
from tests.tiny import FAMILIES

PERCENTAGES = [f"{p}%" for p in range(0, 101, 10)]
PROMPTS = [
    "How likely is it that exactly 2 of the 3 letters have a stamp?",
    "How likely is it that exactly 1 of the 3 letters have a stamp?",
    "Laura tells you on the phone: 'I have looked at 1 of the 3 letters.' Is it good?\nAnswer:",
]
OPTIONS = {
    "percentages": PERCENTAGES,
    "prefixes": ["was", "wasn't", "good", "good enough", "goo"],
    "yes-no": ["yes", "no"],
    "sentences": ["It was good", "It was good at all", "It wasn't good", "10", "100%"],
}


class Reference:
    """Whole sequences through the model, one at a time; shares no code with Grace."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def context(self, prompt: str) -> tuple[str, bool]:
        if not self.tokenizer.chat_template:
            return prompt, True
        turns = [{"role": "user", "content": prompt}]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return text, False

    def scores(self, prompt: str, options: list[str]) -> list[tuple[list[int], float]]:
        """Each option's tokens behind what all share with the context, and its log-probability."""
        text, special = self.context(prompt)
        context = self.tokenizer(text, add_special_tokens=special).input_ids
        wholes = [
            self.tokenizer(text + option, add_special_tokens=special).input_ids
            for option in options
        ]
        start = len(context)
        for whole in wholes:
            while whole[:start] != context[:start]:
                start -= 1
        found = []
        for whole in wholes:
            with torch.no_grad():
                logits = self.model(torch.tensor([whole])).logits[0].double()
            logprobs = torch.log_softmax(logits, -1)
            total = sum(logprobs[i - 1, whole[i]].item() for i in range(start, len(whole)))
            found.append((whole[start:], total))
        return found


def disjoint(scores: list[tuple[list[int], float]]) -> list[float]:
    """Masses by their definition: a form's probability less that of each next longer form."""
    masses = []
    for ids, logprob in scores:
        longer = [(o, lp) for o, lp in scores if len(o) > len(ids) and o[: len(ids)] == ids]
        nearest = [
            lp
            for o, lp in longer
            if not any(o[: len(m)] == m and len(m) < len(o) for m, _ in longer if m != o)
        ]
        masses.append(math.exp(logprob) - sum(math.exp(lp) for lp in nearest))
    return masses


@pytest.mark.parametrize("options", OPTIONS, ids=list(OPTIONS))
@pytest.mark.parametrize("family", [f.name for f in FAMILIES])
def test_scores_equal_the_reference(family: str, options: str, tiny: Callable[[str], Path]) -> None:
    folder = tiny(family)
    reference = Reference(folder)
    table = grace.score(str(folder), PROMPTS, OPTIONS[options])
    assert len(table) == len(PROMPTS) * len(OPTIONS[options])
    for prompt in PROMPTS:
        expected = reference.scores(prompt, OPTIONS[options])
        rows = table[table["prompt"] == prompt]
        assert list(rows["option"]) == OPTIONS[options]
        assert list(rows["n_tokens"]) == [len(ids) for ids, _ in expected]
        assert list(rows["logprob"]) == pytest.approx([lp for _, lp in expected], abs=1e-4)
        masses = disjoint(expected)
        assert rows["mass"].iloc[0] == pytest.approx(sum(masses), rel=1e-4)
        shares = [m / sum(masses) for m in masses]
        assert list(rows["prob"]) == pytest.approx(shares, abs=1e-5)
        assert rows["prob"].sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("family", [f.name for f in FAMILIES])
def test_prompts_made_together_are_those_made_alone(
    family: str, tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is remembered from one prompt to the next, and however many are made at once."""
    hf = AutoTokenizer.from_pretrained(tiny(family))
    queries = [
        Query((Message("user", prompt),), tuple(Option(o, o) for o in options), None, start, spaced)
        for start, spaced in (("", False), ("", True), ("Answer:", True), ("I say " * 30, False))
        for options in OPTIONS.values()
        for prompt in PROMPTS
    ]

    def made(*queries: Query) -> list[Prompt]:
        return list(Tokeniser(hf, chat=bool(hf.chat_template)).prompts(queries))

    alone = [made(query)[0] for query in queries]
    assert made(*queries) == alone
    assert made(*reversed(queries)) == alone[::-1]
    monkeypatch.setattr("grace.engines.local.tokenise.TOGETHER", 500)
    assert made(*queries) == alone


def test_a_merging_boundary_is_flagged(tiny: Callable[[str], Path]) -> None:
    table = grace.score(str(tiny("opt-base")), PROMPTS[2:], ["yes", "no"])
    tokenizer = AutoTokenizer.from_pretrained(tiny("opt-base"))
    assert ":no" in tokenizer.tokenize("Answer:no")[-1]  # the tokeniser does merge
    assert set(table["flags"]) == {"boundary_merged"}


def test_the_system_turn_is_merged_where_a_template_refuses_it(
    tiny: Callable[[str], Path],
) -> None:
    folder = str(tiny("gemma-piece"))
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "So?"}]
    apart = grace.score(folder, [turns], ["yes", "no"])
    merged = grace.score(folder, ["Be brief.\n\nSo?"], ["yes", "no"])
    assert list(apart["logprob"]) == list(merged["logprob"])


def test_surface_forms_add_mass_and_leave_the_written_logprob(
    tiny: Callable[[str], Path],
) -> None:
    folder = str(tiny("llama-byte"))
    bare = grace.score(folder, PROMPTS[:1], ["yes", "no"])
    more = grace.score(folder, PROMPTS[:1], ["yes", "no"], forms=True)
    spellings = ["yes", "Yes", "YES", " yes", " Yes", " YES", "no", "No", "NO", " no", " No", " NO"]
    each = grace.score(folder, PROMPTS[:1], spellings)
    assert list(more["logprob"]) == pytest.approx(list(bare["logprob"]), abs=1e-6)
    assert more["mass"].iloc[0] == pytest.approx(each["mass"].iloc[0], rel=1e-6)
    assert more["mass"].iloc[0] > bare["mass"].iloc[0]


def test_options_that_are_the_same_tokens_are_refused(tiny: Callable[[str], Path]) -> None:
    with pytest.raises(grace.GraceError, match="each once"):
        grace.score(str(tiny("llama-byte")), PROMPTS, ["yes", "yes"])
    with pytest.raises(grace.GraceError, match="empty option"):
        grace.score(str(tiny("llama-byte")), PROMPTS, ["yes", ""])
    with pytest.raises(grace.GraceError, match="same tokens"):
        grace.score(str(tiny("llama-byte")), PROMPTS, ["yes", "Yes"], forms=True)


def test_a_prompt_longer_than_the_model_is_missing_with_its_reason(
    tiny: Callable[[str], Path],
) -> None:
    long = "letters " * 2100
    table = grace.score(str(tiny("llama-byte")), [long, PROMPTS[0]], ["yes", "no"])
    assert table["logprob"].isna().tolist() == [True, True, False, False]
    assert "2048" in table["flags"].iloc[0]
    assert table["prob"].iloc[2:].sum() == pytest.approx(1, abs=1e-9)


def test_batches_of_any_size_agree(tiny: Callable[[str], Path]) -> None:
    tables = [
        grace.score(
            str(tiny("gemma-piece")),
            [f"{p} {i}" for p in PROMPTS for i in range(5)],
            PERCENTAGES,
            overrides=[f"engine.max_batch_tokens={n}"],
        )
        for n in (1, 300, 100_000)
    ]
    for one, other in pairwise(tables):
        assert list(one["logprob"]) == pytest.approx(list(other["logprob"]), abs=1e-4)


@pytest.mark.parametrize("family", [f.name for f in FAMILIES])
def test_the_packed_tree_is_used_wherever_the_architecture_allows(
    family: str, tiny: Callable[[str], Path]
) -> None:
    """State-space models pass a state along the sequence: there each path goes by itself."""
    folder = tiny(family)
    reader = Reader(AutoModelForCausalLM.from_pretrained(folder).eval(), max_tokens=1024)
    assert reader.way == ("plain" if family == "mamba-base" else "packed"), reader.why
