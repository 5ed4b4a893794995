"""Words that take an answer back or leave it open, in the languages models answer in.

An answer that stands beside one of them is missing: whether "Yes, but only about two" is a yes
is for people to decide. The words are in reservations.yaml. All texts are plain, as
`Passage.plain` is. What is said in sentences of its own after an answer: remarks.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import regex

from grace.questions.parsing.phrases import any_of, pattern, phrases

_TICKS, _CROSSES, _SHRUGS = "✅✔✓👍💯", "✗✘✖❌❎🚫⛔👎🙅", "🤔🤨🙄🤷🙃😏😉🤥🤪😬😂🤣😅😆😜😝"

NEGATION = pattern("negations")
_CONTRAST = pattern("contrasts")
_HEDGE = pattern("hedges")
_GAP = pattern("gaps")
_BOUND = pattern("bounds")
_SUPPOSED = pattern("supposed")
_SUPPOSES = pattern("supposing")
_OTHERS = pattern("others")
_AFFIRMED = pattern("affirmations")
_CONFIRMED = pattern("confirmations")
_NEEDS = regex.compile(r"\b(?:needs?|ha[sd]|have|'d have) to\b")
_NUMBERED = regex.compile(r"\. *[0-9]+\W*")
_KNOWN = pattern("knowledge")
_CONDITION = pattern("conditions")
_REFUTED = pattern("refutations")
_HEADING = pattern("headings")
_HEADS = set(phrases("heads"))
_LEADING = pattern("leading")
_HEADING_ALONE = pattern("headings_alone")
#: Words of a line that is a heading without a colon.
_SHORT = 4
_HYPOTHETICAL = pattern("hypothetical")
_EXAMPLE = pattern("examples")
_SUMS = pattern("sums")
_CORRECTED = pattern("corrections")
_PUNCTUATION = r"""[\s,;:.!()"'|>•-]*+"""
_STARTS_BOUND = regex.compile(rf"{_PUNCTUATION}(?:{any_of('beginnings')}|{any_of('negations')})")
_STARTS_HEDGE = regex.compile(rf"{_PUNCTUATION}{any_of('hedges')}")
_STARTS_CONTRARY = regex.compile(
    rf"{_PUNCTUATION}(?:(?:comment|note|remark|explanation|reason|caveat)s?: *)?"
    r"\b(?:but|or|however|unless|except|although|though|maybe|perhaps"
    r"|not|no(?= *[,.!-])|well|assuming|if|provided|(?:that|this)(?:'s| is) what"
    r"|i (?:cannot|can't|do not|don't|lied)|(?:note|n\.b\.|p\.?s)\b[^\n]*(?:n't|\bnot|\bnever))\b"
)
_STARTS_AS_I = regex.compile(
    rf"{_PUNCTUATION}(?:i|we|you|the (?:listener|hearer|reader|user|caller|other\w*)) +"
    r"(?:can|cannot|can't|could|couldn't|does|doesn't|do|don't|did|am|are|have|know|would not)\b"
)
_DOES = regex.compile(
    r"\b\p{L}+ (?:does|do|did|is|are|was|were|has|have|can|will|would|should)"
    r" *(?:indeed|so)?[ .!]*$"
)
_TURNS = regex.compile(rf"""[ "'()>•.!,;-]*(?:{any_of("turns")}|\n[\s>•"'(-]*{any_of("lines")})""")
_DENIED = regex.compile(
    r"(?:n't|\b(?:not|never|cannot|no one|nobody|no +\w+)\b)(?: +\w+){0,2} +(?:say|tell|answer"
    r"|admit|use|mean|utter|choose|put|go|dare)(?: +\w+){0,2} +(?:that|this|so|it|these|far)\b"
    r"(?= *(?:$|[.!,;)\n]|far|to |aloud|out ))"
    r"|(?:^ *|[.!?\n\"'(,] *)(?:that|this|it|which)(?:'s| +is| +was| +would +be| +seems"
    r"| +sounds| +would| +might +be)"
    rf"(?: +\w+){{0,2}} +{any_of('denials')}"
    r"|\b(?:that|this|it)(?:'s| +is| +was)? *(?:is|was|would be)?n't +what\b"
    r"|\b(?:would|will|could|can|does|do)(?: +not|n't) *(?:$|[.!\n])"
    rf"|{any_of('silence')}"
)
_SHARE = regex.compile(r"(?<!\b100) *(?<!100)%")
_WINKS = regex.compile(r";-?\)|/s\b|\b(?:sarcas\w*|iron(?:y|ic\w*)|kidding|jok(?:e|ing)|lol)\b")
#: "She does", after "yes"; a picture or a mark says nothing more.
_SHE_DOES = regex.compile(r"\W*(?:s?he|they) (?:does|do|did)\W*")
_SAYS = regex.compile(r"[\p{L}\p{N}]")
_SENTENCE = regex.compile(r"[^.!\n]+")
#: A part, or what is true of a part: "he opened two". All of them may be named as well.
_SOME = regex.compile(r"\b(?:one|two|both|half|1|2)\b")
_EXACTLY = regex.compile(rf"{_PUNCTUATION}exactly \w+[.!]*")
_ALL = regex.compile(r"\b(?:all|every\w*|each|three|3)\b(?! (?:one|two|1|2)\b)")
#: Directly after yes or no, of another than the one asked about.
_OF_ANOTHER = regex.compile(
    rf"{_PUNCTUATION}(?:(?:the|an?) (?!speaker|friend)\w+ (?:knows?|knew|does|did|do|can)(?:n't)?\b"
    r"|(?:her|his|their|my|your|our|another)\b)"
)
_ONLY = regex.compile(r"\b(?:only|just|merely|nur|seulement|solo|sólo|soltanto|alleen)\b")

Polarity = Literal["yes", "no"] | None
_YES, _NO = set(phrases("affirming")), set(phrases("denying"))


def polarity(spellings: Iterable[str]) -> Polarity:
    """Whether a choice, by its plain spellings, affirms or denies."""
    words = set(spellings)
    return "yes" if words & _YES else "no" if words & _NO else None


def leaves_choice_open(rest: str, affirms: Polarity) -> bool:
    """Whether what follows a choice in its line contradicts it or holds it back."""
    if "?" in rest or "☐" in rest or _has(rest, _SHRUGS) or _WINKS.search(rest):
        return True
    if _STARTS_AS_I.match(rest) or _OF_ANOTHER.match(rest) or _CONTRAST.search(rest):
        return True
    if affirms == "yes":
        hedged = _HEDGE.search(rest) or _GAP.search(rest) or _SHARE.search(rest)
        some = _SOME.search(rest) and not _ALL.search(rest) and not _EXACTLY.fullmatch(rest)
        plain = not _SAYS.search(rest) or _CONFIRMED.search(rest) or _SHE_DOES.fullmatch(rest)
        return bool(hedged or some or not plain or NEGATION.search(rest)) or _has(rest, _CROSSES)
    if affirms == "no":
        denied = NEGATION.search(rest) or _ONLY.search(rest) or _NEEDS.search(rest)
        does = not denied and (_DOES.search(rest) or _AFFIRMED.search(rest))
        refused = _REFUTED.search(rest) or _STARTS_HEDGE.match(rest)
        numbered = _NUMBERED.fullmatch(rest)  # "No. 1"
        return bool(does or refused or numbered) or _knows_all(rest) or _has(rest, _TICKS)
    return bool(_STARTS_BOUND.match(rest) or _BOUND.search(rest)) or _has(rest, _CROSSES)


def _knows_all(text: str) -> bool:
    """Whether a sentence says that everything is known, and nothing else."""
    return any(
        _KNOWN.search(one[0]) and not NEGATION.search(one[0]) and not _CONDITION.search(one[0])
        for one in _SENTENCE.finditer(text)
    )


def leaves_number_open(rest: str) -> bool:
    """Whether what follows a number in its line makes it a bound or a guess among others."""
    return bool(
        "?" in rest
        or _WINKS.search(rest)
        or _STARTS_BOUND.match(rest)
        or _BOUND.search(rest)
        or _STARTS_AS_I.match(rest)
        or _has(rest, _SHRUGS + _CROSSES)
    )


def turns_against(after: str) -> bool:
    """Whether what follows a sentence begins by taking it back, or later denies it."""
    return bool(_TURNS.match(after) or _DENIED.search(after))


def supposes(words: str) -> bool:
    """Whether words before a sentence suppose it, or say what might be or was."""
    return bool(_SUPPOSES.search(words))


def denies_speech(words: str) -> bool:
    """Whether the clause that introduces a sentence denies it; reasons before may deny."""
    return bool(NEGATION.search(words.rstrip("\"' ,:").rsplit(",", 1)[-1]))


def contradicts(line: str) -> bool:
    """Whether the line after an answer's line begins by taking it back."""
    return bool(_STARTS_CONTRARY.match(line))


def _has(text: str, pictures: str) -> bool:
    return not text.isascii() and any(picture in text for picture in pictures)


def said_in_doubt(words: str) -> bool:
    """Whether words before an answer deny it, suppose it, or give it to another."""
    return bool(NEGATION.search(words) or _SUPPOSED.search(words) or _OTHERS.search(words))


def leads_over(line: str) -> bool:
    """Whether a line that ends in a colon says that the answer follows."""
    return bool(_LEADING.search(line))


def headed_by_doubt(line: str) -> bool:
    """Whether a line says that what follows is a draft, an example or the format."""
    words = line.strip("\"' ()>•*")
    if ":" not in words and len(words.split()) <= _SHORT and _HEADING_ALONE.search(words):
        return True
    if words.endswith(":"):
        return bool(_HEADING.search(words) or _EXAMPLE.search(words))
    return words in _HEADS or bool(_HYPOTHETICAL.search(words))


def corrects_only_what_follows(prose: str) -> bool:
    """Whether the words between a withdrawal and a new answer leave other answers as they are.

    "Correction:", or that the percentages did not add up.
    """
    if _SUMS.search(prose):
        return True
    return bool(_CORRECTED.search(prose)) and len(prose.split()) <= 4


def frowns(text: str) -> bool:
    """Whether pictures after a sentence take it back or make fun of it."""
    return _has(text, _SHRUGS + _CROSSES)
