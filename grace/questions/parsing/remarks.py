"""What is said after an answer, in sentences of its own.

Most of it explains the answer. Some of it takes the answer back ("That's wrong."), denies it
("Yes", then "Nobody could know that") or says that it is no answer. There is no end to ways of
doing so; the lists in remarks.yaml have the ways of speaking that are common in thirteen languages,
and a sentence of a word or three that is not known to be harmless is taken for one of them. All
texts are plain, as `Passage.plain` is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import regex

from grace.questions.parsing.phrases import any_of, pattern
from grace.questions.parsing.prefix import CUT
from grace.questions.parsing.reservations import NEGATION, Polarity

#: Where something new begins, rather than goes on within a sentence.
_BEGINS = re.compile(
    r"(?:\A|[.!?;:(\"\n]|\s--?\s|,\s(?=(?:no|wait(?!,? and)|actually|sorry|or|that|it)\b))"
    r"[ >•(\"'-]{0,9}(?=[^\W\d_]|/s)"
)
#: Words that may go before.
_LEAD = re.compile(
    r"(?:oh|ah|well|but|and|so|hey|okay|ok|no|now|in fact|honestly|to be honest|in truth"
    r"|unfortunately|obviously|clearly|though|then|again|yes)[, ]{1,3}"
)
_WITHDRAWAL = pattern("withdrawals")
_LETTERS = re.compile(r"[^\W\d_]")
_SENTENCE = regex.compile(r"[^.!?\n]+\??")
_WORD = regex.compile(r"[\p{L}\p{M}]+(?:'\p{L}+)?")
_LETTER = regex.compile(r"\p{L}")
_IDEOGRAPH = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
_DIGIT = regex.compile(r"[\p{N}%]")
_HARMLESS = pattern("harmless")
_COURTESY = re.compile(rf"[\W\d_]*{any_of('courtesies')}")
_DENIED = pattern("denials_below")
_PARTLY_DENIED = pattern("parts_below")
_NEGATION_ABROAD = pattern("negations", but="en")
_SOME = regex.compile(r"\b(?:one|two|both|half|1|2)\b")
_ALL = regex.compile(r"\b(?:all|every\w*|each|three|3)\b(?! (?:but|except|one|two|1|2)\b)")
_CERTAIN = pattern("certainties")
_DOUBLY_DENIED = pattern("double_denials")
_LIMITED = pattern("limits_below")
_REFERS = pattern("references")
_REASON = re.compile(r"(?:because|since)\b")
_DANGER = pattern("dangers")
#: What begins by speaking of what stands before it.
_POINTS = re.compile(r"(?:that|it)(?:'s|\s+(?:is|was|would|does|did|has|had|can|could))\b")
_EXPLAINS = pattern("explanations")
_MILD = pattern("mild")
_CONFIRMED = pattern("confirmations")
_ABSTAINS = pattern("abstentions")
_STATES = regex.compile(
    r"\b(?:rat(?:e|ing)|answer|choose|pick|say|give|scor(?:e|ing)|estimate|guess|settle|go with)\b"
)
#: As many words make a sentence that is likely to explain something.
_FEW = 3
#: As many are about the answer, if they have a word that takes it back.
_SHORT = 5
_BELOW = 5000


def withdrawals(text: str, start: int = 0) -> Iterator[int]:
    """Where an answer before is taken back or given anew: "Wait, …", "That's wrong"."""
    if not _LETTERS.search(text, start):
        return
    for begins in _BEGINS.finditer(text, start):
        place = begins.end()
        if _WITHDRAWAL.match(text, place):
            yield place
        elif (lead := _LEAD.match(text, place)) and _WITHDRAWAL.match(text, lead.end()):
            yield lead.end()


def states(line: str) -> bool:
    """Whether a line after an answer speaks of giving one: "I would rate it 6"."""
    return bool(_STATES.search(line))


def stray(
    below: str, *, polar: bool = False, known: regex.Pattern[str] | None = None
) -> int | None:
    """Where a sentence of few words stands that is not known to take nothing back.

    "Opposite day!" and "Es falso." are few words, and so is "The end.". Numbers, headings and
    what belongs to a layout are none. `polar` if it stands below a yes or no, which a few words may
    deny or confirm ("She doesn't.") without taking anything else back; `known` is how sentences
    begin that were judged already.
    """
    for match in _SENTENCE.finditer(below, 0, _BELOW):
        sentence = match[0].strip(" \"'()|>•*-,;^")
        if not _LETTERS.search(sentence) or sentence.endswith(CUT) or _COURTESY.match(sentence):
            continue
        if known and known.match(sentence):
            continue
        length = _length(sentence)
        refers = _REFERS.search(sentence) or _POINTS.match(sentence)
        if _REASON.match(sentence):
            continue
        if (refers or length <= _SHORT) and _DANGER.search(sentence):
            return match.start()
        if sentence.endswith(":") or _DIGIT.search(sentence) or _HARMLESS.search(sentence):
            continue
        if refers and not _EXPLAINS.search(sentence):
            return match.start()
        if not length <= _FEW:
            continue
        if polar and any(p.search(sentence) for p in (_MILD, NEGATION, _LIMITED, _DENIED)):
            continue
        return match.start()
    return None


def _length(sentence: str) -> float:
    """The words of a sentence; two characters count as one where no spaces divide words."""
    unspaced = len(_IDEOGRAPH.findall(sentence))
    return len(_WORD.findall(_IDEOGRAPH.sub("", sentence))) + unspaced / 2


def denied_below(below: str, affirms: Polarity) -> bool:
    """Whether the lines below a choice explain the contrary, or say that it cannot be known."""
    judge = {"yes": _denies, "no": _affirms}.get(affirms or "", _abstains)
    return any(
        judge(match[0])
        for match in _SENTENCE.finditer(below, 0, _BELOW)
        if _LETTER.search(match[0]) and not _COURTESY.match(match[0])
    )


def _denies(sentence: str) -> bool:
    """Whether a sentence below a yes denies or doubts it, or does not say that it is all."""
    if _DENIED.search(sentence) or _NEGATION_ABROAD.search(sentence) or "?" in sentence:
        return True
    if _ALL.search(sentence):
        return False
    if NEGATION.search(sentence) or _PARTLY_DENIED.search(sentence) or _SOME.search(sentence):
        return True
    return not _CERTAIN.search(sentence) and not _CONFIRMED.search(sentence)


def _affirms(sentence: str) -> bool:
    """Whether a sentence below a no says that everything is known."""
    if _DOUBLY_DENIED.search(sentence) or "?" in sentence:
        return True
    if not _CERTAIN.search(sentence) or NEGATION.search(sentence) or _LIMITED.search(sentence):
        return False
    return not _SOME.search(sentence) or bool(_ALL.search(sentence))


def _abstains(sentence: str) -> bool:
    return bool(_ABSTAINS.search(sentence))
