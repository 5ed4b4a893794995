"""What a tokeniser does not see of a text: characters without a token, differences it drops."""

from __future__ import annotations

from collections.abc import Sequence

#: The flag of prompts with characters that have no token.
UNKNOWN = "unknown_token"
#: No text a tokeniser was made from has them: of private planes, letters, and pictures.
NOBODY_S = (
    ("\U000f1234", "\U000f4321"),
    ("\N{EGYPTIAN HIEROGLYPH D010}", "\N{EGYPTIAN HIEROGLYPH F013}"),
    ("\N{DOMINO TILE HORIZONTAL-03-05}", "\N{DOMINO TILE VERTICAL-06-02}"),
)
#: Texts between which a character is tried; the first whose own characters are known counts.
BETWEEN = (("a", "a"), ("the", ""), ("a", ""), ("I", ""), ("1", ""))
#: Pairs of texts that people tell apart, and in what they differ.
TOLD_APART = {
    "letter case": ("He Did It", "he did it"),
    "accents": ("caf\xe9", "cafe"),
    "line breaks and spaces": ("a\nb", "a b"),
    "one space and several": ("a  b", "a b"),
}


def alike_notice(differences: Sequence[str]) -> str:
    """What to know of a tokeniser to which different texts are the same."""
    return (
        f"this model's tokeniser does not tell texts apart that differ in {', '.join(differences)} "
        "alone: the model reads one and the same prompt, or option"
    )
