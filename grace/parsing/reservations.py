"""Words that take an answer back or leave it open, in the languages models answer in.

An answer that stands beside one of them is missing: whether "Yes, but only about two" is a yes
is for people to decide. The lists can only make the reading stricter, never choose an answer.
All texts are plain, as `Passage.plain` is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import regex


def _words(text: str) -> str:
    """Alternatives of whole words or phrases."""
    return rf"\b(?:{'|'.join(phrase.replace(' ', ' +') for phrase in text.split(', '))})\b"


_NEGATIONS = (
    _words(
        "not, never, no, nobody, no one, none, nothing, nowhere, neither, nor, hardly, barely, "
        "scarcely, without, cannot, fails?, refus\\w+, avoid\\w*, refrain\\w*, "
        "impossible, unable, unaware, unsure, uncertain, wrong\\w*, incorrect\\w*, false\\w*, "
        "untrue, doubt\\w*, mistak\\w+, (?:ca|wo|do|would|does|is|was|could|should|did|are|were"
        "|has|have|had)nt, "
        "nicht, kein\\w*, nie, niemals, niemand, nein, ohne, pas, jamais, rien, non, sans, aucun\\w*, "
        "nunca, jamás, nada, ning\\w+, sin, nessun\\w*, nulla, senza, não, nem, sem, niet, geen, "
        "nooit, zonder, не, нет, никогда, без, ни, inte, aldrig, ikke, aldri, bez, değil, asla, "
        "yok, لا, ليس, لم, لن, غير, नहीं, नही, मत, δεν, όχι, μη, לא"
    )
    + r"|n't\b|\bn['’]|[不没沒非未无無勿]|ない|なく|ません|않|못|아니|없"
)
_CONTRASTS = (
    _words(
        "but, however, though, although, albeit, except\\w*, yet, unless, on the contrary, "
        "nevertheless, nonetheless, whereas, "
        "aber, jedoch, allerdings, sondern, außer, obwohl, doch, mais, cependant, sauf, toutefois, "
        "pero, sino, aunque, salvo, ma, però, tranne, mas, porém, embora, exceto, maar, echter, "
        "но, однако, хотя, кроме, men, dock, ale, jednak, ama, fakat, ancak, لكن, إلا, लेकिन, परंतु, αλλά, אבל"
    )
    + r"|但|可是|不过|不過|然而|除了|でも|しかし|けど|けれど|ただし|하지만|그러나|지만"
)
_HEDGES = _words(
    "if, only (?:if|about|when|for|in part|some|partly|partially|roughly|the|one|two|of), partly, "
    "partially, in part, sort of, kind of, in (?:a|some|one) (?:sense|way|respect)s?, "
    "to (?:some|an|a certain) (?:extent|degree), depend\\w*, half, almost, nearly, "
    "more or less, assuming, provided, supposedly, until, otherwise, maybe, perhaps, possibly, "
    "conceivably, actually, rather, instead, technically, as if, vielleicht, teilweise, fast, peut-être, en partie, "
    "quizás?, tal vez, casi, forse, quasi, talvez, misschien, возможно, почти, kanske, måske"
) + r"|也许|可能|或许|たぶん|かも|多分|아마"
_OPEN_NUMBER = (
    _words(
        "or (?:so|more|less|fewer|not|even|possibly|maybe|perhaps|almost|nearly|thereabouts|higher"
        "|lower|above|below|up|over|under), at (?:least|most|minimum|maximum|best|worst), "
        "give or take, more or less, maybe, perhaps, possibly, and (?:up|more|above|counting), "
        "not (?:sure|certain|really|quite|exactly|necessarily|enough|the|my|right|correct|true|more"
        "|less|at all), (?:is|are|was|would be|looks|seems) (?:not|wrong|incorrect|false|impossible)"
        ", wrong, incorrect, isn't (?:right|correct|true|it), "
        "i take (?:that|it|this) back, scratch that, i was wrong, i mean, unless, except\\w*, "
        "i (?:can't|cannot|can not|do not|don't), can't (?:say|tell|know|be), cannot (?:say|tell|know"
        "|be), unknown, unclear, unknowable, insufficient, impossible, not given, n/a, "
        "mindestens, höchstens, oder (?:mehr|weniger), au (?:moins|plus), ou (?:plus|moins), "
        "al menos, como (?:mínimo|máximo), o (?:más|menos), almeno, minstens"
    )
    + r"|以上|以下|至少|左右|大约|くらい|ぐらい|程度|이상|이하|정도|[±≈≠≥≤]|\+"
)
_OPEN_START = _words(
    "not, never, no, or, if, but, more, less, fewer, higher, lower, about, around, roughly, "
    "approximately, approx, estimated, plus, minus, almost, nearly, ish, probably not, "
    "of (?:the (?:rest|remaining|time)|what|those), up to, half, older, wrong, lie, false"
)
_FIRST_PERSON = _words("i (?:can|cannot|can't|could|couldn't|do|don't|did|am|have|know|would not)")
_WITHDRAWALS = (
    "wait, hold on, hang on, hm+, oops, actually, correction, correct(?:ed|ing), errat\\w+, "
    "on (?:second thoughts?|reflection), scratch that, strike that, never ?mind, "
    "i take (?:that|it|this) back, i made an? (?:mistake|error), my (?:mistake|bad|apologies), "
    "sorry, apologies, let me (?:re\\w*|correct|fix|try|redo|start|change|think), "
    "let's (?:re\\w+|fix), revis(?:ed|ion|ing), updated?, edit(?:ed)?, "
    "no,? (?:wait|sorry|actually|no|rather), i mean(?:t)?, or rather, rather, better(?=\\s*:), "
    "just (?:kidding|joking|an example|a draft), (?:that|this) was a joke, "
    "(?:(?:the|my) )?(?:final|new|better|correct|right|real) (?:answer|version|values?|numbers?), "
    "i (?:changed?|have changed|want to change|need to (?:change|correct|revise)), "
    "on the other hand, (?:this|that|these) (?:is|was|are) (?:only |just )?(?:an? )?"
    "(?:examples?|drafts?|guess), "
    "(?:that|this|it|the above|the first|these|those|my \\w+|what i (?:said|wrote))(?: \\w+)? (?:"
    "(?:is|was|are|were) (?:not (?:right|correct|true|possible)|wrong\\w*|incorrect|false|mistaken"
    "|an error|a mistake)|(?:isn't|wasn't|aren't) (?:right|correct|true|possible)"
    "|(?:should|must) (?:be|have been)|(?:cannot|can't|could not|couldn't) be), "
    "moment, warte, korrektur, korrigiert, halt, quatsch, attends, attendez, rectification, "
    "pardon, espera, esperen?, corrección, perdón, mejor dicho, aspetta, correzione, anzi, wacht, "
    "correctie, correção, aliás, постой\\w*, подожд\\w+, стоп, исправление, точнее, vänta, "
    "rättelse, vent, dur, düzeltme, انتظر, تصحيح, रुको"
)
_WITHDRAWAL = regex.compile(
    rf"(?:{_words(_WITHDRAWALS)}|等等|等一下|更正|不对|不對|待って|訂正|いや[、,]|잠깐|정정)"
    r"(?=[^\n]*[\w.,:!])"
)
#: Where these words begin something new, rather than stand within a sentence.
_BEGINS = regex.compile(
    r"(?:\A|[.!?;:(\"\n]|\s- |,\s(?=(?:no|wait|actually|sorry|or)\b))[ >•(\"'-]{0,9}"
    r"(?:(?:oh|ah|well|but|and|so|hey|okay|ok|no)[, ]{1,3})?"
)
_REACH = 20
_SUMS = regex.compile(_words("add(?:s|ed|ing)?, sum\\w*, total\\w*, 100, percentages"))
_CORRECTED = regex.compile(
    _words("correct(?:ion|ed)?, revised, updated?, korrektur, corrección, correzione, correctie")
    + "|更正|訂正|정정"
)
_TICKS, _CROSSES, _SHRUGS = "✅✔✓👍💯", "✗✘✖❌❎🚫⛔👎🙅", "🤔🤨🙄🤷🙃😏😉🤥🤪😬"

NEGATION = regex.compile(_NEGATIONS)
_CONTRAST = regex.compile(_CONTRASTS)
_HEDGE = regex.compile(_HEDGES)
_OPEN = regex.compile(_OPEN_NUMBER)
_STARTS_OPEN = regex.compile(rf"""[\s,;:.!()"'|-]*+(?:{_OPEN_START}|{_NEGATIONS})""")
_STARTS_CONTRARY = regex.compile(
    r"""[\s,;:.!()"'>|•-]*+(?:\b(?:but|or|however|unless|except|although|though|maybe|perhaps"""
    r"""|not (?:really|quite|exactly|at all|necessarily|sure)|no(?= *[,.!-])|well)\b)"""
)
_STARTS_AS_I = regex.compile(rf"""[\s,;:.!()"'-]*+{_FIRST_PERSON}""")
_DOES = regex.compile(
    r"\b\p{L}+ (?:does|do|did|is|are|was|were|has|have|can|will|would|should) *(?:indeed|so)?[ .!]*$"
)
_ONLY = regex.compile(_words("only, just, merely, nur, seulement, solo, sólo, soltanto, alleen"))

