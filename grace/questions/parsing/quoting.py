"""What stands around a sentence, and whether by that it is what the speaker says.

"She would never say: …", "A critic would say: …" and "If honesty were all that counted: …" quote
the sentence without saying it. There is no end to such ways, so the few in which it is said in
earnest are known instead: alone, after "NAME would most likely say", after a heading like
"Answer:". Everything else before or after it in its own sentence leaves it in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

from grace.config.matching import Passage
from grace.questions.parsing.phrases import pattern
from grace.questions.parsing.remarks import stray
from grace.questions.parsing.reservations import (
    NEGATION,
    denies_speech,
    frowns,
    headed_by_doubt,
    said_in_doubt,
    supposes,
    turns_against,
)

#: Not a name, though a sentence may begin with it.
_NO_NAME = (
    r"(?!(?:Many|Some|Others?|People|Every\w*|Most|Few|Critics?|You|One|Any\w*|Someone|Somebody"
    r"|Nobody|None|Strangers?|Friends?|Honest\w*|Kind\w*|Polite\w*|Rude\w*|Blunt\w*|Cruel\w*|Tactful"
    r"|Each|All|Both|It|That|This|What|Who|How|Why|When|Where|Whether|Later|Before|After|Earlier"
    r"|Yesterday|Today|Tomorrow|Usually|Sometimes|Often|Once|Never|Not|No|Maybe|Perhaps|Possibly"
    r"|Truth\w*|Lies?|Thoughts?|Thinking|Opinions?|Feelings?|Reality|Notes?|Questions?|Prompt|Goal"
    r"|Context|Examples?|Options?|Alternatives?|Alternatively|Candidates?|Wrong|Bad|Incorrect"
    r"|Negative|Positive|Literal\w*|Direct\w*|Harsh\w*|Listener|User|Me|Draft|First|Initial\w*|Second"
    r"|Suggestions?|Possible|Definitely|Informative|Social|Internal\w*|Inner|Private\w*|Secret\w*"
    r"|An?|The|Would|Could|Should|Might|Can|Will(?= \p{Lu})|Does|Did|Do|Is|Was|Were|Had|Facts?"
    r"|Premises?|Meanings?|Impli\w+|Subtext|Translations?|Paraphras\w+|Plans?"
    r"|Inten\w+|Beliefs?|Mind\w*|Silen\w+|Self\w*|Monologues?|Memor\w+|Warnings?|Unlikely|Taboo"
    r"|Hints?|Background|Scenario|Observations?|Evaluations?|Assessments?|Judge?ments?|Verdicts?"
    r"|Ratings?|Scores?|Reason\w*|Rationale|Explanations?|Analysis|Interpretations?|Actual\w*"
    r"|Real\w*|Tru\w+|Sarcas\w+|Iron\w+|Jok\w+|Tempt\w+|Impulses?|Instinct\w*|Wish\w*|Hop\w+"
    r"|Expect\w+|Fears?|Desires?|Whisper\w*|Mutter\w*|Prior\w*|Previous\w*|Old|Former\w*"
    r"|Original\w*|Status|Given|Conditions?|Hypothe\w+|Cases?|Levels?|Scale|Steps?|Versions?"
    r"|Attempts?|Audience|Asker|Questioner|Hearer|Addressee|Recipient|Customer|Teacher|Baker|Cook"
    r"|Author|Artist|Performer|Narrator|Guests?|Host|Excluded|Ruled|Forbidden|Less|Least|Nice\w*"
    r"|Quality|State|Instead|Either|Or|Unlike|Rejected|Avoid\w*|Without|Don't|Input|Task)\b)"
)
_NAME = rf"{_NO_NAME}\p{{Lu}}[\p{{L}}.-]+"
#: One who speaks, to be compared with who was asked about.
_WHO = rf"(?P<who>{_NAME}(?: {_NAME})?)"
_SUBJECT = rf"(?:(?i:s?he|they|the (?:speaker|friend))|{_WHO})"
_ADVERB = (
    r"(?: (?:most|very|quite|just|then|thus|still|also|instead|therefore"
    r"|(?!(?:hard|bare|scarce|near|rare|secret|private|inward|supposed|possib|unlike|false"
    r"|reluctant|quiet|silent|silly)ly)\w+ly))*"
)
_VERB = (
    r"(?:says?|said|tells?|told|answers?|answered|repl(?:y|ies|ied)|responds?|responded|comments?"
    r"|remarks?|states?|chooses?|chose|picks?|selects?|uses?|goes with|go with|opts? for|phrase it)"
)
_OBJECT = (
    r"(?: (?:to|with|back|that|this|him|her|them|aloud|out loud|something (?:like|such as)"
    rf"|as follows|the (?:following|sentence|words)|{_NAME}))*"
)
_WILL = r"(?: (?:would|will|is going to|would be)|(?:'d|'ll))"
_WOULD = rf"{_WILL}?"
#: Without "would", a verb that is no noun: "Old answer" says nothing.
_SPEAKS = rf"(?!(?:answer|comment|remark|state|use|response|reply|say|tell)\b){_VERB}"
_CHOOSES = (
    rf"(?i:i|we){_WOULD}{_ADVERB} (?:choose|pick|select|answer|go with|opt for)|(?i:i|we) say"
)
_LIKELY = rf" (?:is|would be){_ADVERB} likely to say"
_SAYS = (
    rf"(?:{_SUBJECT}(?:{_ADVERB} {_SPEAKS}|{_WILL}{_ADVERB} {_VERB}|{_LIKELY})|{_CHOOSES}){_OBJECT}"
)
_WORD = (
    r"(?:answer|response|reply|sentence|utterance|statement|choice|comment|feedback|output|result"
    r"|correction|speech|antwort|réponse|respuesta|risposta|resposta|antwoord|ответ|回答|答え|答案)"
)
_ANSWER = (
    rf"(?:(?i:the|my|her|his|their|this)|{_WHO}'s)?"
    r"(?i: ?(?:most |likely |probable |final |best |correct |chosen |kind |polite |corrected "
    rf"|revised |new |one-sentence )*{_WORD})(?: for {_WHO})?(?i: (?:is|would be))?"
    r"(?i:corrected|revised)?"
)
_WHAT = rf"(?i:here(?:'s| is) )?(?i:what|how) {_SUBJECT}{_WOULD}{_ADVERB} {_VERB}(?: is)?"
#: In other languages; a denial between the words is found apart.
_ABROAD = (
    r"(?:\p{L}+ ){1,3}(?i:würde|wird|sagt|sagte|antwortet|dirait|dit|répond|dir[íi]a|dice"
    r"|responde|direbbe|zou|zegt|diria|diz|sagde|siger|säger|скажет|сказал\w*|говорит"
    r"|ответит)(?: \p{L}+){0,2}"
    r"|[\p{Han}\p{Hiragana}\p{Katakana}、，]{1,20}(?:说|說|言う|言います|答える|答えます)"
)
_OPENING = (
    r"(?i:(?:and|but|so|then|thus|therefore|hence|instead|overall|finally|sure|okay|certainly"
    r"|in this case|in conclusion|as a result|i (?:think|believe|guess|would guess)(?: that)?)"
    r"[,!]? *)*"
)
_REASON = (
    r"(?:(?i:because|since|as|to|in order to|given|considering|wanting|being|with|for|out of"
    r"|based on|trying to)\b[^,:\"\n]{1,160}, *(?i:so )?|(?i:to be \w+(?: and \w+)?) )*"
)
_INTRODUCTION = regex.compile(
    rf"\W*{_OPENING}{_REASON}(?:{_SAYS}|{_ANSWER}|{_WHAT}|{_ABROAD}|{_WHO}(?= *:)"
    rf"|(?<=\b(?:and|but|so)\s){_VERB}{_OBJECT}) *[,:]?\W*"
)
_FOLLOWING = regex.compile(
    rf"\W*(?:{_SAYS}|(?i:says?|said|answers|replies) {_SUBJECT}"
    rf"|(?i:is|would be) (?:(?i:what) {_SUBJECT}{_WOULD}{_ADVERB} {_VERB}|{_ANSWER}))?{_OBJECT}"
    r"(?:,? *(?i:because|since|as|so|to|in order to|which|this)\b[^\"\n]*)?\W*"
)
_TOO = regex.compile(
    r"\b(?:too|lie|lies|lying|dishonest|untrue|false|wrong|rude|harsh|unkind|cruel|blunt|hurts?"
    r"|hurting|out of the question|offen\w+|inaccurate|misleading|insult\w*|exaggerat\w+"
    r"|jok\w+|jest|sarcas\w+|iron(?:y|ic\w*)|tease|test)\b"
)
_ORDINAL = regex.compile(r"^\W*[0-9]{1,2}[.)](?= )")
_LETTER, _WORDS = regex.compile(r"\p{L}"), regex.compile(r"\p{L}+")
_CLOSING = regex.compile(r"""(?P<stop>[.!]*)[, ]*["']+""")
_CAPITAL = regex.compile(r"[^\p{L}\n]*+\p{Lu}")
#: Before a sentence: asked, crossed out, not ticked.
_MARKED = regex.compile(r"[0-9] ?%|[?!¬≠~☐☒❌✗✘✖❎🚫⛔👎]")
_STOP = regex.compile(r"[.!?\n]")
_ASKS = regex.compile(r"""[.!"') ]*\?""")
_ASKED = regex.compile(r"""[.!"') ]*[^.!?]{1,60}\?""")
#: On the same line: something in brackets, unless it is a reason or in other letters, a mark,
#: another cell, a share, or a word or number alone.
_REMARK = regex.compile(
    r"""[.!"' ]*(?:\((?!\W*(?:this|it|because|since|as|to|which|that|[0-9] hearts?)\b)"""
    r"""[^)]*[a-z0-9]"""
    r"""|<?[-=]+>?(?= *\p{L})|[←<→⇒➜]|\| *[\p{L}\p{N}✗❌]|[^\n]{0,30}[0-9] ?%"""
    r"""|(?:\p{L}+:? *)?[0-9]+\W*$|(?!end\b|done\b)\p{L}+\W*$)"""
)
_SENTENCE_END = regex.compile(r"(?<!\b(?:[Ii]\.e|[Ee]\.g|cf|viz))[.!?](?=[\s\"')]|$)")
#: A line that leads over to the sentence below it says so.
_LEADS_OVER = regex.compile(
    rf"\b(?:{_WORD}s?|correct|fix|revise|say|says|said|saying|reply|respond|choose|pick)\b"
)
_OPEN_END = regex.compile(r"\b(?:say|says|said|saying|choose|pick)[\"'>, ]*$")
_THAT = regex.compile(
    r"[^\p{L}]*(?:that|this|those|these|it|which|such)(?:'\p{L}+)?"
    r"(?: (?:sentence|answer|statement|one|response|phrase|phrasing|comment|remark|utterance))? ?\b"
)
#: Who says it, after a quote that ends in a mark: "It was amazing!" Diego would say.
_SAID_BY = regex.compile(
    r"[^\p{L}]*(?P<who>(?!s?he\b|they\b|i\b|we\b|it\b|the\b)\p{L}+)"
    rf"(?: \p{{L}}+)?{_WILL}?(?: \w+ly)* {_VERB}\b[^\p{{L}}]*$"
)
_JUDGED = regex.compile(rf"{_THAT.pattern}|{_SAID_BY.pattern}")
_PURPOSE = pattern("purposes")
#: Said otherwise than aloud, to whoever asked.
_ASIDE = regex.compile(
    r"\b(?:sooner|behind|private\w*|(?:her|him|them)sel(?:f|ves)|laugh\w*|dare|only if|another"
    r"|example|the other way|reverse|opposite|instead of (?:that|this)|would say it|'d say it)\b"
)
_APPROVED = pattern("approvals")
#: What a kind sentence is not.
_EXCUSES = regex.compile(
    r"\b(?:without|rather than|instead of|avoid\w*|not only|(?:is|are)(?:n't| not)|not"
    r"|while(?: also)? not|(?:does|do|would)(?:n't| not))(?: \p{L}+){0,3}? "
    r"(?:\w*lie|lying|dishonest|rude|harsh\w*|hurt\w*|untrue|false|crush\w*|unkind|cruel|blunt"
    r"|offend\w*|negative|critical|insult\w*|too \w+)\b"
)
_SENTENCE = regex.compile(r"[^.!?\n]+")
_QUOTES = str.maketrans(dict.fromkeys("‘’ʼ", "'") | dict.fromkeys("“”„«»", '"') | {"：": ":"})


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a sentence.

    `lead` goes before it in its own sentence and `heading` before that; `prose` says that other
    sentences stand before it on its line, `quoted` that it stands in quotes. `tail` goes on
    after it in its own sentence, `after` is the rest up to the next such sentence. `lead` and
    `tail` are as they were written, for the names in them.
    """

    lead: str
    heading: str
    prose: bool
    quoted: bool
    tail: str
    after: str

    @classmethod
    def of(cls, answer: Passage, before: int, span: tuple[int, int], end: int) -> Around:
        """What is around the sentence at `span`, between the one before and the one after."""
        start, stop = span
        earlier = answer.plain[before:start]
        line = earlier.rsplit("\n", 1)[-1]
        pieces = _SENTENCE_END.split(_ORDINAL.sub(lambda m: " " * len(m[0]), line))
        lead = pieces[-1]
        heading = ""
        if len(pieces) > 1 and _ends_with(line, lead, "?"):
            heading = pieces[-2] + "?"
        elif len(pieces) == 1 and not _LETTER.search(lead):
            lines = [one.strip() for one in earlier.split("\n")[:-1] if one.strip(" \t>•*-|\"'")]
            heading = _heading(lines[-1] if lines else "", earlier, line)
        words = _WORDS.findall("".join(pieces[:-1]))
        quoted = earlier.rstrip().endswith(('"', "'"))
        tail, after = _divide(answer.cut(stop, end))
        shown = answer.shown[start - len(lead) : start].translate(_QUOTES)
        return cls(shown, heading, len(words) > 2, quoted, tail, after)


def _heading(last: str, earlier: str, line: str) -> str:
    """The last line before, if it leads over to this one: it asks, or does not end there."""
    if last.rstrip("\"' ").endswith((":", "?", "...")):
        return last
    joined = earlier[: len(earlier) - len(line) - 1].rpartition("\n")[2].strip()
    return last if joined and _OPEN_END.search(last) else ""


def _ends_with(line: str, lead: str, mark: str) -> bool:
    return line[: len(line) - len(lead) + 1].rstrip("\"' ").endswith(mark)


def _divide(rest: Passage) -> tuple[str, str]:
    """What goes on after a sentence: to the end of what it stands in, and later.

    After a quote that ends a sentence, a capital letter begins another one.
    """
    closing = _CLOSING.match(rest.plain)
    if closing is None:
        return "", rest.plain
    start = closing.end()
    if closing["stop"] and _CAPITAL.match(rest.shown, start):
        return "", rest.plain[start:]
    end = _STOP.search(rest.plain, start)
    place = end.start() if end else len(rest.plain)
    return rest.shown[start:place].translate(_QUOTES), rest.plain[place:]


def doubted(around: Around, *, affirmed: bool, speaker: str = "") -> bool:
    """Whether the sentence is quoted, supposed or denied rather than said by the speaker."""
    if speaker and _by_another(around, speaker):
        return True
    lead = _LETTER.search(around.lead)
    if around.prose and not around.quoted and not lead:
        return True
    return bool(
        _heading_doubts(around.heading)
        or (not affirmed if lead else _MARKED.search(around.lead))
        or _tail_doubts(around.tail)
        or _after_doubts(around.after)
    )


def _by_another(around: Around, speaker: str) -> bool:
    """Whether it is said by, or stands under the name of, another than the speaker."""
    own = {word.strip(".") for word in speaker.casefold().split()}
    names: list[str] = []
    for found in (_INTRODUCTION.fullmatch(around.lead), _FOLLOWING.fullmatch(around.tail)):
        names += found.captures("who") if found else []
    first = _SENTENCE.search(around.after)
    if first and (said := _SAID_BY.match(first[0])):
        names.append(said["who"])
    return any(own.isdisjoint(name.casefold().split()) for name in names)


def affirmed(around: Around) -> bool:
    """Whether the words before the sentence plainly say that it is what is said."""
    lead = around.lead
    if not _LETTER.search(lead) or "?" in lead or not _INTRODUCTION.fullmatch(lead):
        return False
    plain = lead.lower()
    return not (supposes(plain) or headed_by_doubt(plain) or denies_speech(plain))


def set_aside(around: Around) -> bool:
    """Whether the words before the sentence say that it is not, or not quite, what is said."""
    words = f"{around.heading} {around.lead.lower()}"
    return said_in_doubt(words) or supposes(words)


def _heading_doubts(heading: str) -> bool:
    """A line before the sentence must lead over to it, if it does not end in a full stop."""
    if not _LETTER.search(heading):
        return False
    if said_in_doubt(heading) or headed_by_doubt(heading):
        return True
    return heading.rstrip("\"' ").endswith(":") and not _LEADS_OVER.search(heading)


def _tail_doubts(tail: str) -> bool:
    if not _LETTER.search(tail):
        return "?" in tail or frowns(tail)
    plain = tail.lower()
    return (
        not _FOLLOWING.fullmatch(tail)
        or said_in_doubt(plain)
        or bool(_TOO.search(plain))
        or frowns(tail)
    )


def _no_reason(sentence: str) -> bool:
    """Whether a sentence after the asked one gives no reason for its being said."""
    if not _LETTER.search(sentence) or _SAID_BY.match(sentence):
        return False
    if not _THAT.match(sentence):
        return not _PURPOSE.search(sentence) or bool(_ASIDE.search(sentence))
    rest = _EXCUSES.sub("", sentence)
    denied = _TOO.search(rest) or NEGATION.search(rest) or said_in_doubt(rest)
    return bool(denied) or not _APPROVED.search(sentence)


def _after_doubts(after: str) -> bool:
    line = after.split("\n", 1)[0]
    if any(_no_reason(sentence[0]) for sentence in _SENTENCE.finditer(after)):
        return True
    asks = _ASKS.match(after) or _ASKED.match(line)
    odd = stray(after, known=_JUDGED) is not None
    return bool(turns_against(after) or odd or asks or _REMARK.match(line) or frowns(line))
