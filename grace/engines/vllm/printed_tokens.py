r"""How servers print a token as text, and which texts a token so printed may begin.

A token of a byte-level tokeniser may be a part of a character. Servers print such a token as
"�" (SGLang, Ollama, llama.cpp, vLLM), as nothing (older vLLM), as escapes ("\xf0\x9f", OpenAI's
"bytes:\xf0\x9f"), as the tokeniser's own letters ("ðŁ", "Ġyes") or byte by byte ("<0xF0>").
A tokeniser of the SentencePiece kind may put a space before a word, which is printed as "▁", as a
space or not at all. Where it is not certain what a print stands for, every reading counts: what
may begin a text is counted among what may, and a bound holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

#: Stands for a part of a character that could not be printed.
BROKEN = "\N{REPLACEMENT CHARACTER}"
#: How tokenisers write what they do not know.
UNKNOWN = ("<unk>", "[unk]", "<|unk|>", "⁇")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})|<0x([0-9a-fA-F]{2})>")
_WRAPPED = re.compile(r"""bytes:(.*)|b'(.*)'|b"(.*)\"""", re.DOTALL)


class Reading(NamedTuple):
    """What a printed token may be: bytes, and whether unknown ones of a character follow."""

    head: bytes
    cut: bool = False


@lru_cache(maxsize=4096)
def readings(token: str) -> frozenset[Reading]:
    """Everything that a printed token may stand for."""
    found = {_as_text(token), _as_text(token.replace("▁", " "))}
    if token.strip().lower() in UNKNOWN:  # stands for whatever has no token
        found.add(Reading(b""))
    wrapped = _WRAPPED.fullmatch(token)
    inner = next((part for part in wrapped.groups() if part is not None), "") if wrapped else token
    if _ESCAPE.search(inner):
        found.add(Reading(_unescaped(inner)))
    letters = _letters()
    if token and all(letter in letters for letter in token):
        found.add(Reading(bytes(letters[letter] for letter in token)))
    return frozenset(found)


@lru_cache(maxsize=65536)
def may_begin(token: str, text: str, *, cased: bool = False) -> bool:
    """Whether a printed token may be the first token of a text.

    A space before either of them is no difference, and neither is Unicode's normal form: a
    tokeniser may change both, and some that are not made of bytes (`cased`) know no capitals.
    """
    targets = _targets(text) if cased else _targets(text) | _targets(_plain(text))
    return any(_begins(reading, target) for reading in readings(token) for target in targets)


def shows_parts(token: str) -> bool:
    """Whether a print can only be a part of a character: then tokens are made of bytes.

    Such a tokeniser puts no space of its own before a text. A byte printed alone ("<0xF0>") is
    the makeshift of the other kind.
    """
    if _ESCAPE.search(token) and "<0x" in token:
        return False
    return BROKEN in token or bool(_SURROGATE.search(token)) or "Ġ" in token or _escaped_part(token)


def _escaped_part(token: str) -> bool:
    if "\\x" not in token:
        return False
    inner = token.removeprefix("bytes:")
    try:
        _unescaped(inner).decode()
    except UnicodeDecodeError:
        return True
    return False


def _begins(reading: Reading, target: bytes) -> bool:
    head = reading.head.lstrip(b" ")
    if not head:  # nothing was shown of it, or a space alone
        return not reading.cut or any(byte >= 0x80 for byte in target)
    if not target.startswith(head):
        return False
    rest = target[len(head) :]
    return not reading.cut or (bool(rest) and rest[0] >= 0x80)


@lru_cache(maxsize=4096)
def _targets(text: str) -> frozenset[bytes]:
    """The bytes of a text in every normal form, without a space at its beginning."""
    forms = {text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC"))}
    return frozenset(form.encode("utf-8", "surrogatepass").lstrip(b" ") for form in forms)


def _plain(text: str) -> str:
    """In small letters without marks, as BERT's tokeniser has it."""
    parts = unicodedata.normalize("NFD", text.lower())
    return "".join(part for part in parts if unicodedata.category(part) != "Mn")


def _as_text(token: str) -> Reading:
    head, broken, _ = _SURROGATE.sub(BROKEN, token).partition(BROKEN)
    return Reading(head.encode(), bool(broken))


def _unescaped(text: str) -> bytes:
    def parts() -> Iterator[bytes]:
        at = 0
        for match in _ESCAPE.finditer(text):
            yield text[at : match.start()].encode("utf-8", "surrogatepass")
            yield bytes.fromhex(match[1] or match[2])
            at = match.end()
        yield text[at:].encode("utf-8", "surrogatepass")

    return b"".join(parts())


@lru_cache(maxsize=1)
def _letters() -> dict[str, int]:
    """The letters by which byte-level tokenisers write bytes in their vocabularies (GPT-2's)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {chr(byte): byte for byte in plain}
    return letters | {chr(256 + n): byte for n, byte in enumerate(others)}