#: Before an answer: it is supposed, or one of several.
_SUPPOSED = regex.compile(
    _words(
        "if, unless, suppose\\w*, supposing, imagin\\w+, pretend\\w*, were, had, could, might, may, "
        "ought, wish\\w*, tempt\\w*, want\\w* to (?:say|tell|answer|hear|use), instead, rather, than, "
        "before, otherwise, hypothe\\w*, either, alternative\\w*, alternatively, options?, possib\\w*, perhaps, maybe, unlikely, "
        "wrong\\w*, incorrect\\w*, lie, lies, lying, dishonest\\w*, untrue, harsh\\w*, tact\\w*less, rude\\w*, "
        "wenn, falls, würde gern, statt, si, s'il, si no, als ob, se, als, если, бы"
    )
    + r"|如果|假如|もし|만약"
)
#: Before an answer: it is another's, or a thought nobody says.
_OTHERS = regex.compile(
    _words(
        "thinks?, thought, thinking to, believes?, believed, secretly, privately, inwardly, (?:her|him|them|it)sel(?:f|ves), "
        "someone, somebody, anyone, others?, another, critics?, strangers?, naive\\w*, literal, "
        "(?:true|actual|real|private|inner|own) (?:thoughts?|opinion|view|feelings?|quality|state|"
        "verdict|assessment|belief)s?, in reality, in truth, honest truth, denkt, pense, piensa"
    )
)
_HEADING = regex.compile(
    _words(
        "sketch, naive\\w*, rejected, discarded, avoid\\w*, unsaid, unspoken, instead, "
        "(?:first|initial|rough|gut) (?:thoughts?|guess\\w*|attempt|impression|reaction|draft|idea), "
        "wrong\\w*, incorrect\\w*, before, alternative\\w*, option [a-z0-9]"
    )
)
#: In any line before an answer, not only in a heading.
_EXAMPLE = regex.compile(
    _words(
        "examples?, e\\.g, for instance, drafts?, templates?, format, formatted, hypothe\\w*, "
        "beispiel\\w*, exemple, ejemplo, esempio, voorbeeld, entwurf, пример"
    )
    + r"|例えば|例如|示例|草稿"
)

