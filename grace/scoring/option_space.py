"""Whether an option is written behind a space where it follows a text.

"Answer: yes" has one, 答案：是 has none: Chinese, Japanese, Thai, Lao, Khmer, Burmese and some
other scripts are written without spaces between words. What Unicode calls a character says
which script it belongs to.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

#: How the names of characters begin whose scripts are written without spaces between words,
#: and of the full-width forms that go with them. Korean, written with spaces, is not among them.
SPACELESS = (
    "CJK ", "IDEOGRAPHIC ", "HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA", "BOPOMOFO ",
    "FULLWIDTH ", "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ", "TAI ", "NEW TAI ",
    "JAVANESE ", "BALINESE ", "YI ", "TANGUT ", "NUSHU ", "LISU ", "HENTAIGANA ", "LEPCHA ",
)  # fmt: skip
#: Punctuation of these scripts, whose names tell nothing: 、。「」【】〈〉 and others.
CJK_PUNCTUATION = range(0x3000, 0x3040)


@lru_cache(maxsize=4096)
def is_spaceless(character: str) -> bool:
    """Whether a character belongs to writing without spaces between words."""
    return ord(character) in CJK_PUNCTUATION or unicodedata.name(character, "").startswith(
        SPACELESS
    )


def asks_for_space(before: str, option: str) -> bool:
    """Whether the option, behind this text, is written behind a space.

    The first letter of the option tells; one without letters ("3") goes by what is before it.
    """
    letter = next((c for c in option if unicodedata.category(c)[0] == "L"), "")
    return not any(is_spaceless(c) for c in (letter, before[-1:]) if c)
