"""What stands around a sentence, and whether by that it is what the speaker says.

"She would never say: …" and "If honesty were all that counted: …" quote the sentence without
saying it. Only a few ways of introducing or following it are known to say it in earnest; with
others, and with every word that denies or supposes, it is in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

from grace.parsing.passage import Passage
from grace.parsing.reservations import frowns, headed_by_doubt, said_in_doubt

_SAYING = (
    r"(?:say|says|said|saying|tell|tells|telling|answer\w*|repl(?:y|ies|ied)|respond\w*|response"
    r"|comment\w*|remark\w*|states?|choos\w+|choice|chose|picks?|goes with|go with|uses?|utters?"
    r"|writes?|sentence|statement|utterance|output|feedback|offers?|put it|phrase it"
    r"|sag\w*|würde|antwort\w*|dire|dirait|dit|dirais|répon\w+|dir[íi]a|dice|decir|respond\w*|direbbe"
    r"|zou|zegt|zeggen|diria|сказал\w*|скаж\w*|ответ\w*)"
)
#: The sentence's introduction, up to its quote or colon.
_INTRODUCED = regex.compile(
    rf"""\b{_SAYING}\b(?: +[\w'.-]+){{0,5}} *[,:]? *["'(]*\s*$|言|说|回答|答え|말"""
)
_DENIES_SPEECH = regex.compile(
    r"\b(?:say|tell|answer|use|admit|choose|pick|be|go with)(?: +[\w']+){0,3} *[,:]?\W*$"
)
_INTERJECTION = regex.compile(r"""(?:\W*\w+){0,3}\W*""")
_HEADING = regex.compile(r"""[^:]{1,60}:\W*$""")
_CLAUSE = regex.compile(
    rf"(?:(?:and|but|so|then|thus|therefore|hence|instead|i (?:think|believe|guess)) +)*"
    rf"(?:[\w'.-]+ +){{1,3}}(?:would|will|is going to|'d|is likely to|\w+s)\b(?: +\w+){{0,3}} +"
    rf"{_SAYING}|(?:and|but|so|then|thus|therefore)? *(?:[\w'-]+ +){{1,3}}{_SAYING}"
)
#: What may go on after the closing quote: who says it, or why.
_FOLLOWED = regex.compile(
    r"""[\s"')\]]*(?:$|[.!;(-]"""
    r"""|[,]?\s*(?:[\w'.-]+ +){1,4}(?:most +|very +)?(?:likely +|probably +)?"""
    rf"""{_SAYING}\b"""
    r"""|[,]?\s*(?:because|since|as|to|so|in order|for|which|this|that|is|would be|and|with|given"""
    r"""|while|by)\b|[,]?\s*$)"""
)
_TOO = regex.compile(
    r"\b(?:too|lie|lies|lying|dishonest|untrue|false|wrong|rude|harsh|unkind|cruel|blunt|hurt\w*"
    r"|off the table|out of the question|offen\w+|inaccurate|misleading|insult\w*|mean"
    r"|exaggerat\w+|discourag\w+|devastat\w+|crush\w*|inappropriate|unlikely"
    r"|what (?:not|he thinks|she thinks))\b"
)
#: Later sentences that deny what was quoted.
_DENIED = regex.compile(
    r"(?:n't|\b(?:not|never|cannot|no one|nobody|no +\w+)\b)(?: +\w+){0,2} +(?:say|tell|answer"
    r"|admit|use|mean|utter|choose|put)(?: +\w+){0,2} +(?:that|this|so|it|these)"
    r"(?= *(?:$|[.!,;)\n]|to |aloud|out ))"
    r"|\b(?:that|this|it|which)(?:'s| +is| +was| +would +be| +seems| +sounds| +would| +might +be)"
    r"(?: +\w+){0,2} +(?:not +what|a +lie|lying|dishonest|untrue|false|wrong|rude|too +\w+|harsh"
    r"|unkind|cruel|hurt\w*|what +\w+ +(?:thinks?|feels?|believes?|fears?)|the +truth|out)"
    r"|\b(?:that|this|it)(?:'s| +is| +was)? *(?:is|was|would be)?n't +what\b"
    r"|\b(?:says?|saying|said|say) +(?:nothing|something (?:else|different|nicer|kinder))"
    r"|\b(?:stays?|remains?|keeps?|be|stay) +(?:\w+ +)?(?:silent|quiet)\b|\bnothing +at +all\b"
    r"|\b(?:declines?|refuses?) +to +(?:say|answer|comment)\b|\bkeeps? +(?:it|that|this) +to\b"
)
#: A new sentence, or a line of several words, that turns against the one before.
_TURNS = regex.compile(
    r"""[ "')>•.!,;-]*(?:\n[\s>•"'(-]*(?=[^.!?\n]* \w+ [^.!?\n]*\w))?"""
    r"(?:but|however|yet|or|nor|not|no(?= *[.,!;-])|instead|rather|actually|wait|except|although"
    r"|though|unless|sorry|oops|just kidding|alternatively|otherwise|if|maybe|perhaps)\b"
)
_SUPPOSES = regex.compile(
    r"\b(?:if|unless|suppos\w+|imagin\w+|were|had|could|might|thinks?|believes?|wenn|falls"
    r"|si|instead|rather|than)\b"
)
_LETTER, _WORDS = regex.compile(r"\p{L}"), regex.compile(r"\p{L}+")
_I_THINK = regex.compile(r"\bi (?:think|believe|guess)\b")
_CLOSING = regex.compile(r"""(?P<stop>[.!]*)[, ]*["']+""")
_CAPITAL = regex.compile(r"[^\p{L}\n]*+\p{Lu}")
_STOP = regex.compile(r"[.!?\n]")
_ASKS = regex.compile(r"""[.!"') ]*\?""")
_SENTENCE_END = regex.compile(r"[.!?](?=[\s\"')]|$)")


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a sentence.

    `lead` goes before it in its own sentence, `question` or `heading` before that; `prose` says
    that other sentences stand before it on its line, `quoted` that it stands in quotes. `tail`
    goes on after it in its own sentence, `after` is the rest up to the next such sentence.
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
        text = answer.plain
        earlier = text[before:start]
        line = earlier.rsplit("\n", 1)[-1]
        pieces = _SENTENCE_END.split(line)
        lead = pieces[-1]
        heading = ""
        if len(pieces) > 1 and _ends_with(line, lead, "?"):
            heading = pieces[-2]
        elif len(pieces) == 1 and not _LETTER.search(lead):
            lines = [one.strip() for one in earlier.split("\n")[:-1] if one.strip(" \t>•*-|\"'")]
            heading = _heading(lines[-1] if lines else "", earlier, line)
        words = _WORDS.findall("".join(pieces[:-1]))
        quoted = earlier.rstrip().endswith(('"', "'"))
        tail, after = _divide(answer.cut(stop, end))
        return cls(lead, heading, len(words) > 2, quoted, tail, after)


def _heading(last: str, earlier: str, line: str) -> str:
    """The last line before, if it leads over to this one: it asks, or does not end there."""
    if last.rstrip("\"' ").endswith((":", "?", "...")):
        return last
    joined = earlier[: len(earlier) - len(line) - 1].rpartition("\n")[2].strip()
    return last if joined and len(last.split()) > 2 and last[-1] not in ".!" else ""


def _ends_with(line: str, lead: str, mark: str) -> bool:
    return line[: len(line) - len(lead)].rstrip("\"' ").endswith(mark)


def _divide(rest: Passage) -> tuple[str, str]:
    """What goes on after a sentence: to the end of what it stands in, and later.

    After a quote that ends a sentence, a capital letter begins another one.
    """
    closing = _CLOSING.match(rest.plain)
    if closing is None:
        return "", rest.plain
    begins = _CAPITAL.match(rest.shown, closing.end())
    if closing["stop"] and begins:
        return "", rest.plain[closing.end() :]
    return _rest_of_sentence(rest.plain, closing.end())


def _rest_of_sentence(rest: str, start: int) -> tuple[str, str]:
    end = _STOP.search(rest, start)
    place = end.start() if end else len(rest)
    return rest[start:place], rest[place:]


def doubted(around: Around) -> bool:
    """Whether the sentence is quoted, supposed or denied rather than said."""
    if said_in_doubt(around.heading) or headed_by_doubt(around.heading):
        return True
    if around.prose and not around.quoted and not _LETTER.search(around.lead):
        return True
    return _lead_doubts(around.lead) or _tail_doubts(around.tail) or _after_doubts(around.after)


def affirmed(around: Around) -> bool:
    """Whether the sentence is plainly introduced as what is said."""
    return bool(_INTRODUCED.search(around.lead)) and not doubted(around)


def _lead_doubts(lead: str) -> bool:
    if not _LETTER.search(lead):
        return "?" in lead
    if headed_by_doubt(lead) or "?" in lead:
        return True
    lead = _I_THINK.sub("", lead)
    clauses = lead.rstrip("\"' ,:").split(",")
    last = clauses[-1].strip()
    scope = last if len(clauses) > 1 and _CLAUSE.match(last) else lead
    if said_in_doubt(scope) or (scope is not lead and _supposes(lead)):
        return True
    return not (_INTRODUCED.search(lead) or (_HEADING.match(lead) and len(lead.split()) <= 6))


def _supposes(lead: str) -> bool:
    return bool(_SUPPOSES.search(lead))


def _tail_doubts(tail: str) -> bool:
    if not _LETTER.search(tail):
        return "?" in tail or frowns(tail)
    known = _FOLLOWED.match(tail)
    return not known or said_in_doubt(tail) or bool(_TOO.search(tail)) or frowns(tail)


def _after_doubts(after: str) -> bool:
    first = after.split("\n", 1)[0]
    return bool(_TURNS.match(after) or _ASKS.match(after) or _DENIED.search(after) or frowns(first))