Polarity = Literal["yes", "no"] | None

_YES = {
    *"yes yeah yep yup ja jo oui si sí sim да так tak evet はい ええ 是 是的 对 對 네 예 نعم हाँ हां".split(),
    *"ναι כן true correct right agree known da igen kyllä ano".split(),
}
_NO = {
    *"no nope nah nein non não nao nee нет ні nej nei nie hayır hayir いいえ 不是 否 不 아니요 아니오".split(),
    *"아뇨 لا नहीं όχι לא false incorrect wrong disagree unknown ne nem ei".split(),
}


def polarity(spellings: Iterable[str]) -> Polarity:
    """Whether a choice, by its plain spellings, affirms or denies."""
    words = set(spellings)
    return "yes" if words & _YES else "no" if words & _NO else None


def leaves_choice_open(rest: str, affirms: Polarity) -> bool:
    """Whether what follows a choice in its line contradicts it or holds it back."""
    if "?" in rest or "☐" in rest or _has(rest, _SHRUGS):
        return True
    if _STARTS_AS_I.match(rest) or _CONTRAST.search(rest):
        return True
    if affirms == "yes":
        return bool(
            NEGATION.search(rest) or _HEDGE.search(rest) or _has(rest, _CROSSES)
        )
    if affirms == "no":
        does = _DOES.search(rest) and not (NEGATION.search(rest) or _ONLY.search(rest))
        return bool(does) or _has(rest, _TICKS) or _starts_hedged(rest)
    return bool(_STARTS_OPEN.match(rest) or _OPEN.search(rest)) or _has(rest, _CROSSES)


def _starts_hedged(rest: str) -> bool:
    start = regex.match(r"""[\s,;:.!()"'-]*""", rest)
    return bool(start and _HEDGE.match(rest, start.end()))


def leaves_number_open(rest: str) -> bool:
    """Whether what follows a number in its line makes it a bound or a guess among others."""
    return bool(
        "?" in rest
        or _STARTS_OPEN.match(rest)
        or _OPEN.search(rest)
        or _STARTS_AS_I.match(rest)
        or _has(rest, _SHRUGS + _CROSSES)
    )


def contradicts(line: str) -> bool:
    """Whether the line after an answer's line begins by taking it back."""
    return bool(_STARTS_CONTRARY.match(line))


def _has(text: str, pictures: str) -> bool:
    return not text.isascii() and any(picture in text for picture in pictures)


def withdrawals(text: str, start: int = 0) -> Iterator[int]:
    """Where an answer before is taken back or given anew: "Wait, …", "Correction: …"."""
    for match in _WITHDRAWAL.finditer(text, start):
        first = max(0, match.start() - _REACH)
        near = text[first : match.end()]
        for begins in _BEGINS.finditer(near):
            if begins.end() == match.start() - first and (first == 0 or begins.start()):
                yield match.start()
                break


def said_in_doubt(words: str) -> bool:
    """Whether words before an answer deny it, suppose it, or give it to another."""
    return bool(NEGATION.search(words) or _SUPPOSED.search(words) or _OTHERS.search(words))


def headed_by_doubt(line: str) -> bool:
    """Whether a line says that what follows is a draft, an example or the format."""
    heading = line.rstrip("\"' ").endswith(":") and _HEADING.search(line)
    return bool(heading or _EXAMPLE.search(line))


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
