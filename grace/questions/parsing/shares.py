"""Percentages that are only known together: as fractions, as decimals, or with three decimals."""

from __future__ import annotations

from fractions import Fraction

from grace.config import ParserSpec, SumCheck
from grace.questions.parsing.one_field import THOUSANDS, Reading, says_more
from grace.questions.parsing.places import Key, Places
from grace.questions.parsing.prefix import CUT
from grace.questions.parsing.tokens import Share, share


def read_shares(
    check: SumCheck, spec: ParserSpec, found: dict[str, Reading], places: dict[Key, Places]
) -> dict[str, Reading]:
    """Percentages said as fractions or decimals, or with a decimal comma.

    Only all of them together, and only if they sum to one (or, with their signs, to the total):
    then no other reading is possible. Nothing is rescaled that does not add up.
    """
    if check.total != 100 or any(spec.fields[n].type != "percent" for n in check.sum):
        return {}
    shares: dict[str, Share] = {}
    for name in check.sum:
        own = places.get(spec.fields[name].place) or Places()
        if len(own.firm) != 1 or own.doubtful or own.taken_back:
            return {}
        (part,) = own.firm.values()
        text = part.plain.strip(" \n\"'(")
        one = share(text)
        if one is None or CUT in text or says_more(spec.fields[name], text[one.end :]):
            return {}
        shares[name] = one
    total = sum((one.value for one in shares.values()), Fraction(0))
    tolerance = Fraction(check.tolerance) / 100
    if all(one.percent for one in shares.values()):
        factor = 1 if abs(total - 100) <= 100 * tolerance else 0
    else:
        plain = not any(one.percent and one.value for one in shares.values())
        parts = any(not one.whole for one in shares.values())
        factor = 100 if plain and parts and abs(total - 1) <= tolerance else 0
    if not factor:
        return {}
    return {
        name: Reading(float(one.value * factor), "", tokens=found[name].tokens)
        for name, one in shares.items()
    }


def whole_shares(
    check: SumCheck, spec: ParserSpec, found: dict[str, Reading]
) -> dict[str, Reading]:
    """Percentages of which the sum says what they are.

    "1.000%" may be one or a thousand, and in "0: 0.2%, 1: 0.8%" the signs may be a slip. So the
    first is read only where all sum to the total, and nothing where all sum to one.
    """
    names = [name for name in check.sum if spec.fields[name].type == "percent" and name in found]
    said = {name: found[name].tokens[0] for name in names if len(found[name].tokens) == 1}
    if check.total != 100 or len(said) < len(check.sum):
        return {}
    total = sum(float(token.value) for token in said.values())
    if abs(total - 100) <= check.tolerance + 1e-9:
        return {
            name: Reading(float(token.value), "", tokens=(token,))
            for name, token in said.items()
            if token.thousands and token.marked and found[name].problem == THOUSANDS
        }
    if abs(total - 1) <= check.tolerance / 100 + 1e-9:
        return {
            name: Reading(problem="in doubt", found=(token.shown,), tokens=(token,))
            for name, token in said.items()
        }
    return {}
