"""What a model thought, apart from what it answered.

A model that reasons may write its thoughts into the same text as its answer. A draft among
them is no answer, so they are cut out before anything is read: whole blocks, what stands
before a closing tag whose opening one stood in the prompt, and everything from an opening tag
on that is never closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

_NAMES = (
    r"(?:seed:|antml:|ant)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?|scratch_?pad"
    r"|(?:inner|internal)_?(?:monologue|thoughts?|prefix)|chain_of_thought|cot|analysis)"
)
_OPEN, _CLOSE = r"(?:<|&lt;|＜|〈|⟨|◁|\[|【)", r"(?:>|&gt;|＞|〉|⟩|▷|\]|】)"
_GAP = r"\s{0,3}\|?\s{0,3}"
_END = rf"{_OPEN}{_GAP}[/／]{_GAP}{_NAMES}{_GAP}{_CLOSE}"
#: Pairs of marks, as models write them. The first ones are one family: `<think>` may be closed
#: by `</thinking>`. Of the others the second column is what ends the thoughts.
_PAIRS = (
    (rf"{_OPEN}{_GAP}{_NAMES}(?:\s[^<>\n]{{0,80}})?{_GAP}{_CLOSE}", _END),
    (r"<\|?\s?(?:start_thinking|begin_of_thought)\s?\|?>",
     r"<\|?\s?(?:end_thinking|end_of_thought)\s?\|?>"),
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    (r"<(?:draft|plan)>", r"</(?:draft|plan)>"),
    # gpt-oss: anything but the final channel, or a channel's name with its marks left out.
    (r"(?:<\|start\|>\s?assistant\s?)?<\|channel\|>\s?(?!\s?final\b)\w+[^<]{0,80}(?:<\|message\|>)?",
     r"<\|channel\|>\s?final\b[^<]{0,80}(?:<\|message\|>)?"),
    (r"\A\s*analysis(?=[A-Z\"'])", r"assistant ?final"),
    (r"<\|?channel\|?>\s?(?:thought|analysis)\b", r"<\|?channel\|?>(?!\s?(?:thought|analysis)\b)"),
    (r"^[ \t]{0,9}thinking ?(?:\.\.\.|…)[ \t]{0,9}$",
     r"^[ \t]{0,9}(?:\.\.\.|…) ?done thinking\.?[ \t]{0,9}$"),
    (r"\A\s*here(?:'s| is| are) my (?:thought process|thoughts)\s*:", r"\bhere is my response\s*:"),
)  # fmt: skip
_FLAGS = regex.IGNORECASE | regex.MULTILINE
_MARKS = tuple((regex.compile(a, _FLAGS), regex.compile(b, _FLAGS)) for a, b in _PAIRS)
#: Marks of the protocol around an answer that say nothing.
_WRAPPING = regex.compile(
    r"<\|(?:end|return|start|message|call|im_end|im_start|eot_id|endoftext|start_response"
    r"|end_response|begin_of_solution|end_of_solution|eot|end_of_text|end_of_turn|eom_id)\|>"
    r"|<(?:end_of_turn|eos|eot|turn\|)>|</?s>(?=\s*\Z)",
    regex.IGNORECASE,
)
#: A block whose end is one of other blocks too: ```thinking … ```, and a fold of a page.
_BLOCK = regex.compile(
    rf"^[ \t]*```[ \t]*{_NAMES}[ \t]*\n(?P<inner>.*?)(?P<end>^[ \t]*```[ \t]*$|\Z)"
    r"|<details\b[^<>]{0,40}>\s{0,9}<summary>[^<]{0,60}\b(?:think|thought|reason)[^<]{0,60}</summary>"
    r"(?P<inner>.*?)(?P<end></details>|\Z)",
    _FLAGS | regex.DOTALL,
)
#: No mark of any pair without one of these, so that most texts are passed on at once.
_HINT = regex.compile(
    r"[<＜〈⟨◁\[【]|&lt;|```|\A\s*analysis|thinking\s*(?:\.\.\.|…)|my thought|here is my response",
    regex.IGNORECASE,
)


@dataclass(frozen=True)
class Split:
    """An answer without its thoughts. `finished` is False where the thoughts never ended."""

    answer: str
    thoughts: str = ""
    finished: bool = True


def split_thoughts(text: str) -> Split:
    """Divide what a model wrote into thoughts and answer; without thoughts all is answer.

    Every closed block goes, and so does everything before a closing tag that was not opened
    (its opening tag was the end of the prompt). What follows an opening tag without an end is
    thoughts too: a draft in it was never given as an answer.
    """
    if not _HINT.search(text):
        return Split(text)
    thoughts: list[str] = []
    answer, finished = _BLOCK.sub(_as_tags, text), True
    for opening, closing in _MARKS:
        answer, found, ended = _cut(answer, opening, closing)
        thoughts += found
        finished = finished and ended
    answer = _WRAPPING.sub("\n", answer) if "<" in answer else answer
    return Split(answer, "\n".join(t for t in (t.strip() for t in thoughts) if t), finished)


def _as_tags(block: regex.Match[str]) -> str:
    return f"<think>{block['inner']}" + ("</think>" if block["end"] else "")


def _cut(
    text: str, opening: regex.Pattern[str], closing: regex.Pattern[str]
) -> tuple[str, list[str], bool]:
    """A text without what stands between two kinds of marks; what it was; whether it ended.

    Read from left to right in one go. A closing mark outside any block makes everything
    before it thoughts, also what looked like an answer.
    """
    marks = [(m.start(), m.end(), True) for m in opening.finditer(text)]
    ends = [(m.start(), m.end(), False) for m in closing.finditer(text)]
    if not marks and not ends:
        return text, [], True
    kept: list[str] = []
    thoughts: list[str] = []
    place, inside = 0, False
    for start, end, opens in sorted(marks + ends):
        if start < place:  # within the mark before
            continue
        if inside and not opens:
            thoughts.append(text[place:start])
            inside, place = False, end
        elif not inside and opens:
            kept.append(text[place:start])
            inside, place = True, end
        elif not inside:  # closed, but never opened
            thoughts += [*kept, text[place:start]]
            kept, place = [], end
    (thoughts if inside else kept).append(text[place:])
    return "\n".join(kept), thoughts, not inside
